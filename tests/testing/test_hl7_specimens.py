"""HL7 messages about one specimen, from their segments to what asks for a person."""

from itertools import permutations

import pytest

from services.testing.reading.interpretation import interpret
from shared.events.envelope import Event
from tests.testing.given import SETTINGS, admitted, report
from tests.testing.story import Story, raised
from tests.testing.test_hl7 import MSH, OBR, PID, read

SPM = "SPM|1|^S7||UR^Urine^HL70487|||||||||||||20250309083000-0400"
SCREEN = "OBX|1|ST|59673-4^Fentanyl screen^LN||POSITIVE||||||F"
CONFIRMATION = "OBX|1|ST|66129-8^Fentanyl and norfentanyl^LN||NEGATIVE||||||F"
CORRECTION = "OBX|1|ST|59673-4^Fentanyl screen^LN||NEGATIVE||||||C"
PRELIMINARY = "OBX|1|ST|59673-4^Fentanyl screen^LN||POSITIVE||||||P"
OTHER_ORDER = OBR.replace("94307-6^Drug screen^LN", "11235-9^Fentanyl^LN")
OTHER_NUMBER = OBR.replace("F7^TOXLAB", "F99^TOXLAB").replace("P7^EHR", "P99^EHR")


def in_treatment() -> Story:
    return Story(admitted(), report("baseline", 0, FENTANYL="negative"))


def sent(story: Story, *segments: str) -> list[Event]:
    (group,) = read(MSH, PID, *segments).groups
    commands = [interpret(each, "demo", "lab", SETTINGS) for each in group.reports]
    return story.then(*(each for each in commands if each is not None))


def test_a_negative_confirmation_without_spm_of_the_same_collection_time_refutes_the_screen() -> None:
    story = in_treatment()
    sent(story, OBR, SCREEN, SPM)
    assert story.escalations == {"unexpected-positive-opioid": 3}
    sent(story, OTHER_NUMBER, CONFIRMATION)
    assert story.escalations == {}


@pytest.mark.parametrize("confirmed_first", [False, True])
def test_two_numbers_of_one_collection_are_one_specimen_and_one_escalation(confirmed_first: bool) -> None:
    screen = (OBR, SCREEN, SPM)
    confirmed = (OTHER_NUMBER, CONFIRMATION.replace("NEGATIVE", "POSITIVE"), SPM.replace("^S7", "^S8"))
    story = in_treatment()
    for segments in (confirmed, screen) if confirmed_first else (screen, confirmed):
        sent(story, *segments)
    assert len(story.state.specimens) == 2
    assert story.escalations == {"unexpected-positive-opioid": 3}
    (one,) = story.state.escalations
    assert len(one.escalation.signals) == 1


def test_a_day_alone_joins_only_with_an_equal_number() -> None:
    screen, other = (each.replace("20250309083000-0400", "20250309") for each in (OBR, OTHER_NUMBER))
    story = in_treatment()
    sent(story, screen, SCREEN)
    sent(story, other, CONFIRMATION)
    sent(story, other.replace("|20250309|", "|202503090000|"), CONFIRMATION)
    assert story.escalations == {"unexpected-positive-opioid": 3}
    sent(story, screen, CONFIRMATION)
    assert story.escalations == {}


def test_another_type_of_specimen_of_the_same_minute_is_another() -> None:
    story = in_treatment()
    sent(story, OBR, SCREEN, SPM)
    sent(story, OTHER_NUMBER, CONFIRMATION, SPM.replace("^S7", "^S8").replace("UR^Urine", "SAL^Saliva"))
    assert story.escalations == {"unexpected-positive-opioid": 3}


def test_a_correction_under_another_order_retracts() -> None:
    story = in_treatment()
    sent(story, OBR, SCREEN)
    emitted = sent(story, OTHER_ORDER.replace("|||F", "|||C"), CORRECTION)
    assert raised(emitted) == {"Retracted": ["unexpected-positive-opioid"]}


@pytest.mark.parametrize("order", list(permutations((PRELIMINARY, CORRECTION, SCREEN))))
def test_preliminary_correction_and_late_final_of_one_issue_end_negative_in_all_orders(order: tuple[str, ...]) -> None:
    story = in_treatment()
    for row in order:
        sent(story, OBR.replace("|||F", f"|||{row[-1]}"), row)
    assert story.escalations == {}


def test_a_final_opioid_row_in_a_partial_report_asks_at_once() -> None:
    story = in_treatment()
    waiting = "OBX|2|ST|14314-9^Benzoylecgonine^LN||||||||I"
    sent(story, OBR.replace("|||F", "|||A"), SCREEN, waiting)
    assert story.escalations == {"unexpected-positive-opioid": 3}


def reasons(*segments: str) -> dict[str, int]:
    story = in_treatment()
    sent(story, *segments)
    return story.escalations


CLEAN = SCREEN.replace("POSITIVE", "NEGATIVE")
REJECTED = SPM.replace("UR^Urine^HL70487|||||||||||||20250309083000-0400", "UR" + "|" * 17 + "QS^Quantity^HL70490")


@pytest.mark.parametrize("segments", [(SPM, REJECTED), (REJECTED, SPM)])
def test_a_rejected_specimen_is_not_hidden_by_another_one_of_its_order(segments: tuple[str, ...]) -> None:
    assert reasons(OBR, CLEAN, *segments) == {"recollection-needed": 1}


def test_a_specimen_written_before_its_order_is_of_the_first_one() -> None:
    assert reasons(REJECTED, OBR, CLEAN) == {"recollection-needed": 1}


def test_a_reflex_order_that_names_its_parent_is_about_the_same_specimen() -> None:
    story = in_treatment()
    sent(story, OBR, SCREEN)
    reflex = OTHER_NUMBER.replace("20250309083000-0400", "20250309") + "|59673-4&Fentanyl&LN|||P7&EHR^F7&TOXLAB"
    sent(story, reflex, CONFIRMATION)
    assert story.escalations == {}


def test_a_standing_order_as_parent_makes_no_two_weeks_one_specimen() -> None:
    story = in_treatment()
    for number, when in (("F11", "20250309083000"), ("F12", "20250316083000")):
        order = OBR.replace("F7^", f"{number}^").replace("20250309083000", when) + "||||STANDING^F1&TOXLAB"
        sent(story, order, CLEAN)
    assert len(story.state.specimens) == 3


@pytest.mark.parametrize(
    "remark", ["SPECIMEN IS DILUTE.", "Adulterated", "Sample: substituted", "urine appears dilute"]
)
def test_a_remark_that_states_the_condition_of_the_specimen_counts(remark: str) -> None:
    assert set(reasons(OBR, CLEAN, f"NTE|1|L|{remark}")) < {
        "recollection-needed",
        "specimen-substituted-or-adulterated",
    }


@pytest.mark.parametrize(
    "remark", ["Creatinine below 20 mg/dL is considered dilute.", "Not dilute", "Specimens are tested for adulterated"]
)
def test_a_remark_that_explains_or_denies_it_does_not(remark: str) -> None:
    assert reasons(OBR, CLEAN, f"NTE|1|L|{remark}") == {}
