"""What the demo's EHR and laboratory send, as they would: FHIR transactions and resources, HL7 v2 reports.

Every patient is made up, and the family name is Synthetic.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from shared.events import codes, fhir

Resource = dict[str, Any]
MRN = "https://clinic.demo.iop-hub.org/mrn"

PANEL: Mapping[str, tuple[str, str]] = {
    "amphetamines": ("19261-7", "Amphetamines Ur Ql Scn"),
    "benzoylecgonine": ("14314-9", "BZE Ur Ql Scn"),
    "benzodiazepines": ("14316-4", "Benzodiaz Ur Ql Scn"),
    "opiates": ("19295-5", "Opiates Ur Ql Scn"),
    "fentanyl": ("59673-4", "fentaNYL Ur Ql Scn"),
    "buprenorphine": ("93494-3", "Buprenorphine Ur Ql Scn"),
}
"""Analyte to its LOINC screening code and short name (domain 4.5)."""


def transaction(resources: Iterable[Resource]) -> Resource:
    """One transaction: all or none. A resource with an id of the hub's is updated, one with a urn is created."""
    entries = []
    for resource in resources:
        url = resource.pop("fullUrl", None)
        kind = resource["resourceType"]
        request = {"method": "POST", "url": kind} if url else {"method": "PUT", "url": f"{kind}/{resource['id']}"}
        entries.append(
            {"fullUrl": url, "resource": resource, "request": request} if url else _update(resource, request)
        )
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "identifier": {"system": codes.URI, "value": f"urn:uuid:{uuid4()}"},
        "entry": entries,
    }


def _update(resource: Resource, request: Resource) -> Resource:
    return {"resource": resource, "request": request}


def new(kind: str, **members: Any) -> Resource:
    """A resource that a transaction creates."""
    return {"fullUrl": f"urn:uuid:{uuid4()}", "resourceType": kind, **members}


def patient(mrn: str, given: str) -> Resource:
    return new(
        "Patient",
        identifier=[{"system": MRN, "value": mrn}],
        name=[{"family": "Synthetic", "given": [given]}],
        telecom=[{"system": "phone", "value": "+1-555-555-0100", "use": "mobile"}],
        address=[{"city": "Riverbend", "state": "NY"}],
        birthDate="1990-01-15",
    )


def need(subject: str, dimension: str, level: str, at: datetime) -> Resource:
    """What one dimension needs at least, in the hub's own edition."""
    return _observation(
        subject, fhir.concept(codes.NEED, dimension), at, valueCodeableConcept=fhir.concept(codes.LEVEL, level)
    )


def fact(subject: str, code: str, holds: bool, at: datetime) -> Resource:
    return _observation(subject, fhir.concept(codes.FACT, code), at, valueBoolean=holds)


def _observation(subject: str, code: Resource, at: datetime, **value: Any) -> Resource:
    return new(
        "Observation",
        status="final",
        code=code,
        subject=_to(subject),
        effectiveDateTime=at.isoformat(),
        **value,
    )


def referral(subject: str, at: datetime) -> Resource:
    return new(
        "ServiceRequest",
        status="active",
        intent="order",
        code=fhir.concept(codes.LEVEL, "2.1"),
        subject=_to(subject),
        authoredOn=at.isoformat(),
    )


def medication(subject: str, rxnorm: str, since: str) -> Resource:
    return new(
        "MedicationStatement",
        status="active",
        medicationCodeableConcept=fhir.concept(codes.RXNORM, rxnorm),
        subject=_to(subject),
        effectivePeriod={"start": since},
    )


def consent(
    subject: str, partner: str, purpose: str, fields: Sequence[str], at: datetime, days: int | None
) -> Resource:
    """A permission that names one partner, for one purpose, with the fields listed, for so many days."""
    purposes = codes.ACT_REASON if purpose.isupper() else codes.PURPOSE
    until = {} if days is None else {"end": (at + timedelta(days=days)).isoformat()}
    return new(
        "Consent",
        status="active",
        scope=fhir.concept(codes.CONSENT_SCOPE, "patient-privacy"),
        category=[fhir.concept(codes.ACT, "IDSCL")],
        patient=_to(subject),
        dateTime=at.isoformat(),
        performer=[_to(subject)],
        organization=[fhir.logical(codes.ROLE, "program")],
        policyRule=fhir.concept(codes.ACT, "42CFRPart2"),
        provision={
            "type": "permit",
            "period": {"start": at.isoformat(), **until},
            "actor": [
                {"role": fhir.concept(codes.PARTICIPATION, "IRCP"), "reference": fhir.logical(codes.PARTNER, partner)}
            ],
            "action": [fhir.concept(codes.CONSENT_ACTION, "disclose")],
            "purpose": [fhir.coding(purposes, purpose)],
            "code": [fhir.concept(codes.FIELD, each) for each in fields],
        },
    )


def signed(task: Resource, level: str) -> Resource:
    """A clinician's signature: the Task completed, with the level selected."""
    output = {"type": fhir.concept(codes.INPUT, "level"), "valueCodeableConcept": fhir.concept(codes.LEVEL, level)}
    return task | {"status": "completed", "owner": fhir.staff("clinician-1"), "output": [output]}


def advanced(task: Resource, stage: str) -> Resource:
    """A therapist's answer in which stage the stay goes on."""
    output = {"type": fhir.concept(codes.INPUT, "stage"), "valueCodeableConcept": fhir.concept(codes.STAGE, stage)}
    return _plain(task) | {"status": "completed", "owner": fhir.staff("primary-therapist-1"), "output": [output]}


def discharge(episode: Resource, disposition: str, at: datetime) -> Resource:
    """The episode finished, and its Encounter with the disposition: one transaction."""
    ended = episode | {"status": "finished", "period": {**episode["period"], "end": at.isoformat()}}
    coded = fhir.concept(codes.DISPOSITION, disposition)
    encounter = _encounter(
        episode["patient"],
        "finished",
        {"start": episode["period"]["start"], "end": at.isoformat()},
        hospitalization={"dischargeDisposition": coded},
        episodeOfCare=[fhir.reference("EpisodeOfCare", episode["id"])],
    )
    return transaction([_plain(ended), encounter])


def checked_in(appointment: Resource, subject: str) -> Resource:
    """A check-in while the session lasts: no minutes yet."""
    to = [fhir.reference("Appointment", appointment["id"])]
    return _plain(_encounter(_to(subject), "in-progress", {"start": appointment["start"]}, appointment=to))


def attended(appointment: Resource, subject: str, encounter_id: str, minutes: int) -> Resource:
    """The Encounter of the check-in once the session was held, with the minutes present."""
    ended = {"period": {"start": appointment["start"], "end": appointment["end"]}}
    length = {"value": minutes, "unit": "min", "code": "min", "system": UCUM}
    return checked_in(appointment, subject) | {"id": encounter_id, "status": "finished", "length": length} | ended


UCUM = "http://unitsofmeasure.org"


def _encounter(subject: Resource, status: str, bounds: Resource, **members: Any) -> Resource:
    ambulatory = {"class": fhir.coding(codes.ACT, "AMB")}
    return new("Encounter", status=status, **ambulatory, subject=subject, period=bounds, **members)


def makes_up(missed: Resource, subject: str, start: datetime) -> Resource:
    """A session that the EHR books for one that was missed, as long as that one."""
    length = datetime.fromisoformat(missed["end"]) - datetime.fromisoformat(missed["start"])
    return _plain(
        new(
            "Appointment",
            status="booked",
            serviceType=missed["serviceType"],
            supportingInformation=[fhir.reference("Appointment", missed["id"])],
            start=start.isoformat(),
            end=(start + length).isoformat(),
            participant=[{"actor": _to(subject), "status": "accepted"}],
        )
    )


def excused(appointment: Resource) -> Resource:
    """The patient called beforehand."""
    return _plain(appointment) | {"status": "cancelled", "cancelationReason": fhir.concept(codes.CANCELLATION, "pat")}


def referral_request(subject: str, partner: str, kind: str, person: str) -> Resource:
    """A case manager requests another referral to a partner that has one: the patient asks for it."""
    return {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": fhir.concept(codes.TASK, kind),
        "subject": _to(subject),
        "performer": [fhir.logical(codes.PARTNER, partner)],
        "requester": fhir.staff(person),
        "reasonCode": [fhir.concept(codes.REASON, "patient-asks")],
    }


def drug_test(subject: str) -> Resource:
    """A clinician orders a drug test, from now on."""
    return {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": fhir.concept(codes.TASK, "drug-test"),
        "subject": _to(subject),
    }


def specimen(subject: str, order_id: str, at: datetime, *, refused: bool = False) -> Resource:
    """What became of the collection of an ordered test."""
    condition = {"condition": [fhir.concept(codes.OUTCOME, "refused")]} if refused else {}
    return {
        "resourceType": "Specimen",
        "status": "unavailable" if refused else "available",
        "subject": _to(subject),
        "request": [fhir.reference("ServiceRequest", order_id)],
        "collection": {"collectedDateTime": at.isoformat()},
        **condition,
    }


def task_with_status(resource: Resource, status: str) -> Resource:
    """As read, with another status."""
    return _plain(resource) | {"status": status}


def answered(task: Resource, status: str, person: str, end_reason: str | None = None) -> Resource:
    """A Task of the hub, accepted or completed by a person, with a coded reason."""
    reason = {} if end_reason is None else {"statusReason": fhir.concept(codes.REASON, end_reason)}
    return task_with_status(task, status) | {"owner": fhir.staff(person)} | reason


def _plain(resource: Resource) -> Resource:
    """As read, without what only the hub may set."""
    return {name: value for name, value in resource.items() if name not in ("meta", "fullUrl")}


def _to(subject: str) -> Resource:
    """To a patient: the hub's id, or the urn of one in the same transaction."""
    return {"reference": subject if subject.startswith("urn:") else f"Patient/{subject}"}


def oru(mrn: str, specimen: str, collected_at: datetime, at: datetime, found: Mapping[str, bool], status: str) -> bytes:
    """One ORU^R01 (v2.5.1) about one urine specimen: analyte to positive. `status` is HL7's: F final, C corrected."""
    rows = [
        f"MSH|^~\\&|LAB|lab|IOP|demo|{_ts(at)}||ORU^R01^ORU_R01|{specimen}-{status}|P|2.5.1",
        f"PID|1||{mrn}^^^IOPDEMO^MR||SYNTHETIC^PATIENT",
        f"OBR|1||{specimen}^LAB|UDS^Urine drug screen^L|||{_ts(collected_at)}{'|' * 15}{_ts(at)}|||{status}",
        *(_obx(number, analyte, found[analyte], status, at) for number, analyte in enumerate(found, 1)),
        f"SPM|1|{specimen}||UR^Urine^HL70487",
    ]
    return "\r".join([*rows, ""]).encode()


def _obx(number: int, analyte: str, positive: bool, status: str, at: datetime) -> str:
    code, name = PANEL[analyte]
    value = "10828004^Positive^SCT" if positive else "260385009^Negative^SCT"
    flag = "A" if positive else "N"
    return f"OBX|{number}|CWE|{code}^{name}^LN||{value}|||{flag}|||{status}|||{_ts(at)}"


def _ts(moment: datetime) -> str:
    return moment.strftime("%Y%m%d%H%M%S%z")
