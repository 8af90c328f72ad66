"""hear and tell: one match over every event, each answered by a small pure function."""

from typing import assert_never

from services.attendance.decide import presence
from services.attendance.decide.deadlines import book, time_passed
from services.attendance.decide.sessions import cancelled
from services.attendance.decide.weeks import recounted
from services.attendance.hours import left_at, next_monday
from services.attendance.messages import (
    AcknowledgeEscalation,
    CallOffSession,
    CheckIn,
    Commands,
    Consumes,
    EpisodeAdmitted,
    EpisodeDischarged,
    ExcuseSession,
    MarkMissed,
    OfSession,
    PatientIdentified,
    ReinstateSession,
    ResolveEscalation,
    TimePassed,
    WeekClosed,
    WithdrawCheckIn,
)
from services.attendance.settings import Settings
from services.attendance.state import Episode, Session, State, evolve, find
from shared.events.envelope import Event
from shared.rules import escalation
from shared.rules.decision import Moment, Refused

__all__ = ["hear", "tell"]


def react(state: State, event: Consumes, moment: Moment[Settings]) -> list[Event]:
    """What attendance emits to a fact."""
    match event:
        case PatientIdentified():
            return []
        case EpisodeAdmitted():
            return _admitted(state, event, moment)
        case EpisodeDischarged():
            return _discharged(state, event, moment)
        case TimePassed():
            return time_passed(state, moment)
        case _:
            assert_never(event)


def decide(state: State, command: Commands, moment: Moment[Settings]) -> list[Event] | Refused:
    """What attendance emits to a command, or why it can't be."""
    match command:
        case CheckIn() | WithdrawCheckIn() | ExcuseSession() | CallOffSession() | ReinstateSession() | MarkMissed():
            return _of_session(state, command, moment)
        case AcknowledgeEscalation():
            return escalation.acknowledge(state.escalations, command.escalation_id, moment)
        case ResolveEscalation():
            return escalation.resolve(state.escalations, command.escalation_id, command.reason, moment)
        case _:
            assert_never(command)


def _admitted(state: State, event: EpisodeAdmitted, moment: Moment[Settings]) -> list[Event]:
    before = state.episode
    if before is not None and not before.precedes(event):
        return []
    undecided = [each for each in state.sessions if each.outcome == "planned"]
    left = [cancelled(before, each, "episode-discharged") for each in undecided] if before is not None else []
    admitted = evolve(state, event)
    assert admitted.episode is not None
    week = WeekClosed(next_start=next_monday(event.admitted_at, moment.settings.timezone))
    return [*left, week, *book(admitted.episode, moment)]


def _discharged(state: State, event: EpisodeDischarged, moment: Moment[Settings]) -> list[Event]:
    """A session that has begun stays open to its minutes, or to silence; those after the stay were never owed."""
    episode = state.episode
    if episode is None or episode.id != event.episode_id or episode.discharged_at is not None:
        return []
    left = left_at(event.discharged_at, moment.settings.timezone)
    since = {"planned": min(left, moment.now), "missed": left}
    ahead = [each for each in state.sessions if each.outcome in since and each.start >= since[each.outcome]]
    return [
        *(cancelled(episode, each, "episode-discharged") for each in ahead),
        *escalation.close_all(state.escalations, "episode-discharged", moment.now),
    ]


def _of_session(state: State, command: OfSession, moment: Moment[Settings]) -> list[Event] | Refused:
    if state.episode is None:
        return Refused("transient", "this patient is not admitted here yet; try again soon", "appointment")
    near = command.came_at if isinstance(command, CheckIn) else moment.now
    session = find(state, command.session_id, near)
    if session is None:
        return Refused("not-found", "no such session is planned for this patient", "appointment")
    emitted = _of_this(state, state.episode, session, command, moment)
    return emitted if isinstance(emitted, Refused) else [*emitted, *recounted(state, session, emitted)]


def _of_this(
    state: State, episode: Episode, session: Session, command: OfSession, moment: Moment[Settings]
) -> list[Event] | Refused:
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
