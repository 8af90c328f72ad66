"""What the Appointment of a session, or the patient's answer to it, reports: cancelled, called off, arrived, missed."""

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import assert_never

import msgspec

from services.attendance.decide.course import Course
from services.attendance.decide.replanning import held
from services.attendance.decide.reporting import named, own_encounter
from services.attendance.decide.sessions import closed_for, planned, undecided, without_presence
from services.attendance.messages import (
    AcceptSession,
    AttendanceCorrected,
    CallOffSession,
    CancelSession,
    CheckInWithdrawn,
    Coding,
    ConfirmAttendance,
    Emits,
    MarkMissed,
    OfOneSession,
    ReinstateSession,
    SessionAttended,
    SessionCheckedIn,
    WithdrawBooking,
)
from services.attendance.record import BY_A_PERSON, BY_THE_GROUP, LATE, NOT_OWED, PRESENT, Mark, Session
from services.attendance.settings import Settings
from services.attendance.state import State
from shared.rules.decision import Moment, Refused

PLACE = "Appointment.status"
NOT_COUNTED = Refused(
    "not-supported", "An Appointment does not report presence in this program: send an Encounter.", PLACE
)
NOT_YET = Refused("business-rule", "Must not be reported before the session (early_arrival_minutes).", PLACE)
NOT_BEGUN = Refused("conflict", "Only a planned session that has begun can be marked as missed.", PLACE)
HELD = Refused("conflict", "This session was attended: PUT its Encounter as entered-in-error first.", PLACE)
MISSED = Refused(
    "conflict",
    "Only an excused or called-off session is booked again; correct a held or missed one by its Encounter.",
    PLACE,
)
STAY_OVER = Refused("conflict", "The episode has ended: no session of it is booked again.", PLACE)
PAUSED = Refused("conflict", "The stay is paused, for the patient is treated elsewhere: no session is booked.", PLACE)
ANOTHER_WEEK = Refused("conflict", "Another week is planned since, of which this session is none.", PLACE)
CLOSED = Refused(
    "conflict", "The program is closed on this day (calendar of program.toml): take the line out first.", PLACE
)
TWO_ROOMS = Refused(
    "conflict", "The patient has another session at this time by now: cancel or move that one first.", PLACE
)
NOT_BOOKED = Refused("conflict", "The program planned this session: put it as cancelled, with its reason.", PLACE)
OFF_FOR_ALL = Refused("conflict", "The group's session is called off: PUT its Slot as free or busy first.", PLACE)
SETTLED: frozenset[Mark] = frozenset({"excused", "declined", "off", *NOT_OWED})
"""It is agreed that the patient does not come."""
TakesBack = CancelSession | CallOffSession | WithdrawBooking
"""Of a session for which a group is still asked for a seat: it is needed no more."""


def marked(state: State, command: OfOneSession, moment: Moment[Settings]) -> list[Emits] | Refused:
    sessions = named(state, (command.session_id,), moment.now, moment, f"Appointment/{command.session_id}")
    if isinstance(sessions, Refused):
        return sessions
    course, session = Course(state, moment), sessions[0]
    now = _after(course, session, command)
    if isinstance(now, Refused):
        return now
    if now != session:
        course.change([now], _events(course, session, now, _stated(command)), _reason(now))
    return course.emitted


def excuse(course: Course, session: Session) -> None:
    """A person found the reason: the miss counts no more, whatever its Appointment says of it later."""
    now = msgspec.structs.replace(session, mark="excused", stated=BY_A_PERSON)
    course.change([now], _events(course, session, now), _reason(now))


def _after(course: Course, session: Session, command: OfOneSession) -> Session | Refused:
    """The session as it is known after this, the same where it changes nothing."""
    if session.mark == "asked" and isinstance(command, TakesBack):
        return _with(session, "mistaken")
    match command:
        case ConfirmAttendance(held=held):
            return _present(course, session, held)
        case CancelSession():
            return _cancelled(course, session, command)
        case AcceptSession():
            return _accepted(course, session)
        case CallOffSession(stated=stated):
            stands = session.mark in NOT_OWED or session.stated == BY_THE_GROUP
            return session if stands else _with(session, "off", _short_form(stated))
        case ReinstateSession():
            return _reinstated(course, session)
        case MarkMissed():
            return _missed(course, session)
        case WithdrawBooking():
            return _withdrawn(course, session)
        case _:
            assert_never(command)


def _present(course: Course, session: Session, held: bool) -> Session | Refused:
    """What it counts for is a setting: nothing, an arrival, or (fulfilled) the planned minutes."""
    settings = course.moment.settings
    if settings.appointment_counts_as == "nothing":
        return NOT_COUNTED
    if course.moment.now < session.start - timedelta(minutes=settings.early_arrival_minutes):
        return NOT_YET
    return _with(session, "fulfilled" if held and settings.appointment_counts_as == "minutes" else "arrived")


def _cancelled(course: Course, session: Session, command: CancelSession) -> Session:
    """In time with a reason, or with one that the program excuses by: excused. Else it counts from its start on.

    What was agreed before stays so when the same comes again, later.
    """
    if session.mark in NOT_OWED or session.stated in (BY_A_PERSON, BY_THE_GROUP):
        return session
    stated = session.stated if _is_of_another(command) else _short_form(command.stated)
    excused = _excuses(course, session, command)
    stands = session.mark in SETTLED and not _corrects(session, command)
    if stands or (session.mark in LATE and not excused):
        return msgspec.structs.replace(session, stated=stated)
    mark: Mark = "declined" if command.declined else "excused"
    if not excused:
        mark = "declined-late" if command.declined else "late"
    begun = course.moment.now >= session.start
    concluded = session.concluded or (begun and not excused and not session.presences)
    return msgspec.structs.replace(session, mark=mark, concluded=concluded, stated=stated)


def _excuses(course: Course, session: Session, command: CancelSession) -> bool:
    settings, now = course.moment.settings, course.moment.now
    in_time = now <= session.start - timedelta(hours=settings.notice_hours) and now < session.start
    return command.reason in settings.excuse_reasons or (in_time and bool(command.reason or command.declined))


def _corrects(session: Session, command: CancelSession) -> bool:
    """Whether it takes back what the Appointment itself said: that the program called the session off, or the reason
    that excused it. Without one, an absence counts; what the patient declined needs no reason."""
    if _is_of_another(command):
        return False
    return session.mark == "off" or (session.mark == "excused" and not command.reason)


def _is_of_another(command: CancelSession) -> bool:
    return command.declined or command.by_encounter


def _again(course: Course, session: Session) -> Session | Refused:
    """Where nothing was booked at its time meanwhile."""
    others = (each for each in held(course.state.sessions) if each.place != session.place)
    if any(course.episode.overlap(session, each) for each in others):
        return TWO_ROOMS
    return undecided(course.episode, _with(session, ""), course.moment)


def _accepted(course: Course, session: Session) -> Session | Refused:
    if session.mark not in ("declined", "declined-late"):
        return session
    return ANOTHER_WEEK if course.episode.is_replanned(session) else _again(course, session)


def _reinstated(course: Course, session: Session) -> Session | Refused:
    if session.presences:
        return MISSED
    if session.mark in ("", "asked"):
        return MISSED if session.concluded else session
    if session.mark == "noshow":
        return MISSED
    if session.stated == BY_THE_GROUP:
        return OFF_FOR_ALL
    if course.episode.is_over:
        return STAY_OVER
    if course.episode.is_replanned(session):
        return ANOTHER_WEEK
    if closed_for(session, course.moment.settings):
        return CLOSED
    return PAUSED if course.episode.is_paused_for(session) else _again(course, session)


def _missed(course: Course, session: Session) -> Session | Refused:
    if session.start > course.moment.now:
        return NOT_BEGUN
    if session.mark in SETTLED:
        return NOT_BEGUN
    return session if session.mark == "noshow" or session.mark in LATE else _with(session, "noshow")


def _withdrawn(course: Course, session: Session) -> Session | Refused:
    """Who was there was there all the same."""
    if not course.episode.is_by_itself(session):
        return NOT_BOOKED
    return session if session.mark in NOT_OWED else _with(session, "mistaken")


def _with(session: Session, mark: Mark, stated: str = "") -> Session:
    stays = session.presences or (session.counts_as_missed and mark in ("noshow", *LATE))
    answered = session.answered if stays else ()
    return msgspec.structs.replace(session, mark=mark, answered=answered, stated=stated)


def _stated(command: OfOneSession) -> tuple[Coding, ...]:
    return command.stated if isinstance(command, CancelSession | CallOffSession) else ()


def _short_form(stated: tuple[Coding, ...]) -> str:
    return sha256(msgspec.json.encode(stated)).hexdigest()[:8] if stated else ""


def _events(course: Course, before: Session, now: Session, stated: tuple[Coding, ...] = ()) -> Sequence[Emits]:
    """An Encounter says more than the Appointment: where there is one, nothing else is emitted."""
    episode = course.episode
    is_same = (now.outcome, now.stated) == (before.outcome, before.stated) and before.mark != "asked"
    if now.presences or is_same:
        return []
    about = planned(episode, now) | {"encounter_id": own_encounter(episode, now)}
    if now.mark in PRESENT:
        corrected = AttendanceCorrected(reason="late-check-in", **planned(episode, now))
        back = [corrected] if before.counts_as_missed else []
        start, end = now.start, episode.end(now)
        if now.mark == "arrived":
            return [*back, SessionCheckedIn(came_at=start, **about)]
        return [*back, SessionAttended(minutes=episode.minutes(now), came_at=start, left_at=end, **about)]
    withdrawn = [CheckInWithdrawn(**about)] if before.mark in PRESENT else []
    return [*withdrawn, without_presence(episode, now, stated)]


def _reason(now: Session) -> str:
    """Why what was asked about this session is taken back."""
    return {"cancelled": "called-off", "excused": "excused", "planned": "booked-again"}.get(
        now.outcome, "late-check-in"
    )
