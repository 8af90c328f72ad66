"""A toxicologist's cases: who takes what, what a laboratory found, what that means, and which tier it asks for."""

from typing import Literal, NamedTuple

import pytest
from msgspec.structs import replace

from services.testing import tables
from services.testing.messages import Observed, ReportResult
from shared.events.testing import DrugTestEvent
from tests.story import only
from tests.testing.given import admitted, day, medications, report
from tests.testing.story import BASELINE, Story

Method = Literal["screen", "confirmation"]
EXPECTED, PRESUMPTIVE, CONFIRMED = (
    "expected-positive",
    "unexpected-positive-presumptive",
    "unexpected-positive-confirmed",
)
NO_NEW_USE, NOT_FOUND = "cannot-show-new-use", "expected-negative"


class Case(NamedTuple):
    """`prescribed` by the names of data/ingredients.csv and its kin; `found` maps each analyte to its outcome."""

    title: str
    prescribed: tuple[str, ...]
    found: dict[str, str]
    tier: int
    method: Method = "confirmation"


def all_of(outcome: str, *analytes: str) -> dict[str, str]:
    return dict.fromkeys(analytes, outcome)


HEROIN = ("6-acetylmorphine", "morphine", "codeine")
OPIOIDS = (
    Case("heroin is never explained by its morphine", (), all_of(CONFIRMED, *HEROIN), 3),
    Case(
        "codeine explains the morphine beside heroin, not the heroin",
        ("codeine",),
        {"6-acetylmorphine": CONFIRMED, "morphine": EXPECTED, "codeine": EXPECTED},
        3,
    ),
    Case("morphine never leaves 6-acetylmorphine", ("morphine",), {"6-acetylmorphine": CONFIRMED}, 3),
    Case("codeine leaves morphine", ("codeine",), all_of(EXPECTED, "codeine", "morphine", "hydrocodone"), 0),
    Case("morphine never leaves codeine", ("morphine",), {"morphine": EXPECTED, "codeine": CONFIRMED}, 3),
    Case(
        "hydrocodone leaves its family",
        ("hydrocodone",),
        all_of(EXPECTED, "hydrocodone", "hydromorphone", "norhydrocodone", "dihydrocodeine"),
        0,
    ),
    Case("a metabolite never leaves its drug", ("hydromorphone",), {"hydrocodone": CONFIRMED}, 3),
    Case("hydrocodone explains no oxycodone", ("hydrocodone",), {"oxycodone": CONFIRMED}, 3),
    Case(
        "oxycodone leaves its family",
        ("oxycodone",),
        all_of(EXPECTED, "oxycodone", "oxymorphone", "noroxycodone", "noroxymorphone"),
        0,
    ),
    Case("oxymorphone leaves no oxycodone", ("oxymorphone",), {"oxymorphone": EXPECTED, "oxycodone": CONFIRMED}, 3),
    Case("a patch of fentanyl leaves norfentanyl", ("fentanyl",), all_of(EXPECTED, "fentanyl", "norfentanyl"), 0),
    Case("a patch of fentanyl is no analogue", ("fentanyl",), {"fentanyl-analogue": CONFIRMED}, 3),
    Case("tramadol is not tapentadol", ("tramadol",), {"o-desmethyltramadol": EXPECTED, "tapentadol": CONFIRMED}, 3),
    Case("a nitazene is an opioid", (), {"nitazene": CONFIRMED}, 3),
    Case("kratom is an opioid", (), {"mitragynine": CONFIRMED}, 3),
    Case("meperidine is found of itself", ("meperidine",), {"meperidine": EXPECTED}, 0),
    Case("methadone is found with its metabolite", ("methadone",), all_of(EXPECTED, "methadone", "eddp"), 0),
    Case("a screen for opiates stays presumptive", (), {"opiates": PRESUMPTIVE}, 3, "screen"),
    Case("hydrocodone explains a screen for opiates", ("hydrocodone",), {"opiates": EXPECTED}, 0, "screen"),
    Case("oxycodone explains no screen for opiates", ("oxycodone",), {"opiates": PRESUMPTIVE}, 3, "screen"),
    Case("naltrexone lowers no screen", ("naltrexone",), {"oxycodone": PRESUMPTIVE}, 3, "screen"),
)
SEDATIVES = (
    Case(
        "diazepam leaves its family",
        ("diazepam",),
        all_of(EXPECTED, "diazepam", "nordiazepam", "temazepam", "oxazepam"),
        0,
    ),
    Case("temazepam leaves oxazepam", ("temazepam",), all_of(EXPECTED, "temazepam", "oxazepam"), 0),
    Case("temazepam leaves no nordiazepam", ("temazepam",), {"nordiazepam": CONFIRMED}, 2),
    Case("oxazepam is found of itself", ("oxazepam",), {"oxazepam": EXPECTED}, 0),
    Case("oxazepam leaves no temazepam", ("oxazepam",), {"temazepam": CONFIRMED}, 2),
    Case("clorazepate leaves nordiazepam", ("clorazepate",), all_of(EXPECTED, "nordiazepam", "oxazepam"), 0),
    Case("clonazepam leaves its metabolite", ("clonazepam",), {"7-aminoclonazepam": EXPECTED}, 0),
    Case("clonazepam is no alprazolam", ("clonazepam",), {"alprazolam": CONFIRMED}, 2),
    Case("alprazolam is no bromazolam", ("alprazolam",), {"bromazolam": CONFIRMED}, 2),
    Case("triazolam leaves its metabolite", ("triazolam",), {"alpha-hydroxytriazolam": EXPECTED}, 0),
    Case("midazolam is found of itself", ("midazolam",), {"midazolam": EXPECTED}, 0),
    Case("flurazepam is found of itself", ("flurazepam",), {"flurazepam": EXPECTED}, 0),
    Case("estazolam explains a screen", ("estazolam",), {"benzodiazepines": EXPECTED}, 0, "screen"),
    Case("a screen for benzodiazepines may miss lorazepam", ("lorazepam",), {"lorazepam": EXPECTED}, 0),
    Case("zolpidem is found of itself", ("zolpidem",), {"zolpidem": EXPECTED}, 0),
    Case("gabapentin is no pregabalin", ("gabapentin",), {"gabapentin": EXPECTED, "pregabalin": CONFIRMED}, 2),
    Case("pregabalin is found of itself", ("pregabalin",), {"pregabalin": EXPECTED}, 0),
    Case("carisoprodol leaves meprobamate", ("carisoprodol",), all_of(EXPECTED, "carisoprodol", "meprobamate"), 0),
    Case("meprobamate leaves no carisoprodol", ("meprobamate",), {"carisoprodol": CONFIRMED}, 2),
    Case("primidone leaves phenobarbital", ("primidone",), {"phenobarbital": EXPECTED}, 0),
    Case("secobarbital is found of itself", ("secobarbital",), {"secobarbital": EXPECTED}, 0),
    Case("butalbital is no phenobarbital", ("butalbital",), {"phenobarbital": CONFIRMED}, 2),
)
OTHERS = (
    Case("lisdexamfetamine leaves amphetamine", ("lisdexamfetamine",), {"amphetamine": EXPECTED}, 0),
    Case("lisdexamfetamine leaves no methamphetamine", ("lisdexamfetamine",), {"methamphetamine": CONFIRMED}, 2),
    Case("methamphetamine leaves amphetamine", (), all_of(CONFIRMED, "methamphetamine", "amphetamine"), 2),
    Case("methylphenidate is no amphetamine", ("methylphenidate",), {"amphetamine": CONFIRMED}, 2),
    Case("bupropion lowers no screen", ("bupropion",), {"amphetamines": PRESUMPTIVE}, 2, "screen"),
    Case("bupropion doubts no confirmation", ("bupropion",), {"amphetamine": CONFIRMED}, 2),
    Case("cocaine is named by its metabolite", (), {"benzoylecgonine": CONFIRMED}, 2),
    Case("dronabinol leaves what cannabis does", ("dronabinol",), all_of(EXPECTED, "thc", "thc-cooh"), 0),
    Case("dronabinol explains a screen", ("dronabinol",), {"cannabinoids": EXPECTED}, 0, "screen"),
    Case("dronabinol is no synthetic cannabinoid", ("dronabinol",), {"synthetic-cannabinoid": CONFIRMED}, 2),
    Case("ketamine is found of itself", ("ketamine",), {"ketamine": EXPECTED}, 0),
    Case("ketamine that nobody prescribed", (), {"ketamine": CONFIRMED}, 2),
)
RXNORM = {
    **{ingredient.name: code for code, ingredient in tables.INGREDIENTS.items()},
    "naloxone": "7242",
    "naltrexone": "7243",
    "bupropion": "42347",
    "sertraline": "36437",
    "selegiline": "9639",
    "cannabidiol": "2058900",
}


def laboratory_found(name: str, at: float, method: Method, *analytes: str) -> ReportResult:
    """A specimen in which each of these was found."""
    definitive = method == "confirmation"
    rows = tuple(Observed(each.upper(), "", each, "positive", definitive) for each in analytes)
    return replace(report(name, at), results=rows)


def in_treatment_with(*prescribed: str) -> Story:
    return Story(medications(day(-1), *(RXNORM[each] for each in prescribed)), admitted(), BASELINE)


@pytest.mark.parametrize("case", [*OPIOIDS, *SEDATIVES, *OTHERS], ids=lambda each: each.title)
def test_a_positive_means_what_a_toxicologist_reads_in_it(case: Case) -> None:
    story = in_treatment_with(*case.prescribed)
    emitted = story.then(laboratory_found("weekly", 7, case.method, *case.found))
    results = only(emitted, DrugTestEvent)[-1].results
    assert {each.analyte: each.outcome for each in results} == case.found
    assert max(story.escalations.values(), default=0) == case.tier


def test_every_ingredient_explains_what_is_found_of_it_and_only_as_long_as_it_is_taken() -> None:
    for ingredient in tables.INGREDIENTS.values():
        found = laboratory_found("weekly", 7, "confirmation", *sorted(ingredient.explains))
        story = in_treatment_with(ingredient.name)
        assert {each.outcome for each in only(story.then(found), DrugTestEvent)[-1].results} == {EXPECTED}
        assert story.escalations == {}
        without = in_treatment_with()
        without.then(found)
        assert max(without.escalations.values()) >= 2


PRODUCTS = {
    "310431": "gabapentin",
    "483450": "pregabalin",
    "854873": "zolpidem",
    "312134": "oxazepam",
    "198317": "triazolam",
    "197465": "clorazepate",
    "197446": "carisoprodol",
    "197634": "dronabinol",
    "993541": "bupropion",
    "1148478": "tramadol",
    "859193": "selegiline",
}
"""As a prescription names them: capsules and tablets of one strength."""


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_prescription_names_a_product_and_not_its_ingredient(product: str) -> None:
    assert tables.ingredients_of(product) == (RXNORM[PRODUCTS[product]],)


@pytest.mark.parametrize(
    ("taken", "analyte", "tier"),
    [
        ("selegiline", "methamphetamine", 2),
        ("cannabidiol", "thc-cooh", 2),
        ("naltrexone", "noroxymorphone", 3),
        ("naloxone", "noroxymorphone", 3),
        ("codeine", "hydromorphone", 3),
    ],
)
def test_what_a_medication_may_itself_leave_is_never_confirmed_and_lowers_no_tier(
    taken: str, analyte: str, tier: int
) -> None:
    found = laboratory_found("weekly", 7, "confirmation", analyte)
    story = in_treatment_with(taken)
    (result,) = only(story.then(found), DrugTestEvent)[-1].results
    assert (result.outcome, result.to_confirm) == (PRESUMPTIVE, True)
    assert max(story.escalations.values()) == tier and "medical-review" in story.escalations
    story.then(laboratory_found("later", 14, "confirmation", "benzoylecgonine", analyte))
    assert "repeated-unexpected-positive" not in story.escalations
    (alone,) = only(in_treatment_with().then(found), DrugTestEvent)[-1].results
    assert (alone.outcome, alone.to_confirm) == (CONFIRMED, False)


@pytest.mark.parametrize(
    ("taken", "found", "method", "asks"),
    [
        ("bupropion", "amphetamines", "screen", True),
        ("bupropion", "amphetamine", "confirmation", False),
        ("bupropion", "fentanyl", "screen", False),
        ("sertraline", "benzodiazepines", "screen", True),
        ("sertraline", "benzoylecgonine", "screen", False),
        ("tramadol", "phencyclidine", "screen", True),
        ("tramadol", "oxycodone", "screen", False),
        ("oxycodone", "opiates", "screen", True),
        ("oxycodone", "morphine", "confirmation", False),
        ("selegiline", "fentanyl", "screen", False),
        ("naltrexone", "noroxymorphone", "confirmation", True),
    ],
)
def test_a_medication_is_reviewed_beside_what_it_may_have_been_found_as_and_beside_nothing_else(
    taken: str, found: str, method: Method, asks: bool
) -> None:
    story = in_treatment_with(taken)
    story.then(laboratory_found("weekly", 7, method, found))
    assert ("medical-review" in story.escalations) is asks


def test_an_opioid_beside_what_slows_breathing_asks_the_same_day_though_one_is_prescribed() -> None:
    for prescribed, found in (
        (("methadone",), ("methadone", "benzodiazepines")),
        (("oxycodone",), ("oxycodone", "etg", "ets")),
        (("clonazepam",), ("7-aminoclonazepam", "fentanyl")),
        ((), ("fentanyl", "xylazine")),
        (("oxycodone",), ("oxycodone", "gabapentin")),
    ):
        story = in_treatment_with(*prescribed)
        story.then(laboratory_found("weekly", 7, "confirmation", *found))
        assert story.escalations["opioid-with-sedative"] == 3


@pytest.mark.parametrize(
    ("before", "after", "days", "outcome"),
    [
        ("methamphetamine", "amphetamine", 2, NO_NEW_USE),
        ("amphetamine", "methamphetamine", 2, CONFIRMED),
        ("nordiazepam", "oxazepam", 10, NO_NEW_USE),
        ("nordiazepam", "alprazolam", 10, CONFIRMED),
        ("oxazepam", "diazepam", 10, CONFIRMED),
        ("thc-cooh", "thc", 20, NO_NEW_USE),
        ("fentanyl", "norfentanyl", 20, NO_NEW_USE),
        ("phenobarbital", "phenobarbital", 14, NO_NEW_USE),
        ("phencyclidine", "phencyclidine", 14, NO_NEW_USE),
        ("phencyclidine", "phencyclidine", 40, CONFIRMED),
        ("fentanyl", "6-acetylmorphine", 2, CONFIRMED),
        ("morphine", "codeine", 2, CONFIRMED),
        ("methamphetamine", "mdma", 2, CONFIRMED),
        ("benzoylecgonine", "benzoylecgonine", 10, CONFIRMED),
        ("etg", "ets", 3, NO_NEW_USE),
        ("etg", "ethanol", 3, CONFIRMED),
        ("cocaine", "benzoylecgonine", 3, NO_NEW_USE),
        ("benzoylecgonine", "cocaine", 3, CONFIRMED),
        ("mdma", "mda", 2, NO_NEW_USE),
        ("mda", "mdma", 2, CONFIRMED),
        ("methadone", "eddp", 5, NO_NEW_USE),
        ("methadone", "methadone", 8, CONFIRMED),
        ("buprenorphine", "norbuprenorphine", 6, NO_NEW_USE),
        ("buprenorphine", "buprenorphine", 9, CONFIRMED),
        ("methadone", "buprenorphine", 2, CONFIRMED),
        ("ketamine", "ketamine", 2, CONFIRMED),
    ],
)
def test_only_what_may_still_leave_from_the_baseline_shows_no_new_use(
    before: str, after: str, days: float, outcome: str
) -> None:
    story = Story(admitted(), laboratory_found("baseline", 0, "confirmation", before))
    emitted = story.then(laboratory_found("weekly", days, "confirmation", after))
    assert [each.outcome for each in only(emitted, DrugTestEvent)[-1].results] == [outcome]
