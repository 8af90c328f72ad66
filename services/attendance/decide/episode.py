"""How a stay begins and ends for its sessions."""

from services.attendance.decide.deadlines import book
from services.attendance.decide.sessions import cancelled
from services.attendance.hours import left_at, next_monday
from services.attendance.messages import Emits, EpisodeAdmitted, EpisodeDischarged, RetentionBegan, WeekClosed
from services.attendance.settings import Settings
from services.attendance.state import State, evolve
from shared.rules import escalation
from shared.rules.decision import Moment


def admitted(state: State, event: EpisodeAdmitted, moment: Moment[Settings]) -> list[Emits]:
    """A stay begins: its sessions are booked ahead, and those of a stay before it are called off."""
    before = state.episode
    if before is not None and not before.precedes(event):
        return []
    undecided = [each for each in state.sessions if each.outcome == "planned"]
    left = [cancelled(before, each, "episode-discharged") for each in undecided] if before is not None else []
    after = evolve(state, event)
    assert after.episode is not None
    week = WeekClosed(next_start=next_monday(event.admitted_at, moment.settings.timezone))
    return [*left, week, *book(after.episode, moment)]


def discharged(state: State, event: EpisodeDischarged, moment: Moment[Settings]) -> list[Emits]:
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
        RetentionBegan(retention_days=moment.settings.retention_days),
    ]
