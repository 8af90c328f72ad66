"""What intake says: who the patient is, what was referred, recommended, signed, admitted, consented and discharged."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal

import msgspec

from shared.words import codes, fhir
from shared.words.envelope import Resource, Word, name_id

Purpose = str
"""A purpose a consent names: TREAT, HPAYMT, HOPERAT, COORD (v3-ActReason), or the hub's `alumni` and the like."""


class Digest(msgspec.Struct, frozen=True, array_like=True):
    """HMAC-SHA256 of an identifier (hex) and the id of the key that made it. Nobody reads the MRN from it."""

    key_id: str
    value: str


class PatientIdentified(Word, frozen=True, kw_only=True):
    """Keyed digests of the identifiers, and one sealed part per reader: a compact JWE whose `kid` names the reader.

    Attendance and testing can open only the EHR's own reference, aftercare also name, phone and area.
    """

    digests: tuple[Digest, ...]
    sealed: tuple[str, ...]
    identified_at: datetime

    def write(self, patient: str) -> list[Resource]:
        target = fhir.reference("Patient", patient)
        provenance: Resource = {
            "resourceType": "Provenance",
            "id": name_id(patient, "provenance"),
            "target": [target],
            "recorded": self.identified_at,
            "agent": [{"who": fhir.staff("intake")}],
        }
        identifiers = [{"system": f"{codes.DIGEST}/{each.key_id}", "value": each.value} for each in self.digests]
        subject: Resource = fhir.without_nothing(
            {"resourceType": "Patient", "id": patient, "identifier": identifiers, "active": True}
        )
        return [subject, provenance, *(_sealed(jwe, ordinal, patient) for ordinal, jwe in enumerate(self.sealed))]


def _sealed(jwe: str, ordinal: int, patient: str) -> Resource:
    return {
        "resourceType": "Binary",
        "id": name_id(patient, f"sealed:{ordinal}"),
        "contentType": "application/jose",
        "securityContext": fhir.reference("Patient", patient),
        "data": fhir.base64_text(jwe),
    }


def read_patient_identified(resources: Sequence[Resource]) -> PatientIdentified:
    (subject,), (provenance,) = fhir.of_type(resources, "Patient"), fhir.of_type(resources, "Provenance")
    return PatientIdentified(
        digests=tuple(
            Digest(each["system"].removeprefix(f"{codes.DIGEST}/"), each["value"])
            for each in subject.get("identifier", ())
        ),
        sealed=tuple(fhir.text_of_base64(each["data"]) for each in fhir.of_type(resources, "Binary")),
        identified_at=fhir.moment(provenance["recorded"]),
    )


Priority = Literal["routine", "urgent", "asap", "stat"]


class ReferralReceived(Word, frozen=True, kw_only=True):
    referral_id: str
    task_id: str
    authored_at: datetime
    priority: Priority = "routine"

    def write(self, patient: str) -> list[Resource]:
        subject = fhir.reference("Patient", patient)
        return [
            {
                "resourceType": "ServiceRequest",
                "id": self.referral_id,
                "status": "active",
                "intent": "order",
                "priority": self.priority,
                "subject": subject,
                "authoredOn": self.authored_at,
            },
            {
                "resourceType": "Task",
                "id": self.task_id,
                "status": "received",
                "intent": "order",
                "code": fhir.concept(codes.TASK, "referral"),
                "focus": fhir.reference("ServiceRequest", self.referral_id),
                "for": subject,
                "authoredOn": self.authored_at,
            },
        ]


class Need(msgspec.Struct, frozen=True, array_like=True):
    """The least intensive level that safely meets one dimension's need; codes of the hub's 4th-edition systems."""

    dimension: str
    level: str


class LevelOfCareRecommended(Word, frozen=True, kw_only=True):
    """A recommendation with every rule that fired, not only the decisive one. A clinician signs; the hub never does."""

    recommendation_id: str
    task_id: str
    referral_id: str
    level: str
    rules: tuple[str, ...]
    conditions: tuple[str, ...]
    table: str
    needs: tuple[Need, ...]
    track: str | None
    recommended_at: datetime
    sign_by: datetime

    def write(self, patient: str) -> list[Resource]:
        subject = fhir.reference("Patient", patient)
        observations = [self._observation(need, subject) for need in self.needs]
        request: Resource = fhir.without_nothing(
            {
                "resourceType": "ServiceRequest",
                "id": self.recommendation_id,
                "instantiatesCanonical": [f"{codes.RULE_TABLE}|{self.table}"],
                "basedOn": [fhir.reference("ServiceRequest", self.referral_id)],
                "status": "active",
                "intent": "proposal",
                "code": fhir.concept(codes.LEVEL, self.level),
                "orderDetail": [
                    *(fhir.concept(codes.CONDITION, each) for each in self.conditions),
                    *([fhir.concept(codes.TRACK, self.track)] if self.track else []),
                ],
                "subject": subject,
                "authoredOn": self.recommended_at,
                "reasonCode": [fhir.concept(codes.RULE, each) for each in self.rules],
                "supportingInfo": [{"reference": f"Observation/{each['id']}"} for each in observations],
            }
        )
        return [request, *observations, self._task(subject)]

    def _observation(self, need: Need, subject: dict[str, Any]) -> Resource:
        return {
            "resourceType": "Observation",
            "id": name_id(self.recommendation_id, need.dimension),
            "status": "final",
            "code": fhir.concept(codes.NEED, need.dimension),
            "subject": subject,
            "effectiveDateTime": self.recommended_at,
            "valueCodeableConcept": fhir.concept(codes.LEVEL, need.level),
        }

    def _task(self, subject: dict[str, Any]) -> Resource:
        return {
            "resourceType": "Task",
            "id": self.task_id,
            "status": "requested",
            "intent": "order",
            "code": fhir.concept(codes.TASK, "sign-placement"),
            "focus": fhir.reference("ServiceRequest", self.recommendation_id),
            "for": subject,
            "authoredOn": self.recommended_at,
            "owner": fhir.logical(codes.ROLE, "clinician"),
            "restriction": {"period": {"end": self.sign_by}},
        }


class PlacementSigned(Word, frozen=True, kw_only=True):
    """A clinician's signature: the level selected, and why where it differs from the recommended one."""

    task_id: str
    recommendation_id: str
    level: str
    reason: str | None
    signed_by: str
    signed_at: datetime

    def write(self, patient: str) -> list[Resource]:
        output = [{"type": fhir.concept(codes.INPUT, "level"), "valueCodeableConcept": self._level()}]
        if self.reason is not None:
            reason = fhir.concept(codes.REASON, self.reason)
            output.append({"type": fhir.concept(codes.INPUT, "reason"), "valueCodeableConcept": reason})
        return [
            {
                "resourceType": "Task",
                "id": self.task_id,
                "status": "completed",
                "intent": "order",
                "code": fhir.concept(codes.TASK, "sign-placement"),
                "focus": fhir.reference("ServiceRequest", self.recommendation_id),
                "for": fhir.reference("Patient", patient),
                "lastModified": self.signed_at,
                "owner": fhir.staff(self.signed_by),
                "output": output,
            }
        ]

    def _level(self) -> dict[str, Any]:
        return fhir.concept(codes.LEVEL, self.level)


class Slot(msgspec.Struct, frozen=True, array_like=True):
    """One session of the weekly template: weekday 0 is Monday, `start` is local HH:MM, `every_weeks` 1 or 2."""

    kind: str
    weekday: int
    start: str
    minutes: int
    every_weeks: int = 1


WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class EpisodeAdmitted(Word, frozen=True, kw_only=True):
    """One stay in the IOP begins, with its track, flags and weekly template."""

    episode_id: str
    plan_id: str
    referral_id: str
    level: str
    track: str
    flags: tuple[str, ...]
    template: tuple[Slot, ...]
    admitted_at: datetime

    def write(self, patient: str) -> list[Resource]:
        subject = fhir.reference("Patient", patient)
        return [
            {
                "resourceType": "EpisodeOfCare",
                "id": self.episode_id,
                "status": "active",
                "type": [fhir.concept(codes.LEVEL, self.level)],
                "patient": subject,
                "period": {"start": self.admitted_at},
                "referralRequest": [fhir.reference("ServiceRequest", self.referral_id)],
            },
            fhir.without_nothing(
                {
                    "resourceType": "CarePlan",
                    "id": self.plan_id,
                    "status": "active",
                    "intent": "plan",
                    "category": [
                        fhir.concept(codes.TRACK, self.track),
                        *(fhir.concept(codes.FLAG, each) for each in self.flags),
                    ],
                    "subject": subject,
                    "period": {"start": self.admitted_at},
                    "supportingInfo": [fhir.reference("EpisodeOfCare", self.episode_id)],
                    "activity": [_activity(slot) for slot in self.template],
                }
            ),
        ]


def _activity(slot: Slot) -> dict[str, Any]:
    repeat = {
        "duration": slot.minutes,
        "durationUnit": "min",
        "frequency": 1,
        "period": slot.every_weeks,
        "periodUnit": "wk",
        "dayOfWeek": [WEEKDAYS[slot.weekday]],
        "timeOfDay": [f"{slot.start}:00"],
    }
    return {
        "detail": {
            "code": fhir.concept(codes.SESSION, slot.kind),
            "status": "scheduled",
            "scheduledTiming": {"repeat": repeat},
        }
    }


def _slot(activity: dict[str, Any]) -> Slot:
    detail = activity["detail"]
    repeat = detail["scheduledTiming"]["repeat"]
    return Slot(
        kind=fhir.code_of(detail["code"]),
        weekday=WEEKDAYS.index(repeat["dayOfWeek"][0]),
        start=repeat["timeOfDay"][0][:5],
        minutes=repeat["duration"],
        every_weeks=repeat["period"],
    )


def read_episode_admitted(resources: Sequence[Resource]) -> EpisodeAdmitted:
    (episode,), (plan,) = fhir.of_type(resources, "EpisodeOfCare"), fhir.of_type(resources, "CarePlan")
    track, *flags = plan["category"]
    return EpisodeAdmitted(
        episode_id=episode["id"],
        plan_id=plan["id"],
        referral_id=fhir.identity(episode["referralRequest"][0]),
        level=fhir.code_of(episode["type"][0]),
        track=fhir.code_of(track),
        flags=fhir.codes_of(flags),
        template=tuple(_slot(each) for each in plan.get("activity", ())),
        admitted_at=fhir.moment(episode["period"]["start"]),
    )


class EpisodeDeclined(Word, frozen=True, kw_only=True):
    """The IOP is not the right level now: says which level is, and every rule behind it. Never a punishment."""

    episode_id: str
    referral_id: str
    level: str
    rules: tuple[str, ...]
    declined_at: datetime

    def write(self, patient: str) -> list[Resource]:
        return [
            {
                "resourceType": "EpisodeOfCare",
                "id": self.episode_id,
                "status": "cancelled",
                "type": [
                    fhir.concept(codes.LEVEL, self.level),
                    *(fhir.concept(codes.RULE, each) for each in self.rules),
                ],
                "patient": fhir.reference("Patient", patient),
                "period": {"end": self.declined_at},
                "referralRequest": [fhir.reference("ServiceRequest", self.referral_id)],
            }
        ]


class EpisodeDischarged(Word, frozen=True, kw_only=True):
    """The stay ends, with the disposition on its Encounter (domain 6.1). Only a clinician's command says so."""

    episode_id: str
    encounter_id: str
    disposition: str
    admitted_at: datetime
    discharged_at: datetime

    def write(self, patient: str) -> list[Resource]:
        subject = fhir.reference("Patient", patient)
        disposition = {
            "coding": [
                fhir.coding(codes.DISPOSITION, self.disposition),
                fhir.coding(codes.DISCHARGE, codes.FHIR_DISPOSITION[self.disposition]),
            ]
        }
        return [
            {
                "resourceType": "EpisodeOfCare",
                "id": self.episode_id,
                "status": "finished",
                "patient": subject,
                "period": {"start": self.admitted_at, "end": self.discharged_at},
            },
            {
                "resourceType": "Encounter",
                "id": self.encounter_id,
                "status": "finished",
                "class": fhir.coding(codes.ACT, "AMB"),
                "subject": subject,
                "episodeOfCare": [fhir.reference("EpisodeOfCare", self.episode_id)],
                "period": {"start": self.admitted_at, "end": self.discharged_at},
                "hospitalization": {"dischargeDisposition": disposition},
            },
        ]


def read_episode_discharged(resources: Sequence[Resource]) -> EpisodeDischarged:
    (episode,), (encounter,) = fhir.of_type(resources, "EpisodeOfCare"), fhir.of_type(resources, "Encounter")
    return EpisodeDischarged(
        episode_id=episode["id"],
        encounter_id=encounter["id"],
        disposition=fhir.code_of(encounter["hospitalization"]["dischargeDisposition"], codes.DISPOSITION),
        admitted_at=fhir.moment(episode["period"]["start"]),
        discharged_at=fhir.moment(episode["period"]["end"]),
    )


_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"


class Medication(msgspec.Struct, frozen=True, array_like=True):
    """One medication the patient takes: RxNorm code, the days it is active (both inclusive), the route where known.

    An empty code is a medication that nobody coded: it is listed all the same, because it may explain a result.
    """

    id: str
    rxnorm: str
    start_on: date | None = None
    end_on: date | None = None
    route: str | None = None


class MedicationsRecorded(Word, frozen=True, kw_only=True):
    """The whole reconciled list, each time: what is not in it is no longer taken as prescribed."""

    list_id: str
    recorded_at: datetime
    medications: tuple[Medication, ...]

    def write(self, patient: str) -> list[Resource]:
        subject = fhir.reference("Patient", patient)
        entries = [{"item": fhir.reference("MedicationStatement", each.id)} for each in self.medications]
        empty = None if entries else fhir.concept("http://terminology.hl7.org/CodeSystem/list-empty-reason", "nilknown")
        listing: Resource = fhir.without_nothing(
            {
                "resourceType": "List",
                "id": self.list_id,
                "status": "current",
                "mode": "snapshot",
                "subject": subject,
                "date": self.recorded_at,
                "entry": entries,
                "emptyReason": empty,
            }
        )
        return [listing, *(_statement(each, subject) for each in self.medications)]


def _statement(medication: Medication, subject: dict[str, Any]) -> Resource:
    bounds = {
        name: day.isoformat()
        for name, day in (("start", medication.start_on), ("end", medication.end_on))
        if day is not None
    }
    route = [{"route": fhir.concept(codes.ROUTE, medication.route)}] if medication.route else None
    return fhir.without_nothing(
        {
            "resourceType": "MedicationStatement",
            "id": medication.id,
            "status": "active",
            "medicationCodeableConcept": fhir.concept(codes.RXNORM, medication.rxnorm)
            if medication.rxnorm
            else fhir.concept(_ABSENT, "unknown"),
            "subject": subject,
            "effectivePeriod": bounds,
            "dosage": route,
        }
    )


def read_medications_recorded(resources: Sequence[Resource]) -> MedicationsRecorded:
    (listing,) = fhir.of_type(resources, "List")
    return MedicationsRecorded(
        list_id=listing["id"],
        recorded_at=fhir.moment(listing["date"]),
        medications=tuple(_medication(each) for each in fhir.of_type(resources, "MedicationStatement")),
    )


def _medication(statement: dict[str, Any]) -> Medication:
    bounds: dict[str, str] = statement.get("effectivePeriod", {})
    return Medication(
        id=statement["id"],
        rxnorm=_rxnorm(statement["medicationCodeableConcept"]["coding"]),
        start_on=date.fromisoformat(bounds["start"]) if "start" in bounds else None,
        end_on=date.fromisoformat(bounds["end"]) if "end" in bounds else None,
        route=fhir.code_of(statement["dosage"][0]["route"]) if "dosage" in statement else None,
    )


def _rxnorm(codings: Sequence[dict[str, str]]) -> str:
    return next((each["code"] for each in codings if each["system"] == codes.RXNORM), "")


class ConsentGiven(Word, frozen=True, kw_only=True):
    """A living permission: who may be told (identifiers of partners.toml), why, which fields, until when."""

    consent_id: str
    recipients: tuple[str, ...]
    purposes: tuple[Purpose, ...]
    fields: tuple[str, ...]
    given_at: datetime
    starts_at: datetime | None = None
    expires_at: datetime | None = None

    def write(self, patient: str) -> list[Resource]:
        provision = fhir.without_nothing(
            {
                "type": "permit",
                "period": fhir.period(self.starts_at, self.expires_at),
                "actor": [
                    {
                        "role": fhir.concept(codes.PARTICIPATION, "IRCP"),
                        "reference": fhir.logical(codes.PARTNER, each),
                    }
                    for each in self.recipients
                ],
                "action": [fhir.concept(codes.CONSENT_ACTION, "disclose")],
                "purpose": [fhir.coding(_purpose_system(each), each) for each in self.purposes],
                "code": [fhir.concept(codes.FIELD, each) for each in self.fields],
            }
        )
        return [_consent(self.consent_id, "active", self.given_at, patient, provision)]


class ConsentRevoked(Word, frozen=True, kw_only=True):
    """The permission ends now; what was disclosed before stays accounted for (42 CFR 2.31(a)(6))."""

    consent_id: str
    revoked_at: datetime

    def write(self, patient: str) -> list[Resource]:
        return [_consent(self.consent_id, "inactive", self.revoked_at, patient, None)]


def _purpose_system(purpose: str) -> str:
    return codes.ACT_REASON if purpose.isupper() else codes.PURPOSE


def _consent(consent_id: str, status: str, at: datetime, patient: str, provision: dict[str, Any] | None) -> Resource:
    subject = fhir.reference("Patient", patient)
    return fhir.without_nothing(
        {
            "resourceType": "Consent",
            "id": consent_id,
            "status": status,
            "scope": fhir.concept(codes.CONSENT_SCOPE, "patient-privacy"),
            "category": [fhir.concept(codes.ACT, "IDSCL")],
            "patient": subject,
            "dateTime": at,
            "performer": [subject],
            "organization": [fhir.logical(codes.ROLE, "program")],
            "policyRule": fhir.concept(codes.ACT, "42CFRPart2"),
            "provision": provision,
        }
    )


def read_consent_given(resources: Sequence[Resource]) -> ConsentGiven:
    (consent,) = fhir.of_type(resources, "Consent")
    provision = consent["provision"]
    bounds: dict[str, str] = provision.get("period", {})
    return ConsentGiven(
        consent_id=consent["id"],
        recipients=tuple(each["reference"]["identifier"]["value"] for each in provision.get("actor", ())),
        purposes=tuple(each["code"] for each in provision.get("purpose", ())),
        fields=fhir.codes_of(provision.get("code")),
        given_at=fhir.moment(consent["dateTime"]),
        starts_at=fhir.optional_moment(bounds.get("start")),
        expires_at=fhir.optional_moment(bounds.get("end")),
    )


def read_consent_revoked(resources: Sequence[Resource]) -> ConsentRevoked:
    (consent,) = fhir.of_type(resources, "Consent")
    return ConsentRevoked(consent_id=consent["id"], revoked_at=fhir.moment(consent["dateTime"]))


class PlacementReviewRequested(Word, frozen=True, kw_only=True):
    """A person looks again at the placement: data were missing (R0), or signals met (domain 5.3). No automatic step."""

    review_id: str
    reason: str
    missing: tuple[str, ...]
    escalations: tuple[str, ...]
    focus: str
    requested_at: datetime
    act_by: datetime

    def write(self, patient: str) -> list[Resource]:
        missing = [
            {"type": fhir.concept(codes.INPUT, "missing"), "valueCodeableConcept": fhir.concept(codes.NEED, each)}
            for each in self.missing
        ]
        behind = [
            {"type": fhir.concept(codes.INPUT, "escalation"), "valueReference": fhir.reference("Task", each)}
            for each in self.escalations
        ]
        return [
            fhir.without_nothing(
                _review(self.review_id, "requested", patient)
                | {
                    "focus": {"reference": self.focus},
                    "authoredOn": self.requested_at,
                    "lastModified": self.requested_at,
                    "reasonCode": fhir.concept(codes.RULE, self.reason),
                    "restriction": {"period": {"end": self.act_by}},
                    "input": missing + behind,
                }
            )
        ]


class PlacementReviewWithdrawn(Word, frozen=True, kw_only=True):
    review_id: str
    because: str
    withdrawn_at: datetime

    def write(self, patient: str) -> list[Resource]:
        return [
            _review(self.review_id, "cancelled", patient)
            | {"lastModified": self.withdrawn_at, "statusReason": fhir.concept(codes.REASON, self.because)}
        ]


class PlacementReviewCompleted(Word, frozen=True, kw_only=True):
    review_id: str
    by: str
    completed_at: datetime

    def write(self, patient: str) -> list[Resource]:
        return [
            _review(self.review_id, "completed", patient)
            | {"lastModified": self.completed_at, "requester": fhir.staff(self.by)}
        ]


def _review(review_id: str, status: str, patient: str) -> dict[str, Any]:
    return {
        "resourceType": "Task",
        "id": review_id,
        "status": status,
        "intent": "proposal",
        "code": fhir.concept(codes.TASK, "review-placement"),
        "for": fhir.reference("Patient", patient),
        "owner": fhir.logical(codes.ROLE, "clinician"),
    }


class ConsentsCurrent(Word, frozen=True, kw_only=True):
    """The ledger's heartbeat, one per partition every few seconds of machine time: a header, no resource."""


def read_consents_current(resources: Sequence[Resource]) -> ConsentsCurrent:
    return ConsentsCurrent()
