"""What a prescription explains, and what is absent."""

from shared.events.escalation import EscalationRaised, EscalationRetracted
from shared.events.testing import DrugTestCorrected, DrugTestResulted
from tests.story import only
from tests.testing.given import admitted, day, medications, report
from tests.testing.story import BASELINE, Story, in_treatment, outcomes


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
