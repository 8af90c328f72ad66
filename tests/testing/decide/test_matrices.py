"""What is no urine: its windows, limits and expectations are not its own, and no row of it goes unheard."""

import pytest

from services.testing.reading.interpretation import interpret
from tests.testing.given import SETTINGS, admitted, day, medications, report
from tests.testing.story import BASELINE, Story, in_treatment, outcomes
from tests.testing.test_hl7 import MSH, OBR, PID, read
from tests.testing.test_hl7_specimens import sent

FENTANYL_ROW = "OBX|1|ST|59673-4^Fentanyl^LN||{}||||||F"
SPM = "SPM|1|^S7||{}"


def test_a_positive_of_oral_fluid_lies_in_no_window_of_urine() -> None:
    story = in_treatment()
    story.then(report("urine", 7, COCAINE="positive"))
    assert outcomes(story.then(report("again", 9, COCAINE="positive"))) == ["cannot-show-new-use"]
    saliva = report("saliva", 10, COCAINE="positive", matrix="oral-fluid")
    assert outcomes(story.then(saliva)) == ["unexpected-positive-presumptive"]


def test_the_use_that_oral_fluid_shows_explains_what_urine_still_excretes() -> None:
    story = in_treatment()
    story.then(report("saliva", 7, COCAINE="positive", matrix="oral-fluid"))
    assert outcomes(story.then(report("urine", 9, COCAINE="positive"))) == ["cannot-show-new-use"]


@pytest.mark.parametrize("matrix", ["hair", "nail", "meconium"])
def test_what_looks_back_for_months_asks_a_person_and_accuses_nobody(matrix: str) -> None:
    story = in_treatment()
    assert outcomes(story.then(report("look back", 7, FENTANYL="positive", matrix=matrix))) == ["indeterminate"]
    assert story.escalations == {"result-unclear": 3}
    assert outcomes(story.then(report("urine", 9, FENTANYL="positive"))) == ["unexpected-positive-presumptive"]


def test_hair_is_no_baseline() -> None:
    story = Story(admitted(), report("hair", 0, FENTANYL="negative", matrix="hair"))
    assert outcomes(story.then(report("urine", 1, FENTANYL="positive"))) == ["baseline"]


def test_a_maintenance_medication_that_is_not_found_elsewhere_than_in_urine_is_no_accusation() -> None:
    story = Story(medications(day(-1), "351267"), admitted(), BASELINE)
    found = report("saliva", 7, BUPRENORPHINE="negative", NORBUPRENORPHINE="negative", matrix="oral-fluid")
    assert outcomes(story.then(found)) == ["indeterminate", "indeterminate"]
    assert story.escalations == {"result-unclear": 1}


def test_the_limits_of_urine_judge_no_other_specimen() -> None:
    low = "OBX|2|NM|5803-2^pH^LN||2.0||||||F"
    for kind, reasons in (("UR^Urine", "specimen-substituted-or-adulterated"), ("SAL^Saliva", "result-unclear")):
        story = in_treatment()
        sent(story, OBR, FENTANYL_ROW.format("NEGATIVE"), low, SPM.format(kind))
        assert set(story.escalations) == {reasons}


def test_what_the_laboratory_says_of_another_specimen_stands() -> None:
    story = in_treatment()
    sent(story, OBR, FENTANYL_ROW.format("NEGATIVE"), "OBX|2|ST|V1^Validity^L||Adulterated||||||F", SPM.format("SAL"))
    assert story.escalations == {"specimen-substituted-or-adulterated": 3}
    story = in_treatment()
    sent(story, OBR, FENTANYL_ROW.format("NEGATIVE"), SPM.format("^Oral fluid^L"))
    assert story.escalations == {}


@pytest.mark.parametrize(
    ("written", "matrix"),
    [
        ("UR", ""),
        ("258574006^Mid-stream urine^SCT", ""),
        ("^Blood in urine", ""),
        ("BLD^Whole blood", "blood"),
        ("119364003^Serum^SCT", "blood"),
        ("HAR", "hair"),
        ("^Head hair^L", "hair"),
        ("ORAL^Oral Fluid Swab", "oral-fluid"),
        ("BRTH", "breath"),
        ("Q7^Vitreous^L", "q7"),
    ],
)
def test_what_was_collected_is_read_from_its_type(written: str, matrix: str) -> None:
    assert commanded(SPM.format(written)) == matrix


def test_where_no_type_is_given_the_title_of_the_panel_says_it() -> None:
    assert commanded(obr=OBR.replace("Drug screen", "Oral fluid drug screen")) == "oral-fluid"
    assert commanded(obr=OBR.replace("Drug screen", "Drug screen, urine (blood not received)")) == ""
    assert commanded() == ""


@pytest.mark.parametrize(
    ("source", "matrix"),
    [
        ("UR&Urine&HL70070", ""),
        ("UR&&HL70070", ""),
        ("UR", ""),
        ("SAL&&HL70070^^^swab", "oral-fluid"),
        ("&Hair", "hair"),
    ],
)
def test_before_version_2_5_the_order_says_what_was_collected(source: str, matrix: str) -> None:
    fields = OBR.split("|")
    fields[15] = source
    assert commanded(obr="|".join(fields)) == matrix


def commanded(*segments: str, obr: str = OBR) -> str:
    (group,) = read(MSH, PID, obr, FENTANYL_ROW.format("NEGATIVE"), *segments).groups
    command = interpret(group.reports[0], "demo", "lab", SETTINGS)
    assert command is not None
    return command.matrix
