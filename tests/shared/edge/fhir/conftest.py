"""A small referral as an EHR would send it, made anew for each test."""

from typing import Any

import pytest

PATIENT = "urn:uuid:6f0f1c1e-6d0c-4e6b-9a55-0d6a8c1f3b01"
NEED = "urn:uuid:6f0f1c1e-6d0c-4e6b-9a55-0d6a8c1f3b02"

Resource = dict[str, Any]


@pytest.fixture
def patient() -> Resource:
    return {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:oid:2.16.840.1.113883.19.5", "value": "MRN-4711"}],
        "name": [{"use": "official", "family": "Amarillo", "given": ["Dolores"]}],
        "gender": "female",
        "birthDate": "1987-05",
    }


@pytest.fixture
def need() -> Resource:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://example.org/dimension", "code": "dimension-1"}]},
        "subject": {"reference": PATIENT},
        "effectiveDateTime": "2025-03-03T09:30:00-05:00",
        "valueQuantity": {"value": 2, "system": "http://unitsofmeasure.org", "code": "{score}"},
    }


@pytest.fixture
def consent() -> Resource:
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"text": "privacy"},
        "category": [{"text": "disclosure"}],
        "patient": {"reference": PATIENT},
        "policyRule": {"text": "42 CFR Part 2"},
        "provision": {"type": "permit", "period": {"start": "2025-03-03", "end": "2026-03-03"}},
    }


@pytest.fixture
def appointment() -> Resource:
    return {
        "resourceType": "Appointment",
        "status": "booked",
        "start": "2025-03-05T14:00:00Z",
        "end": "2025-03-05T17:00:00Z",
        "participant": [{"actor": {"reference": "Patient/p1"}, "status": "accepted"}],
    }


@pytest.fixture
def referral() -> Resource:
    return {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "subject": {"reference": PATIENT},
        "supportingInfo": [{"reference": NEED}],
        "extension": [{"url": "http://example.org/by", "valueReference": {"reference": PATIENT}}],
    }


@pytest.fixture
def bundle(patient: Resource, need: Resource, consent: Resource, referral: Resource) -> Resource:
    urls = (PATIENT, NEED, PATIENT[:-1] + "3", PATIENT[:-1] + "4")
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": url, "resource": one, "request": {"method": "POST", "url": one["resourceType"]}}
            for url, one in zip(urls, (patient, need, consent, referral), strict=True)
        ],
    }


@pytest.fixture
def message(patient: Resource, referral: Resource) -> Resource:
    header = {
        "resourceType": "MessageHeader",
        "eventCoding": {"system": "http://example.org/event", "code": "refer"},
        "source": {"endpoint": "http://ehr.example.org/fhir"},
    }
    dropped = ("supportingInfo", "extension")
    referral = {name: value for name, value in referral.items() if name not in dropped}
    referral |= {"subject": {"reference": "Patient/17"}, "id": "r1"}
    placed = (("MessageHeader/1", header), ("Patient/17", patient | {"id": "17"}), ("ServiceRequest/r1", referral))
    entries = [{"fullUrl": f"http://ehr.example.org/fhir/{at}", "resource": one} for at, one in placed]
    return {"resourceType": "Bundle", "type": "message", "entry": entries}
