"""The hours of a week: looked at when it is over, and again when what is known of it changes. Pure."""

from collections.abc import Sequence
from datetime import timedelta

from services.attendance import spans
from services.attendance.hours import ends_of, next_monday
from services.attendance.messages import (
    Emits,
    WeeklyHoursCorrected,
    WeeklyHoursFellShort,
    WeeklyHoursUnknown,
    WeeksChanged,
)
from services.attendance.record import Episode, Session, Week, WeekFinding, minute_of, moment_of
from services.attendance.settings import Settings
from services.attendance.state import State, week_closes_at
from shared.events.attendance import WeekEvent
from shared.events.envelope import name_id
from shared.rules.decision import Moment

_KINDS: dict[WeekFinding, type[WeekEvent]] = {"": WeeklyHoursCorrected, "unknown": WeeklyHoursUnknown}


def closed(state: State, moment: Moment[Settings]) -> Sequence[Emits]:
    """The next whole week that may be looked at by now, with its finding. The first, partial week has none."""
    episode = state.episode
    assert episode is not None
    closes_at = week_closes_at(state, episode) if episode.died_at is None else None
    if closes_at is None or closes_at > moment.now:
        return []
    end = next_monday(episode.week_start + timedelta(days=1), moment.settings.timezone)
    empty = Week(minute_of(episode.week_start), minute_of(end), moment.settings.weekly_minimum_minutes, 0)
    week = _counted(state, episode, empty, moment.settings)
    return [*_finding(episode, empty, week), WeeksChanged(weeks=(week,), next_start=end)]


def recounted(state: State, changed: Sequence[Session], settings: Settings) -> Sequence[Emits]:
    """What is found anew of the weeks of these sessions that were looked at: other minutes, or taken back."""
    episode = state.episode
    if episode is None or not state.weeks:
        return []
    concerned = [each for each in state.weeks if episode.is_over or any(each.holds(one) for one in changed)]
    pairs = [(week, _counted(state, episode, week, settings)) for week in concerned]
    other = [(before, now) for before, now in pairs if before != now]
    if not other:
        return []
    found = [event for before, now in other for event in _finding(episode, before, now)]
    return [*found, WeeksChanged(weeks=tuple(now for _, now in other), next_start=episode.week_start)]


def _counted(state: State, episode: Episode, week: Week, settings: Settings) -> Week:
    """A week in which the sessions that took place couldn't have filled its hours is not judged.

    Nor is one that the stay did not last through. Minutes that are not reported yet are unknown, never zero.
    """
    sessions = [each for each in state.sessions if week.holds(each)]
    minutes = spans.minutes_of_all(episode, sessions)
    offered = spans.minutes_planned(episode, (each for each in sessions if each.outcome != "cancelled"))
    finding: WeekFinding = "short"
    if minutes >= week.minimum_minutes or offered < week.minimum_minutes or _left_within(episode, week, settings):
        finding = ""
    elif any(each.lasts for each in sessions):
        finding = "unknown"
    return Week(week.start, week.end, week.minimum_minutes, minutes, finding)


def _left_within(episode: Episode, week: Week, settings: Settings) -> bool:
    return any(minute_of(each) < week.end for each in ends_of(episode, settings.timezone))


def _finding(episode: Episode, before: Week, now: Week) -> list[Emits]:
    if not before.finding and not now.finding:
        return []
    if (before.finding, before.minutes) == (now.finding, now.minutes):
        return []
    start = moment_of(now.start * 60)
    kind = _KINDS.get(now.finding, WeeklyHoursFellShort)
    found = kind(
        issue_id=name_id(episode.id, f"week:{start.isoformat()}"),
        episode_id=episode.id,
        week_start=start,
        week_end=moment_of(now.end * 60),
        minutes=now.minutes,
        minimum_minutes=now.minimum_minutes,
    )
    return [found]  # type: ignore[list-item]
