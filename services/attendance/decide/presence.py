"""Who was there, as Encounters report it: each counts for the sessions that it names and touches."""

from collections.abc import Mapping, Sequence

import msgspec

from services.attendance import requests, spans
from services.attendance.decide.course import Course
from services.attendance.decide.reporting import named, own_encounter
from services.attendance.decide.sessions import planned, undecided, without_presence
from services.attendance.messages import (
    AttendanceCorrected,
    CheckIn,
    CheckInWithdrawn,
    Emits,
    SessionAttended,
    SessionCheckedIn,
    WithdrawCheckIn,
)
from services.attendance.record import PRESENT, Episode, Presence, Session, Span, encounter_name
from services.attendance.settings import Settings
from services.attendance.state import State
from shared.rules.decision import Moment, Refused

Touched = Mapping[tuple[int, int], tuple[Span, ...]]
CORRECTED = "report-corrected"


def checked_in(state: State, command: CheckIn, moment: Moment[Settings]) -> list[Emits] | Refused:
    """What this Encounter reported before is replaced by what it reports now."""
    about = f"Encounter/{command.encounter_id}"
    sessions = named(state, command.session_ids, command.periods[0][0], moment, about)
    if isinstance(sessions, Refused):
        return sessions
    course = Course(state, moment)
    touched: Touched = {each.place: found for each in sessions if (found := _within(course, each, command)) is not None}
    _report(course, touched, command)
    if touched:
        course.ask(*requests.settled(course.state, about, moment, CORRECTED))
    else:
        fitting = _fitting(course, command) or sessions[0]
        course.ask(*requests.question(course.state, "check-presence", fitting.place, about, moment))
    return course.emitted


def withdrawn(state: State, command: WithdrawCheckIn, moment: Moment[Settings]) -> list[Emits]:
    """Nobody knows any more who was there. Silence is listened to anew, so that the right Encounter may follow."""
    course = Course(state, moment)
    if state.episode is not None:
        gone = CheckIn(session_ids=(), encounter_id=command.encounter_id, periods=())
        _report(course, {}, gone)
    course.ask(*requests.settled(course.state, f"Encounter/{command.encounter_id}", moment, CORRECTED))
    return course.emitted


def _within(course: Course, session: Session, command: CheckIn) -> tuple[Span, ...] | None:
    early = course.moment.settings.early_arrival_minutes
    return spans.within(course.episode, session, command.periods, course.moment.now, early)


def _fitting(course: Course, command: CheckIn) -> Session | None:
    """The session that its period does touch, though it is not the one that it names."""
    touched = (each for each in course.state.sessions if _within(course, each, command) is not None)
    return min(touched, key=lambda each: each.place, default=None)


def _report(course: Course, touched: Touched, command: CheckIn) -> None:
    pairs = [
        (before, now)
        for before in course.state.sessions
        if (now := _after(course, before, command.encounter_id, touched.get(before.place))) != before
    ]
    reported = [now for _, now in pairs if now.place in touched]
    events = [
        event for before, now in pairs for event in _events(course.episode, before, now, command, touched, reported)
    ]
    course.change([now for _, now in pairs], events, "late-check-in" if touched else CORRECTED)


def _after(course: Course, session: Session, encounter_id: str, reported: tuple[Span, ...] | None) -> Session:
    if reported is None and not session.presences and session.mark not in PRESENT:
        return session
    name = encounter_name(encounter_id)
    others = tuple(each for each in session.presences if each.encounter != name)
    if reported is not None:
        present = tuple(sorted((*others, Presence(name, reported)), key=lambda each: each.encounter))
        return msgspec.structs.replace(session, presences=present, answered=_still_answered(session))
    owned = session.mark in PRESENT and own_encounter(course.episode, session) == encounter_id
    if len(others) == len(session.presences) and not owned:
        return session
    left = msgspec.structs.replace(session, presences=others, mark="" if owned else session.mark)
    return left if others else undecided(course.episode, left, course.moment)


def _still_answered(session: Session) -> tuple[str, ...]:
    """A miss that is none any more is asked about anew if it becomes one again."""
    return () if session.counts_as_missed else session.answered


def _events(
    episode: Episode,
    before: Session,
    now: Session,
    command: CheckIn,
    touched: Touched,
    reported: Sequence[Session],
) -> list[Emits]:
    about = planned(episode, now) | {"encounter_id": command.encounter_id, "class_code": command.class_code}
    if now.place not in touched:
        held = now.outcome in ("present", "attended")
        withdrawn: list[Emits] = [CheckInWithdrawn(held=held, **about)]
        return withdrawn if held or now.outcome == "planned" else [*withdrawn, without_presence(episode, now)]
    about["also"] = tuple(episode.session_id(each) for each in reported if each.place != now.place)
    back: list[Emits] = []
    if before.counts_as_missed:
        back = [AttendanceCorrected(reason="late-check-in", **planned(episode, now))]
    came_at, left_at = command.periods[0][0], command.periods[-1][1]
    if left_at is None:
        return [*back, SessionCheckedIn(came_at=came_at, **about)]
    minutes = sum(_added(episode, each, command.encounter_id) for each in reported)
    return [*back, SessionAttended(minutes=minutes, came_at=came_at, left_at=left_at, **about)]


def _added(episode: Episode, session: Session, encounter_id: str) -> int:
    """The minutes of a session that only this Encounter reports."""
    others = tuple(each for each in session.presences if each.encounter != encounter_name(encounter_id))
    without = spans.minutes(episode, msgspec.structs.replace(session, presences=others)) if others else 0
    return spans.minutes(episode, session) - without
