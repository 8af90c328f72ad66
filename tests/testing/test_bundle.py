"""The Bundle that laboratories usually send: the report with its Patient, Organization, Practitioner and order."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest

from shared.edge.outcome import HttpRefusal
from tests.testing.receiving import AUTHORITY, ReceivingService, message

MRN = {"system": AUTHORITY, "value": "SEEDED-MRN"}
OTHER = {"system": AUTHORITY, "value": "OTHER-MRN"}
OWN = {"system": "urn:lab:patient", "value": "77"}
ORDER = {"system": "urn:ehr:order", "value": "P7"}
LOINC = "http://loinc.org"


def whole(
    *,
    value: str = "POSITIVE",
    patient: dict[str, str] = MRN,
    subject: str = "urn:uuid:p",
    requests: Mapping[str, dict[str, str]] = {},
) -> Any:
    """A transaction with a report in it, and all that usually comes with one."""
    coded = {"coding": [{"system": LOINC, "code": "14314-9"}]}
    about = {"subject": {"reference": subject}, "effectiveDateTime": "2026-01-12T08:30:00-05:00"}
    report = {
        "identifier": [{"system": "urn:lab", "value": "F7"}],
        "performer": [{"reference": "urn:uuid:o"}],
        "basedOn": [{"reference": "urn:uuid:s"}],
        "result": [{"reference": "urn:uuid:r"}],
        "code": {"text": "Urine drug screen"},
    }
    result = {"identifier": [{"system": "urn:lab", "value": "F7-1"}], "code": coded, "valueString": value}
    order = {"identifier": [ORDER], "intent": "order", "subject": {"reference": subject}}
    resources: dict[str, dict[str, Any]] = {
        "p": {"resourceType": "Patient", "identifier": [OWN, patient], "name": [{"family": "Bogus"}]},
        "o": {"resourceType": "Organization", "name": "Toxicology Laboratory"},
        "d": {"resourceType": "Practitioner", "identifier": [{"system": "urn:npi", "value": "1"}]},
        "s": {"resourceType": "ServiceRequest", "status": "active", **order},
        "r": {"resourceType": "Observation", "status": "final", **about, **result},
        "t": {"resourceType": "DiagnosticReport", "status": "final", **about, **report},
    }
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": f"urn:uuid:{name}",
                "resource": each,
                "request": requests.get(each["resourceType"], {"method": "POST", "url": each["resourceType"]}),
            }
            for name, each in resources.items()
        ],
    }


def named(kind: str, identifier: dict[str, str]) -> dict[str, str]:
    return {"method": "PUT", "url": f"{kind}?identifier={identifier['system']}|{identifier['value']}"}


BY_IDENTIFIER = {
    "Patient": named("Patient", MRN),
    "Organization": {"method": "PUT", "url": "Organization?name=Toxicology"},
    "Observation": named("Observation", {"system": "urn:lab", "value": "F7-1"}),
    "DiagnosticReport": named("DiagnosticReport", {"system": "urn:lab", "value": "F7"}),
}


async def test_what_comes_along_is_read_and_neither_stored_nor_refused(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    done = await testing.submit(whole())
    assert [each.status[:3] for each in done.answered] == ["200", "200", "200", "200", "201", "201"]
    assert [each.location is None for each in done.answered] == [True, True, True, True, False, False]
    assert await testing.emitted() == ["DrugTestResulted"]
    assert await testing.count("resources WHERE type IN ('Patient', 'Organization', 'ServiceRequest')") == 0
    (stored,) = [
        each for each in await testing.found("DiagnosticReport", ("identifier", "urn:lab|F7")) if "basedOn" in each
    ]
    assert stored["subject"] == {"reference": f"Patient/{testing.patient}", "type": "Patient"}
    assert stored["basedOn"] == [{"type": "ServiceRequest", "identifier": ORDER}]


async def test_a_patient_along_names_the_one_for_whom_a_result_waits(testing: ReceivingService) -> None:
    await testing.submit(whole())
    assert await testing.count("waiting WHERE true") > 0
    await testing.identified()
    assert await testing.emitted() == ["ResultMatched"]


async def test_a_result_that_points_to_somebody_else_than_its_patient_is_refused(testing: ReceivingService) -> None:
    await testing.identified()
    for subject in ("Patient/unknown", f"Patient/{uuid4()}", "https://other.example/fhir/Patient/1"):
        with pytest.raises(HttpRefusal) as refused:
            await testing.submit(whole(subject=subject))
        assert refused.value.status == 422
    testing.patient = str(uuid4())
    await testing.identified("OTHER-MRN")
    with pytest.raises(HttpRefusal):
        await testing.submit(whole(subject=f"Patient/{testing.patient}"))
    await testing.submit(whole(patient=OTHER, subject=f"Patient/{testing.patient}"))


async def test_nothing_but_context_is_refused(testing: ReceivingService) -> None:
    alone = whole()
    alone["entry"] = alone["entry"][:2]
    with pytest.raises(HttpRefusal) as refused:
        await testing.submit(alone)
    assert refused.value.issues[0].code == "not-supported"


async def test_an_update_by_identifier_creates_once_and_then_changes(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    first = await testing.submit(whole(requests=BY_IDENTIFIER))
    corrected = whole(value="NEGATIVE", requests=BY_IDENTIFIER)
    for each in corrected["entry"][4:]:
        each["resource"]["status"] = "corrected"
    again = await testing.submit(corrected)
    assert [each.status[:3] for each in (*first.answered[4:], *again.answered[4:])] == ["201", "201", "200", "200"]
    assert await testing.count("resources WHERE type = 'DiagnosticReport' AND body LIKE '%basedOn%'") == 1
    assert await testing.emitted() == ["DrugTestResulted", "DrugTestCorrected"]


async def test_an_update_by_identifier_changes_nothing_of_another_patient(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.submit(whole(requests=BY_IDENTIFIER))
    testing.patient = str(uuid4())
    await testing.identified("OTHER-MRN")
    with pytest.raises(HttpRefusal) as refused:
        await testing.submit(whole(patient=OTHER, requests=BY_IDENTIFIER))
    assert refused.value.status == 422


async def test_a_type_without_conditional_updates_says_so(testing: ReceivingService) -> None:
    task = {"resourceType": "Task", "status": "completed", "intent": "order"}
    entry = {"resource": task, "request": {"method": "PUT", "url": "Task?identifier=x|1"}}
    with pytest.raises(HttpRefusal) as refused:
        await testing.submit({"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert refused.value.issues[0].expression == ("Bundle.entry[0].request.url",)


async def test_one_report_as_hl7_and_again_as_fhir_is_a_repeat(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    assert await testing.receives(message()) == "AA"
    await testing.submit(whole())
    assert await testing.emitted() == ["DrugTestResulted"]
    assert await testing.count("resources WHERE type = 'Specimen' AND rank IS NULL") == 1


async def test_a_report_corrected_beside_its_observation_as_it_was_put_before_is_read_with_it(
    testing: ReceivingService,
) -> None:
    await testing.identified()
    await testing.admitted()
    for _ in range(2):
        await testing.submit(whole(value="NEGATIVE", requests=BY_IDENTIFIER))
    corrected = whole(value="NEGATIVE", requests=BY_IDENTIFIER)
    corrected["entry"][-1]["resource"] |= {"status": "corrected", "conclusion": "Specimen appears substituted."}
    await testing.submit(corrected)
    assert await testing.emitted() == ["DrugTestResulted", "DrugTestCorrected", "EscalationRaised"]
