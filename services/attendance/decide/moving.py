"""A session at another time: the slot that it leaves is cancelled and the new one booked, in one decision."""

import msgspec

from services.attendance.decide.course import Course
from services.attendance.decide.making_up import OTHER_WEEK, is_of_its_week
from services.attendance.decide.marks import PAUSED, STAY_OVER
from services.attendance.decide.replanning import held
from services.attendance.decide.reporting import named
from services.attendance.decide.sessions import MOVED, cancelled, closed_for, scheduled
from services.attendance.messages import Emits, MoveSession
from services.attendance.record import MINUTES_MOST, Session, minute_of, where_it_went
from services.attendance.settings import Settings
from services.attendance.state import State
from shared.rules.decision import Moment, Refused

PLACE = "Appointment.start"
WHOLE_MINUTES = Refused("business-rule", "Must be a whole minute.", PLACE)
ANOTHER_LENGTH = Refused(
    "business-rule",
    "Must be as long after start as planned: a session moves whole. One that the EHR booked may have 1 to 720 minutes.",
    "Appointment.end",
)
NOT_PLANNED = Refused(
    "conflict", "Only a planned session moves: one that was called off is put as booked at its own time first.", PLACE
)
BEGUN = Refused("conflict", "A session that has begun does not move: report who was there, or cancel it.", PLACE)
NOT_AHEAD = Refused("business-rule", "Must be in the future.", PLACE)
TOO_FAR = Refused("business-rule", "Must be within the days that are booked (book_days).", PLACE)
CLOSED = Refused("conflict", "The program is closed on this day (calendar of program.toml): choose another.", PLACE)
TWO_ROOMS = Refused("conflict", "The patient has another session then: choose another time, or cancel that one.", PLACE)
LEFT = Refused("conflict", "Another session was moved away from this time, and is named by it: choose another.", PLACE)


def moved(state: State, command: MoveSession, moment: Moment[Settings]) -> list[Emits] | Refused:
    """Nothing where it is held then already. The slot that it leaves counts against nobody, and what is reported of it
    afterwards is about the session where it went (`reporting.named`)."""
    sessions = named(state, (command.session_id,), moment.now, moment, f"Appointment/{command.session_id}")
    if isinstance(sessions, Refused):
        return sessions
    course, session = Course(state, moment), sessions[0]
    if command.start.second or command.start.microsecond:
        return WHOLE_MINUTES
    there = _there(course, session, command)
    if there is None:
        return ANOTHER_LENGTH
    if (there.minute, there.length) == (session.minute, session.length):
        return []
    if (refused := _may_leave(course, session) or _may_be_held(course, session, there)) is not None:
        return refused
    if there.minute == session.minute:
        longer = msgspec.structs.replace(session, length=there.length)
        course.change([longer], [scheduled(course.episode, longer)], MOVED)
        return course.emitted
    left = msgspec.structs.replace(session, mark="moved", deferred_until=0, stated=str(there.minute))
    events: list[Emits] = [cancelled(course.episode, left, MOVED), scheduled(course.episode, there)]
    course.change([left, there], events, MOVED)
    return course.emitted


def _there(course: Course, session: Session, command: MoveSession) -> Session | None:
    """Where it is held instead; None where it would be longer or shorter, which only what the EHR booked may be."""
    there = Session(minute_of(command.start), session.slot, length=session.length, makes_up=session.makes_up)
    if command.end in (None, course.episode.end(there)):
        return there
    seconds = int((command.end - command.start).total_seconds())
    if not course.episode.is_by_itself(session) or seconds % 60 or not 0 < seconds <= MINUTES_MOST * 60:
        return None
    minutes, planned = seconds // 60, course.episode.template[session.slot].minutes
    return msgspec.structs.replace(there, length=0 if minutes == planned else minutes)


def _may_leave(course: Course, session: Session) -> Refused | None:
    if course.episode.is_over:
        return STAY_OVER
    if course.episode.is_paused_for(session):
        return PAUSED
    if session.outcome != "planned":
        return NOT_PLANNED
    return BEGUN if session.start <= course.moment.now else None


def _may_be_held(course: Course, session: Session, there: Session) -> Refused | None:
    episode, now = course.episode, course.moment.now
    if there.start <= now:
        return NOT_AHEAD
    if there.start >= episode.booked_until:
        return TOO_FAR
    if closed_for(there, course.moment.settings):
        return CLOSED
    if not is_of_its_week(course, there):
        return OTHER_WEEK
    sessions = course.state.sessions
    if any(each.place == there.place and where_it_went(each, sessions) not in (each, session) for each in sessions):
        return LEFT
    others = (each for each in held(sessions) if each.place != session.place)
    return TWO_ROOMS if any(episode.overlap(there, each) for each in others) else None
