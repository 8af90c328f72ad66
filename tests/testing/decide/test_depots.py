"""A maintenance medication that somebody gave for weeks: what a test shows of it asks, and accuses nobody."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.testing import tables
from services.testing.medications import MEDICATIONS_MOST
from services.testing.messages import MedicationsRecorded, ReportResult
from shared.events.envelope import name_id
from shared.events.intake import Medication
from shared.events.testing import DrugTestCorrected
from tests.laws import examples
from tests.story import only
from tests.testing.given import NAMES, admitted, day, medications, report
from tests.testing.story import BASELINE, Story, outcomes

INGREDIENT, TABLET, SYRINGE, IMPLANT = "1819", "351267", "1996189", "1797650"
BUPROPION = "42347"
ABSENT = report("weekly", 7, BUPRENORPHINE="negative", NORBUPRENORPHINE="negative")
PARENT_ALONE = report("weekly", 7, BUPRENORPHINE_FIGURE="positive", NORBUPRENORPHINE_FIGURE="negative")


def given_by(rxnorm: str, route: str | None = None) -> Story:
    return Story(medications(day(-1), rxnorm, route=route), admitted(), BASELINE)


@pytest.mark.parametrize(
    ("rxnorm", "route"),
    [
        (SYRINGE, None),
        (IMPLANT, None),
        (INGREDIENT, "subcutaneous"),
        (INGREDIENT, "implant"),
        (SYRINGE, "sublingual"),
        (TABLET, "subcutaneous"),
    ],
)
def test_an_absence_under_a_depot_is_looked_at_by_a_person_and_is_no_absence_of_what_is_taken(
    rxnorm: str, route: str | None
) -> None:
    story = given_by(rxnorm, route)
    assert outcomes(story.then(ABSENT)) == ["indeterminate", "indeterminate"]
    assert story.escalations == {"result-unclear": 1}


def test_nor_is_its_parent_drug_alone() -> None:
    story = given_by(SYRINGE)
    assert outcomes(story.then(PARENT_ALONE)) == ["expected-positive", "indeterminate"]
    assert story.escalations == {"result-unclear": 1}


@pytest.mark.parametrize("route", [None, "sublingual", "oral", "a route that nobody knows"])
def test_what_the_patient_takes_is_missed_as_before(route: str | None) -> None:
    story = given_by(TABLET, route)
    assert outcomes(story.then(ABSENT)) == ["unexpected-negative-prescribed"] * 2
    assert story.escalations == {"prescribed-medication-absent": 2}


def test_what_is_found_under_a_depot_is_expected() -> None:
    story = given_by(SYRINGE)
    found = report("weekly", 7, BUPRENORPHINE="positive", NORBUPRENORPHINE="positive")
    assert outcomes(story.then(found)) == ["expected-positive"] * 2
    assert story.escalations == {}


def test_its_metabolite_without_its_drug_shows_that_it_was_given() -> None:
    story = given_by(SYRINGE)
    found = report("weekly", 7, BUPRENORPHINE_FIGURE="negative", NORBUPRENORPHINE_FIGURE="positive")
    assert outcomes(story.then(found)) == ["expected-negative", "expected-positive"]


def test_tablets_beside_a_depot_do_not_accuse_either() -> None:
    story = Story(medications(day(-1), TABLET, SYRINGE), admitted(), BASELINE)
    assert outcomes(story.then(ABSENT)) == ["indeterminate", "indeterminate"]


def test_a_route_that_is_corrected_later_takes_the_accusation_back() -> None:
    story = given_by(INGREDIENT)
    story.then(ABSENT)
    emitted = story.then(medications(day(9), INGREDIENT, route="subcutaneous"))
    assert outcomes(emitted) == ["indeterminate", "indeterminate"] and only(emitted, DrugTestCorrected)
    assert story.escalations == {"result-unclear": 1}


@pytest.mark.parametrize(
    ("product", "days_ago", "outcome"),
    [
        (SYRINGE, 365, "expected-positive"),
        (SYRINGE, 366, "unexpected-positive-presumptive"),
        (TABLET, 1, "unexpected-positive-presumptive"),
    ],
)
def test_what_is_found_of_a_depot_for_a_year_after_its_end_is_explained_by_it(
    product: str, days_ago: int, outcome: str
) -> None:
    end_on = day(7).date() - timedelta(days=days_ago)
    given_last = Medication(name_id(NAMES, product), product, date(2023, 1, 1), end_on)
    listed = MedicationsRecorded(list_id=name_id(NAMES, "list"), recorded_at=day(-1), medications=(given_last,))
    story = Story(listed, admitted(), BASELINE)
    assert outcomes(story.then(report("negative", 7, BUPRENORPHINE="negative"))) == ["expected-negative"]
    assert outcomes(story.then(report("weekly", 7, BUPRENORPHINE="positive"))) == [outcome]


def test_a_depot_that_is_in_no_list_any_more_is_remembered_as_long_and_tablets_are_not() -> None:
    for taken, outcome in ((SYRINGE, "expected-positive"), (TABLET, "unexpected-positive-presumptive")):
        story = Story(medications(day(-1), taken), admitted(), BASELINE, medications(day(3)), medications(day(90)))
        assert outcomes(story.then(report("weekly", 100, BUPRENORPHINE="positive"))) == [outcome]
        assert bool(story.state.medications) == (taken == SYRINGE)


def test_methadone_has_no_depot_by_whatever_route_it_is_listed() -> None:
    story = given_by("6813", "subcutaneous")
    absent = report("weekly", 7, METHADONE="negative")
    assert outcomes(story.then(absent)) == ["unexpected-negative-prescribed"]


def test_every_product_of_the_table_is_one_whose_ingredients_are_known() -> None:
    assert {each for each in tables.DEPOTS if each not in tables.PRODUCTS} == set()


def test_among_more_medications_than_the_state_holds_an_absence_is_still_missed() -> None:
    others = [each for each in tables.INGREDIENTS if each not in tables.MAINTENANCE][:MEDICATIONS_MOST]
    story = Story(medications(day(-1), *others, TABLET), admitted(), BASELINE)
    assert outcomes(story.then(ABSENT)) == ["unexpected-negative-prescribed"] * 2


def test_what_looks_alike_to_an_immunoassay_hides_no_repetition_that_definitive_methods_found() -> None:
    twice = [report(f"week {week}", 7 * week, AMPHETAMINE_CONFIRMED="positive") for week in (1, 2)]
    story = Story(medications(day(-1), BUPROPION), admitted(), BASELINE, *twice)
    assert story.escalations["repeated-unexpected-positive"] == 3


UNRELATED = some.sampled_from([*tables.ORDINARY, *tables.CROSS_REACTIVE, "999999999", "", "25480", "6901", "352372"])
"""Ordinary medicines, those that an immunoassay may take for a drug, unknown ones, and some that explain analytes
which no report below looks for."""
FOUND = some.sampled_from(("positive", "negative", "indeterminate"))
REPORTS = some.builds(
    lambda when, **found: report(f"at {when}", when, **found),
    some.integers(5, 40),
    FENTANYL=FOUND,
    COCAINE_CONFIRMED=FOUND,
    AMPHETAMINE_CONFIRMED=FOUND,
    BENZODIAZEPINES=FOUND,
    BUPRENORPHINE=FOUND,
    NORBUPRENORPHINE=FOUND,
)


@settings(max_examples=examples(200), deadline=None)
@given(
    some.sampled_from(((), (TABLET,), (SYRINGE,), (INGREDIENT, "197591"))),
    some.lists(UNRELATED, min_size=1, max_size=15),
    some.lists(REPORTS, min_size=1, max_size=4),
)
def test_an_unrelated_medication_never_lowers_a_tier(
    taken: tuple[str, ...], unrelated: list[str], reports: list[ReportResult]
) -> None:
    alone = Story(medications(day(-1), *taken), admitted(), BASELINE, *reports).escalations
    with_more = Story(medications(day(-1), *unrelated, *taken), admitted(), BASELINE, *reports).escalations
    assert all(with_more.get(reason, 0) >= tier for reason, tier in alone.items())
