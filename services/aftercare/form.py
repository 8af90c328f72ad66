"""What a partner is told: a referral with the permitted fields of the patient, the consent's scope and the notice.

Built up from an allow-list, never cut down from what the hub knows: no drug-test value, diagnosis or counseling note
can come into it (domain 7.5, rule 7). Pure.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from shared.events import codes, fhir
from shared.events.aftercare import ReferralPrepared
from shared.events.envelope import Resource, name_id
from shared.rules.consent import LACKS, Partner, Permitted, Withheld

NOTICE = "42 CFR part 2 prohibits unauthorized use or disclosure of these records."
"""Statement 2, verbatim (42 CFR 2.32(a)(2)); it accompanies every disclosure made with consent."""
REFERRAL = f"{codes.HUB}/NamingSystem/referral"
CONSENT = f"{codes.HUB}/NamingSystem/consent"
PATIENT = f"{codes.HUB}/NamingSystem/partner-patient"
_NAME = ("use", "text", "family", "given", "prefix", "suffix")
_AREA = ("city", "district", "state", "country")


def transaction(
    referral: ReferralPrepared,
    patient: str,
    permitted: Permitted,
    partner: Partner,
    known: Mapping[str, Any],
    row_id: str,
) -> Resource | Withheld:
    """The transaction Bundle for one prepared referral; withheld where the Patient lacks what the partner requires.

    A referral the partner can't act on would tell of the treatment without serving its purpose (42 CFR 2.13(a)).
    `patient` is the hub's id of them, `known` the opened Patient, `row_id` a UUID that stays the same however often the
    row is sent: with it and `ifNoneExist` the partner recognises a repetition.
    """
    lacking = [name for name in partner.required if name not in FIELDS or not FIELDS[name](known)]
    if lacking:
        return Withheld(LACKS + lacking[0])
    form = _Form(referral, patient, permitted, partner, row_id)
    resources = [form.patient(known), form.request(), form.task()]
    if permitted.consent_id is not None:
        resources += [form.consent(permitted.consent_id), form.notice(permitted.consent_id)]
    return {
        "resourceType": "Bundle",
        "meta": {"security": list(codes.LABELS)},
        "identifier": {"system": codes.URI, "value": f"urn:uuid:{row_id}"},
        "type": "transaction",
        "entry": [form.entry(each) for each in resources],
    }


class _Form:
    def __init__(
        self, referral: ReferralPrepared, patient: str, permitted: Permitted, partner: Partner, row_id: str
    ) -> None:
        self.referral, self.permitted, self.partner, self.row_id = referral, permitted, partner, row_id
        self.pseudonym = name_id(patient, partner.identifier)
        """The patient as this partner knows them: two partners can't compare theirs, nor find the hub's."""

    def entry(self, resource: dict[str, Any]) -> Resource:
        identifier, kind = resource["identifier"][0], resource["resourceType"]
        once = f"identifier={identifier['system']}|{identifier['value']}"
        return {
            "fullUrl": self._url(kind),
            "resource": {"meta": {"security": list(codes.LABELS)}} | resource,
            "request": {"method": "POST", "url": kind, "ifNoneExist": once},
        }

    def patient(self, known: Mapping[str, Any]) -> dict[str, Any]:
        members_disclosed = {name: FIELDS[name](known) for name in self.permitted.fields if name in FIELDS}
        members = {name: value for each in members_disclosed.values() for name, value in each.items()}
        return {"resourceType": "Patient", "identifier": _identifier(PATIENT, self.pseudonym)} | members

    def request(self) -> dict[str, Any]:
        return {
            "resourceType": "ServiceRequest",
            "identifier": _identifier(REFERRAL, self.referral.referral_id),
            "status": "active",
            "intent": "order",
            "code": fhir.concept(codes.TASK, self.referral.kind),
            "subject": self._reference("Patient"),
            "authoredOn": self.referral.asked_at,
            "performer": [fhir.logical(codes.PARTNER, self.partner.identifier)],
            "reasonCode": [fhir.concept(codes.PURPOSE, self.partner.purpose)],
        }

    def task(self) -> dict[str, Any]:
        return {
            "resourceType": "Task",
            "identifier": _identifier(REFERRAL, self.referral.referral_id),
            "status": "requested",
            "intent": "order",
            "code": fhir.concept(codes.TASK, "referral"),
            "focus": self._reference("ServiceRequest"),
            "for": self._reference("Patient"),
            "authoredOn": self.referral.asked_at,
            "owner": fhir.logical(codes.PARTNER, self.partner.identifier),
        }

    def consent(self, consent_id: str) -> dict[str, Any]:
        """The consent's scope as far as it concerns this partner: whom else it names is not this partner's business."""
        purpose = self.partner.purpose
        provision = {
            "type": "permit",
            "period": fhir.period(None, self.permitted.until),
            "actor": [
                {
                    "role": fhir.concept(codes.PARTICIPATION, "IRCP"),
                    "reference": fhir.logical(codes.PARTNER, self.partner.identifier),
                }
            ],
            "action": [fhir.concept(codes.CONSENT_ACTION, "disclose")],
            "purpose": [fhir.coding(codes.ACT_REASON if purpose.isupper() else codes.PURPOSE, purpose)],
            "code": [fhir.concept(codes.FIELD, each) for each in self.permitted.fields],
        }
        return {
            "resourceType": "Consent",
            "identifier": _identifier(CONSENT, consent_id),
            "status": "active",
            "scope": fhir.concept(codes.CONSENT_SCOPE, "patient-privacy"),
            "category": [fhir.concept(codes.ACT, "IDSCL")],
            "patient": self._reference("Patient"),
            "policyRule": fhir.concept(codes.ACT, "42CFRPart2"),
            "provision": fhir.without_nothing(provision),
        }

    def notice(self, consent_id: str) -> dict[str, Any]:
        return {
            "resourceType": "Communication",
            "identifier": _identifier(codes.URI, f"urn:uuid:{name_id(self.row_id, 'notice')}"),
            "status": "completed",
            "subject": self._reference("Patient"),
            "about": [self._reference("ServiceRequest"), self._reference("Consent")],
            "payload": [{"contentString": NOTICE}, {"contentString": self._scope(consent_id)}],
        }

    def _scope(self, consent_id: str) -> str:
        until = f" until {self.permitted.until:%Y-%m-%d}" if self.permitted.until else ""
        return (
            f"Consent {consent_id} permits telling {self.partner.identifier} of the referral and of these fields: "
            f"{', '.join(self.permitted.fields)}; for the purpose {self.partner.purpose}{until}; revocable at any time."
        )

    def _url(self, kind: str) -> str:
        return f"urn:uuid:{name_id(UUID(self.row_id), kind)}"

    def _reference(self, kind: str) -> dict[str, Any]:
        return {"reference": self._url(kind)}


def _identifier(system: str, value: str) -> list[dict[str, str]]:
    return [{"system": system, "value": value}]


def _name(patient: Mapping[str, Any]) -> dict[str, Any]:
    """One name, the official or usual one; its use alone is none."""
    ranked = sorted(_in_use(patient, "name"), key=lambda each: each.get("use") not in ("official", "usual"))
    names = [name for each in ranked if (name := _only(each, _NAME)).keys() - {"use"}]
    return {"name": names[:1]} if names else {}


def _phone(patient: Mapping[str, Any]) -> dict[str, Any]:
    phones = [
        each for each in _in_use(patient, "telecom") if each.get("system") in ("phone", "sms") and "value" in each
    ]
    return {"telecom": [_only(phones[0], ("system", "value", "use"))]} if phones else {}


def _area(patient: Mapping[str, Any]) -> dict[str, Any]:
    """Where the patient lives, coarsely: no street, no postal code."""
    places = [coarse for each in _in_use(patient, "address") if (coarse := _only(each, _AREA))]
    return {"address": places[:1]} if places else {}


def _in_use(patient: Mapping[str, Any], member: str) -> list[Mapping[str, Any]]:
    """Without the old ones: whoever answers an old number is somebody else."""
    return [each for each in patient.get(member, ()) if each.get("use") != "old"]


def _only(element: Mapping[str, Any], members: tuple[str, ...]) -> dict[str, Any]:
    return {name: element[name] for name in members if name in element}


FIELDS = {"name": _name, "phone": _phone, "area": _area}
"""The fields that can be told at all, by the code a consent and partners.toml name them with."""
