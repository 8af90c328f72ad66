"""hear and tell: one match over every word, each answered by a small pure function."""

from collections.abc import Callable
from typing import assert_never

from services.attendance.decide import presence
from services.attendance.decide.passing import book, time_passed
from services.attendance.decide.sessions import Now, cancelled
from services.attendance.hours import next_monday
from services.attendance.state import Episode, Session, State, evolve, find
from services.attendance.words import (
    AcknowledgeEscalation,
    CallOffSession,
    CheckIn,
    Commands,
    EpisodeAdmitted,
    EpisodeDischarged,
    ExcuseSession,
    Hears,
    MarkMissed,
    PatientIdentified,
    ResolveEscalation,
    TimePassed,
    WeekClosed,
)
from shared.rules import escalation
from shared.rules.decision import Refused
from shared.words.envelope import Word

__all__ = ["hear", "tell"]


def hear(state: State, word: Hears, moment: Now) -> list[Word]:
    """What attendance says to a fact."""
    match word:
        case PatientIdentified():
            return []
        case EpisodeAdmitted():
            return _admitted(state, word, moment)
        case EpisodeDischarged():
            return _discharged(state, word, moment)
        case TimePassed():
            return time_passed(state, moment)
        case _:
            assert_never(word)


def tell(state: State, command: Commands, moment: Now) -> list[Word] | Refused:
    """What attendance says to a command, or why it can't be."""
    match command:
        case CheckIn():
            return _of_session(state, command, lambda e, s: presence.checked_in(state, e, s, command, moment))
        case ExcuseSession():
            return _of_session(state, command, lambda e, s: presence.excused(state, e, s, command, moment))
        case CallOffSession():
            return _of_session(state, command, lambda e, s: presence.called_off(state, e, s, command, moment))
        case MarkMissed():
            return _of_session(state, command, lambda e, s: presence.marked_missed(state, e, s, moment))
        case AcknowledgeEscalation():
            return escalation.acknowledge(state.escalations, command.escalation_id, moment)
        case ResolveEscalation():
            return escalation.resolve(state.escalations, command.escalation_id, command.because, moment)
        case _:
            assert_never(command)


def _admitted(state: State, word: EpisodeAdmitted, moment: Now) -> list[Word]:
    if state.episode is not None and not state.episode.precedes(word):
        return []
    admitted = evolve(state, word)
    assert admitted.episode is not None
    week = WeekClosed(next_start=next_monday(word.admitted_at, moment.settings.timezone))
    return [week, *book(admitted.episode, moment)]


def _discharged(state: State, word: EpisodeDischarged, moment: Now) -> list[Word]:
    episode = state.episode
    if episode is None or episode.id != word.episode_id or episode.discharged_at is not None:
        return []
    ahead = [each for each in state.sessions if each.outcome == "planned"]
    return [
        *(cancelled(episode, each, "episode-discharged") for each in ahead),
        *escalation.close_all(state.escalations, "episode-discharged", moment.now),
    ]


def _of_session(
    state: State,
    command: CheckIn | ExcuseSession | CallOffSession | MarkMissed,
    then: Callable[[Episode, Session], list[Word] | Refused],
) -> list[Word] | Refused:
    if state.episode is None:
        return Refused("transient", "this patient is not admitted here yet; try again soon", "appointment")
    session = find(state, command.session_id)
    if session is None:
        return Refused("not-found", "no such session is planned for this patient", "appointment")
    return then(state.episode, session)
