"""Signals that meet."""

from datetime import date, timedelta

import msgspec
import pytest

from services.intake import messages as w
from tests.intake.given import MONDAY, TUESDAY, escalated, resolved, retracted, updated, withdrawn
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


def test_an_escalation_of_aftercares_is_none_of_intakes_whatever_its_category() -> None:
    placement = escalated("left", "discharged-ama", MONDAY, reason="re-engagement", tier=3)
    foreign = msgspec.structs.replace(
        placement.escalation, category="placement", rule="aftercare/re-engagement|1", owner="case-manager"
    )
    raised = w.EscalationRaised(escalation=foreign, at=MONDAY)
    story = admitted().and_then(MISS, raised)
    assert story.state.escalations == () and story.emitted == []
    assert story.at(MONDAY + timedelta(days=1)).and_then(w.TimePassed()).names() == []


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


@pytest.mark.parametrize("part", [MISS, POSITIVE])
def test_a_part_that_a_person_resolved_and_that_was_wrong_withdraws_the_combination(part: w.EscalationRaised) -> None:
    story = admitted().and_then(MISS, POSITIVE, resolved(part))
    assert story.emitted == []
    story.and_then(withdrawn(part))
    assert story.names() == ["EscalationRetracted", "PlacementReviewWithdrawn"]
    assert story.and_then(withdrawn(part)).emitted == []


def test_what_was_wrong_before_the_other_part_came_meets_nothing() -> None:
    assert admitted().and_then(MISS, resolved(MISS), withdrawn(MISS), POSITIVE).emitted == []


def test_a_wrong_signal_leaves_the_combination_of_those_that_were_right() -> None:
    another = escalated("another", "missed-session", MONDAY + timedelta(days=2))
    story = admitted().and_then(MISS, another, POSITIVE, resolved(MISS), withdrawn(MISS))
    (updated_only, _) = story.emitted
    assert isinstance(updated_only, w.EscalationUpdated) and updated_only.gone == MISS.escalation.signals
    assert story.and_then(withdrawn(escalated("unknown", "missed-session", MONDAY + timedelta(days=9)))).emitted == []


def test_a_signal_is_wrong_under_every_escalation_that_names_it_and_whatever_its_time_is_known_to_be_now() -> None:
    (signal,) = MISS.escalation.signals
    again = escalated("two misses", "missed-session", MONDAY, tier=2)
    later = w.SignalsCorrected(gone=(msgspec.structs.replace(signal, at=TUESDAY),))
    story = admitted().and_then(MISS, again, POSITIVE, resolved(MISS), resolved(again), later)
    assert story.names() == ["EscalationRetracted", "PlacementReviewWithdrawn"]
    assert story.and_then(MISS).names() == ["EscalationRaised", "PlacementReviewRequested"]


def moved(raised: w.EscalationRaised, days: int) -> w.SignalsCorrected:
    (signal,) = raised.escalation.signals
    return w.SignalsCorrected(moved=(msgspec.structs.replace(signal, at=MONDAY + timedelta(days=days)),))


@pytest.mark.parametrize("answered", [[], [resolved(POSITIVE)]])
def test_a_positive_whose_collection_is_known_better_meets_what_it_met_in_truth(answered: list[w.Consumes]) -> None:
    story = admitted().and_then(MISS, POSITIVE, *answered, moved(POSITIVE, 8))
    assert story.names() == ["EscalationRetracted", "PlacementReviewWithdrawn"]
    story.and_then(moved(POSITIVE, 7))
    assert story.names() == ["EscalationRaised", "PlacementReviewRequested"]
    story.and_then(moved(POSITIVE, 6))
    (emitted,) = story.emitted
    assert isinstance(emitted, w.EscalationUpdated) and emitted.gone == ()
    assert emitted.escalation.signals[-1].at == MONDAY + timedelta(days=6)
    assert story.and_then(moved(POSITIVE, 6)).emitted == []


def test_what_a_person_answered_stays_answered_though_its_time_is_known_better() -> None:
    story = admitted().and_then(MISS, POSITIVE)
    (known,) = story.state.escalations
    story.and_then(w.ResolveEscalation(escalation_id=known.escalation.id, reason="acted-on"))
    assert story.and_then(moved(POSITIVE, 5)).emitted == []


def test_a_run_of_misses_does_not_push_out_the_positive_they_meet() -> None:
    """Every miss stands under three escalations; the positive was collected before all of them."""
    misses = [("missed-session", MONDAY + timedelta(days=day)) for day in range(1, 5)]
    (code, at), *more = misses
    story = admitted().and_then(*(escalated(f"run {number}", code, at, *more) for number in range(3)))
    story.and_then(escalated("collected before", "unexpected-positive", MONDAY))
    assert story.names() == ["EscalationRaised", "PlacementReviewRequested"]


def test_outside_an_episode_signals_decide_nothing() -> None:
    assert given().then(MISS, POSITIVE) == []


def test_a_positive_that_newer_ones_crowd_out_of_its_escalation_still_meets_the_miss() -> None:
    """An escalation shows the newest few: what it shows no more was not wrong."""
    positives = [("unexpected-positive", MONDAY + timedelta(days=7 * week)) for week in range(6)]
    (code, at), *more = positives
    shown = escalated("positives", code, at, *more[:3])
    story = admitted().and_then(MISS, shown)
    crowded = w.EscalationUpdated(escalation=escalated("positives", *more[1], *more[2:]).escalation, at=TUESDAY)
    assert story.and_then(crowded).emitted == []
    assert [each.escalation.reason for each in story.state.escalations] == ["miss-and-positive"]


def test_what_else_meets_leaves_nobody_more_time_for_the_reassessment() -> None:
    story = admitted().and_then(MISS, POSITIVE)
    another = escalated("another", "missed-session", MONDAY + timedelta(days=2))
    _, asked = story.at(MONDAY + timedelta(days=2)).and_then(another).emitted
    assert isinstance(asked, w.PlacementReviewRequested)
    assert (asked.review.requested_at, asked.review.act_by) == (MONDAY, MONDAY + timedelta(hours=72))


def test_a_resolved_combination_of_more_signals_than_are_shown_is_not_raised_again_by_them() -> None:
    misses = [escalated(f"miss {day}", "missed-session", MONDAY + timedelta(days=day)) for day in range(6)]
    story = admitted().and_then(POSITIVE, *misses)
    (known,) = story.state.escalations
    story.and_then(w.ResolveEscalation(escalation_id=known.escalation.id, reason="step-up-considered"))
    assert story.and_then(POSITIVE, *misses).emitted == []
    assert story.state.escalations == ()


ABSENT = escalated("absent", "prescribed-medication-absent", MONDAY + timedelta(days=1), tier=2)
TWO_MISSES = escalated("two misses", "missed-session", MONDAY, ("missed-session", MONDAY - timedelta(days=1)), tier=2)


def test_two_kinds_of_tier_two_within_seven_days_give_tier_three_and_no_reassessment() -> None:
    (raised,) = admitted().and_then(TWO_MISSES, ABSENT).emitted
    assert isinstance(raised, w.EscalationRaised)
    escalation = raised.escalation
    assert (escalation.category, escalation.reason, escalation.tier) == ("combined", "two-moderate-signals", 3)
    assert escalation.subsumes == (TWO_MISSES.escalation.id, ABSENT.escalation.id)


def test_a_miss_beside_an_altered_specimen_counts_as_one_beside_a_positive() -> None:
    altered = escalated("altered", "specimen-altered", TUESDAY, tier=3)
    raised, asked = admitted().and_then(TWO_MISSES, altered).emitted
    assert isinstance(raised, w.EscalationRaised) and raised.escalation.reason == "miss-and-positive"
    assert isinstance(asked, w.PlacementReviewRequested)


def test_an_altered_specimen_and_its_own_positive_are_no_miss_and_positive() -> None:
    both = [escalated(code, code, TUESDAY, tier=3) for code in ("unexpected-positive", "specimen-altered")]
    raised, *asked = admitted().and_then(*both).emitted
    assert isinstance(raised, w.EscalationRaised) and raised.escalation.reason == "two-moderate-signals"
    assert asked == []


@pytest.mark.parametrize("tiers", [(1, 2), (2, 1), (1, 1)])
def test_a_milder_part_gives_no_tier_three(tiers: tuple[int, int]) -> None:
    milder = [
        msgspec.structs.replace(each, escalation=msgspec.structs.replace(each.escalation, tier=tier))
        for each, tier in zip((TWO_MISSES, ABSENT), tiers, strict=True)
    ]
    assert admitted().and_then(*milder).emitted == []


def test_two_of_one_kind_have_rules_of_their_own() -> None:
    another = escalated("absent again", "prescribed-medication-absent", MONDAY + timedelta(days=3), tier=2)
    assert admitted().and_then(ABSENT, another).emitted == []


def test_two_kinds_more_than_seven_days_apart_give_no_tier_three() -> None:
    late = escalated("late", "specimen-not-valid", MONDAY + timedelta(days=8, minutes=1), tier=2)
    assert admitted().and_then(ABSENT, late).emitted == []


@pytest.mark.parametrize("part", [TWO_MISSES, ABSENT])
def test_when_a_moderate_part_is_retracted_the_combination_is_withdrawn(part: w.EscalationRaised) -> None:
    story = admitted().and_then(TWO_MISSES, ABSENT, retracted(part))
    assert story.names() == ["EscalationRetracted"] and story.state.escalations == ()


def test_a_positive_beside_two_moderate_signals_updates_the_one_that_is_open_and_asks_for_the_reassessment() -> None:
    story = admitted().and_then(TWO_MISSES, ABSENT)
    (known,) = story.state.escalations
    story.and_then(escalated("positive", "unexpected-positive", TUESDAY, tier=2))
    updated_event, asked = story.emitted
    assert isinstance(updated_event, w.EscalationUpdated) and isinstance(asked, w.PlacementReviewRequested)
    assert updated_event.escalation.id == known.escalation.id
    assert updated_event.escalation.reason == "miss-and-positive"


def test_without_the_positive_again_two_moderate_signals_are_left_and_the_reassessment_is_withdrawn() -> None:
    positive = escalated("positive", "unexpected-positive", TUESDAY, tier=2)
    story = admitted().and_then(TWO_MISSES, ABSENT, positive, retracted(positive))
    assert story.names() == ["EscalationUpdated", "PlacementReviewWithdrawn"]
    (left,) = story.state.escalations
    assert (left.escalation.reason, story.state.reviews) == ("two-moderate-signals", ())


def test_not_even_two_of_tier_four_combine_to_more_than_tier_three() -> None:
    worst = [escalated(code, code, MONDAY, tier=4) for code in ("missed-session", "specimen-not-valid")]
    (raised,) = admitted().and_then(*worst).emitted
    assert isinstance(raised, w.EscalationRaised) and raised.escalation.tier == 3
