"""How a specimen is: by its laboratory's word, by its figures, and by whatever nobody can read of it."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.testing.hl7.results import results, unmapped
from services.testing.messages import ReportResult
from services.testing.reading.interpretation import interpret
from shared.events.testing import Condition
from tests.laws import examples
from tests.testing.given import SETTINGS, day
from tests.testing.story import Story, in_treatment, outcomes
from tests.testing.test_hl7 import MSH, OBR, PID, only_report, read
from tests.testing.test_interpret import entry, interpreted, observation
from tests.testing.test_rows_of_any_form import LABORATORY

NEGATIVE = "OBX|1|ST|14314-9^Benzoylecgonine^LN||NEGATIVE||||||F"
CREATININE, GRAVITY = "OBX|2|NM|2161-8^Creatinine^LN||{}|mg/dL|||||{}", "OBX|3|NM|2965-2^Gravity^LN||{}||||||{}"
UNMAPPED = "OBX|4|ST|Q7^Nitrite check by strip^L||{}||||||F"


def commands(*rows: str, order: str = OBR) -> list[ReportResult]:
    found = results(read(MSH, PID, order, *rows), LABORATORY, {"demo": SETTINGS})
    return [each for result in found for each in result.commands["demo"]]


def after(*messages: tuple[str, ...]) -> Story:
    story = in_treatment()
    for rows in messages:
        story.then(*commands(*rows), at=day(9))
    return story


@pytest.mark.parametrize("value", ["Normal", "see note", "NEGATIVE", "12"])
def test_a_check_under_a_code_that_nobody_knows_leaves_the_specimen_unclear(value: str) -> None:
    rows = (NEGATIVE, UNMAPPED.format(value))
    story = in_treatment()
    (command,) = commands(*rows)
    assert (command.condition, outcomes(story.then(command, at=day(9)))) == ("unclear", ["indeterminate"] * 2)
    assert list(unmapped(read(MSH, PID, OBR, *rows), LABORATORY, "demo", SETTINGS)) == ["Q7"]


def test_what_it_states_of_the_specimen_in_words_counts_all_the_same() -> None:
    (command,) = commands(NEGATIVE, UNMAPPED.format("ADULTERATED"))
    assert command.condition == "adulterated"


@pytest.mark.parametrize("name", ["THC/Creatinine ratio", "Phencyclidine", "Collector's phone", "Donor name"])
def test_a_row_about_a_drug_or_about_nothing_of_the_specimen_leaves_nothing_unclear(name: str) -> None:
    (command,) = commands(NEGATIVE, f"OBX|4|ST|Q8^{name}^L||see note||||||F")
    assert command.condition == "valid"


def test_once_the_code_is_mapped_the_check_shows_what_it_shows() -> None:
    story = after((NEGATIVE, UNMAPPED.format("see note")))
    mapped = replace(SETTINGS, local_codes={"Q7": "ph presumptive"})
    command = interpret(only_report(MSH, PID, OBR, UNMAPPED.format("6.5")), "demo", "lab", mapped)
    assert command is not None
    emitted = story.then(replace(command, again=True), at=day(10))
    assert sorted(outcomes(emitted)) == ["expected-negative", "valid"]
    assert story.escalations == {}


@pytest.mark.parametrize(
    ("figure", "unit", "condition"),
    [("36", "", "unclear"), ("97", "", "valid"), ("36", "Cel", "valid"), ("36", "degF", "temperature-out-of-range")],
)
def test_a_temperature_without_unit_is_read_where_only_one_scale_can_be_meant(
    figure: str, unit: str, condition: Condition
) -> None:
    (command,) = commands(NEGATIVE, f"OBX|4|NM|TMP^Temperature^L||{figure}|{unit}|||||F")
    assert command.condition == condition


@pytest.mark.parametrize(
    ("words", "condition"),
    [("Out of range", "temperature-out-of-range"), ("In range", "valid"), ("Not in range", "unclear")],
)
def test_a_temperature_in_words(words: str, condition: Condition) -> None:
    (command,) = commands(NEGATIVE, f"OBX|4|ST|TMP^Temperature^L||{words}||||||F")
    assert command.condition == condition


@pytest.mark.parametrize(
    ("specimen", "condition"),
    [
        ({"condition": [{"coding": [{"code": "SNR"}]}]}, "rejected-unsatisfactory"),
        ({"condition": [{"text": "Invalid specimen"}]}, "invalid"),
        ({"condition": [{"text": "Temperature out of range"}]}, "temperature-out-of-range"),
        ({"status": "entered-in-error"}, "unclear"),
        ({"status": "available", "condition": [{"coding": [{"code": "COOL"}]}]}, "valid"),
    ],
)
def test_fhir_states_it_of_the_specimen_itself(specimen: dict[str, Any], condition: Condition) -> None:
    named = observation(valueString="NEG", specimen={"reference": "Specimen/s1"})
    (command,), _ = interpreted(entry({"resourceType": "Specimen", **specimen}, "s1"), entry(named, "o1"))
    assert command.condition == condition


def test_a_check_that_was_not_made_of_a_refused_specimen_leaves_nothing_unclear() -> None:
    cancelled = (NEGATIVE.replace("NEGATIVE||||||F", "||||||X"), CREATININE.format("", "X"))
    story = after((*cancelled, "SPM|1|^S7|||||||||||||||||||QS^Quantity not sufficient^HL70490"))
    assert story.escalations == {"recollection-needed": 1}


def test_a_specimen_refused_because_it_was_adulterated_counts_as_adulterated() -> None:
    story = after((NEGATIVE.replace("NEGATIVE||||||F", "ADULTERATED||||||X"),))
    assert story.escalations == {"specimen-substituted-or-adulterated": 3}


def test_dilute_is_seen_by_two_figures_that_come_in_two_messages() -> None:
    for one, other in permutations(((NEGATIVE, CREATININE.format(12, "F")), (GRAVITY.format("1.002", "F"),))):
        story = after(one, other)
        assert (story.state.specimens[-1].condition, story.escalations) == ("dilute", {"recollection-needed": 1})


def test_an_order_of_validity_that_comes_in_a_message_of_its_own_is_about_its_specimen() -> None:
    story = after((NEGATIVE,))
    order = OBR.replace("94307-6^Drug screen^LN", "SVT^Specimen validity^L")
    story.then(*commands(GRAVITY.format("1.0005", "F"), CREATININE.format(1, "F"), order=order), at=day(9))
    assert story.escalations == {"specimen-substituted-or-adulterated": 3}
    alone = OBR.replace("94307-6^Drug screen^LN", "UA^Urinalysis^L")
    assert commands(GRAVITY.format("1.0005", "F"), order=alone) == []


CHECKS = st.one_of(
    st.builds(CREATININE.format, st.sampled_from(("1", "<2", "12", "150", "see note")), st.sampled_from("FPCXW")),
    st.builds(GRAVITY.format, st.sampled_from(("1.0005", "1.002", "1.015", "1.025", "1002")), st.sampled_from("FPCXW")),
    st.builds(UNMAPPED.format, st.sampled_from(("Normal", "Adulterated"))),
    st.sampled_from(
        (
            "OBX|5|NM|5803-2^pH^LN||2.5||||||F",
            "OBX|5|NM|5803-2^pH^LN||6.5||||||C",
            "OBX|6|ST|OX^Oxidants^L||Detected||||||F",
            "OBX|7|NM|NIT^Nitrite^L||712|ug/mL|||||P",
        )
    ),
)


@settings(max_examples=examples(150))
@given(st.lists(CHECKS, max_size=5, unique_by=lambda row: row.split("|")[3]), st.data())
def test_the_checks_of_a_specimen_show_the_same_in_one_message_or_in_several_in_any_order(
    checks: list[str], data: st.DataObject
) -> None:
    rows = [NEGATIVE, *checks]
    whole = after(tuple(rows))
    apart = data.draw(st.permutations(rows + data.draw(st.lists(st.sampled_from(rows), max_size=3))))
    split = after(*((row,) for row in apart))
    ends = [(each.state.specimens[-1].condition, set(each.escalations)) for each in (whole, split)]
    assert ends[0] == ends[1]
