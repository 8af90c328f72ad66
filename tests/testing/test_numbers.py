"""A laboratory's numbers: by value and by who assigned them, in HL7 and in FHIR, under whatever order."""

from dataclasses import replace as with_client
from itertools import permutations
from typing import Any

import msgspec
import pytest

from services.testing.edge import interpret
from services.testing.hl7.results import results
from services.testing.hl7.senders import Sender
from services.testing.messages import ReportResult
from shared.edge.contract import Context
from tests.testing.given import PATIENT, SETTINGS, day
from tests.testing.story import Story, in_treatment
from tests.testing.test_hl7 import MSH, OBR, PID, read
from tests.testing.test_interpret import CALLER, NOW, diagnostic_report, entry, observation

NORTH, SOUTH = "https://lab.example/north", "https://lab.example/south"
REGISTERED = msgspec.structs.replace(
    CALLER.client, assigning_authorities={"NORTH": NORTH, "2.999.6": NORTH, "SOUTH": SOUTH}
)
PANEL = "94307-6^Drug screen^LN"
ROW = "OBX|1|ST|14314-9^Benzoylecgonine^LN||{}||||||F"


def hl7(number: str, value: str = "POSITIVE", order: str = PANEL, issued: str = "20250310110000-0400") -> ReportResult:
    """Of a day alone, so that nothing but the number joins it."""
    obr = OBR.replace("F7^TOXLAB", number).replace("20250309083000-0400", "20250309").replace(PANEL, order)
    message = read(MSH, PID, obr.replace("20250310110000-0400", issued), ROW.format(value))
    (found,) = results(message, Sender("lab", REGISTERED, ("demo",)), {"demo": SETTINGS})
    (command,) = found.commands["demo"]
    return command


def fhir(number: dict[str, Any], value: str = "POSITIVE", **more: Any) -> ReportResult:
    named = {"effectiveDateTime": "2025-03-09", "identifier": [number]}
    report = diagnostic_report("Observation/o1", **{**named, **more})
    row = observation(valueString=value, effectiveDateTime="2025-03-09")
    entries = [entry(report, "r1"), *([entry(row, "o1")] if report["result"] else [])]
    found = interpret(entries, Context(with_client(CALLER, client=REGISTERED), PATIENT, "demo", SETTINGS, NOW, {}))
    (command,) = found.commands
    assert isinstance(command, ReportResult)
    return command


def after(*reports: ReportResult) -> Story:
    story = in_treatment()
    story.then(*reports, at=day(12))
    return story


def specimens(*reports: ReportResult) -> int:
    """How many there are beside the baseline."""
    return len(after(*reports).state.specimens) - 1


SAME = [
    hl7("F7^NORTH"),
    hl7("F7^NORTH^2.999.6^ISO"),
    hl7("F7^^2.999.6^ISO"),
    hl7("F7^NORTH", order="DRUG^Urine drug screen^L"),
    fhir({"system": NORTH, "value": "F7"}),
    fhir({"system": "urn:oid:2.999.6", "value": "F7"}),
]


def test_one_number_of_one_authority_is_one_specimen_in_whatever_form_it_comes() -> None:
    for reports in permutations(SAME, 2):
        assert specimens(*reports) == 1
    assert specimens(*SAME) == 1


@pytest.mark.parametrize("one", SAME)
@pytest.mark.parametrize("other", [hl7("F7^SOUTH"), fhir({"system": SOUTH, "value": "F7"}), hl7("F8^NORTH")])
def test_another_authority_or_another_value_is_another_specimen(one: ReportResult, other: ReportResult) -> None:
    assert specimens(one, other) == 2


def test_an_authority_that_the_client_is_not_registered_with_is_its_own() -> None:
    for reports in permutations([hl7("F7"), hl7("F7^TOXLAB"), fhir({"system": "urn:x", "value": "F7"})], 2):
        assert specimens(*reports) == 1
    assert specimens(hl7("F7"), hl7("F7^NORTH")) == 2


def test_a_report_of_hl7_that_fhir_takes_back_without_its_rows_is_taken_back() -> None:
    public = {"system": "http://loinc.org", "code": "94307-6"}
    panel = {"coding": [{"code": "DRUG"}, public], "text": "Urine drug screen"}
    mistaken: dict[str, Any] = {"status": "entered-in-error", "result": [], "code": panel}
    taken_back = fhir({"system": NORTH, "value": "F7"}, **mistaken)
    for reports in permutations([hl7("F7^NORTH"), taken_back]):
        assert after(*reports).escalations == {}
    another = fhir({"system": SOUTH, "value": "F7"}, **mistaken)
    assert after(hl7("F7^NORTH"), another).escalations == {"unexpected-positive-presumptive": 2}


def test_the_number_of_the_order_is_remembered_and_names_no_specimen() -> None:
    ordered = fhir(
        {"system": NORTH, "value": "F7"}, basedOn=[{"identifier": {"system": "https://clinic.example", "value": "P7"}}]
    )
    assert [(each.kind, each.value) for each in ordered.numbers] == [("", "F7"), ("PLAC", "P7")]
    assert [(each.kind, each.value) for each in hl7("F7^NORTH").numbers] == [("FILL", "F7"), ("PLAC", "P7")]
    assert specimens(hl7("F7^NORTH"), hl7("F8^NORTH")) == 2
