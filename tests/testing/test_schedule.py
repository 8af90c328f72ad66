"""The random days: never too far apart, each as likely as any other, and known to nobody before their notice."""

import hashlib
import hmac
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.testing.orders.schedule import NOTICE_HOURS_MOST, Schedule, drawn, next_notice, noticed, open_days
from services.testing.settings import Settings
from shared.platform import settings as stored
from shared.rules.calendar import OPEN, Calendar
from tests.laws import examples
from tests.testing.given import SETTINGS

WEEKDAYS = SETTINGS.schedule
NEW_YORK = ZoneInfo("America/New_York")
MONDAY = date(2025, 3, 3)
DAY = timedelta(days=1)
LOTS = some.binary(min_size=32, max_size=32)


def closing(first: date, last: date) -> Calendar:
    return Calendar(closed={f"{first}/{last}": "holiday"})


@some.composite
def schedules(draw: some.DrawFn) -> Schedule:
    return msgspec.structs.replace(
        WEEKDAYS,
        weekdays=tuple(draw(some.sets(some.integers(0, 6), min_size=1))),
        notice_hours=draw(some.integers(0, NOTICE_HOURS_MOST)),
        opens_at=draw(some.sampled_from(("00:00", "08:00", "02:30", "23:59"))),
    )


CALENDARS = some.just(OPEN) | some.builds(
    lambda start, length: closing(MONDAY + start * DAY, MONDAY + (start + length) * DAY),
    some.integers(0, 60),
    some.integers(0, 20),
)


@given(schedules(), CALENDARS, some.integers(1, 35), some.integers(0, 60), LOTS)
@settings(max_examples=examples(200))
def test_the_gap_is_never_longer_than_it_may_be_unless_the_program_is_closed_all_through_it(
    schedule: Schedule, calendar: Calendar, gap: int, start: int, lot: bytes
) -> None:
    after = MONDAY + start * DAY
    day = drawn(lot, open_days(after, gap, schedule, calendar))
    assert schedule.is_open(day, calendar)
    within = [after + n * DAY for n in range(1, gap + 1) if schedule.is_open(after + n * DAY, calendar)]
    if within:
        assert DAY <= day - after <= gap * DAY
    else:
        assert not any(schedule.is_open(after + n * DAY, calendar) for n in range(1, (day - after).days))


def test_each_open_day_of_the_gap_is_as_likely_as_any_other() -> None:
    """Chi-square over the ten weekdays of 14 days: 27.9 is its 99.9th percentile at nine degrees of freedom."""
    days = open_days(MONDAY, 14, WEEKDAYS, OPEN)
    assert len(days) == 10
    tries = 20_000
    lots = (hmac.new(b"a fixed seed", str(ordinal).encode(), hashlib.sha256).digest() for ordinal in range(tries))
    found = Counter(drawn(lot, days) for lot in lots)
    expected = tries / len(days)
    assert sum((found[day] - expected) ** 2 / expected for day in days) < 27.9


@given(schedules(), CALENDARS, some.integers(0, 60 * 24 * 60))
@settings(max_examples=examples(200))
def test_each_look_is_at_the_notice_of_an_open_day_and_no_notice_is_passed_over(
    schedule: Schedule, calendar: Calendar, minutes: int
) -> None:
    now = datetime(2025, 3, 3, tzinfo=UTC) + timedelta(minutes=minutes)
    look_at = next_notice(now, schedule, calendar, NEW_YORK)
    assert look_at is not None
    day = noticed(look_at, schedule, calendar, NEW_YORK)
    assert day is not None
    assert schedule.notice(day, NEW_YORK) == look_at
    assert timedelta(0) <= schedule.opens(day, NEW_YORK) - look_at.astimezone(UTC) <= timedelta(hours=NOTICE_HOURS_MOST)
    earlier = now.astimezone(NEW_YORK).date()
    passed = [earlier + n * DAY for n in range((day - earlier).days)]
    assert not any(now < schedule.notice(each, NEW_YORK) and schedule.is_open(each, calendar) for each in passed)


def test_a_program_that_is_closed_through_the_gap_tests_on_the_first_day_after_it() -> None:
    closed = closing(MONDAY, MONDAY + 10 * DAY)
    assert open_days(MONDAY, 7, WEEKDAYS, closed) == (MONDAY + 11 * DAY,)


def test_a_day_that_replaces_a_closed_one_is_open() -> None:
    saturday = MONDAY + 5 * DAY
    calendar = Calendar(closed={str(MONDAY): "weather"}, replaced={str(MONDAY): str(saturday)})
    assert not WEEKDAYS.is_open(MONDAY, calendar)
    assert WEEKDAYS.is_open(saturday, calendar)
    assert not WEEKDAYS.is_open(saturday + 7 * DAY, calendar)


def test_who_is_new_is_tested_weekly_and_who_is_stable_monthly() -> None:
    assert [WEEKDAYS.gap(day, "early-recovery") for day in (0, 27, 28, 200)] == [7, 7, 14, 14]
    assert [WEEKDAYS.gap(day, "maintenance") for day in (27, 28)] == [7, 35]


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ('notice_hours = { value = 25, unit = "h", source = "" }', "schedule.notice_hours"),
        ('gap_days = { value = 6, unit = "d", source = "" }', "schedule.gap_days"),
        ('opens_at = { value = "8", unit = "", source = "" }', "schedule.opens_at"),
    ],
)
def test_a_schedule_that_is_none_stops_the_start(tmp_path: Path, changed: str, fault: str) -> None:
    text = Path("deploy/program.toml").read_text()
    name = changed.partition(" ")[0]
    head, _, rest = text.partition("[program.demo.testing.schedule]")
    line = next(each for each in rest.splitlines() if each.startswith(f"{name} "))
    (tmp_path / "program.toml").write_text(f"{head}[program.demo.testing.schedule]{rest.replace(line, changed, 1)}")
    with pytest.raises(stored.ConfigurationError, match=fault):
        stored.load(tmp_path, "testing", Settings)


def test_testing_is_closed_on_the_days_on_which_there_are_no_sessions(tmp_path: Path) -> None:
    text = Path("deploy/program.toml").read_text()
    closed = '"2026-11-26" = { value = "holiday", unit = "reason", source = "Thanksgiving" }'
    table = "[program.demo.attendance.calendar.closed]"
    (tmp_path / "program.toml").write_text(text.replace(table, f"{table}\n{closed}\n#", 1))
    calendar = stored.load(tmp_path, "testing", Settings)["demo"].calendar
    assert set(calendar.days) == {date(2026, 11, 26)}
