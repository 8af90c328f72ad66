"""What a laboratory sent is found by its number."""

from typing import Any

import pytest

from services.testing.edge import TAKES
from shared.edge.fhir import capability, validate
from shared.edge.outcome import HttpRefusal
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
    assert named == {"DiagnosticReport", "Observation", "Specimen"}
