"""The hours of a week: looked at when it is over, and again when its minutes change afterwards."""

from collections.abc import Sequence
from datetime import timedelta

from services.attendance.hours import minutes_between, next_monday
from services.attendance.messages import Emits, WeekClosed, WeeklyHoursCorrected, WeeklyHoursFellShort
from services.attendance.settings import Settings
from services.attendance.state import Episode, Session, State, Week, evolve, undecided, week_closes_at
from shared.events.envelope import name_id
from shared.rules.decision import Moment


def close_weeks(state: State, moment: Moment[Settings]) -> list[Emits]:
    """Each whole week that ended, with a finding where it is below its hours. The first, partial week has none."""
    emitted: list[Emits] = []
    while (episode := state.episode) is not None and (closed := _closed(state, episode, moment)) is not None:
        state = evolve(state, closed)
        emitted += [*_finding(episode, None, state.weeks[-1]), closed]
    return emitted


def recounted(state: State, session: Session, emitted: Sequence[Emits]) -> list[Emits]:
    """What these events change in the finding about this session's week, where that week is closed already.

    A week that is still short is emitted again with its new minutes; one that has its hours takes the finding back.
    """
    if state.episode is None or session.start >= state.episode.week_start:
        return []
    after = state
    for event in emitted:
        after = evolve(after, event)
    pairs = zip(state.weeks, after.weeks, strict=True)
    return [event for before, now in pairs if before != now for event in _finding(state.episode, before, now)]


def _closed(state: State, episode: Episode, moment: Moment[Settings]) -> WeekClosed | None:
    """The next week with its minutes, when it may be looked at by now."""
    closes_at = week_closes_at(episode, undecided(state, episode))
    if closes_at is None or closes_at > moment.now:
        return None
    end = next_monday(episode.week_start + timedelta(days=1), moment.settings.timezone)
    minutes = minutes_between(state.sessions, episode.week_start, end)
    return WeekClosed(next_start=end, minutes=minutes, minimum_minutes=moment.settings.weekly_minimum_minutes)


def _finding(episode: Episode, before: Week | None, week: Week) -> list[Emits]:
    if not week.short and (before is None or not before.short):
        return []
    kind = WeeklyHoursFellShort if week.short else WeeklyHoursCorrected
    found = kind(
        issue_id=name_id(episode.id, f"week:{week.start.isoformat()}"),
        episode_id=episode.id,
        week_start=week.start,
        week_end=week.end,
        minutes=week.minutes,
        minimum_minutes=week.minimum_minutes,
    )
    return [found]
