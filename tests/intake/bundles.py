"""Transaction Bundles as an EHR sends them to intake; synthetic people only."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from shared.events import codes

Json = dict[str, Any]

MRN_SYSTEM = "https://clinic.demo.iop-hub.org/mrn"
EHR = "https://ehr.demo.iop-hub.org/fhir"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
MONDAY = datetime(2026, 1, 5, 14, 0, tzinfo=UTC)
IOP_NEEDS = {
    "withdrawal": "none",
    "biomedical": "1.0",
    "psychiatric-cognitive": "1.5",
    "substance-use-risk": "2.1",
    "recovery-environment": "1.5",
}


def intake(
    mrn: str,
    at: datetime = MONDAY,
    *,
    needs: Mapping[str, str] = IOP_NEEDS,
    facts: Mapping[str, bool] | None = None,
    scores: Mapping[str, int] | None = None,
    medications: Mapping[str, str] | None = None,
    conditions: Sequence[str] = ("F10.20",),
    consents: Sequence[Json] = (),
    referred: bool = True,
) -> Json:
    """The whole intake of one patient: `facts` and `scores` by code, `medications` RxNorm to first day, ICD-10."""
    who = urn(mrn, "patient")
    assemble: list[Json] = [patient(mrn)]
    assemble += [need(who, dimension, level, at) for dimension, level in needs.items()]
    assemble += [fact(who, code, value, at) for code, value in (facts or {"safe-housing": True}).items()]
    assemble += [score(who, code, value, at) for code, value in (scores or {}).items()]
    assemble += [medication(who, rxnorm, since) for rxnorm, since in (medications or {}).items()]
    assemble += [condition(who, code, at) for code in conditions]
    assemble += [coverage(who)]
    assemble += [{**each, "patient": {"reference": who}, "performer": [{"reference": who}]} for each in consents]
    assemble += [referral(who, at)] if referred else []
    return transaction(*assemble, named=f"{mrn}:{at.isoformat()}")


def transaction(*resources: Json, named: str | None = None) -> Json:
    """A transaction that creates each; a resource's own `fullUrl` goes to its entry."""
    bundle: Json = {"resourceType": "Bundle", "type": "transaction", "entry": [_create(each) for each in resources]}
    if named is not None:
        bundle["identifier"] = {"system": codes.URI, "value": f"urn:uuid:{uuid5(NAMESPACE_URL, named)}"}
    return bundle


def _create(resource: Json) -> Json:
    body = {name: value for name, value in resource.items() if name != "fullUrl"}
    url = resource.get("fullUrl") or urn(str(resource), "entry")
    return {"fullUrl": url, "resource": body, "request": {"method": "POST", "url": body["resourceType"]}}


def urn(*names: str) -> str:
    return f"urn:uuid:{uuid5(NAMESPACE_URL, '|'.join(names))}"


def patient(mrn: str) -> Json:
    return {
        "fullUrl": urn(mrn, "patient"),
        "resourceType": "Patient",
        "identifier": [{"system": MRN_SYSTEM, "value": mrn}],
        "name": [{"family": "Synthetic", "given": ["Robin"]}],
        "telecom": [{"system": "phone", "value": "555-0100", "use": "mobile"}],
        "birthDate": "1988-04-12",
        "address": [{"city": "Springfield", "state": "NY", "postalCode": "10001"}],
    }


def need(who: str, dimension: str, level: str, at: datetime = MONDAY) -> Json:
    """The least intensive level that safely meets the need of one dimension."""
    return _observation(who, codes.NEED, dimension, at) | {
        "valueCodeableConcept": {"coding": [{"system": codes.LEVEL, "code": level}]}
    }


def fact(who: str, code: str, value: bool, at: datetime = MONDAY) -> Json:
    return _observation(who, codes.FACT, code, at) | {"valueBoolean": value}


def score(who: str, code: str, value: int, at: datetime = MONDAY) -> Json:
    """A score by the hub's own code (`ciwa-ar`) or by LOINC (`75626-2`)."""
    system = codes.LOINC if code[0].isdigit() else codes.FACT
    return _observation(who, system, code, at) | {"valueInteger": value}


def _observation(who: str, system: str, code: str, at: datetime) -> Json:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": who},
        "effectiveDateTime": at.isoformat(),
    }


def medication(who: str, rxnorm: str, since: str, until: str | None = None) -> Json:
    return {
        "resourceType": "MedicationStatement",
        "status": "active",
        "medicationCodeableConcept": {"coding": [{"system": codes.RXNORM, "code": rxnorm}]},
        "subject": {"reference": who},
        "effectivePeriod": {"start": since} | ({"end": until} if until else {}),
    }


def condition(who: str, icd10: str, at: datetime = MONDAY) -> Json:
    return {
        "resourceType": "Condition",
        "code": {"coding": [{"system": ICD10, "code": icd10}]},
        "subject": {"reference": who},
        "recordedDate": at.isoformat(),
    }


def coverage(who: str) -> Json:
    return {
        "resourceType": "Coverage",
        "status": "active",
        "beneficiary": {"reference": who},
        "type": {"coding": [{"system": "https://nahdo.org/sopt", "code": "81"}]},
        "payor": [{"display": "A synthetic payer"}],
    }


HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"


def referral(who: str, at: datetime = MONDAY) -> Json:
    return {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "priority": "routine",
        "code": {"coding": [{"system": HCPCS, "code": "H0015"}]},
        "subject": {"reference": who},
        "authoredOn": at.isoformat(),
    }


def consent(
    partner: str,
    purpose: str = "alumni",
    fields: Sequence[str] = ("name", "phone"),
    given: str = "2026-01-05",
    until: str | None = "2027-01-05",
    who: str = "urn:uuid:00000000-0000-4000-8000-000000000000",
) -> Json:
    """A consent that names a partner (42 CFR 2.31): to whom, why, which fields, until when."""
    system = codes.ACT_REASON if purpose.isupper() else codes.PURPOSE
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"system": codes.CONSENT_SCOPE, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": codes.ACT, "code": "IDSCL"}]}],
        "patient": {"reference": who},
        "dateTime": given,
        "performer": [{"reference": who}],
        "organization": [{"identifier": {"system": codes.ROLE, "value": "program"}}],
        "policyRule": {"coding": [{"system": codes.ACT, "code": "42CFRPart2"}]},
        "provision": {
            "type": "permit",
            **({"period": {"end": until}} if until else {}),
            "actor": [
                {
                    "role": {"coding": [{"system": codes.PARTICIPATION, "code": "IRCP"}]},
                    "reference": {"identifier": {"system": codes.PARTNER, "value": partner}},
                }
            ],
            "action": [{"coding": [{"system": codes.CONSENT_ACTION, "code": "disclose"}]}],
            "purpose": [{"system": system, "code": purpose}],
            "code": [{"coding": [{"system": codes.FIELD, "code": each}]} for each in fields],
        },
    }


def signed(task: Json, level: str = "2.1", reason: str | None = None, by: str = "clinician-1") -> Json:
    """The Task to sign (as read), completed with the level selected: to be PUT back."""
    output = [_output("level", codes.LEVEL, level)]
    output += [_output("reason", codes.REASON, reason)] if reason else []
    owner = {"identifier": {"system": codes.STAFF, "value": by}}
    focus = {"reference": f"{task['focus']['reference']}/_history/1"}
    return {**task, "status": "completed", "owner": owner, "output": output, "focus": focus}


def answered(task: Json, status: str, by: str = "case-manager-1", reason: str | None = None) -> Json:
    """An escalation's Task (as read), accepted or completed by a person: to be PUT back."""
    coded = {"statusReason": {"coding": [{"system": codes.REASON, "code": reason}]}} if reason else {}
    return {**task, "status": status, "owner": {"identifier": {"system": codes.STAFF, "value": by}}, **coded}


def _output(name: str, system: str, code: str) -> Json:
    return {
        "type": {"coding": [{"system": codes.INPUT, "code": name}]},
        "valueCodeableConcept": {"coding": [{"system": system, "code": code}]},
    }


def discharge(episode: Json, disposition: str, at: datetime) -> Json:
    """The episode (as read) finished, and its Encounter with the disposition, in one transaction."""
    who, identity = episode["patient"]["reference"], episode["id"]
    finished = {
        **episode,
        "status": "finished",
        "period": {**episode["period"], "end": at.isoformat()},
    }
    encounter = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": codes.ACT, "code": "AMB"},
        "subject": {"reference": who},
        "episodeOfCare": [{"reference": f"EpisodeOfCare/{identity}"}],
        "hospitalization": {"dischargeDisposition": {"coding": [{"system": codes.DISPOSITION, "code": disposition}]}},
    }
    bundle = transaction(encounter, named=f"{identity}:discharge")
    request = {"method": "PUT", "url": f"EpisodeOfCare/{identity}"}
    bundle["entry"].append(
        {"fullUrl": f"{codes.HUB}/EpisodeOfCare/{identity}", "resource": finished, "request": request}
    )
    return bundle
