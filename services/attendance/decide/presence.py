"""Who was there, as Encounters report it: each counts for the sessions that it names and touches."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from services.attendance import outcomes, requests, spans
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
    """What this Encounter reported before is replaced by what it reports now. A person looks at one that touches no
    session, or that names one beside which is not planned for this patient or can't be corrected any more."""
    about = f"Encounter/{command.encounter_id}"
    sessions = named(state, command.session_ids, command.periods[0][0], moment, about)
    if isinstance(sessions, Refused):
        return sessions
    course = Course(state, moment)
    touched: Touched = {each.place: found for each in sessions if (found := within(course, each, command)) is not None}
    report(course, touched, command)
    if touched and len(sessions) == len(set(command.session_ids)) and not command.names_others:
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
        report(course, {}, gone)
    course.ask(*requests.settled(course.state, f"Encounter/{command.encounter_id}", moment, CORRECTED))
    return course.emitted


def within(course: Course, session: Session, command: CheckIn) -> tuple[Span, ...] | None:
    now, early = course.moment.now, course.moment.settings.early_arrival_minutes
    if command.minutes_known:
        return spans.within(course.episode, session, command.periods, now, early)
    return spans.from_arrival(course.episode, session, command.periods[0], now, early)


def _fitting(course: Course, command: CheckIn) -> Session | None:
    """The session that its period does touch, though it is not the one that it names."""
    touched = (each for each in course.state.sessions if within(course, each, command) is not None)
    return min(touched, key=lambda each: each.place, default=None)


def report(course: Course, touched: Touched, command: CheckIn) -> None:
    """Sessions that it reports no more come first: of an Encounter that still stands, that is emitted last."""
    before = {each.place: each for each in course.state.sessions}
    presences = _presences(command, touched)
    after = [_after(course, each, command.encounter_id, presences.get(each.place)) for each in before.values()]
    changed = sorted((each for each in after if each != before[each.place]), key=lambda each: each.place in touched)
    reported = [each for each in changed if each.place in touched]
    minutes = _added(course.episode, after, command.encounter_id) if reported else 0
    events: list[Emits] = []
    for each in changed:
        if each.place in touched:
            events += _present(course, before[each.place], each, command, reported, minutes)
        else:
            events += _absent(course, each, command)
    course.change(changed, events, "late-check-in" if touched else CORRECTED)


def _presences(command: CheckIn, touched: Touched) -> Mapping[tuple[int, int], Presence]:
    name, form = encounter_name(command.encounter_id), _short_form(command, touched)
    return {place: Presence(name, found, form, not command.minutes_known) for place, found in touched.items()}


def _short_form(command: CheckIn, touched: Touched) -> str:
    """Another one where anything is other that is emitted of this report, also beyond its sessions."""
    times = [(start.timestamp(), end and end.timestamp()) for start, end in command.periods]
    return sha256(msgspec.json.encode((times, command.class_code, sorted(touched)))).hexdigest()[:8]


def _after(course: Course, session: Session, encounter_id: str, reported: Presence | None) -> Session:
    if reported is None and not session.presences and session.mark not in PRESENT:
        return session
    name = encounter_name(encounter_id)
    others = tuple(each for each in session.presences if each.encounter != name)
    if reported is not None:
        present = tuple(sorted((*others, reported), key=lambda each: each.encounter))
        now = msgspec.structs.replace(session, presences=present, answered=_still_answered(session, reported))
        return _judged(course, now) if reported not in session.presences else now
    owned = session.mark in PRESENT and own_encounter(course.episode, session) == encounter_id
    if len(others) == len(session.presences) and not owned:
        return session
    left = msgspec.structs.replace(session, presences=others, mark="" if owned else session.mark)
    return _judged(course, left) if others else undecided(course.episode, left, course.moment)


def _judged(course: Course, session: Session) -> Session:
    return outcomes.judged(course.episode, session, course.moment.settings, course.moment.now)


def _still_answered(session: Session, reported: Presence) -> tuple[str, ...]:
    """A miss that is none any more is asked about anew if it becomes one again; and so are the minutes that another
    report does not tell either."""
    if session.counts_as_missed:
        return ()
    anew = reported.lasts and reported not in session.presences
    return tuple(each for each in session.answered if not (anew and each == "report-minutes"))


def _absent(course: Course, now: Session, command: CheckIn) -> list[Emits]:
    held = now.outcome in ("present", "attended")
    withdrawn: list[Emits] = [CheckInWithdrawn(held=held, **_about(course, now, command))]
    stands = held or now.outcome == "planned"
    return withdrawn if stands else [*withdrawn, without_presence(course.episode, now)]


def _present(
    course: Course, before: Session, now: Session, command: CheckIn, reported: Sequence[Session], minutes: int
) -> list[Emits]:
    episode = course.episode
    also = tuple(episode.session_id(each) for each in reported if each.place != now.place)
    about = _about(course, now, command) | {"also": also}
    back: list[Emits] = []
    if before.counts_as_missed:
        back = [AttendanceCorrected(reason="late-check-in", **planned(episode, now))]
    came_at, left_at = command.periods[0][0], command.periods[-1][1]
    if left_at is None or not command.minutes_known:
        return [*back, SessionCheckedIn(came_at=came_at, **about)]
    return [*back, SessionAttended(minutes=minutes, came_at=came_at, left_at=left_at, **about)]


def _about(course: Course, session: Session, command: CheckIn) -> dict[str, Any]:
    return planned(course.episode, session) | {
        "encounter_id": command.encounter_id,
        "class_code": command.class_code,
        "shortfall": outcomes.shortfall(course.episode, session, course.moment.settings),
    }


def _added(episode: Episode, sessions: Sequence[Session], encounter_id: str) -> int:
    """The minutes that only this Encounter reports; those of the Appointment alone count where no Encounter does."""
    name = encounter_name(encounter_id)
    present = [each for each in sessions if each.presences]
    others = [
        msgspec.structs.replace(each, presences=left)
        for each in present
        if (left := tuple(one for one in each.presences if one.encounter != name))
    ]
    return (spans.seconds_of_all(episode, present) - spans.seconds_of_all(episode, others)) // 60
