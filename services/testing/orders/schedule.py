"""The days of a patient's random drug tests: with a bounded gap, and known to nobody before their notice. Pure.

The next day is drawn uniformly among the open ones of the gap (domain 4.1: a random interval, no known time without a
test). What is drawn stands nowhere: each day the draw is made again, and tells only whether its notice has come.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec

from shared.rules.calendar import APART_DAYS_MOST, CLOSED_DAYS_MOST, Calendar
from shared.rules.numbers import Days, HoursOrNone, LocalTime, Weekday

Gap = Annotated[int, msgspec.Meta(ge=1, le=90)]
NOTICE_HOURS_MOST = 24
"""A test that is known longer before is not random any more."""
_LOOK_DAYS_MOST = 2 * CLOSED_DAYS_MOST + APART_DAYS_MOST
_DAY = timedelta(days=1)


class Schedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a program tests, and what an ordered test waits for."""

    draws: bool
    """Whether the hub draws the days. Without it tests are ordered by clinicians alone."""
    weekdays: tuple[Weekday, ...]
    opens_at: LocalTime
    window_hours: Annotated[int, msgspec.Meta(ge=1, le=168)]
    notice_hours: Annotated[int, msgspec.Meta(ge=0, le=NOTICE_HOURS_MOST)]
    first_days: Days
    first_gap_days: Gap
    gap_days: Gap
    stable_gap_days: Gap
    stable_stages: tuple[str, ...]
    report_hours: HoursOrNone
    unreported_hours: HoursOrNone
    result_days: Days
    remembered_days: Annotated[int, msgspec.Meta(ge=1, le=92)]
    """More would not fit into a state."""

    def __post_init__(self) -> None:
        """Raises ValueError, which names the setting."""
        if self.draws and not self.weekdays:
            raise ValueError("schedule.weekdays: must name a day where the hub draws")
        if not self.first_gap_days <= self.gap_days <= self.stable_gap_days:
            raise ValueError("schedule.gap_days: a gap must not be shorter than that of the time before it")

    def gap(self, days_in_treatment: int, stage: str) -> int:
        """At most so many days from one test to the next (domain 4.1)."""
        if days_in_treatment < self.first_days:
            return self.first_gap_days
        return self.stable_gap_days if stage in self.stable_stages else self.gap_days

    def opens(self, day: date, zone: ZoneInfo) -> datetime:
        """When the window of this day opens."""
        return datetime.combine(day, time.fromisoformat(self.opens_at), zone)

    def notice(self, day: date, zone: ZoneInfo) -> datetime:
        """From when the test of this day may be known."""
        opens = self.opens(day, zone).timestamp()
        return datetime.fromtimestamp(opens, zone) - timedelta(hours=self.notice_hours)

    def is_open(self, day: date, calendar: Calendar) -> bool:
        return any(each.weekday() in self.weekdays for each in calendar.owed_on(day))


def open_days(after: date, gap: int, schedule: Schedule, calendar: Calendar) -> tuple[date, ...]:
    """Among which the day after this one is drawn: the open ones of the gap, or the first one after it where it has
    none. Empty only where the program is closed for good."""
    within = tuple(day for day in _days(after, gap) if schedule.is_open(day, calendar))
    later = (day for day in _days(after, _LOOK_DAYS_MOST) if schedule.is_open(day, calendar))
    return within or tuple(day for day, _ in zip(later, range(1), strict=False))


def drawn(lot: bytes, days: Sequence[date]) -> date:
    """One of them, each as likely as any other: a lot of 32 bytes prefers none that could be noticed."""
    return days[int.from_bytes(lot) % len(days)]


def noticed(now: datetime, schedule: Schedule, calendar: Calendar, zone: ZoneInfo) -> date | None:
    """The open day, today or later, whose notice came last; None while there is none."""
    today = now.astimezone(zone).date()
    days = (today + 2 * _DAY, today + _DAY, today)
    return next((day for day in days if schedule.is_open(day, calendar) and schedule.notice(day, zone) <= now), None)


def next_notice(now: datetime, schedule: Schedule, calendar: Calendar, zone: ZoneInfo) -> datetime | None:
    """The first notice of an open day that is still to come; None where the program is closed for good."""
    before = now.astimezone(zone).date() - _DAY
    notices = (schedule.notice(day, zone) for day in _days(before, _LOOK_DAYS_MOST) if schedule.is_open(day, calendar))
    return next((each for each in notices if each > now), None)


def _days(after: date, count: int) -> Iterator[date]:
    return (after + ordinal * _DAY for ordinal in range(1, count + 1))
