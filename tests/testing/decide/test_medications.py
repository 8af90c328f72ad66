"""What a prescription explains, and what is absent."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from services.testing.messages import ReportResult, ResolveEscalation
from services.testing.reading.interpretation import interpret
from services.testing.reading.laboratory import Code, Component
from shared.events.escalation import EscalationRaised, EscalationRetracted
from shared.events.testing import DrugTestCorrected, DrugTestResulted
from tests.story import only
from tests.testing.given import SETTINGS, admitted, day, medications, report
from tests.testing.story import BASELINE, Story, in_treatment, outcomes
from tests.testing.test_interpretation import laboratory_report


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
    assert outcomes(story.then(by_figures)) == ["expected-positive", "metabolite-absent"]
    assert story.escalations == {"result-unclear": 1, "prescribed-medication-absent": 3}


def test_figures_under_a_laboratorys_own_codes_are_figures_too() -> None:
    own = {"M1": "16246-1", "E1": "58429-2"}
    settings = replace(SETTINGS, local_codes=own)
    rows = [
        Component(codes=(Code(code),), number=Decimal(number), cutoff=Decimal(100))
        for code, number in (("M1", 3000), ("E1", 5))
    ]
    command = interpret(laboratory_report(*rows), "demo", "lab", settings)
    assert command is not None
    story = Story(medications(day(-1), "6813"), admitted(), BASELINE)
    story.then(replace(command, collected_at=day(7)))
    assert story.escalations == {"prescribed-medication-absent": 3}


def test_a_drug_of_which_only_the_metabolite_is_found_was_taken() -> None:
    story = Story(medications(day(-1), "351267"), admitted(), BASELINE)
    found = report("weekly", 7, BUPRENORPHINE_FIGURE="negative", NORBUPRENORPHINE_FIGURE="positive")
    assert outcomes(story.then(found)) == ["expected-negative", "expected-positive"]
    assert story.escalations == {}


def test_naltrexone_is_looked_at_beside_an_opiate_that_an_immunoassay_may_take_it_for() -> None:
    story = Story(medications(day(-1), "7243"), admitted(), BASELINE)
    assert outcomes(story.then(report("weekly", 7, OXYCODONE="positive"))) == ["unexpected-positive-presumptive"]
    assert story.escalations == {"unexpected-positive-opioid": 3, "medical-review": 2}


def test_a_diluted_specimen_cannot_show_that_a_medication_is_absent() -> None:
    story = Story(medications(day(-1), "351267"), admitted(), BASELINE)
    emitted = story.then(report("weekly", 7, BUPRENORPHINE="negative", condition="dilute"))
    assert outcomes(emitted) == ["dilute"]
    assert story.escalations == {"recollection-needed": 1}


BUPROPION, WARFARIN, UNKNOWN, ANOTHER_UNKNOWN, UNCODED = "42347", "11289", "999999999", "999999998", ""
LISINOPRIL_20_MG, HYDROCHLOROTHIAZIDE_WITH_LISINOPRIL = "314077", "197885"


@pytest.mark.parametrize("taken", [UNKNOWN, UNCODED])
def test_a_medication_that_no_table_knows_lowers_no_tier_and_asks_for_a_review_beside(taken: str) -> None:
    story = Story(medications(day(-1), taken), admitted(), BASELINE)
    emitted = story.then(report("weekly", 7, FENTANYL="positive"))
    assert outcomes(emitted) == ["unexpected-positive-presumptive"]
    assert story.escalations == {"unexpected-positive-opioid": 3, "medical-review": 2}


def test_a_confirmed_positive_stays_confirmed_and_combined_beside_an_unknown_medication() -> None:
    story = Story(medications(day(-1), UNKNOWN), admitted(), BASELINE)
    story.then(report("weekly", 7, COCAINE_CONFIRMED="positive", BENZODIAZEPINES="positive", FENTANYL="positive"))
    assert story.escalations == {
        "unexpected-positive-opioid": 3,
        "opioid-with-sedative": 3,
        "unexpected-positive-confirmed": 2,
        "medical-review": 2,
    }


@pytest.mark.parametrize("taken", [WARFARIN, LISINOPRIL_20_MG, HYDROCHLOROTHIAZIDE_WITH_LISINOPRIL])
def test_an_ordinary_medicine_and_a_product_of_ordinary_ones_ask_for_nothing(taken: str) -> None:
    story = Story(medications(day(-1), taken), admitted(), BASELINE)
    story.then(report("weekly", 7, FENTANYL="positive"))
    assert story.escalations == {"unexpected-positive-opioid": 3}


def test_what_was_unknown_when_it_was_listed_is_judged_by_what_is_known_now() -> None:
    story = Story(medications(day(-1), UNKNOWN), admitted(), BASELINE)
    listed = tuple(replace(each, ingredient=LISINOPRIL_20_MG) for each in story.state.to_review)
    story.state = replace(story.state, to_review=listed)
    story.then(report("weekly", 7, FENTANYL="positive"))
    assert story.escalations == {"unexpected-positive-opioid": 3}


def test_a_medication_beside_negatives_asks_for_nothing() -> None:
    story = Story(medications(day(-1), UNKNOWN), admitted(), BASELINE)
    story.then(report("weekly", 7, FENTANYL="negative"))
    assert story.escalations == {}


@pytest.mark.parametrize(
    ("weekly", "outcome", "to_confirm"),
    [
        (report("weekly", 7, AMPHETAMINES="positive"), "unexpected-positive-presumptive", True),
        (report("weekly", 7, AMPHETAMINE_CONFIRMED="positive"), "unexpected-positive-confirmed", False),
        (report("weekly", 7, COCAINE="positive"), "unexpected-positive-presumptive", False),
        (report("weekly", 7, COCAINE_CONFIRMED="positive"), "unexpected-positive-confirmed", False),
    ],
)
def test_what_an_immunoassay_may_take_for_it_changes_no_outcome_and_asks_for_a_definitive_method(
    weekly: ReportResult, outcome: str, to_confirm: bool
) -> None:
    story = Story(medications(day(-1), BUPROPION), admitted(), BASELINE)
    (resulted,) = only(story.then(weekly), DrugTestResulted)
    assert [(each.outcome, each.to_confirm) for each in resulted.results] == [(outcome, to_confirm)]
    assert story.escalations == {outcome: 2, **({"medical-review": 1} if to_confirm else {})}
    advised = "confirmation-advised" in str(resulted.write("patient"))
    assert advised == to_confirm


@pytest.mark.parametrize(
    ("weekly", "in_food"),
    [
        (report("weekly", 7, OPIATES="positive"), [True]),
        (report("weekly", 7, CODEINE="positive", MORPHINE="positive"), [True, True]),
        (report("weekly", 7, MORPHINE="positive", HEROIN="positive"), [False, False]),
        (report("weekly", 7, MORPHINE="positive", HEROIN="negative"), [True, False]),
        (replace(report("weekly", 7, OPIATES="positive"), matrix="hair"), [False]),
        (report("weekly", 7, OPIATES="negative"), [False]),
        (report("weekly", 7, FENTANYL="positive"), [False]),
    ],
)
def test_what_is_in_a_food_too_is_noted_beside_the_outcome_which_stays(
    weekly: ReportResult, in_food: list[bool]
) -> None:
    story = Story(admitted(), BASELINE)
    (resulted,) = only(story.then(weekly), DrugTestResulted)
    assert [each.in_food for each in resulted.results] == in_food
    positive = any(each.finding == "positive" for each in resulted.results)
    assert ("unexpected-positive-opioid" in story.escalations) == (positive and not weekly.matrix)
    assert ("found-in-food" in str(resulted.write("patient"))) == any(in_food)


def test_what_a_prescription_explains_is_not_asked_about_as_a_food() -> None:
    story = Story(medications(day(-1), "7052"), admitted(), BASELINE)
    (resulted,) = only(story.then(report("weekly", 7, MORPHINE="positive")), DrugTestResulted)
    assert [(each.outcome, each.in_food) for each in resulted.results] == [("expected-positive", False)]


def test_one_review_for_each_ingredient_not_for_each_result() -> None:
    story = Story(medications(day(-1), UNKNOWN), admitted(), BASELINE)
    story.then(report("weekly", 7, COCAINE="positive"))
    review = next(each for each in story.state.escalations if each.escalation.reason == "medical-review")
    story.then(ResolveEscalation(escalation_id=review.escalation.id, reason="reviewed"), at=day(9))
    story.then(report("next", 14, FENTANYL="positive", COCAINE="positive"))
    assert "medical-review" not in story.escalations
    story.then(medications(day(20), UNKNOWN, ANOTHER_UNKNOWN))
    story.then(report("later", 28, COCAINE="positive"))
    assert story.escalations["medical-review"] == 1


def test_naltrexone_explains_nothing_and_hides_nothing() -> None:
    story = Story(medications(day(-1), "637213"), admitted(), BASELINE)
    assert outcomes(story.then(report("weekly", 7, COCAINE="positive"))) == ["unexpected-positive-presumptive"]
