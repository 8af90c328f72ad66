"""When an escalation rings: grave ones at once, the others in business hours or by day, and never too late."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laws import examples
from tests.shared.rules.on_call import NEW_YORK, calendar, local

FRIDAY_EVENING, SATURDAY_MORNING, MONDAY_MORNING = "2026-03-06 18:00", "2026-03-07 08:00", "2026-03-09 08:00"


def rings(tier: int, since: str, due: str, *holidays: date) -> datetime:
    return calendar(*holidays).rings_at(tier, local(since), local(due))


@pytest.mark.parametrize("tier", [3, 4])
def test_a_grave_one_rings_at_once_at_night(tier: int) -> None:
    assert rings(tier, "2026-03-03 03:00", "2026-03-03 04:00") == local("2026-03-03 03:00")


@pytest.mark.parametrize("tier", [1, 2])
def test_a_milder_one_waits_for_the_next_business_hour(tier: int) -> None:
    assert rings(tier, "2026-03-02 22:00", "2026-03-03 22:00") == local("2026-03-03 08:00")
    assert rings(tier, FRIDAY_EVENING, "2026-03-09 18:00") == local(MONDAY_MORNING)


def test_within_business_hours_it_rings_at_once() -> None:
    assert rings(2, "2026-03-02 10:20", "2026-03-03 10:20") == local("2026-03-02 10:20")
    assert rings(2, "2026-03-02 17:00", "2026-03-03 17:00") == local("2026-03-03 08:00")


def test_a_holiday_has_no_business_hour() -> None:
    monday = date(2026, 3, 9)
    assert rings(1, FRIDAY_EVENING, "2026-03-11 18:00", monday) == local("2026-03-10 08:00")


def test_where_no_business_hour_comes_in_time_it_rings_by_day() -> None:
    assert rings(2, FRIDAY_EVENING, "2026-03-07 18:00") == local(FRIDAY_EVENING)
    assert rings(2, "2026-03-06 21:00", "2026-03-07 21:00") == local(SATURDAY_MORNING)


def test_the_day_is_that_of_whoever_is_on_call() -> None:
    in_hawaii = calendar(zones={"clinician-2": ZoneInfo("Pacific/Honolulu")})
    assert in_hawaii.rings_at(2, local("2026-03-07 21:00"), local("2026-03-08 21:00")) == local("2026-03-07 21:00")
    assert in_hawaii.rings_at(2, local("2026-03-08 03:00"), local("2026-03-09 03:00")) == local("2026-03-08 14:00")


def test_where_no_day_comes_in_time_it_rings_at_once() -> None:
    assert rings(2, "2026-03-02 22:00", "2026-03-03 06:00") == local("2026-03-02 22:00")
    assert rings(2, "2026-03-02 22:00", "2026-03-03 01:00") == local("2026-03-02 22:00")


@settings(max_examples=examples(200))
@given(
    st.integers(1, 4),
    st.integers(0, 60 * 24 * 400).map(lambda each: local("2026-01-01 00:00") + timedelta(minutes=each)),
    st.integers(0, 60 * 24 * 6).map(lambda each: timedelta(minutes=each)),
    st.sets(st.dates(date(2026, 1, 1), date(2027, 2, 1)), max_size=20),
)
def test_none_rings_later_than_four_hours_before_it_is_due(
    tier: int, since: datetime, left: timedelta, holidays: set[date]
) -> None:
    rung = calendar(*holidays).rings_at(tier, since, since + left)

    assert since <= rung <= max(since, since + left - timedelta(hours=4))
    if tier >= 3:
        assert rung == since
    if rung > since:
        wall = rung.astimezone(NEW_YORK)
        assert (wall.hour, wall.minute) == (8, 0)
