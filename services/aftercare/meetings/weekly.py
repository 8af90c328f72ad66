"""When a weekly meeting is on the patient's clock: 19:00 in London is 14:00 in New York, perhaps another weekday."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

WEEK_MINUTES, DAY_MINUTES = 10_080, 1_440


def on_the_patients_clock(
    weekdays: tuple[int, ...], start: str, zone: str | None, patients: str, now: datetime
) -> tuple[tuple[int, ...], str]:
    """Weekdays (Sunday = 0) and HH:MM, as of the next time it meets: for some weeks of a year, in which one zone has
    changed its clocks and the other has not, they are others. Unchanged where a zone is not known."""
    here, there = tz(zone or ""), tz(patients)
    if here is None or there is None or here is there:
        return weekdays, start
    hour, minute = int(start[:2]), int(start[3:])
    today = now.astimezone(here).date()
    meets = min(_next(today, weekday, time(hour, minute), here, now) for weekday in weekdays)
    local = meets.astimezone(here)
    seen = meets.astimezone(there)
    days = (seen.date() - local.date()).days
    return tuple(sorted((each + days) % 7 for each in weekdays)), f"{seen:%H:%M}"


def _next(today: date, weekday: int, start: time, zone: ZoneInfo, now: datetime) -> datetime:
    ahead = (weekday - today.isoweekday()) % 7
    meets = datetime.combine(today + timedelta(ahead), start, zone)
    return (meets if meets >= now else datetime.combine(today + timedelta(ahead + 7), start, zone)).astimezone(UTC)


def shift_minutes(zone: str | None, patients: str, now: datetime) -> int:
    """By how much the patient's clock is ahead of the meeting's, now."""
    here, there = tz(zone or ""), tz(patients)
    if here is None or there is None:
        return 0
    return _offset_minutes(there, now) - _offset_minutes(here, now)


def _offset_minutes(zone: ZoneInfo, now: datetime) -> int:
    return int((now.astimezone(zone).utcoffset() or timedelta()) / timedelta(minutes=1))


@lru_cache(1024)
def tz(name: str) -> ZoneInfo | None:
    """None for what is no zone: a feed is anybody's."""
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, OSError, KeyError):
        return None
