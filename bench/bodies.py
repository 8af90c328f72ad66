"""What is posted: an intake as an EHR sends it, and a single consent."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec

from bench.workloads import consent
from shared.events import codes, fhir

NEEDS = {
    "withdrawal": "none",
    "biomedical": "1.0",
    "psychiatric-cognitive": "1.5",
    "substance-use-risk": "2.1",
    "recovery-environment": "1.5",
}


EHR = "https://ehr.demo.iop-hub.org"
_WORDS = "As documented at the visit and reviewed with the patient; see the chart for what was said. " * 4
_NARRATIVE = {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{_WORDS}</div>'}


def intake(number: int) -> bytes:
    """A transaction Bundle of 3.7 KB: a new patient, the need of each dimension, a fact, the referral."""
    return _transaction(number, _intake(number, f"urn:uuid:{uuid4()}"))


def visit(number: int) -> bytes:
    """The same as EHRs send it, 8.8 KB: with a diagnosis, the words of each resource, and four created only once."""
    patient = f"urn:uuid:{uuid4()}"
    condition = {
        "resourceType": "Condition",
        "clinicalStatus": fhir.concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        "code": fhir.concept("http://hl7.org/fhir/sid/icd-10-cm", "F11.20"),
        "subject": {"reference": patient},
    }
    resources = [*_intake(number, patient), condition]
    for place in (0, 1, -2, -1):
        known = {"system": f"{EHR}/{resources[place]['resourceType']}", "value": f"bench-{number}-{place}"}
        resources[place] |= {"identifier": [*resources[place].get("identifier", ()), known]}
    return _transaction(number, [{"text": _NARRATIVE} | each for each in resources], once=True)


def _intake(number: int, patient: str) -> list[dict[str, Any]]:
    """The resources, the Patient first; it is addressed as `patient`."""
    subject = {"reference": patient}
    assessed = [
        _observation(codes.NEED, name, subject) | {"valueCodeableConcept": fhir.concept(codes.LEVEL, level)}
        for name, level in NEEDS.items()
    ]
    fact = _observation(codes.FACT, "safe-housing", subject) | {"valueBoolean": True}
    referral: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "authoredOn": _now(),
    }
    referral |= {"code": fhir.concept(codes.LEVEL, "2.1")}
    return [_patient(number) | {"fullUrl": patient}, *assessed, fact, referral | {"subject": subject}]


def _transaction(number: int, resources: Sequence[dict[str, Any]], *, once: bool = False) -> bytes:
    """Where they are created `once`, what carries an identifier is created unless it exists, by the last of them."""
    entries = []
    for each in resources:
        request = {"method": "POST", "url": each["resourceType"]}
        if once and "identifier" in each:
            known = each["identifier"][-1]
            request["ifNoneExist"] = f"identifier={known['system']}|{known['value']}"
        address = each.pop("fullUrl", None) or f"urn:uuid:{uuid4()}"
        entries.append({"fullUrl": address, "request": request, "resource": each})
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    return msgspec.json.encode(bundle | {"identifier": {"system": EHR, "value": f"bench-{number}"}})


def _patient(number: int) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "birthDate": "1988-04-12",
        "identifier": [{"system": "https://clinic.demo.iop-hub.org/mrn", "value": f"BENCH-{number}"}],
        "name": [{"family": "Synthetic", "given": ["Robin"]}],
        "telecom": [{"system": "phone", "value": "555-0100", "use": "mobile"}],
    }


def _observation(system: str, code: str, subject: dict[str, str]) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "effectiveDateTime": _now(),
        "subject": subject,
        "code": fhir.concept(system, code),
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def permission(patient: UUID | str) -> bytes:
    """One Consent of a known patient, as a single create."""
    (resource,) = consent(str(patient), "posted").write(str(patient))
    return msgspec.json.encode({name: value for name, value in resource.items() if name != "id"})
