"""Every decision of attendance: an event is never refused, a command can be. Pure; the `match` is the contents."""

from collections.abc import Sequence
from typing import assert_never

from services.attendance.decide import presence
from services.attendance.decide.deadlines import time_passed
from services.attendance.decide.episode import admitted, discharged
from services.attendance.decide.weeks import recounted
from services.attendance.messages import (
    AcknowledgeEscalation,
    CallOffSession,
    CheckIn,
    Commands,
    Consumes,
    DeathWithdrawn,
    Emits,
    EpisodeAdmitted,
    EpisodeDischarged,
    ExcuseSession,
    MarkMissed,
    OfSession,
    PatientDied,
    PatientIdentified,
    ReinstateSession,
    ResolveEscalation,
    TimePassed,
    WithdrawCheckIn,
)
from services.attendance.settings import Settings
from services.attendance.state import Episode, Session, State, find
from shared.rules import escalation
from shared.rules.decision import Moment, Refused

__all__ = ["decide", "react"]


def react(state: State, event: Consumes, moment: Moment[Settings]) -> Sequence[Emits]:
    """What attendance emits after an event. Consumed again, it emits nothing new."""
    match event:
        case PatientIdentified() | PatientDied() | DeathWithdrawn():
            return []
        case EpisodeAdmitted():
            return admitted(state, event, moment)
        case EpisodeDischarged():
            return discharged(state, event, moment)
        case TimePassed():
            return time_passed(state, moment)
        case _:
            assert_never(event)


def decide(state: State, command: Commands, moment: Moment[Settings]) -> Sequence[Emits] | Refused:
    """What attendance emits on a command, or why it cannot be."""
    match command:
        case CheckIn() | WithdrawCheckIn() | ExcuseSession() | CallOffSession() | ReinstateSession() | MarkMissed():
            return _of_session(state, command, moment)
        case AcknowledgeEscalation() | ResolveEscalation():
            return escalation.decide_escalation(state.escalations, command, moment)
        case _:
            assert_never(command)


def _of_session(state: State, command: OfSession, moment: Moment[Settings]) -> list[Emits] | Refused:
    if state.episode is None:
        return Refused("transient", "This patient is not admitted yet: try again after Retry-After.", "appointment")
    near = command.came_at if isinstance(command, CheckIn) else moment.now
    session = find(state, command.session_id, near)
    if session is None:
        return Refused("not-found", "No session with this id is planned for this patient.", "appointment")
    emitted = _of_one(state, state.episode, session, command, moment)
    return emitted if isinstance(emitted, Refused) else [*emitted, *recounted(state, session, emitted)]


def _of_one(
    state: State, episode: Episode, session: Session, command: OfSession, moment: Moment[Settings]
) -> list[Emits] | Refused:
    match command:
        case CheckIn():
            return presence.checked_in(state, episode, session, command, moment)
        case WithdrawCheckIn():
            return presence.withdrawn(episode, session, command, moment)
        case ExcuseSession():
            return presence.excused(state, episode, session, command, moment)
        case CallOffSession():
            return presence.called_off(state, episode, session, command, moment)
        case ReinstateSession():
            return presence.reinstated(episode, session, moment)
        case MarkMissed():
            return presence.marked_missed(state, episode, session, moment)
        case _:
            assert_never(command)
