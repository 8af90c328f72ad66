"""What refutes a screen, what upholds it, and what is too little to confirm anything."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from services.testing.grading import grade
from services.testing.messages import ReportResult
from services.testing.reading.interpretation import interpret
from services.testing.reading.laboratory import Component
from services.testing.reading.measures import measure_of
from services.testing.settings import Settings
from services.testing.state import _without
from shared.events.codes import LOINC
from shared.events.testing import ResultFinding
from tests.testing.given import SETTINGS, observed, report
from tests.testing.story import in_treatment, outcomes
from tests.testing.test_interpretation import component, laboratory_report

PRESUMPTIVE, REFUTED = "unexpected-positive-presumptive", "not-confirmed"
AMPHETAMINES, OPIATES, CANNABINOIDS, BENZODIAZEPINES = "19261-7", "19295-5", "18282-4", "14316-4"
AMPHETAMINE, METHAMPHETAMINE, MDMA, MDA = "16234-7", "16235-4", "18358-2", "20545-0"
CODEINE, MORPHINE, HEROIN, HYDROCODONE, HYDROMORPHONE = "16250-3", "16251-1", "19593-3", "16252-9", "16998-7"
THC_COOH, FENTANYL, NORFENTANYL = "20521-1", "58381-5", "58383-1"
FENTANYLS_SCREEN, FENTANYLS, FENTANYL_SCREEN = "58379-9", "66129-8", "59673-4"
NORFENTANYL_SCREEN, ANALOGUE = "95797-7", "93461-2"
OXYCODONE_SCREEN, OXYCODONE, OXYMORPHONE = "19642-8", "16249-5", "17395-5"
BUPRENORPHINE_SCREEN, BUPRENORPHINE, NORBUPRENORPHINE = "93494-3", "49752-9", "49751-1"
MORPHINE_SCREEN, METHAMPHETAMINE_SCREEN = "19597-4", "19554-5"
COCAINE_SCREEN, COCAINE, BENZOYLECGONINE = "19359-9", "20519-5", "16226-3"
ALL_AMPHETAMINES = (AMPHETAMINE, METHAMPHETAMINE, MDMA, MDA)
ALL_OPIATES = (CODEINE, MORPHINE, HEROIN, HYDROCODONE, HYDROMORPHONE)


def found(screen: str, *absent: str, present: tuple[str, ...] = (), condition: str = "valid") -> str:
    """The outcome of a positive screen beside what a definitive method did not find, and what it did."""
    rows: list[tuple[str, ResultFinding]] = [(screen, "positive")]
    rows += [(each, "negative") for each in absent] + [(each, "positive") for each in present]
    weekly = report("weekly", 7, condition=condition)  # type: ignore[arg-type]
    return outcomes(in_treatment().then(replace(weekly, results=tuple(observed(*each) for each in rows))))[0]


@pytest.mark.parametrize(
    ("screen", "members"), [(AMPHETAMINES, ALL_AMPHETAMINES), (OPIATES, ALL_OPIATES), (CANNABINOIDS, (THC_COOH,))]
)
def test_a_class_is_refuted_by_all_of_its_members_and_by_no_fewer(screen: str, members: tuple[str, ...]) -> None:
    assert found(screen, *members) == REFUTED
    for missing in members:
        assert found(screen, *(each for each in members if each != missing)) == PRESUMPTIVE


def test_a_class_without_a_complete_panel_is_refuted_only_as_a_class() -> None:
    assert found(BENZODIAZEPINES, "70214-2") == PRESUMPTIVE
    assert found(BENZODIAZEPINES, "16195-0") == REFUTED


def test_what_a_definitive_method_found_of_its_group_upholds_the_screen() -> None:
    assert found(FENTANYL_SCREEN, FENTANYL, present=(NORFENTANYL,)) == PRESUMPTIVE
    assert found(AMPHETAMINES, AMPHETAMINE, METHAMPHETAMINE, MDMA, present=(MDA,)) == PRESUMPTIVE


def test_a_screen_for_drug_and_metabolite_is_refuted_by_both() -> None:
    assert found(FENTANYLS_SCREEN, FENTANYL) == PRESUMPTIVE
    assert found(FENTANYLS_SCREEN, FENTANYL, NORFENTANYL) == REFUTED
    assert found(FENTANYLS_SCREEN, FENTANYLS) == REFUTED


@pytest.mark.parametrize(
    ("screen", "looked_for"),
    [
        (FENTANYL_SCREEN, (FENTANYL, NORFENTANYL)),
        (NORFENTANYL_SCREEN, (FENTANYL, NORFENTANYL)),
        (OXYCODONE_SCREEN, (OXYCODONE, OXYMORPHONE)),
        (BUPRENORPHINE_SCREEN, (BUPRENORPHINE, NORBUPRENORPHINE)),
        (MORPHINE_SCREEN, (CODEINE, MORPHINE)),
        (METHAMPHETAMINE_SCREEN, (AMPHETAMINE, METHAMPHETAMINE)),
        (COCAINE_SCREEN, (BENZOYLECGONINE,)),
    ],
)
def test_a_screen_is_refuted_only_once_all_that_it_may_have_found_was_looked_for(
    screen: str, looked_for: tuple[str, ...]
) -> None:
    assert found(screen, *looked_for) == REFUTED
    for missing in looked_for:
        assert found(screen, *(each for each in looked_for if each != missing)) == PRESUMPTIVE


@pytest.mark.parametrize("screen", [FENTANYL_SCREEN, FENTANYLS_SCREEN])
def test_an_analogue_upholds_a_fentanyl_screen_though_fentanyl_itself_is_absent(screen: str) -> None:
    assert found(screen, FENTANYL, NORFENTANYL, present=(ANALOGUE,)) == PRESUMPTIVE


def test_cocaine_that_is_absent_refutes_no_screen_of_its_metabolite() -> None:
    assert found(COCAINE_SCREEN, COCAINE) == PRESUMPTIVE


def test_a_confirmation_of_one_class_says_nothing_of_a_drug_that_it_may_not_hold() -> None:
    assert found("19568-5", "16369-1") == PRESUMPTIVE


def test_a_specimen_that_is_not_valid_refutes_nothing() -> None:
    assert found(FENTANYL_SCREEN, FENTANYL, NORFENTANYL, condition="dilute") == PRESUMPTIVE


def ethyl_glucuronide(number: str, unit: str = "ng/mL") -> ReportResult:
    row = component("58378-1", number=Decimal(number), unit=unit, cutoff=Decimal(100))
    command = interpret(laboratory_report(row), "demo", "lab", SETTINGS)
    assert command is not None
    return command


@pytest.mark.parametrize(
    ("number", "unit", "outcome"),
    [
        ("120", "ng/mL", PRESUMPTIVE),
        ("499", "ug/L", PRESUMPTIVE),
        ("500", "ng/mL", "unexpected-positive-confirmed"),
        ("4000", "ng/mL", "unexpected-positive-confirmed"),
        ("400", "mg/L", "unexpected-positive-confirmed"),
        ("400", "furlongs", "unexpected-positive-confirmed"),
    ],
)
def test_ethyl_glucuronide_that_may_be_incidental_is_never_confirmed(number: str, unit: str, outcome: str) -> None:
    command = replace(ethyl_glucuronide(number, unit), collected_at=report("x", 7).collected_at)
    assert outcomes(in_treatment().then(command)) == [outcome]


def test_cannabis_within_its_window_normalised_to_creatinine_asks_a_person() -> None:
    story = in_treatment()
    story.then(report("first", 7, CANNABINOIDS="positive"))
    ratio = replace(report("ratio", 20), results=(observed("19055-3", "positive"),))
    assert outcomes(story.then(ratio)) == ["cannot-show-new-use"]
    assert story.escalations["result-unclear"] == 1


@pytest.mark.parametrize(
    ("screen", "confirmed", "asks"),
    [
        (CANNABINOIDS, {THC_COOH: "negative"}, False),
        (CANNABINOIDS, {THC_COOH: "positive"}, False),
        (OPIATES, {MORPHINE: "positive"}, False),
        (AMPHETAMINES, {MDMA: "positive"}, False),
        (OPIATES, dict.fromkeys(ALL_OPIATES, "negative"), False),
        (OPIATES, {MORPHINE: "negative"}, True),
        (AMPHETAMINES, {THC_COOH: "positive"}, True),
        (FENTANYLS_SCREEN, {FENTANYL: "negative"}, True),
        (FENTANYL, {NORFENTANYL: "positive"}, True),
    ],
)
def test_an_unclear_screen_is_settled_by_what_was_looked_for_of_its_class(
    screen: str, confirmed: dict[str, ResultFinding], asks: bool
) -> None:
    story = in_treatment()
    rows = (observed(screen, "indeterminate"), *(observed(code, found) for code, found in confirmed.items()))
    story.then(replace(report("weekly", 7), results=rows))
    assert ("result-unclear" in story.escalations) is asks


def test_fentanyl_found_before_explains_no_analogue_of_it() -> None:
    story = in_treatment()
    story.then(replace(report("first", 7), results=(observed(FENTANYL, "positive"),)))
    analogue = (observed("93461-2", "positive"),)
    assert outcomes(story.then(replace(report("other", 10), results=analogue))) == ["unexpected-positive-confirmed"]
    assert outcomes(story.then(replace(report("again", 12), results=analogue))) == ["cannot-show-new-use"]


@pytest.mark.parametrize(
    ("before", "now", "outcome"),
    [
        (AMPHETAMINE, METHAMPHETAMINE, "unexpected-positive-confirmed"),
        (METHAMPHETAMINE, AMPHETAMINE, "cannot-show-new-use"),
        (AMPHETAMINE, AMPHETAMINE, "cannot-show-new-use"),
        (AMPHETAMINES, METHAMPHETAMINE, "cannot-show-new-use"),
        (FENTANYL, NORFENTANYL, "cannot-show-new-use"),
        (NORFENTANYL, FENTANYL, "cannot-show-new-use"),
        (MORPHINE, CODEINE, "unexpected-positive-confirmed"),
        (CODEINE, MORPHINE, "cannot-show-new-use"),
    ],
)
def test_another_drug_of_the_group_shows_new_use_and_a_metabolite_does_not(before: str, now: str, outcome: str) -> None:
    story = in_treatment()
    story.then(replace(report("first", 7), results=(observed(before, "positive"),)))
    assert outcomes(story.then(replace(report("next", 9), results=(observed(now, "positive"),)))) == [outcome]


def test_an_evicted_specimen_is_remembered_by_its_drugs() -> None:
    story = in_treatment()
    story.then(replace(report("first", 7), results=(observed(AMPHETAMINE, "positive"),)))
    story.then(replace(report("next", 9), results=(observed(METHAMPHETAMINE, "positive"),)))
    before = {key: each.results for key, each in grade(story.state, SETTINGS).items()}
    for specimen in story.state.specimens[:2]:
        without = _without(story.state, specimen)
        assert {key: before[key] for key in before if key != specimen.id} == {
            key: each.results for key, each in grade(without, SETTINGS).items()
        }


def mapped(meaning: str) -> Settings:
    settings = replace(SETTINGS, local_codes={"XYL": meaning})
    settings.__post_init__()
    return settings


def test_a_laboratorys_own_code_may_mean_an_analyte_that_has_no_verified_loinc_code() -> None:
    own = Component(codes=(replace(component().codes[0], code="XYL", system=""),), text="POSITIVE")
    measured = measure_of(own, "lab", mapped("xylazine definitive")).measure
    assert measured is not None
    assert (measured.analyte, measured.kind, measured.definitive) == ("xylazine", "presence", True)
    command = interpret(
        laboratory_report(own, component("59673-4", text="POS")), "demo", "lab", mapped("xylazine presumptive")
    )
    assert command is not None
    story = in_treatment()
    story.then(replace(command, collected_at=report("x", 7).collected_at))
    assert story.escalations["opioid-with-sedative"] == 3


@pytest.mark.parametrize("meaning", ["xylazine", "xylazine certain", "nothing definitive", f"{LOINC} definitive"])
def test_a_meaning_that_no_table_knows_stops_the_start(meaning: str) -> None:
    with pytest.raises(ValueError, match="analytes"):
        mapped(meaning)
