from datetime import date, timedelta

import pytest

from services.testing.decide import decide
from services.testing.messages import AcknowledgeEscalation, ResolveEscalation
from services.testing.state import State, due
from shared.events.escalation import (
    EscalationOverdue,
    EscalationRaised,
    EscalationResolved,
    EscalationRetracted,
    EscalationUpdated,
)
from shared.events.testing import DrugTestCorrected, DrugTestResulted, ResultMatched
from shared.rules.decision import Refused
from tests.testing.given import (
    TIME_PASSED,
    Story,
    admitted,
    day,
    discharged,
    evidence,
    medications,
    moment,
    only,
    outcomes,
    raised,
    report,
)

BASELINE = report("baseline", 0, FENTANYL="negative", COCAINE="negative")


def in_treatment() -> Story:
    """Admitted, with a clean baseline."""
    return Story(admitted(), BASELINE)


# --- before and at admission


def test_a_result_before_the_admission_is_matched_and_waits_for_its_grade() -> None:
    story = Story()
    emitted = story.then(report("early", -3, FENTANYL="positive"))
    assert [type(each) for each in emitted] == [ResultMatched]
    assert outcomes(emitted) == ["pending"]


def test_the_admission_grades_what_waited() -> None:
    story = Story(report("early", -3, FENTANYL="positive"))
    emitted = story.then(admitted())
    (resulted,) = only(emitted, DrugTestResulted)
    assert resulted.baseline
    assert outcomes(emitted) == ["baseline"]
    assert story.escalations == {"baseline-opioid-safety": 2}


def test_a_specimen_from_long_before_the_admission_is_never_graded() -> None:
    story = Story(report("old", -15, FENTANYL="positive"))
    assert story.then(admitted()) == []


def test_medications_said_before_the_admission_are_known_when_it_grades() -> None:
    story = Story(report("early", -3, BUPRENORPHINE="positive"), medications(day(-1), "351267"))
    emitted = story.then(admitted())
    assert outcomes(emitted) == ["expected-positive"]
    assert story.escalations == {}


def test_a_report_that_waited_is_matched_and_graded_at_once_in_an_open_episode() -> None:
    story = Story(admitted())
    emitted = story.then(report("waited", 0, COCAINE="negative", matched=True))
    assert [type(each) for each in emitted] == [ResultMatched, DrugTestResulted]


# --- baseline and residual


def test_the_first_specimen_is_the_baseline_and_raises_no_alarm() -> None:
    story = Story(admitted())
    emitted = story.then(report("first", 0, COCAINE="positive", AMPHETAMINES="negative"))
    assert outcomes(emitted) == ["baseline", "expected-negative"]
    assert story.escalations == {}


def test_a_baseline_opioid_asks_for_the_safety_contact_only() -> None:
    story = Story(admitted())
    story.then(report("first", 0, FENTANYL="positive"))
    assert story.escalations == {"baseline-opioid-safety": 2}
    (open_one,) = story.state.open
    assert [each.code for each in open_one.escalation.signals] == ["baseline-safety"]


def test_an_earlier_specimen_that_arrives_late_becomes_the_baseline_and_regrades_the_other() -> None:
    story = Story(admitted(), report("first", 2, COCAINE="positive"))
    emitted = story.then(report("earlier", -1, AMPHETAMINES="positive"), now=day(5))
    corrected, resulted = only(emitted, DrugTestCorrected), only(emitted, DrugTestResulted)
    assert [each.results[0].outcome for each in resulted] == ["baseline"]
    assert [each.results[0].outcome for each in corrected] == ["unexpected-positive-presumptive"]
    assert story.escalations == {"unexpected-positive-presumptive": 2}


def test_a_positive_within_its_residual_window_cannot_show_new_use() -> None:
    story = Story(admitted(), report("baseline", 0, FENTANYL="positive"))
    emitted = story.then(report("weekly", 7, FENTANYL="positive"))
    assert outcomes(emitted) == ["cannot-show-new-use"]
    assert story.escalations == {"baseline-opioid-safety": 2}
    assert raised(emitted) == {"Updated": ["baseline-opioid-safety"]}


def test_a_metabolite_counts_as_the_same_kin_in_the_residual_window() -> None:
    story = Story(admitted(), report("baseline", 0, COCAINE="positive"))
    assert outcomes(story.then(report("next", 3, COCAINE_CONFIRMED="positive"))) == ["cannot-show-new-use"]


def test_a_positive_after_the_residual_window_is_unexpected() -> None:
    story = Story(admitted(), report("baseline", 0, COCAINE="positive"))
    assert outcomes(story.then(report("weekly", 7, COCAINE="positive"))) == ["unexpected-positive-presumptive"]


# --- tiers


def test_an_opioid_even_presumptive_is_tier_three() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, FENTANYL="positive"))
    assert story.escalations == {"unexpected-positive-opioid": 3}


def test_a_presumptive_positive_of_another_kind_is_tier_two() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, COCAINE="positive"))
    assert story.escalations == {"unexpected-positive-presumptive": 2}


def test_every_unexpected_positive_carries_the_signal_that_intake_combines() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, COCAINE_CONFIRMED="positive", FENTANYL="positive"))
    signals = {(each.code, each.at, each.evidence) for open_ in story.state.open for each in open_.escalation.signals}
    assert signals == {("unexpected-positive", day(7), evidence("weekly"))}


def test_two_confirmed_in_thirty_days_are_tier_three() -> None:
    story = in_treatment()
    story.then(report("second week", 7, COCAINE_CONFIRMED="positive"))
    assert story.escalations == {"unexpected-positive-confirmed": 2}
    story.then(report("fourth week", 28, COCAINE_CONFIRMED="positive"))
    assert story.escalations == {"unexpected-positive-confirmed": 2, "repeated-unexpected-positive": 3}


def test_two_confirmed_further_apart_than_thirty_days_are_not_a_repetition() -> None:
    story = in_treatment()
    story.then(report("second week", 7, COCAINE_CONFIRMED="positive"))
    story.then(report("sixth week", 38, COCAINE_CONFIRMED="positive"))
    assert story.escalations == {"unexpected-positive-confirmed": 2}


def test_a_residual_positive_does_not_count_as_the_second() -> None:
    story = in_treatment()
    story.then(report("second week", 7, COCAINE_CONFIRMED="positive"))
    story.then(report("soon after", 9, COCAINE_CONFIRMED="positive"))
    assert "repeated-unexpected-positive" not in story.escalations


def test_an_opioid_with_a_sedative_is_tier_three_under_its_own_reason() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, FENTANYL="positive", BENZODIAZEPINES="positive"))
    assert story.escalations == {
        "unexpected-positive-opioid": 3,
        "opioid-with-sedative": 3,
        "unexpected-positive-presumptive": 2,
    }


def test_a_sedative_beside_prescribed_buprenorphine_is_dangerous_all_the_same() -> None:
    story = Story(medications(day(-1), "351267"), admitted(), BASELINE)
    story.then(report("weekly", 7, BUPRENORPHINE="positive", BENZODIAZEPINES="positive"))
    assert story.escalations["opioid-with-sedative"] == 3


def test_no_analyte_stands_in_an_escalation() -> None:
    story = in_treatment()
    emitted = story.then(report("weekly", 7, FENTANYL="positive", COCAINE="positive"))
    written = str([each.write("patient") for each in only(emitted, EscalationRaised)])
    assert "fentanyl" not in written and "cocaine" not in written and "benzoylecgonine" not in written


# --- medications


def test_what_is_prescribed_and_active_is_expected() -> None:
    story = Story(medications(day(-1), "1049621"), admitted(), BASELINE)
    emitted = story.then(report("weekly", 7, OXYCODONE="positive", BENZODIAZEPINES="negative"))
    assert outcomes(emitted) == ["expected-positive", "expected-negative"]
    assert story.escalations == {}


def test_a_prescription_explains_its_metabolites_and_says_by_which_ingredient() -> None:
    story = Story(medications(day(-1), "197591"), admitted(), BASELINE)
    (resulted,) = only(story.then(report("weekly", 7, BENZODIAZEPINES="positive")), DrugTestResulted)
    assert [(each.outcome, each.explained_by) for each in resulted.results] == [("expected-positive", "3322")]


def test_a_prescription_that_ended_before_the_collection_explains_nothing() -> None:
    story = Story(medications(day(-1), "197591"), admitted(), BASELINE, medications(day(3)))
    assert outcomes(story.then(report("weekly", 7, BENZODIAZEPINES="positive"))) == ["unexpected-positive-presumptive"]


def test_a_medication_ended_since_still_explains_a_specimen_collected_while_it_was_taken() -> None:
    story = Story(medications(day(-1), "197591"), admitted(), BASELINE, medications(day(10)))
    assert outcomes(story.then(report("late", 7, BENZODIAZEPINES="positive", issued=12))) == ["expected-positive"]


def test_a_list_that_comes_later_and_covers_the_collection_retracts() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, BENZODIAZEPINES="positive"))
    emitted = story.then(medications(day(10), "197591"))
    assert outcomes(emitted) == ["expected-positive"]
    (retracted,) = only(emitted, EscalationRetracted)
    assert retracted.reason == "medications-recorded"
    assert only(emitted, DrugTestCorrected) and story.escalations == {}


def test_prescribed_buprenorphine_that_is_absent_goes_to_the_prescriber() -> None:
    story = Story(medications(day(-1), "351267"), admitted(), BASELINE)
    emitted = story.then(report("weekly", 7, BUPRENORPHINE="negative", NORBUPRENORPHINE="negative"))
    assert outcomes(emitted) == ["unexpected-negative-prescribed"] * 2
    (one,) = only(emitted, EscalationRaised)
    assert (one.escalation.owner, one.escalation.tier, one.escalation.reason) == (
        "prescriber",
        2,
        "prescribed-medication-absent",
    )


def test_absent_twice_within_thirty_days_is_tier_three() -> None:
    story = Story(medications(day(-1), "351267"), admitted(), BASELINE)
    story.then(report("second week", 7, BUPRENORPHINE="negative"))
    story.then(report("third week", 14, BUPRENORPHINE="negative"))
    assert story.escalations == {"prescribed-medication-absent": 3}


def test_an_immunoassay_for_opiates_says_nothing_about_buprenorphine() -> None:
    story = Story(medications(day(-1), "351267"), admitted(), BASELINE)
    assert outcomes(story.then(report("weekly", 7, OPIATES="negative"))) == ["expected-negative"]


def test_the_parent_without_metabolite_counts_only_where_both_were_quantified() -> None:
    story = Story(medications(day(-1), "351267"), admitted(), BASELINE)
    by_screen = report("screen", 7, BUPRENORPHINE="positive", NORBUPRENORPHINE="negative")
    assert outcomes(story.then(by_screen)) == ["expected-positive", "indeterminate"]
    half = report("half", 10, BUPRENORPHINE_FIGURE="positive", NORBUPRENORPHINE="negative")
    assert outcomes(story.then(half)) == ["expected-positive", "indeterminate"]
    by_figures = report("figures", 14, BUPRENORPHINE_FIGURE="positive", NORBUPRENORPHINE_FIGURE="negative")
    assert outcomes(story.then(by_figures)) == ["expected-positive", "unexpected-negative-prescribed"]
    assert story.escalations == {"prescribed-medication-absent": 3}


def test_a_diluted_specimen_cannot_show_that_a_medication_is_absent() -> None:
    story = Story(medications(day(-1), "351267"), admitted(), BASELINE)
    emitted = story.then(report("weekly", 7, BUPRENORPHINE="negative", condition="dilute"))
    assert outcomes(emitted) == ["dilute"]
    assert story.escalations == {"recollection-needed": 1}


def test_an_unmapped_medication_asks_for_a_review_and_safety_stands() -> None:
    story = Story(medications(day(-1), "999999999"), admitted(), BASELINE)
    emitted = story.then(report("weekly", 7, FENTANYL="positive"))
    assert outcomes(emitted) == ["unexplained-positive"]
    assert story.escalations == {"medical-review": 2, "opioid-safety": 2}


def test_an_unmapped_medication_with_another_kind_of_positive_is_a_review_at_tier_one() -> None:
    story = Story(medications(day(-1), "999999999"), admitted(), BASELINE)
    story.then(report("weekly", 7, COCAINE="positive"))
    assert story.escalations == {"medical-review": 1}


def test_naltrexone_explains_nothing_and_hides_nothing() -> None:
    story = Story(medications(day(-1), "637213"), admitted(), BASELINE)
    assert outcomes(story.then(report("weekly", 7, COCAINE="positive"))) == ["unexpected-positive-presumptive"]


# --- one specimen, two methods


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
    assert outcomes(emitted) == ["unexpected-positive-confirmed"]


def test_the_confirmation_of_the_baseline_is_baseline_too() -> None:
    story = Story(admitted(), report("screen", 0, specimen="s0", COCAINE="positive"))
    emitted = story.then(report("confirmation", 0, specimen="s0", issued=3, COCAINE_CONFIRMED="positive"))
    assert outcomes(emitted) == ["baseline"]
    assert story.escalations == {}


# --- corrections, preliminary reports


def test_a_corrected_result_replaces_the_first_and_retracts() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, FENTANYL="positive"))
    emitted = story.then(report("weekly", 7, issued=10, status="corrected", FENTANYL="negative"))
    assert [each.status for each in only(emitted, DrugTestCorrected)] == ["corrected"]
    (retracted,) = only(emitted, EscalationRetracted)
    assert (retracted.reason, retracted.escalation.reason) == ("result-corrected", "unexpected-positive-opioid")


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


# --- specimens


@pytest.mark.parametrize(
    ("condition", "reason", "tier"),
    [
        ("substituted", "specimen-substituted-or-adulterated", 3),
        ("adulterated", "specimen-substituted-or-adulterated", 3),
        ("dilute", "recollection-needed", 1),
        ("invalid", "recollection-needed", 1),
        ("rejected-unsatisfactory", "recollection-needed", 1),
    ],
)
def test_a_specimen_that_is_not_valid_asks_for_a_person(condition: str, reason: str, tier: int) -> None:
    story = in_treatment()
    emitted = story.then(report("weekly", 7, condition=condition, COCAINE="negative"))  # type: ignore[arg-type]
    assert outcomes(emitted) == [condition]
    assert story.escalations == {reason: tier}


def test_a_second_specimen_in_a_row_that_must_be_collected_again_is_tier_two() -> None:
    story = in_treatment()
    story.then(report("second week", 7, condition="dilute", COCAINE="negative"))
    story.then(report("third week", 14, condition="dilute", COCAINE="negative"))
    assert story.escalations == {"recollection-needed": 2}


def test_another_report_of_the_specimen_before_does_not_hide_that_it_had_to_be_collected_again() -> None:
    story = in_treatment()
    for name, condition in (("screen", "dilute"), ("another", "valid"), ("a third", "valid")):
        story.then(report(name, 7, specimen="first", condition=condition, COCAINE="negative"))  # type: ignore[arg-type]
    story.then(report("weekly", 14, condition="dilute", COCAINE="negative"))
    assert story.escalations == {"recollection-needed": 2}


def test_a_substituted_specimen_cannot_be_the_baseline() -> None:
    story = Story(admitted(), report("first", 0, condition="substituted", COCAINE="negative"))
    assert outcomes(story.then(report("second", 2, COCAINE="positive"))) == ["baseline"]


def test_an_unmapped_code_is_kept_and_shown_to_a_person() -> None:
    story = in_treatment()
    emitted = story.then(report("weekly", 7, unmapped="LOCAL7", COCAINE="negative"))
    assert outcomes(emitted) == ["expected-negative", "pending"]
    assert story.escalations == {"laboratory-code-unmapped": 1}


# --- people and time


def test_an_escalation_is_acknowledged_once_and_resolved() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, FENTANYL="positive"))
    (identity,) = [each.escalation.id for each in story.state.open]
    assert story.then(AcknowledgeEscalation(escalation_id=identity), now=day(8))
    assert story.then(AcknowledgeEscalation(escalation_id=identity), now=day(8)) == []
    story.then(ResolveEscalation(escalation_id=identity, reason="talked-to-patient"), now=day(9))
    assert story.escalations == {}


def test_a_resolved_escalation_is_not_raised_again_by_the_same_evidence() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, FENTANYL="positive"))
    (identity,) = [each.escalation.id for each in story.state.open]
    story.then(ResolveEscalation(escalation_id=identity, reason="talked-to-patient"), now=day(9))
    story.then(medications(day(10), "29046"))
    story.then(report("next week", 14, COCAINE="negative"))
    assert story.escalations == {}


def test_nobody_acknowledged_in_time_is_said_once_one_tier_up() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, COCAINE="positive"))
    at = due(story.state)
    assert at == day(8) + timedelta(minutes=1440)
    (overdue,) = only(story.then(TIME_PASSED, now=at), EscalationOverdue)
    assert overdue.escalation.tier == 3
    assert due(story.state) is None


def test_discharge_closes_what_is_open_with_a_reason() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, FENTANYL="positive"))
    (closed,) = only(story.then(discharged(day(84))), EscalationResolved)
    assert closed.reason == "episode-discharged"
    assert story.escalations == {}


def test_an_ended_episode_leaves_the_state_after_thirty_days() -> None:
    story = in_treatment()
    story.then(discharged(day(84)))
    assert due(story.state) == day(114)
    story.then(TIME_PASSED, now=day(114))
    assert story.state == State()


def test_a_report_that_comes_after_the_discharge_about_the_stay_is_still_graded() -> None:
    story = in_treatment()
    story.then(discharged(day(84)))
    assert outcomes(story.then(report("last", 83, FENTANYL="positive", issued=86))) == [
        "unexpected-positive-presumptive"
    ]
    assert story.escalations == {"unexpected-positive-opioid": 3}


def test_a_medication_started_on_the_day_of_the_collection_need_not_show_yet() -> None:
    story = Story(admitted(), BASELINE, medications(day(7), "351267", since=date(2025, 3, 10)))
    assert outcomes(story.then(report("weekly", 7, BUPRENORPHINE="negative"))) == ["expected-negative"]
