"""Days in care are one count over stays and nights elsewhere (domain 1.1: 90 days across the whole continuum)."""

from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from uuid import UUID, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.intake import messages as w
from services.intake.care_days import PARTS_MOST, Care, CarePart, engaged_days
from shared.events.envelope import Command
from shared.rules.packing import seconds
from tests.intake.given import IOP_NEEDS, MONDAY, PATIENT, SETTINGS, assessment, referral, sign
from tests.intake.story import Story
from tests.intake.story import given as story_of
from tests.laws import examples

DETOX = "8b1f5a0e-7777-4c5a-9e0e-3f0c5a0e5a0e"
ENDS = "8b1f5a0e-6666-4c5a-9e0e-3f0c5a0e5a0e"
ANOTHER = "8b1f5a0e-8888-4c5a-9e0e-3f0c5a0e5a0e"


def on(day: int) -> datetime:
    """Counted from the Monday of the admission, which is day 0."""
    return MONDAY + timedelta(days=day)


def nights(first: int, last: int | None, identity: str = DETOX, *, counts: bool = True) -> w.RecordCareDays:
    ended_at = None if last is None else on(last)
    return w.RecordCareDays(encounter_id=identity, counts=counts, started_at=on(first), ended_at=ended_at)


def begun(*before: Command) -> Story:
    story = story_of(*before, assessment(IOP_NEEDS, "safe-housing"), referral())
    return story.and_then(sign(story.state))


def discharged(story: Story, day: int) -> Story:
    assert story.state.episode is not None
    over = w.Discharge(episode_id=story.state.episode.id, encounter_id=ENDS, disposition="completed", at=on(day))
    return story.at(on(day)).and_then(over)


def last(story: Story) -> tuple[int, int, int, int]:
    count = story.counts[-1]
    return count.days, count.in_stay, count.in_earlier_stays, count.elsewhere


def test_at_the_admission_the_nights_that_came_before_are_counted_and_a_day_of_both_is_one() -> None:
    story = begun(nights(-9, 0))
    assert last(story) == (10, 1, 0, 9)
    (count,) = story.counts
    assert (count.since_on, count.until_on) == (on(-9).date(), on(0).date())


@pytest.mark.parametrize(("ended", "days"), [(-15, 7), (-16, 1)])
def test_a_gap_of_fourteen_days_without_care_is_bridged_and_one_of_fifteen_is_not(ended: int, days: int) -> None:
    assert last(begun(nights(ended - 5, ended)))[0] == days


def test_it_is_renewed_each_week_and_at_the_discharge() -> None:
    story = begun()
    story.until(on(15))
    assert [(each.days, each.is_over) for each in story.counts] == [(1, False), (8, False), (15, False)]
    discharged(story, 20)
    assert (last(story)[0], story.counts[-1].is_over) == (21, True)
    story.until(on(40))
    assert len(story.counts) == 4


def test_who_comes_back_within_the_gap_goes_on_counting_though_the_first_stay_has_left_the_state() -> None:
    story = discharged(begun(), 20)
    story.and_then(nights(25, 55)).until(on(57))
    assert story.state.ended is None
    again = [assessment(IOP_NEEDS, "safe-housing", at=on(60)), referral(ANOTHER)]
    story.at(on(60)).and_then(*again)
    story.and_then(sign(story.state))
    assert last(story) == (21 + 31 + 1, 1, 21, 31)


def test_nights_that_are_corrected_or_never_were_are_counted_anew_and_the_same_again_is_not() -> None:
    story = begun(nights(-9, -1))
    story.and_then(nights(-19, -1))
    assert last(story)[0] == 20
    assert len(story.and_then(nights(-19, -1)).counts) == 2
    story.and_then(nights(-19, -1, counts=False))
    assert last(story)[0] == 1


def test_a_discharge_corrected_or_taken_back_is_counted_anew() -> None:
    story = discharged(begun(), 20)
    story.and_then(w.CorrectDischarge(encounter_id=ENDS, disposition="completed", at=on(10)))
    assert last(story)[0] == 11
    story.and_then(w.WithdrawDischarge())
    assert (last(story)[0], story.counts[-1].is_over) == (21, False)


def test_what_lies_behind_the_discharge_counts_for_no_stay_before_it() -> None:
    story = discharged(begun(), 20)
    counts = len(story.counts)
    assert len(story.and_then(nights(21, 25)).counts) == counts


def test_of_a_patient_who_died_nothing_is_counted_each_week() -> None:
    story = begun().and_then(w.ReportDeath())
    story.until(on(30))
    assert len(story.counts) == 1


def test_more_care_than_is_remembered_is_counted_as_at_least() -> None:
    names = [str(uuid5(UUID(PATIENT), str(number))) for number in range(PARTS_MOST)]
    stays = [nights(-2 * number, -2 * number, name) for number, name in enumerate(names, 1)]
    story = begun(*stays)
    assert (last(story)[0], story.counts[-1].at_least) == (PARTS_MOST, True)
    assert not begun(*stays[:4]).counts[-1].at_least


Nights = tuple[tuple[int, int], bool]
"""The first and the last day, and whether they were elsewhere."""
spans = some.tuples(some.integers(-60, 0), some.integers(0, 40)).map(lambda each: (each[0], each[0] + each[1]))
parts = some.lists(some.tuples(spans, some.booleans()), max_size=8)
STAY = CarePart("stay", seconds(on(0)))
NOW = on(30)


def counted(given_parts: list[Nights], gap: int = 14) -> int:
    care = Care((STAY, *made(given_parts)))
    return engaged_days(care, STAY, NOW, SETTINGS.timezone, gap).days


def made(given_parts: list[Nights]) -> list[CarePart]:
    return [
        CarePart(str(number), seconds(on(first)), seconds(on(end)), elsewhere)
        for number, ((first, end), elsewhere) in enumerate(given_parts)
    ]


@settings(max_examples=examples(300))
@given(parts, some.randoms())
def test_any_order_of_the_same_care_gives_the_same_count_never_more_than_its_days(
    known: list[Nights], random: Random
) -> None:
    """Counted as a set of days, chained day by day."""
    days = {day for (first, end), _ in [*known, ((0, 30), False)] for day in range(first, min(end, 30) + 1)}
    chain = [30]
    for later, earlier in pairwise(sorted(days, reverse=True)):
        if later - earlier - 1 > 14:
            break
        chain.append(earlier)
    shuffled = list(known)
    random.shuffle(shuffled)
    assert counted(known) == counted(shuffled) == len(chain)
    assert counted(known) <= 30 - min(chain) + 1


@settings(max_examples=examples(200))
@given(parts, some.tuples(spans, some.booleans()))
def test_more_evidence_of_care_never_lowers_the_count(known: list[Nights], more: Nights) -> None:
    assert counted(known) <= counted([*known, more])


@settings(max_examples=examples(50))
@given(some.permutations([nights(-30, -20), nights(-12, -3, ANOTHER), nights(-9, 4, ENDS)]))
def test_whatever_the_order_of_arrival_the_patient_has_the_same_days(order: list[w.RecordCareDays]) -> None:
    first, *later = order
    story = begun(first).and_then(*later)
    assert last(story) == last(begun(*order[::-1]))
