"""Who is on call: somebody at each instant, one alone, on the days too on which the clocks change."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.rules.rota import DAYS, WEEK_MINUTES, Exchange, Rota, Shift, require_orderly, require_whole
from tests.laws import examples
from tests.shared.rules.on_call import BY_DAY, BY_NIGHT, NEW_YORK, WEEK, WEEKEND, local, rota

CHRISTMAS = Exchange(
    role="on-call", from_=datetime(2026, 12, 24, 17), to=datetime(2026, 12, 26, 8), person="clinician-3"
)
CLOCKS_CHANGE = (datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC))


@pytest.mark.parametrize(
    ("at", "who"),
    [
        ("2026-03-02 08:00", "nurse-1"),
        ("2026-03-02 16:59", "nurse-1"),
        ("2026-03-02 17:00", "clinician-1"),
        ("2026-03-03 03:00", "clinician-1"),
        ("2026-03-07 07:59", "clinician-1"),
        ("2026-03-07 08:00", "clinician-2"),
        ("2026-03-09 07:59", "clinician-2"),
    ],
)
def test_the_weekly_pattern_names_who_is_on_call(at: str, who: str) -> None:
    assert rota().who(local(at)) == who


@pytest.mark.parametrize(
    ("at", "who"),
    [
        ("2026-12-24 16:59", "nurse-1"),
        ("2026-12-24 17:00", "clinician-3"),
        ("2026-12-26 07:59", "clinician-3"),
        ("2026-12-26 08:00", "clinician-2"),
    ],
)
def test_an_exchange_goes_before_the_weekly_pattern(at: str, who: str) -> None:
    assert rota(CHRISTMAS).who(local(at)) == who


@pytest.mark.parametrize(
    ("shifts", "wrong"),
    [
        ((BY_DAY, BY_NIGHT), "nobody from sat 08:00 on"),
        ((BY_NIGHT, WEEKEND), "nobody from mon 08:00 on"),
        ((BY_DAY, WEEKEND), "nobody from mon 17:00 on"),
        ((), "nobody from mon 00:00 on"),
        ((*WEEK, BY_DAY), "two shifts from mon 08:00 on"),
    ],
)
def test_a_gap_or_an_overlap_is_refused_with_its_first_hour(shifts: tuple[Shift, ...], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        require_whole(shifts)


def test_a_whole_week_is_accepted() -> None:
    require_whole(WEEK)
    require_whole([Shift(days=DAYS, from_="06:30", to="06:30", person="clinician-1")])


@pytest.mark.parametrize(
    ("exchanges", "wrong"),
    [
        ((Exchange(role="on-call", from_=CHRISTMAS.to, to=CHRISTMAS.from_, person="nurse-1"),), "from must be before"),
        ((Exchange(role="on-call", from_=CHRISTMAS.from_, to=datetime.max, person="nurse-1"),), "year must be 1900 to"),
        ((Exchange(role="on-call", from_=datetime.min, to=CHRISTMAS.to, person="nurse-1"),), "year must be 1900 to"),
        ((CHRISTMAS, CHRISTMAS), "begins before the one from 2026-12-24 17:00 on ends"),
        (
            (Exchange(role="on-call", from_=CLOCKS_CHANGE[0], to=CLOCKS_CHANGE[1], person="nurse-1"),),
            "local times, without an offset",
        ),
    ],
)
def test_exchanges_that_contradict_are_refused(exchanges: tuple[Exchange, ...], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        require_orderly(exchanges)


def test_a_deputy_may_be_exchanged_at_the_same_time() -> None:
    require_orderly([CHRISTMAS, Exchange(role="deputy", from_=CHRISTMAS.from_, to=CHRISTMAS.to, person="nurse-1")])


@st.composite
def weeks(draw: st.DrawFn) -> list[Shift]:
    """Each day of the week cut at random quarters of an hour, its last shift until the next day's first."""
    cuts = [sorted(draw(st.sets(st.integers(0, 95), min_size=1, max_size=5))) for _ in DAYS]
    begins = [(day, f"{cut // 4:02}:{cut % 4 * 15:02}") for day, each in enumerate(cuts) for cut in each]
    shifts = []
    for number, ((day, start), (after, end)) in enumerate(zip(begins, begins[1:] + begins[:1], strict=True)):
        # A shift is a day long at most: a longer one is two.
        if after != day and end > start:
            shifts.append(Shift(days=(DAYS[day],), from_=start, to=start, person=f"person-{number}"))
            shifts.append(Shift(days=(DAYS[after],), from_=start, to=end, person=f"person-{number}"))
        else:
            shifts.append(Shift(days=(DAYS[day],), from_=start, to=end, person=f"person-{number}"))
    return shifts


@settings(max_examples=examples(100))
@given(weeks(), st.integers(0, WEEK_MINUTES - 1))
def test_the_shift_on_the_clock_of_the_wall_is_on_call(shifts: list[Shift], minute: int) -> None:
    require_whole(shifts)
    monday = datetime(2026, 3, 16)
    wall = monday + timedelta(minutes=minute)
    covering = [
        each.person
        for each in shifts
        for day in each.days
        for week in (-7, 0)
        if _starts(each, day, monday, week) <= wall < _ends(each, day, monday, week)
    ]
    assert [Rota(NEW_YORK, shifts).who(wall.replace(tzinfo=NEW_YORK))] == covering


def _starts(shift: Shift, day: str, monday: datetime, more: int) -> datetime:
    start = datetime.strptime(shift.from_, "%H:%M")
    return monday + timedelta(days=DAYS.index(day) + more, hours=start.hour, minutes=start.minute)


def _ends(shift: Shift, day: str, monday: datetime, more: int) -> datetime:
    begins, end = _starts(shift, day, monday, more), datetime.strptime(shift.to, "%H:%M")
    ends = begins.replace(hour=end.hour, minute=end.minute)
    return ends if ends > begins else ends + timedelta(days=1)


@settings(max_examples=examples(50))
@given(weeks(), st.sampled_from(CLOCKS_CHANGE))
def test_when_the_clocks_change_nobody_comes_back_on_call_and_nobody_is_left_out(
    shifts: list[Shift], change: datetime
) -> None:
    found = Rota(NEW_YORK, shifts)
    quarters = [change + timedelta(minutes=15 * each) for each in range(-12, 20)]
    seen = [found.who(each) for each in quarters]
    in_turn = [who for who, before in zip(seen, [None, *seen], strict=False) if who != before]
    assert len(in_turn) == len(set(in_turn))
    assert found.who(change + timedelta(hours=2)) == _on_an_ordinary_sunday(found, change + timedelta(hours=2))


def _on_an_ordinary_sunday(found: Rota, at: datetime) -> str:
    """Who is on call at this time of the wall's clock a week later, when no clock changes."""
    wall = at.astimezone(NEW_YORK).replace(tzinfo=None) + timedelta(days=7)
    return found.who(wall.replace(tzinfo=NEW_YORK).astimezone(UTC))
