"""What a laboratory reports in HL7 is read as FHIR, in its own digits; what people wrote, only by who may read that."""

from base64 import b64decode, b64encode
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.testing.hl7.as_fhir import Written, as_fhir
from services.testing.reading.findings import read
from services.testing.reading.interpretation import interpreted
from services.testing.reading.laboratory import LaboratoryReport
from services.testing.reading.observations import component_of
from shared.edge.fhir import parse, validate
from shared.edge.outcome import HttpRefusal
from shared.path.transaction.resources import AcceptedResource
from tests.laws import examples
from tests.service import caller
from tests.testing import test_hl7 as hl7
from tests.testing.given import SETTINGS
from tests.testing.receiving import ReceivingService
from tests.testing.test_hl7 import TIME, only_report

Resource = dict[str, Any]
MSH = r"MSH|^~\&|LIS|TOXLAB|HUB|demo|{sent}||ORU^R01^ORU_R01|{control}|P|2.5.1"
PID = "PID|1||SEEDED-MRN^^^IOPDEMO^MR||Seeded^Bogus"
OBR = f"OBR|1|P7^EHR|F7^TOXLAB|94307-6^Drug screen^LN|||20260112083000-0500{'|' * 15}{{issued}}|||{{status}}"
SPM = "SPM|1|S1||UR^Urine^HL70487" + "|" * 20 + "L^Leaked^HL70493"
MORPHINE = "OBX|1|SN|16226-3^Morphine^LN|a|>=^0.50|mg/L|<0.3|H|||F|||20260112084500-0500|||^GC-MS"
COCAINE = "OBX|1|ST|14314-9^Benzoylecgonine^LN||{value}||||||{status}"
MARK = "Marked-Nobody-Else-Writes-This"
WRITTEN = (
    "OBX|1|CWE|14314-9^Benzoylecgonine^LN||10828004^Positive^SCT|||POS|||F",
    f"NTE|1|L|{MARK} seen by a courier",
    f"OBX|2|TX|C1^Comment^L||{MARK} of the courier||||||F",
    "OBX|3|ED|PDF^Report^L||LAB^application^pdf^Base64^TWFya2VkLVBkZi1DZXJ0aWZpY2F0ZQ==||||||F",
    f"SPM|1|S1||UR^Urine^HL70487||||||||||{MARK} cup",
)
NOTHING_CODED = "OBX|9|SN|^Only a title^L|b|^1^:^128||0-1|strange flag|||X|||20250310|||^^^^Own way^L"
PDF = b"Marked-Pdf-Certificate"


def of(
    *rows: str,
    control: str = "M1",
    issued: str = "20260113110000-0500",
    status: str = "F",
    pid: str = PID,
) -> bytes:
    obr = OBR.format(issued=issued, status=status)
    return "\r".join((MSH.format(sent="20260113120000-0500", control=control), pid, obr, *rows)).encode()


async def as_sent(testing: ReceivingService, kind: str = "Observation") -> list[Resource]:
    """What is stored as it came; what is emitted of it has no rank."""
    rows = await testing.select("SELECT id FROM resources WHERE type = $1 AND rank IS NOT NULL", kind)
    return [await testing.reader.read(kind, identity, caller("ehr")) for (identity,) in rows]


async def graded(testing: ReceivingService) -> list[Resource]:
    rows = await testing.select("SELECT id FROM resources WHERE type = 'Observation' AND rank IS NULL")
    return [await testing.reader.read("Observation", identity, caller("ehr")) for (identity,) in rows]


async def documents(testing: ReceivingService) -> dict[str, bytes]:
    """What is in each document, by its media type."""
    found = {}
    for reference in await testing.found("DocumentReference", ("patient", testing.patient)):
        attachment = reference["content"][0]["attachment"]
        binary = await testing.reader.read("Binary", attachment["url"].removeprefix("Binary/"), caller("ehr"))
        assert binary["contentType"] == attachment["contentType"]
        found[attachment["contentType"]] = b64decode(binary["data"])
    return found


# What is read


async def test_a_row_is_read_in_its_own_digits_with_unit_cut_off_method_and_time(testing: ReceivingService) -> None:
    await testing.identified()
    assert await testing.receives(of(MORPHINE, SPM)) == "AA"
    (row,) = await as_sent(testing)
    assert str(row["valueQuantity"]["value"]) == "0.50"
    assert row["valueQuantity"] == {"value": Decimal("0.50"), "comparator": ">=", "unit": "mg/L"}
    assert row["referenceRange"] == [{"text": "<0.3"}]
    assert row["method"] == {"text": "GC-MS"}
    assert row["effectiveDateTime"] == "2026-01-12T08:45:00-05:00"
    assert [each["valueString"] for each in row["extension"]] == ["a"]
    assert row["interpretation"][0]["coding"][0]["code"] == "H"
    assert row["subject"] == {"reference": f"Patient/{testing.patient}"}
    (specimen,) = await as_sent(testing, "Specimen")
    assert row["specimen"] == {"reference": f"Specimen/{specimen['id']}"}
    assert specimen["accessionIdentifier"] == {"value": "S1"}
    assert specimen["type"]["coding"][0]["code"] == "UR"
    assert specimen["condition"][0]["coding"][0]["code"] == "L"


async def test_what_is_emitted_of_a_row_names_it_and_holds_no_figure(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    assert await testing.receives(of(MORPHINE, COCAINE.format(value="NEGATIVE", status="F"))) == "AA"
    sent = {each["id"]: each["code"]["coding"][0]["code"] for each in await as_sent(testing)}
    named = {
        each["derivedFrom"][0]["reference"].removeprefix("Observation/"): each["code"]["coding"][0]["code"]
        for each in await graded(testing)
    }
    assert named == sent
    (bodies,) = await testing.select("SELECT string_agg(body, ' ') FROM outbox WHERE body IS NOT NULL")
    assert "derivedFrom" in bodies[0]
    assert "0.50" not in bodies[0]


async def test_the_same_again_under_another_number_is_nothing_new(testing: ReceivingService) -> None:
    await testing.identified()
    assert [await testing.receives(of(MORPHINE, control=each)) for each in ("M1", "M2")] == ["AA", "AA"]
    assert [each["meta"]["versionId"] for each in await as_sent(testing)] == ["1"]
    assert len(await as_sent(testing, "DiagnosticReport")) == 1


@pytest.mark.parametrize("later_first", [False, True], ids=["in order", "out of order"])
async def test_a_correction_is_a_new_version_whichever_comes_first(
    testing: ReceivingService, later_first: bool
) -> None:
    await testing.identified()
    await testing.admitted()
    first = of(COCAINE.format(value="POSITIVE", status="F"))
    corrected = of(COCAINE.format(value="NEGATIVE", status="C"), control="M2", issued="20260114110000-0500", status="C")
    for each in (corrected, first) if later_first else (first, corrected):
        assert await testing.receives(each) == "AA"
    (row,) = await as_sent(testing)
    assert (row["valueString"], row["status"]) == ("NEGATIVE", "corrected")
    assert row["meta"]["versionId"] == ("1" if later_first else "2")
    (meaning,) = await graded(testing)
    assert meaning["derivedFrom"] == [{"reference": f"Observation/{row['id']}"}]
    assert meaning["valueCodeableConcept"]["coding"][0]["code"] == "negative"


async def test_what_is_preliminary_never_stands_over_what_was_final(testing: ReceivingService) -> None:
    await testing.identified()
    final = of(COCAINE.format(value="NEGATIVE", status="F"))
    preliminary = of(
        COCAINE.format(value="POSITIVE", status="P"), control="M2", issued="20260114110000-0500", status="P"
    )
    assert [await testing.receives(each) for each in (final, preliminary)] == ["AA", "AA"]
    assert [(each["valueString"], each["status"]) for each in await as_sent(testing)] == [("NEGATIVE", "final")]


ORDERS = ["in order", "out of order"]


@pytest.mark.parametrize("order_first", [False, True], ids=ORDERS)
async def test_an_order_that_is_cancelled_without_its_rows_takes_them_back_in_either_order(
    testing: ReceivingService, order_first: bool
) -> None:
    await testing.identified()
    await testing.admitted()
    found = of(MORPHINE, COCAINE.format(value="POSITIVE", status="F"))
    cancelled = of(control="M2", issued="20260114110000-0500", status="X")
    for each in (cancelled, found) if order_first else (found, cancelled):
        assert await testing.receives(each) == "AA"
    rows = await as_sent(testing)
    assert [each["status"] for each in rows] == ["cancelled"] * 2
    assert sorted(str(each.get("valueString") or each["valueQuantity"]["value"]) for each in rows) == [
        "0.50",
        "POSITIVE",
    ]
    assert {each["meta"]["versionId"] for each in rows} == {"1" if order_first else "2"}
    assert [await testing.receives(each) for each in (found, cancelled)] == ["AA", "AA"]
    assert await as_sent(testing) == rows
    again = of(COCAINE.format(value="NEGATIVE", status="C"), control="M3", issued="20260114113000-0500", status="C")
    assert await testing.receives(again) == "AA"
    assert sorted(each["status"] for each in await as_sent(testing)) == ["cancelled", "corrected"]


async def test_a_row_taken_back_by_itself_is_written_once(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    first = of(COCAINE.format(value="POSITIVE", status="F"))
    mistaken = of(COCAINE.format(value="", status="W"), control="M2", issued="20260114110000-0500")
    assert [await testing.receives(each) for each in (first, mistaken)] == ["AA", "AA"]
    (row,) = await as_sent(testing)
    assert (row["status"], row["meta"]["versionId"]) == ("entered-in-error", "2")


async def test_a_number_used_again_for_another_patient_changes_nothing_of_the_first(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.receives(of(COCAINE.format(value="POSITIVE", status="F")))
    first, testing.patient = testing.patient, str(uuid4())
    await testing.identified("OTHER-MRN")
    other = PID.replace("SEEDED", "OTHER")
    await testing.receives(of(COCAINE.format(value="NEGATIVE", status="F"), control="M2", pid=other))
    values = {each["subject"]["reference"]: each["valueString"] for each in await as_sent(testing)}
    assert values == {f"Patient/{first}": "POSITIVE", f"Patient/{testing.patient}": "NEGATIVE"}


async def test_what_waits_for_its_patient_is_read_once_they_are_known(testing: ReceivingService) -> None:
    assert await testing.receives(of(MORPHINE)) == "AA"
    assert await as_sent(testing) == []
    await testing.identified()
    (row,) = await as_sent(testing)
    assert row["subject"] == {"reference": f"Patient/{testing.patient}"}
    (meaning,) = await graded(testing)
    assert meaning["derivedFrom"] == [{"reference": f"Observation/{row['id']}"}]
    assert (await documents(testing))["x-application/hl7-v2+er7"] == of(MORPHINE)


async def test_what_a_person_assigns_is_read_from_then_on(testing: ReceivingService) -> None:
    await testing.identified()
    first, testing.patient = testing.patient, str(uuid4())
    await testing.identified("OTHER-MRN")
    both = PID.replace("^MR", "^MR~OTHER-MRN^^^IOPDEMO^MR")
    assert await testing.receives(of(MORPHINE, pid=both)) == "AA"
    task = await testing.task("assign-result")
    assert await as_sent(testing) == []
    await testing.put(task | {"status": "completed", "for": {"reference": f"Patient/{first}"}}, "ehr")
    (row,) = await as_sent(testing)
    assert row["subject"] == {"reference": f"Patient/{first}"}
    assert str(row["valueQuantity"]["value"]) == "0.50"


# What people wrote


async def test_the_message_its_remarks_and_its_documents_are_read_as_binaries(testing: ReceivingService) -> None:
    await testing.identified()
    assert await testing.receives(of(*WRITTEN)) == "AA"
    found = await documents(testing)
    assert found["x-application/hl7-v2+er7"] == of(*WRITTEN)
    assert found["application/pdf"] == PDF
    assert found["text/plain"].decode().splitlines() == [
        f"OBX^1 NTE: {MARK} seen by a courier",
        f"SPM^1: {MARK} cup",
        f"OBX^2^5: {MARK} of the courier",
    ]


async def test_a_large_document_is_read_back_and_so_is_its_message(testing: ReceivingService) -> None:
    await testing.identified()
    large = b64encode(bytes(3 * 1024 * 1024)).decode()
    content = of(f"OBX|1|ED|PDF^Report^L||LAB^application^pdf^Base64^{large}||||||F", MORPHINE.replace("X|1", "X|2"))
    assert await testing.receives(content) == "AA"
    found = await documents(testing)
    assert found["application/pdf"] == bytes(3 * 1024 * 1024)
    assert found["x-application/hl7-v2+er7"] == content


async def test_of_a_message_about_several_each_reads_their_own_part(testing: ReceivingService) -> None:
    await testing.identified()
    second = PID.replace("SEEDED", "OTHER").replace("Seeded^Bogus", MARK)
    content = of(MORPHINE) + b"\r" + of(MORPHINE, pid=second).split(b"\r", 1)[1]
    assert await testing.receives(content) == "AA"
    assert (await documents(testing))["x-application/hl7-v2+er7"] == of(MORPHINE)


async def test_what_people_wrote_stands_in_no_table_topic_log_or_metric(
    testing: ReceivingService, capfd: pytest.CaptureFixture[str]
) -> None:
    await testing.identified()
    await testing.admitted()
    assert await testing.receives(of(*WRITTEN)) == "AA"
    assert await testing.receives(of(*WRITTEN, control="M2", pid=PID.replace("SEEDED", "UNKNOWN"))) == "AA"
    tables = await testing.select(
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'migrations'"
    )
    hidden = [MARK, MARK.lower(), PDF.decode(), "TWFya2VkLVBkZi1"]
    for (table,) in tables:
        for (row,) in await testing.select(f"SELECT to_jsonb(t)::text FROM {table} t"):
            assert not [each for each in hidden if each in row], table
    assert not [each for each in hidden if each in "".join(capfd.readouterr())]


@pytest.mark.parametrize("kind", ["DocumentReference", "Binary"])
async def test_without_its_scope_nobody_reads_what_people_wrote(testing: ReceivingService, kind: str) -> None:
    await testing.identified()
    await testing.receives(of(*WRITTEN))
    rows = await testing.select("SELECT id FROM resources WHERE type = $1", kind)
    may = replace(caller("ehr"), scopes=tuple((each, "rs") for each in ("Observation", "DiagnosticReport")))
    for (identity,) in rows:
        with pytest.raises(HttpRefusal) as refused:
            may.require(kind, "r")
            await testing.reader.read(kind, identity, may)
        assert refused.value.status == 403


# Laws

_VALUES = st.sampled_from(
    [
        "CE|{c}||260385009^Negative^SCT",
        "CWE|{c}||POS^Positive^L",
        "CWE|{c}||^^^^^^^^None Detected",
        "ST|{c}||Not Detected",
        "ST|{c}||> 1,000 ng/mL|ng/mL|<50",
        "TX|{c}||POSITIVE",
        "NM|{c}||250.00|ng/mL|<100",
        "NM|{c}||0|ng/mL|<100|N",
        "NM|{c}||NEG",
        "SN|{c}||<^50|ng/mL",
        "SN|{c}||=^50|ng/mL|0-50|H",
        "SN|{c}||^1^:^128",
        "|{c}||NEGATIVE",
        "DT|{c}||20250310",
        "ST|{c}||NEGATIVE|||Detected",
        "ST|{c}||see remarks",
        "ED|{c}||LAB^application^pdf^Base64^!!!",
    ]
)
_CODES = st.sampled_from(["14314-9^x^LN", "16226-3^x^LN", "T17^Own test^L", "^Only a title^L", "2161-8^Creatinine^LN"])
_STATUSES = st.sampled_from("FCPXWRIUDQ")


def received_of(*rows: str) -> tuple[LaboratoryReport, tuple[AcceptedResource, ...]]:
    """A report, and what is stored of it."""
    report = only_report(hl7.MSH, PID, hl7.OBR, *rows)
    found = interpreted(report, "demo", "lab", SETTINGS)
    assert found is not None
    found = found._replace(command=msgspec.structs.replace(found.command, received="received"))
    return report, as_fhir(b"MSH", [found], Written("cause", TIME.zone))


def resources_of(*rows: str) -> list[Resource]:
    _, received = received_of(*rows)
    return [{"resourceType": each.type, "id": each.id, **parse(each.body.encode())} for each in received]


def read_again(*rows: str) -> list[tuple[Any, ...]]:
    """Each row as HL7 reads it beside the same as FHIR reads what is written of it."""
    report, received = received_of(*rows)
    pairs = []
    written = iter([parse(each.body.encode()) for each in received if each.type == "Observation"])
    for component in report.components:
        if component.status == "promoted" and not (component.text or component.values or component.number is not None):
            continue
        again = component_of(next(written), component.status, "")
        pairs.append(((read(component), component.cutoff, component.flags), (read(again), again.cutoff, again.flags)))
    return pairs


@given(st.lists(st.tuples(_VALUES, _CODES, _STATUSES), min_size=1, max_size=6))
@settings(max_examples=examples(150))
def test_what_is_written_is_valid_and_means_the_same_when_it_is_read(rows: list[tuple[str, str, str]]) -> None:
    screen = "OBX|9|ST|14314-9^x^LN||NEGATIVE||||||F"
    lines = [f"OBX|{n}|{value.format(c=code)}" for n, (value, code, _) in enumerate(rows, 1)]
    padded = [f"{line}{'|' * (11 - line.count('|'))}{status}" for line, (_, _, status) in zip(lines, rows, strict=True)]
    for sent, again in read_again(*padded, screen):
        assert sent == again
    assert [issue for each in resources_of(*padded, screen) for issue in validate(each)] == []


@given(st.lists(st.tuples(_CODES, st.sampled_from(["", "1", "a"]), _STATUSES), min_size=1, max_size=8))
@settings(max_examples=examples(100))
def test_no_two_rows_of_a_report_are_one_resource(rows: list[tuple[str, str, str]]) -> None:
    lines = [f"OBX|{n}|ST|{code}|{sub}|NEGATIVE||||||{status}" for n, (code, sub, status) in enumerate(rows, 1)]
    _, received = received_of(*lines, "OBX|99|ST|16226-3^x^LN||NEGATIVE||||||F")
    names = [each.name for each in received]
    assert len(names) == len(set(names))
