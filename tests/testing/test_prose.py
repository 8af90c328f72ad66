"""What people wrote into a report of FHIR is read as a document, and stands nowhere else."""

from base64 import b64decode, b64encode
from typing import Any

import pytest

from tests.service import caller
from tests.testing.receiving import AUTHORITY, ReceivingService

MARK = "Marked-Nobody-Else-Writes-This"
DIV = f'<div xmlns="http://www.w3.org/1999/xhtml">{MARK}</div>'
WHO = {"subject": {"identifier": {"system": AUTHORITY, "value": "SEEDED-MRN"}}}
FENTANYL = {"coding": [{"system": "http://loinc.org", "code": "59673-4"}]}
ROW: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": FENTANYL,
    "effectiveDateTime": "2026-01-12T08:30:00-05:00",
    "valueString": "NEG",
    "note": [{"authorString": "A. Nalyst", "text": f"{MARK} called"}, {"text": "Specimen appears dilute."}],
    **WHO,
}
REPORT: dict[str, Any] = {
    "resourceType": "DiagnosticReport",
    "status": "final",
    "code": {"text": "Urine drug screen"},
    "effectiveDateTime": "2026-01-12T08:30:00-05:00",
    "text": {"status": "generated", "div": DIV},
    "conclusion": f"{MARK} concluded",
    "presentedForm": [{"contentType": "application/pdf", "data": b64encode(MARK.encode()).decode()}],
    "contained": [{"resourceType": "Specimen", "id": "s", "note": [{"text": f"{MARK} cup"}]}],
    "specimen": [{"reference": "#s"}],
    **WHO,
}


def transaction(report: dict[str, Any] = REPORT, row: dict[str, Any] = ROW) -> dict[str, Any]:
    named = {**report, "result": [{"reference": "urn:uuid:7d1f0a52-0000-4000-8000-000000000001"}]}
    entries: list[dict[str, Any]] = [
        {"fullUrl": f"urn:uuid:7d1f0a52-0000-4000-8000-00000000000{number}", "resource": each}
        for number, each in enumerate((row, named), 1)
    ]
    asked = [each | {"request": {"method": "POST", "url": each["resource"]["resourceType"]}} for each in entries]
    return {"resourceType": "Bundle", "type": "transaction", "entry": asked}


async def written(testing: ReceivingService) -> list[tuple[str, str, str]]:
    """What each document is about, its media type, and what is in it."""
    found = []
    for reference in await testing.found("DocumentReference", ("patient", testing.patient)):
        attachment = reference["content"][0]["attachment"]
        binary = await testing.reader.read("Binary", attachment["url"].removeprefix("Binary/"), caller("ehr"))
        about = reference["context"]["related"][0]["reference"].partition("/")[0]
        found.append((about, attachment["contentType"], b64decode(binary["data"]).decode()))
    return sorted(found)


EVERYTHING = [
    ("DiagnosticReport", "application/pdf", MARK),
    ("DiagnosticReport", "application/xhtml+xml", DIV),
    ("DiagnosticReport", "text/plain", f"{MARK} concluded"),
    ("DiagnosticReport", "text/plain", f"{MARK} cup"),
    ("Observation", "text/plain", f"A. Nalyst {MARK} called"),
]


async def test_each_text_is_read_as_a_document_about_its_resource(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.submit(transaction())
    assert await written(testing) == EVERYTHING


async def test_what_waits_for_its_patient_brings_its_texts_along(testing: ReceivingService) -> None:
    await testing.submit(transaction())
    assert await testing.found("DocumentReference") == []
    await testing.identified()
    assert await written(testing) == EVERYTHING


async def test_what_people_wrote_stands_in_no_table_and_no_log(
    testing: ReceivingService, capfd: pytest.CaptureFixture[str]
) -> None:
    await testing.submit(transaction())
    await testing.identified()
    await testing.admitted()
    await testing.submit(transaction(row=ROW | {"valueString": "POS", "effectiveDateTime": "2026-01-11"}))
    hidden = [MARK, b64encode(MARK.encode()).decode()[:12], "A. Nalyst"]
    tables = await testing.select(
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'migrations'"
    )
    for (table,) in tables:
        for (row,) in await testing.select(f"SELECT to_jsonb(t)::text FROM {table} t"):
            assert not [each for each in hidden if each in row], table
    assert not [each for each in hidden if each in "".join(capfd.readouterr())]


async def test_a_remark_that_states_how_the_specimen_was_stays_and_counts(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    await testing.submit(transaction())
    (row,) = [each for each in await testing.found("Observation") if "valueString" in each]
    assert row["note"] == [{"text": "Specimen appears dilute."}]
    (specimen,) = await testing.found("Specimen")
    assert specimen["condition"][0]["coding"][0]["code"] == "dilute"


async def test_the_same_texts_again_are_no_new_documents(testing: ReceivingService) -> None:
    await testing.identified()
    identity = await testing.post(ROW)
    for value in ("POS", "NEG"):
        await testing.put({**ROW, "id": identity, "valueString": value})
    assert await written(testing) == [EVERYTHING[-1]]


async def test_a_conclusion_in_a_code_is_never_graded(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    positive = {"coding": [{"system": "http://snomed.info/sct", "code": "10828004", "display": "Positive"}]}
    row = {name: each for name, each in ROW.items() if name != "note"}
    await testing.submit(transaction(REPORT | {"conclusionCode": [positive]}, row))
    assert await testing.emitted() == ["DrugTestResulted"]
    (graded,) = [each for each in await testing.found("Observation") if "interpretation" in each]
    assert graded["valueCodeableConcept"]["coding"][0]["code"] == "negative"
