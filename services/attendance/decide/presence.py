"""Who was there and who was not, as a person reports it: check-ins, excuses, sessions called off or marked missed."""

from datetime import timedelta

from services.attendance import misses
from services.attendance.decide.sessions import cancelled, missed, planned, scheduled
from services.attendance.messages import (
    AbsenceDeferred,
    AttendanceCorrected,
    CallOffSession,
    CheckIn,
    CheckInWithdrawn,
    Emits,
    ExcuseSession,
    SessionAttended,
    SessionCancelled,
    SessionCheckedIn,
    SessionExcused,
    WithdrawCheckIn,
)
from services.attendance.settings import Settings
from services.attendance.state import Episode, Session, State, evolve
from shared.events.envelope import name_id
from shared.events.escalation import EscalationRetracted
from shared.rules import escalation
from shared.rules.decision import Moment, Refused


def checked_in(
    state: State, episode: Episode, session: Session, command: CheckIn, moment: Moment[Settings]
) -> list[Emits] | Refused:
    """The latest Encounter is the one that counts; one that it replaces was entered in error."""
    if session.outcome == "cancelled":
        return CALLED_OFF
    if not _could_be_there(session, command, moment):
        return OUT_OF_TIME
    if session.outcome == "missed":
        back = AttendanceCorrected(reason="late-check-in", **planned(episode, session))
        return [*_taken_back(state, back, "late-check-in", moment), _came(episode, session, command)]
    other = session.encounter_id not in ("", _encounter_id(episode, session, command))
    if session.outcome == "attended" and command.minutes is None:
        return HAS_MINUTES if other else []
    emitted = _came(episode, session, command)
    if not other and _known(session, emitted):
        return []
    return [*([_withdrawn(episode, session, session.encounter_id)] if other else []), emitted]


CALLED_OFF = Refused(
    "conflict", "This session is called off: PUT its Appointment as booked first.", "Encounter.appointment"
)
OUT_OF_TIME = Refused(
    "business-rule",
    "A check-in must lie within late_check_in_hours of the start of its session.",
    "Encounter.period.start",
)
HAS_MINUTES = Refused(
    "conflict",
    "This session has its minutes already, by another Encounter: PUT that one to correct them.",
    "Encounter.appointment",
)


def _known(session: Session, emitted: SessionCheckedIn | SessionAttended) -> bool:
    minutes = emitted.minutes if isinstance(emitted, SessionAttended) else 0
    outcome = "attended" if isinstance(emitted, SessionAttended) else "present"
    return (session.outcome, session.minutes) == (outcome, minutes)


def _could_be_there(session: Session, command: CheckIn, moment: Moment[Settings]) -> bool:
    """Within a day of the start on both sides: an arrival reported of next week's session would hide an absence."""
    day = timedelta(hours=moment.settings.late_check_in_hours)
    return session.start - day <= min(command.came_at, moment.now) and command.came_at <= session.start + day


def _came(episode: Episode, session: Session, command: CheckIn) -> SessionCheckedIn | SessionAttended:
    named = planned(episode, session) | {"encounter_id": _encounter_id(episode, session, command)}
    if command.minutes is None:
        return SessionCheckedIn(came_at=command.came_at, **named)
    return SessionAttended(minutes=min(command.minutes, episode.template[session.slot].minutes), **named)


def _encounter_id(episode: Episode, session: Session, command: CheckIn) -> str:
    return command.encounter_id or session.encounter_id or name_id(episode.session_id(session), "encounter")


def withdrawn(episode: Episode, session: Session, command: WithdrawCheckIn, moment: Moment[Settings]) -> list[Emits]:
    """Nobody knows any more who was there. Silence is listened to anew, so that the right Encounter may follow."""
    if session.outcome not in ("present", "attended") or session.encounter_id not in ("", command.encounter_id):
        return []
    return [_withdrawn(episode, session, command.encounter_id), *_silence_anew(episode, session, moment)]


def _withdrawn(episode: Episode, session: Session, encounter_id: str) -> CheckInWithdrawn:
    return CheckInWithdrawn(encounter_id=encounter_id, **planned(episode, session))


def _silence_anew(episode: Episode, session: Session, moment: Moment[Settings]) -> list[Emits]:
    """Undecided again though its grace time is over: whoever knows better has as long again to say so."""
    until = moment.now + timedelta(minutes=episode.grace_minutes)
    later = until > session.start + timedelta(minutes=episode.grace_minutes)
    return [AbsenceDeferred(session_id=episode.session_id(session), until=until)] if later else []


ATTENDED = Refused(
    "conflict", "This session was attended: PUT its Encounter as entered-in-error first.", "Appointment.status"
)


def excused(
    state: State, episode: Episode, session: Session, command: ExcuseSession, moment: Moment[Settings]
) -> list[Emits] | Refused:
    if session.outcome in ("excused", "cancelled"):
        return []
    if session.outcome == "attended":
        return ATTENDED
    return _taken_back(state, SessionExcused(reason=command.reason, **planned(episode, session)), "excused", moment)


def called_off(
    state: State, episode: Episode, session: Session, command: CallOffSession, moment: Moment[Settings]
) -> list[Emits] | Refused:
    if session.outcome == "cancelled":
        return []
    if session.outcome == "attended":
        return ATTENDED
    return _taken_back(state, cancelled(episode, session, command.reason), "called-off", moment)


def reinstated(episode: Episode, session: Session, moment: Moment[Settings]) -> list[Emits] | Refused:
    if session.outcome == "planned":
        return []
    if session.outcome not in ("excused", "cancelled"):
        return Refused(
            "conflict",
            "Only an excused or called-off session is booked again; correct a held or missed one by its Encounter.",
            "Appointment.status",
        )
    if episode.discharged_at is not None:
        return Refused("conflict", "The episode has ended: no session of it is booked again.", "Appointment.status")
    return [scheduled(episode, session), *_silence_anew(episode, session, moment)]


def marked_missed(state: State, episode: Episode, session: Session, moment: Moment[Settings]) -> list[Emits] | Refused:
    if session.outcome == "missed":
        return []
    if session.outcome != "planned" or session.start > moment.now:
        return Refused(
            "conflict", "Only a planned session that has begun can be marked as missed.", "Appointment.status"
        )
    return missed(state, episode, session, moment)


def _taken_back(
    state: State, event: AttendanceCorrected | SessionCancelled, reason: str, moment: Moment[Settings]
) -> list[Emits]:
    """This event, and what the miss raised that it takes back; a reason that other misses still give stays.

    Where a row of three is broken, those left may still be three in their window: that is asked in its place.
    """
    after = evolve(state, event)
    assert state.episode is not None
    left = misses.standing(state.episode, after.sessions, moment.settings)
    proof = misses.evidence_of(event.session_id)
    withdrawn = escalation.withdraw_evidence(state.escalations, proof, left, reason, moment.now)
    for event_withdrawn in withdrawn:
        after = evolve(after, event_withdrawn)
    gone = {each.escalation.reason for each in withdrawn if isinstance(each, EscalationRetracted)}
    instead = [trigger for reason, trigger in left.items() if gone & misses.THREE and reason in misses.THREE]
    raised = escalation.raise_or_update(after.escalations, instead, moment, moment.settings.escalation)
    return [event, *withdrawn, *raised]
