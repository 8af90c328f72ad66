"""What is posted: an intake as an EHR sends it, and a single consent."""

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


def intake(number: int) -> bytes:
    """A transaction Bundle: a new patient, the need of each dimension, a fact, the referral."""
    patient = f"urn:uuid:{uuid4()}"
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
    resources: list[dict[str, Any]] = [_patient(number), *assessed, fact, referral | {"subject": subject}]
    addresses = [patient, *(f"urn:uuid:{uuid4()}" for _ in resources[1:])]
    return msgspec.json.encode(
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "identifier": {"system": "https://ehr.demo.iop-hub.org", "value": f"bench-{number}"},
            "entry": [
                {"fullUrl": address, "request": {"method": "POST", "url": each["resourceType"]}, "resource": each}
                for address, each in zip(addresses, resources, strict=True)
            ],
        }
    )


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
