"""A session that makes up a miss: its hours count where it is held, and the miss stays one (domain 3.1)."""

from datetime import datetime

import msgspec

from services.attendance.decide.course import Course
from services.attendance.decide.replanning import held
from services.attendance.decide.reporting import named
from services.attendance.decide.sessions import MAKE_UP, without_presence
from services.attendance.messages import Emits, MakeUpMiss
from services.attendance.payers import PayerWeek
from services.attendance.record import Session, sessions_named, where_it_went
from services.attendance.settings import Settings
from services.attendance.state import State
from services.attendance.weeks import week_around
from shared.rules.decision import Moment, Refused

PLACE = "Appointment.supportingInformation"
NO_MISS = Refused("business-rule", "Must be the Appointment of a session that this patient missed.", PLACE)
OTHER_CONTENT = Refused("business-rule", "A make-up must be of the same kind as the session that was missed.", PLACE)
OTHER_WEEK = Refused("business-rule", "A make-up must be held in the same week as the session that was missed.", PLACE)
MADE_UP = Refused("conflict", "Another session makes this miss up already: cancel that one first.", PLACE)
OWED = Refused(
    "conflict", "The program planned this session anyway: a make-up is a session beside those of the week.", PLACE
)


def made_up(state: State, command: MakeUpMiss, moment: Moment[Settings]) -> list[Emits] | Refused:
    """Of one that is booked already."""
    about = f"Appointment/{command.session_id}"
    sessions = named(state, (command.session_id,), moment.now, moment, about)
    if isinstance(sessions, Refused):
        return sessions
    course = Course(state, moment)
    return link(course, sessions[0], command.missed_id) or course.emitted


def link(course: Course, session: Session, missed_id: str) -> Refused | None:
    """Known of the session from then on. Nothing where it makes that one up already, whatever became of the miss."""
    if session.makes_up and course.episode.session_id(_miss(session)) == missed_id:
        return None
    if not course.episode.is_by_itself(session):
        return OWED
    now = making_up(course, session, course.episode.template[session.slot].kind, missed_id)
    if isinstance(now, Refused):
        return now
    if now != session:
        course.change([now], [] if now.presences else [without_presence(course.episode, now)], MAKE_UP)
    return None


def making_up(course: Course, session: Session, kind: str, missed_id: str) -> Session | Refused:
    """The session, booked already or not, as one that makes up this miss."""
    missed = _missed(course, missed_id, session.start)
    if missed is None or missed.place == session.place:
        return NO_MISS
    if kind != course.episode.template[missed.slot].kind:
        return OTHER_CONTENT
    now = msgspec.structs.replace(session, makes_up=missed.place)
    if not is_of_its_week(course, now):
        return OTHER_WEEK
    others = (each for each in held(course.state.sessions) if each.place != session.place)
    return MADE_UP if any(each.makes_up == missed.place for each in others) else now


def is_of_its_week(course: Course, session: Session) -> bool:
    """Whether it is held in the payer's week of the miss that it makes up; also where it makes up none."""
    return not session.makes_up or _week(course, session) == _week(course, _miss(session))


def _missed(course: Course, missed_id: str, near: datetime) -> Session | None:
    sessions = course.state.sessions
    found = [where_it_went(each, sessions) for each in sessions_named(course.episode, sessions, (missed_id,), near)]
    return next((each for each in found if each.counts_as_missed), None)


def _miss(session: Session) -> Session:
    minute, slot = session.makes_up
    return Session(minute, slot)


def _week(course: Course, session: Session) -> PayerWeek:
    return week_around(course.state, session.start, course.moment.settings)
