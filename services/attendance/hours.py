"""The weekly template as sessions. Pure; local times are the program's timezone."""

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.attendance.record import Episode, Session, minute_of


def sessions_between(
    episode: Episode, start: datetime, end: datetime, timezone: str, slots: Sequence[int] | None = None
) -> Iterator[Session]:
    """Every session of the week, or of these slots of the template, that starts in [start, end), in order of time.

    A slot every two weeks falls on the first, third, ... week of the episode. Clock changes keep the local hour.
    """
    zone, planned_slots = ZoneInfo(timezone), episode.slots if slots is None else slots
    first_monday = _monday(episode.admitted_at, zone)
    day = start.astimezone(zone).date()
    while day <= end.astimezone(zone).date():
        week = (day - first_monday.date()).days // 7
        found = []
        for slot in planned_slots:
            planned = episode.template[slot]
            if planned.weekday == day.weekday() and week % planned.every_weeks == 0:
                begins = datetime.combine(day, time.fromisoformat(planned.start), zone).astimezone(start.tzinfo)
                if start <= begins < end:
                    found.append(Session(minute_of(begins), slot))
        yield from sorted(found, key=lambda each: each.place)
        day += timedelta(days=1)


def _monday(moment: datetime, zone: ZoneInfo) -> datetime:
    local = moment.astimezone(zone)
    return datetime.combine(local.date() - timedelta(days=local.weekday()), time(), zone)


def next_monday(moment: datetime, timezone: str) -> datetime:
    """The first local Monday midnight after this instant: where a week of the episode begins."""
    zone = ZoneInfo(timezone)
    monday = _monday(moment, zone) + timedelta(days=7)
    return monday.astimezone(moment.tzinfo)


def left_at(discharged_at: datetime, timezone: str) -> datetime:
    """From when the patient owes no session. A date alone comes as its first moment, and lasts to the day's end."""
    local = discharged_at.astimezone(ZoneInfo(timezone))
    return local + timedelta(days=1) if local.time() == time() else local


def ends_of(episode: Episode, timezone: str) -> list[datetime]:
    """From when the patient owes no session: by the discharge, the death that is reported, nights elsewhere."""
    ends = [] if episode.discharged_at is None else [left_at(episode.discharged_at, timezone)]
    return [*ends, *(each for each in (episode.died_at, episode.paused_at) if each is not None)]
