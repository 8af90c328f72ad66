"""What a laboratory sent is found by its number."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from deploy import keys
from services.testing.edge import TAKES, edge
from shared.edge.app import statement
from shared.edge.fhir import capability, validate
from shared.edge.fhir import message as split_message
from shared.edge.outcome import HttpRefusal
from shared.edge.resolving import Submission
from shared.platform.keys import Keys
from tests.service import caller
from tests.testing.receiving import ADMITTED, AUTHORITY, ReceivingService, message


def numbered(kind: str, *identifiers: dict[str, Any]) -> dict[str, Any]:
    """A resource of nobody known yet, with the laboratory's numbers."""
    about = (
        {} if kind == "Specimen" else {"status": "registered", "code": {"text": "x"}, "effectiveDateTime": "2026-01-04"}
    )
    who = {"subject": {"identifier": {"system": AUTHORITY, "value": "SEEDED-MRN"}}}
    return {"resourceType": kind, "identifier": list(identifiers), **about, **who}


@pytest.mark.parametrize("kind", ["DiagnosticReport", "Observation", "Specimen"])
async def test_what_a_laboratory_sent_is_found_by_its_number(testing: ReceivingService, kind: str) -> None:
    await testing.identified()
    with_system = await testing.post(
        numbered(kind, {"system": "urn:other", "value": "1"}, {"system": "urn:lab", "value": "F7"})
    )
    without = await testing.post(numbered(kind, {"value": "F7"}))
    assert await testing.numbers(kind, "urn:lab|F7") == [with_system]
    assert await testing.numbers(kind, "|F7") == [without]
    assert await testing.numbers(kind, "F7") == sorted([with_system, without])
    assert await testing.numbers(kind, "urn:other|1,|F7") == sorted([with_system, without])
    for nobody in ("urn:other|F7", "urn:lab|1", "|1", "F", "urn:lab", "urn:lab|f7"):
        assert await testing.numbers(kind, nobody) == []


async def test_a_number_may_hold_any_sign_and_escapes_those_of_the_search(testing: ReceivingService) -> None:
    await testing.identified()
    for value, asked in {'7"8\\9': '7"8\\\\9', "ü,1": "ü\\,1", "a|b": "a\\|b", "100%_$x": "100%_\\$x"}.items():
        identity = await testing.post(numbered("Specimen", {"system": "urn:lab", "value": value}))
        assert (
            await testing.numbers("Specimen", asked)
            == await testing.numbers("Specimen", f"urn:lab|{asked}")
            == [identity]
        )


async def test_a_number_is_of_one_program_and_of_one_type(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.post(numbered("Specimen", {"system": "urn:lab", "value": "F7"}))
    assert await testing.numbers("Specimen", "urn:lab|F7", program="another") == []
    assert await testing.numbers("Observation", "urn:lab|F7") == []


async def test_a_number_that_stands_elsewhere_in_the_resource_is_no_identifier(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.post(numbered("Specimen") | {"accessionIdentifier": {"system": "urn:lab", "value": "F7"}})
    assert await testing.numbers("Specimen", "F7") == []


async def test_a_laboratory_finds_its_own_report_by_its_number_and_the_orders(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    await testing.receives(message().replace(b"OBR|1||F7|", b"OBR|1|P7^EHR|F7^LAB^2.16.840.1.1^ISO|"))
    (report,) = await testing.found("DiagnosticReport", ("identifier", "urn:oid:2.16.840.1.1|F7"))
    assert await testing.numbers("DiagnosticReport", "P7") == [report["id"]]
    assert [each["type"]["coding"][0]["code"] for each in report["identifier"]] == ["FILL", "PLAC"]
    assert not validate(report)
    (body,) = await testing.select("SELECT body FROM outbox")
    assert "F7" not in body[0] and "P7" not in body[0]


async def test_a_report_graded_anew_is_still_found_by_its_number(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.receives(message())
    await testing.admitted()
    assert await testing.emitted() == ["ResultMatched", "DrugTestResulted"]
    (found,) = await testing.found("DiagnosticReport", ("identifier", "F7"))
    assert (found["status"], found["identifier"][0]["value"]) == ("final", "F7")


async def test_a_confirmation_of_the_same_specimen_is_found_by_its_own_number_too(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    specimen = b"\rSPM|1|S9"
    await testing.receives(message() + specimen)
    confirmed = message("M2", filler="F8").replace(b"14314-9^", b"14315-6^")
    await testing.receives(confirmed + specimen)
    reports = [await testing.numbers("DiagnosticReport", each) for each in ("F7", "F8")]
    assert reports[0] == reports[1] and len(reports[0]) == 1


async def test_a_report_of_ours_is_nobodys_to_change_by_its_number(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    await testing.receives(message().replace(b"|F7|", b"|F7^LAB^2.16.840.1.1^ISO|"))
    own = {"system": "urn:oid:2.16.840.1.1", "value": "F7"}
    registered = numbered("DiagnosticReport", own)
    asked = {"method": "PUT", "url": f"DiagnosticReport?identifier={own['system']}|{own['value']}"}
    done = await testing.submit(
        {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": registered, "request": asked}]}
    )
    assert done.answered[0].status == "201 Created"


@pytest.mark.parametrize("identifier", ["", "|", "urn:lab|", ",", "F7,", " ", "urn:lab| ", ",".join(["F7"] * 51)])
async def test_a_number_without_content_or_too_many_are_no_search(testing: ReceivingService, identifier: str) -> None:
    with pytest.raises(HttpRefusal) as refused:
        await testing.numbers("Specimen", identifier)
    assert refused.value.status == 400


async def test_a_resource_of_another_type_is_not_searched_by_identifier(testing: ReceivingService) -> None:
    with pytest.raises(HttpRefusal) as refused:
        await testing.numbers("Task", "urn:lab|F7")
    assert refused.value.issues[0].code == "not-supported"


def test_the_statement_names_each_type_that_is_found_by_identifier() -> None:
    statement = capability("testing", "", TAKES, url="", at=ADMITTED)
    named = {
        each["type"]
        for each in statement["rest"][0]["resource"]
        if {"name": "identifier", "type": "token"} in each.get("searchParam", ())
    }
    assert named == {"DiagnosticReport", "Observation", "ServiceRequest", "Specimen"}


async def found(testing: ReceivingService, kind: str, *asked: tuple[str, str]) -> list[str]:
    return [each["id"] for each in await testing.found(kind, *asked)]


def row(code: str, day: str, **more: Any) -> dict[str, Any]:
    who = {"subject": {"identifier": {"system": AUTHORITY, "value": "SEEDED-MRN"}}}
    coded = {"coding": [{"system": "http://loinc.org", "code": code}]}
    value = {"status": "final", "valueString": "NEG", "effectiveDateTime": f"2026-01-{day}"}
    return {"resourceType": "Observation", "code": coded, **value, **who, **more}


async def test_rows_are_found_by_their_code_the_latest_first(testing: ReceivingService) -> None:
    await testing.identified()
    first = await testing.post(row("59673-4", "10"))
    other = await testing.post(row("14314-9", "11"))
    last = await testing.post(row("59673-4", "12"))
    of_sender = ("_id", ",".join((first, other, last)))
    asked = [("code", "http://loinc.org|59673-4"), of_sender, ("_sort", "-date")]
    assert await found(testing, "Observation", *asked) == [last, first]
    assert await found(testing, "Observation", ("code", "59673-4"), of_sender, ("date", "lt2026-01-11")) == [first]
    assert await found(testing, "Observation", ("code", "urn:other|59673-4"), of_sender) == []


async def test_rows_and_reports_are_found_by_their_specimen(testing: ReceivingService) -> None:
    await testing.identified()
    specimen = await testing.post(numbered("Specimen", {"value": "S7"}) | {"type": {"coding": [{"code": "UR"}]}})
    of_it = await testing.post(row("59673-4", "10", specimen={"reference": f"Specimen/{specimen}"}))
    await testing.post(row("59673-4", "11"))
    report = numbered("DiagnosticReport", {"value": "F7"}) | {"specimen": [{"reference": f"Specimen/{specimen}"}]}
    reported = await testing.post(report)
    for name in (specimen, f"Specimen/{specimen}", f"http://hub.example.org/fhir/Specimen/{specimen}"):
        assert await found(testing, "Observation", ("specimen", name)) == [of_it]
        assert await found(testing, "DiagnosticReport", ("specimen", name)) == [reported]
    assert await found(testing, "Specimen", ("type", "UR")) == [specimen]
    assert await found(testing, "Specimen", ("type", "SAL")) == []


async def test_what_was_written_of_a_row_is_found_by_it(testing: ReceivingService) -> None:
    """Whoever may read documents finds the remark from its row; the row itself says nothing of it."""
    await testing.identified()
    remarked = await testing.post(row("59673-4", "10", note=[{"text": "called the program"}]))
    other = await testing.post(row("59673-4", "11", note=[{"text": "called again"}]))
    (document,) = await testing.found("DocumentReference", ("related", f"Observation/{remarked}"))
    assert document["context"]["related"] == [{"reference": f"Observation/{remarked}"}]
    assert document["content"][0]["attachment"]["url"].startswith("Binary/")
    both = ("related", f"Observation/{remarked},http://hub.example.org/fhir/Observation/{other}")
    assert len(await found(testing, "DocumentReference", both)) == 2
    assert await found(testing, "DocumentReference", ("related", f"DiagnosticReport/{remarked}")) == []
    with pytest.raises(HttpRefusal) as refused:
        await testing.found("DocumentReference", ("related", remarked))
    assert refused.value.status == 400


@pytest.mark.parametrize("specimen", ["Patient/1", "Specimen/1/2", ",".join(["s"] * 51)])
async def test_what_names_no_specimen_is_no_search(testing: ReceivingService, specimen: str) -> None:
    with pytest.raises(HttpRefusal) as refused:
        await testing.found("Observation", ("specimen", specimen))
    assert refused.value.status == 400


async def test_a_message_bundle_is_taken_with_the_device_that_measured(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    device = {"resourceType": "Device", "deviceName": [{"name": "Analyser", "type": "user-friendly-name"}]}
    header = {"resourceType": "MessageHeader", "eventUri": "urn:lab:result", "source": {"endpoint": "urn:lab"}}
    measured = row("59673-4", "10", device={"reference": "urn:uuid:7d1f0a52-0000-4000-8000-000000000002"})
    entry = [
        {"fullUrl": f"urn:uuid:7d1f0a52-0000-4000-8000-00000000000{place}", "resource": each}
        for place, each in enumerate((header, measured, device))
    ]
    _, entries = split_message({"resourceType": "Bundle", "type": "message", "entry": entry})
    submission = Submission("message", entries, uuid4(), False, "digest")
    done = await testing.running.submissions.submit(submission, caller("lab"))
    assert [each.status for each in done.answered] == ["201 Created", "200 OK"]
    assert await testing.emitted() == ["DrugTestResulted"]


def test_the_statement_names_the_searches_and_takes_messages(tmp_path: Path) -> None:
    stated = statement("testing", edge(Keys.load(keys.make(tmp_path), "testing")), "")["rest"][0]
    searched = {each["type"]: {one["name"] for one in each.get("searchParam", ())} for each in stated["resource"]}
    assert {"identifier", "code", "specimen", "status", "date"} <= searched["Observation"] & searched[
        "DiagnosticReport"
    ]
    assert {"identifier", "type", "collected", "status"} <= searched["Specimen"]
    assert [each["name"] for each in stated["operation"]] == ["process-message"]
