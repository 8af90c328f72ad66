"""The weekly template against a calendar counted by hand, wherever and whenever clocks are changed."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as some

from services.attendance.hours import sessions_between
from services.attendance.record import Episode, SessionSlot
from tests.attendance.given import EPISODE

zones = some.sampled_from(
    ["America/New_York", "Europe/London", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu", "Pacific/Apia"]
)
hours = some.integers(6, 21).flatmap(lambda hour: some.sampled_from([f"{hour:02}:00", f"{hour:02}:30"]))
templates = some.lists(
    some.builds(SessionSlot, some.just("group"), some.integers(0, 6), hours, some.just(180), some.integers(1, 2)),
    max_size=6,
).map(tuple)
instants = some.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=some.just(UTC))


@given(zones, templates, instants, some.integers(0, 60), some.integers(0, 24 * 40))
def test_each_slot_is_a_session_once_on_each_of_its_local_days_at_its_local_hour(
    timezone: str, template: tuple[SessionSlot, ...], admitted_at: datetime, days: int, booked_hours: int
) -> None:
    episode = Episode(EPISODE, admitted_at, template, (), admitted_at, admitted_at)
    start = admitted_at + timedelta(days=days)
    end = start + timedelta(hours=booked_hours)
    found = list(sessions_between(episode, start, end, timezone))
    assert found == sorted(found, key=lambda each: (each.start, each.slot))
    zone, admitted_on = ZoneInfo(timezone), admitted_at.astimezone(ZoneInfo(timezone)).date()
    first_monday = admitted_on - timedelta(days=admitted_on.weekday())
    expected = {
        (day, slot)
        for day in (admitted_on + timedelta(days=n) for n in range(110))
        for slot, planned in enumerate(template)
        if planned.weekday == day.weekday()
        and ((day - first_monday).days // 7) % planned.every_weeks == 0
        and start <= at(day, planned.start, zone) < end
    }
    assert {(each.start.astimezone(zone).date(), each.slot) for each in found} == expected
    assert len(found) == len(expected)
    for each in found:
        assert each.start.astimezone(zone).time() == time.fromisoformat(template[each.slot].start)


def at(day: date, hour: str, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.fromisoformat(hour), zone).astimezone(UTC)
