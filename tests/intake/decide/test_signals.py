"""Signals that meet."""

from datetime import date, timedelta

import pytest

from services.intake import messages as w
from tests.intake.given import MONDAY, TUESDAY, escalated, retracted, updated
from tests.intake.story import admitted, given

BUPRENORPHINE = w.Prescribed("aaaaaaaa-0000-4000-8000-000000000001", "1819", date(2026, 1, 1), route="sublingual")
ATORVASTATIN = w.Prescribed("bbbbbbbb-0000-4000-8000-000000000002", "83367", date(2025, 1, 1))

MISS = escalated("a miss", "missed-session", MONDAY)
POSITIVE = escalated("a positive", "unexpected-positive", MONDAY + timedelta(days=7))


def test_a_miss_and_a_positive_within_seven_days_ask_for_another_look() -> None:
    story = admitted().and_then(MISS, POSITIVE)
    raised, asked = story.emitted
    assert isinstance(raised, w.EscalationRaised)
    assert isinstance(asked, w.PlacementReviewRequested)
    escalation = raised.escalation
    assert (escalation.category, escalation.reason, escalation.tier) == ("combined", "miss-and-positive", 3)
    assert escalation.subsumes == (MISS.escalation.id, POSITIVE.escalation.id)
    assert asked.review.escalations == (escalation.id, *escalation.subsumes)
    assert asked.review.act_by == MONDAY + timedelta(hours=72)


def test_one_minute_more_than_seven_days_apart_does_not() -> None:
    later = escalated("late", "unexpected-positive", MONDAY + timedelta(days=7, minutes=1))
    assert admitted().and_then(MISS, later).emitted == []


def test_it_is_the_clinical_time_that_counts_not_the_arrival() -> None:
    story = admitted().and_then(MISS).at(MONDAY + timedelta(days=20)).and_then(POSITIVE)
    assert story.names() == ["EscalationRaised", "PlacementReviewRequested"]


def test_two_misses_do_not_combine() -> None:
    assert admitted().and_then(MISS, escalated("another", "missed-session", TUESDAY)).emitted == []


def test_a_baseline_positive_does_not_combine() -> None:
    assert admitted().and_then(MISS, escalated("baseline", "overdose-safety", TUESDAY)).emitted == []


@pytest.mark.parametrize("part", [MISS, POSITIVE])
def test_when_a_part_is_retracted_the_combination_and_its_review_are_withdrawn(part: w.EscalationRaised) -> None:
    story = admitted().and_then(MISS, POSITIVE, retracted(part))
    assert story.names() == ["EscalationRetracted", "PlacementReviewWithdrawn"]
    assert (story.state.escalations, story.state.reviews) == ((), ())


def test_a_signal_that_leaves_its_escalation_withdraws_the_combination_too() -> None:
    two = escalated("two misses", "missed-session", MONDAY, ("missed-session", MONDAY - timedelta(days=6)))
    story = admitted().and_then(two, POSITIVE)
    only_the_older = updated(two, two.escalation.signals[1])
    assert story.and_then(only_the_older).names() == ["EscalationRetracted", "PlacementReviewWithdrawn"]


def test_while_another_miss_still_meets_the_positive_the_combination_stands() -> None:
    another = escalated("another", "missed-session", MONDAY + timedelta(days=2))
    story = admitted().and_then(MISS, another, POSITIVE, retracted(MISS))
    assert story.names() == ["EscalationUpdated", "PlacementReviewRequested"]
    (left,) = story.state.escalations
    assert left.escalation.subsumes == (another.escalation.id, POSITIVE.escalation.id)
    assert isinstance(story.emitted[0], w.EscalationUpdated)
    assert story.emitted[0].gone == MISS.escalation.signals


def test_the_same_signal_again_is_silent() -> None:
    assert admitted().and_then(MISS, POSITIVE, POSITIVE, MISS).emitted == []


def test_what_a_person_resolved_is_not_raised_again_by_the_same_signals() -> None:
    story = admitted().and_then(MISS, POSITIVE)
    (known,) = story.state.escalations
    story.and_then(w.ResolveEscalation(escalation_id=known.escalation.id, reason="step-up-considered"))
    assert story.and_then(POSITIVE).emitted == []
    another = escalated("another", "missed-session", MONDAY + timedelta(days=8))
    assert story.and_then(another).names()[0] == "EscalationRaised"


def test_resolving_a_part_takes_nothing_back() -> None:
    resolved = w.EscalationResolved(escalation=MISS.escalation, at=TUESDAY, reason="contacted")
    story = admitted().and_then(MISS, resolved, POSITIVE)
    assert story.names() == ["EscalationRaised", "PlacementReviewRequested"]


def test_a_run_of_misses_does_not_push_out_the_positive_they_meet() -> None:
    """Every miss stands under three escalations; the positive was collected before all of them."""
    misses = [("missed-session", MONDAY + timedelta(days=day)) for day in range(1, 5)]
    (code, at), *more = misses
    story = admitted().and_then(*(escalated(f"run {number}", code, at, *more) for number in range(3)))
    story.and_then(escalated("collected before", "unexpected-positive", MONDAY))
    assert story.names() == ["EscalationRaised", "PlacementReviewRequested"]


def test_outside_an_episode_signals_decide_nothing() -> None:
    assert given().then(MISS, POSITIVE) == []
