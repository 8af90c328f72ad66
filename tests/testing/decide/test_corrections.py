"""Two methods, corrections, preliminary reports."""

import pytest

from services.testing.decide import decide
from services.testing.state import State
from shared.events.envelope import name_id
from shared.events.escalation import EscalationRaised, EscalationRetracted, EscalationUpdated, SignalsCorrected
from shared.events.testing import DrugTestCorrected, DrugTestResulted
from shared.rules.decision import Refused
from shared.rules.escalation import ResolveEscalation
from tests.story import only
from tests.testing.given import NAMES, admitted, day, discharged, evidence, moment, report
from tests.testing.story import Story, in_treatment, outcomes, raised


def test_a_definitive_negative_takes_back_what_the_screen_suggested() -> None:
    story = in_treatment()
    story.then(report("screen", 7, specimen="s7", COCAINE="positive"))
    emitted = story.then(report("confirmation", 7, specimen="s7", issued=9, COCAINE_CONFIRMED="negative"))
    assert [each.results[0].outcome for each in only(emitted, DrugTestCorrected)] == ["not-confirmed"]
    assert raised(emitted) == {"Retracted": ["unexpected-positive-presumptive"]}


def test_a_confirmation_of_the_same_specimen_is_not_residual() -> None:
    story = in_treatment()
    story.then(report("screen", 7, specimen="s7", COCAINE="positive"))
    emitted = story.then(report("confirmation", 7, specimen="s7", issued=9, COCAINE_CONFIRMED="positive"))
    assert outcomes(emitted) == ["unexpected-positive-presumptive", "unexpected-positive-confirmed"]


def test_the_confirmation_of_the_baseline_is_baseline_too() -> None:
    story = Story(admitted(), report("screen", 0, specimen="s0", COCAINE="positive"))
    emitted = story.then(report("confirmation", 0, specimen="s0", issued=3, COCAINE_CONFIRMED="positive"))
    assert outcomes(emitted) == ["baseline", "baseline"]
    assert story.escalations == {}


def test_a_corrected_result_replaces_the_first_and_retracts() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, FENTANYL="positive"))
    emitted = story.then(report("weekly", 7, issued=10, status="corrected", FENTANYL="negative"))
    assert [each.status for each in only(emitted, DrugTestCorrected)] == ["corrected"]
    (retracted,) = only(emitted, EscalationRetracted)
    assert (retracted.reason, retracted.escalation.reason) == ("result-corrected", "unexpected-positive-opioid")


def test_a_positive_that_a_person_has_answered_is_withdrawn_for_whoever_counts_it() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, FENTANYL="positive", COCAINE="positive"))
    story.then(
        *(ResolveEscalation(escalation_id=each.escalation.id, reason="acted-on") for each in story.state.escalations)
    )
    half = story.then(report("weekly", 7, issued=9, status="corrected", FENTANYL="negative", COCAINE="positive"))
    assert only(half, SignalsCorrected) == []
    emitted = story.then(report("weekly", 7, issued=10, status="corrected", FENTANYL="negative", COCAINE="negative"))
    (withdrawn,) = only(emitted, SignalsCorrected)
    assert [(each.code, each.evidence) for each in withdrawn.gone] == [("unexpected-positive", evidence("weekly"))]
    assert raised(emitted) == {}


def test_a_collection_that_is_known_better_is_corrected_for_whoever_counts_it_and_asks_nobody() -> None:
    story = in_treatment()
    story.then(report("weekly", 20, COCAINE="positive"))
    emitted = story.then(report("weekly", 7, issued=22, status="corrected", COCAINE="positive"))
    (corrected,) = only(emitted, SignalsCorrected)
    assert ([each.at for each in corrected.moved], corrected.gone) == ([day(7)], ())
    assert raised(emitted) == {}
    (known,) = story.state.escalations
    assert known.escalation.signals == corrected.moved


def test_a_new_stay_finds_nothing_wrong_in_the_one_before() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, COCAINE="positive"), discharged(day(30)))
    assert only(story.then(admitted(day(60), name_id(NAMES, "again"))), SignalsCorrected) == []


def test_a_correction_that_leaves_one_reason_retracts_only_the_other() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, FENTANYL="positive", BENZODIAZEPINES="positive"))
    corrected = report("weekly", 7, issued=10, status="corrected", FENTANYL="positive", BENZODIAZEPINES="negative")
    emitted = story.then(corrected)
    assert raised(emitted) == {"Retracted": ["opioid-with-sedative", "unexpected-positive-presumptive"]}
    assert story.escalations == {"unexpected-positive-opioid": 3}


def test_one_of_two_specimens_taken_back_leaves_the_escalation_with_the_other() -> None:
    story = in_treatment()
    story.then(report("second week", 7, COCAINE="positive"))
    story.then(report("fourth week", 28, COCAINE="positive"))
    emitted = story.then(report("fourth week", 28, issued=32, status="corrected", COCAINE="negative"))
    (updated,) = only(emitted, EscalationUpdated)
    assert [each.evidence for each in updated.escalation.signals] == [evidence("second week")]


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
def test_a_report_taken_back_is_voided_and_retracts(status: str) -> None:
    story = in_treatment()
    story.then(report("weekly", 7, FENTANYL="positive"))
    emitted = story.then(report("weekly", 7, issued=10, status=status))  # type: ignore[arg-type]
    assert outcomes(emitted) == ["cancelled"]
    (retracted,) = only(emitted, EscalationRetracted)
    assert retracted.reason == "result-voided"


def test_a_voided_baseline_makes_the_next_specimen_the_baseline() -> None:
    story = Story(admitted(), report("first", 0, COCAINE="negative"), report("second", 3, COCAINE="positive"))
    assert story.escalations == {"unexpected-positive-presumptive": 2}
    story.then(report("first", 0, issued=8, status="entered-in-error"))
    assert story.escalations == {}


def test_a_preliminary_positive_is_provisional_one_tier_lower_and_never_new_use() -> None:
    story = in_treatment()
    emitted = story.then(report("weekly", 7, status="preliminary", FENTANYL="positive"))
    assert story.escalations == {"provisional-positive": 2}
    (one,) = only(emitted, EscalationRaised)
    assert [each.code for each in one.escalation.signals] == ["provisional-positive"]


def test_the_final_report_replaces_the_provisional_escalation() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, status="preliminary", FENTANYL="positive"))
    emitted = story.then(report("weekly", 7, issued=9, FENTANYL="positive"))
    assert [each.status for each in only(emitted, DrugTestResulted)] == ["final"]
    assert raised(emitted) == {"Retracted": ["provisional-positive"], "Raised": ["unexpected-positive-opioid"]}


def test_a_promotion_makes_the_stored_preliminary_final() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, status="preliminary", COCAINE="positive"))
    emitted = story.then(report("weekly", 7, issued=9, status="promoted"))
    assert outcomes(emitted) == ["unexpected-positive-presumptive"]
    assert story.escalations == {"unexpected-positive-presumptive": 2}


def test_there_is_nothing_to_promote_without_a_preliminary_report() -> None:
    answer = decide(State(), report("weekly", 7, status="promoted"), moment(day(8)))
    assert isinstance(answer, Refused) and answer.code == "not-found"


def test_a_preliminary_that_comes_after_the_final_changes_nothing() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, COCAINE="negative"))
    assert story.then(report("weekly", 7, issued=12, status="preliminary", COCAINE="positive")) == []


def test_an_order_without_results_yet_says_nothing() -> None:
    assert in_treatment().then(report("weekly", 7, status="registered")) == []


def test_the_same_report_again_says_nothing() -> None:
    story = in_treatment()
    weekly = report("weekly", 7, FENTANYL="positive")
    story.then(weekly)
    assert story.then(weekly) == []
    assert story.then(report("weekly", 7, issued=20, FENTANYL="positive")) == []


def test_an_escalation_of_many_positives_stands_until_the_last_of_them_is_corrected() -> None:
    """An event shows the newest four. Corrected from the newest on, the oldest holds it up to the end."""
    story = in_treatment()
    weeks = [f"week {week}" for week in range(7)]
    for week, name in enumerate(weeks):
        story.then(report(name, 7 * week + 7, OPIATES="positive"))
    for week, name in reversed(list(enumerate(weeks))[1:]):
        emitted = story.then(report(name, 7 * week + 7, issued=60 - week, status="corrected", OPIATES="negative"))
        (updated,) = only(emitted, EscalationUpdated)
        assert [each.evidence for each in updated.gone] == [evidence(name)]
        assert len(updated.escalation.signals) == min(week, 4)
    (retracted,) = only(
        story.then(report(weeks[0], 7, issued=61, status="corrected", OPIATES="negative")), EscalationRetracted
    )
    assert retracted.escalation.reason == "unexpected-positive-opioid"
    assert story.escalations == {}
