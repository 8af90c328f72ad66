"""Who was there and who was not, as a person says it: check-ins, excuses, sessions called off or marked missed."""

from datetime import timedelta

from services.attendance import misses
from services.attendance.decide.sessions import Now, cancelled, missed, planned
from services.attendance.state import Episode, Session, State, evolve
from services.attendance.words import (
    AttendanceCorrected,
    CallOffSession,
    CheckIn,
    ExcuseSession,
    SessionAttended,
    SessionCancelled,
    SessionCheckedIn,
    SessionExcused,
)
from shared.rules import escalation
from shared.rules.decision import Refused
from shared.words.envelope import Word
from shared.words.escalation import EscalationRetracted


def checked_in(state: State, episode: Episode, session: Session, command: CheckIn, moment: Now) -> list[Word] | Refused:
    if session.outcome == "cancelled":
        return Refused("conflict", "this session was called off", "Encounter.appointment")
    if not _could_be_there(session, command, moment):
        return Refused(
            "business-rule", "this is too early or too late to be a check-in to that session", "Encounter.period.start"
        )
    said: list[Word] = []
    if session.outcome == "missed":
        said = _taken_back(
            state, AttendanceCorrected(because="late-check-in", **planned(episode, session)), "late-check-in", moment
        )
    if command.minutes is None:
        known = session.outcome in ("present", "attended")
        return said if known else [*said, _present(episode, session, command)]
    attended = _attended(episode, session, command, command.minutes)
    if session.outcome == "attended" and session.minutes == attended.minutes:
        return said
    return [*said, attended]


def _could_be_there(session: Session, command: CheckIn, moment: Now) -> bool:
    """Within a day of the start on both sides: an arrival said of next week's session would hide an absence."""
    day = timedelta(hours=moment.settings.late_check_in_hours)
    return session.start - day <= min(command.came_at, moment.now) and command.came_at <= session.start + day


def _present(episode: Episode, session: Session, command: CheckIn) -> SessionCheckedIn:
    return SessionCheckedIn(encounter_id=command.encounter_id, came_at=command.came_at, **planned(episode, session))


def _attended(episode: Episode, session: Session, command: CheckIn, minutes: int) -> SessionAttended:
    return SessionAttended(
        encounter_id=command.encounter_id,
        minutes=min(minutes, episode.template[session.slot].minutes),
        **planned(episode, session),
    )


def excused(
    state: State, episode: Episode, session: Session, command: ExcuseSession, moment: Now
) -> list[Word] | Refused:
    if session.outcome in ("excused", "cancelled"):
        return []
    if session.outcome == "attended":
        return Refused("conflict", "this session was attended", "Appointment.status")
    return _taken_back(state, SessionExcused(because=command.because, **planned(episode, session)), "excused", moment)


def called_off(
    state: State, episode: Episode, session: Session, command: CallOffSession, moment: Now
) -> list[Word] | Refused:
    if session.outcome == "cancelled":
        return []
    if session.outcome == "attended":
        return Refused("conflict", "this session was attended", "Appointment.status")
    return _taken_back(state, cancelled(episode, session, command.because), "called-off", moment)


def marked_missed(state: State, episode: Episode, session: Session, moment: Now) -> list[Word] | Refused:
    if session.outcome == "missed":
        return []
    if session.outcome != "planned" or session.start > moment.now:
        return Refused("conflict", "this session can't be called missed", "Appointment.status")
    return missed(state, episode, session, moment)


def _taken_back(state: State, word: AttendanceCorrected | SessionCancelled, because: str, moment: Now) -> list[Word]:
    """This word, and what the miss raised that it takes back; a reason that other misses still give stays.

    Where a row of three is broken, those left may still be three in their window: that is asked in its place.
    """
    after = evolve(state, word)
    assert state.episode is not None
    left = misses.standing(state.episode, after.sessions, moment.settings)
    proof = misses.evidence_of(word.session_id)
    withdrawn = escalation.withdraw_evidence(state.escalations, proof, left, because, moment.now)
    for each in withdrawn:
        after = evolve(after, each)
    gone = {each.escalation.reason for each in withdrawn if isinstance(each, EscalationRetracted)}
    instead = [trigger for reason, trigger in left.items() if gone & misses.THREE and reason in misses.THREE]
    raised = escalation.raise_or_update(after.escalations, instead, moment, moment.settings.escalation)
    return [word, *withdrawn, *raised]
