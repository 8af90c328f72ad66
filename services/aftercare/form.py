"""What a partner is told: a referral with the permitted fields of the patient, the consent's scope and the notice.

Built up from an allow-list, never cut down from what the hub knows: no drug-test value, diagnosis or counseling note
can come into it (domain 7.5, rule 7). Pure.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.aftercare.answers.form import Opened, answer
from services.aftercare.answers.links import AnswerLinks
from shared.events import codes, fhir
from shared.events.aftercare import ReferralPrepared
from shared.events.envelope import Resource
from shared.events.partner_answer import AnswerPrepared
from shared.path.destination import Form, Release
from shared.path.outbound.accompanied import PARTNER_PATIENT, REFERRAL, Accompanied, identifier
from shared.path.outbound.patient_parts import in_use, only, written_names
from shared.rules.consent import LACKS, Withheld
from shared.rules.organization import Organization

_AREA = ("city", "district", "state", "country")
_PHONE_USES = ("mobile", "home")
_NUMBER = re.compile(r"(?:(?:tel|sms):)?\+?[\d ().\-/]+(?:(?:;ext=| ?x| ?ext\.? ?)\d{1,6})?", re.IGNORECASE | re.ASCII)
_HOME_USES = (None, "home")


def of(senders: Mapping[str, Organization], zones: Mapping[str, ZoneInfo], opened: Opened, links: AnswerLinks) -> Form:
    """The form of a service with these programs, which opens what is sealed for it."""

    def fill_in(event: ReferralPrepared | AnswerPrepared, release: Release) -> Resource | Withheld:
        sender, zone = senders[release.program], zones[release.program]
        if isinstance(event, AnswerPrepared):
            return answer(event, release, sender, zone, opened)
        return transaction(event, release, sender, zone, links)

    return fill_in


def transaction(
    referral: ReferralPrepared, release: Release, sender: Organization, zone: ZoneInfo, links: AnswerLinks
) -> Resource | Withheld:
    """The transaction Bundle for one prepared referral; withheld where the Patient lacks what the partner requires.

    A referral the partner can't act on would tell of the treatment without serving its purpose (42 CFR 2.13(a)). With
    the row's id and `ifNoneExist` the partner recognises a repetition.
    """
    fields = _fields(release.contact, release.now.astimezone(zone))
    lacking = [name for name in release.partner.required if not fields.get(name)]
    if lacking:
        return Withheld(LACKS + lacking[0])
    form = _Referred(referral, release, sender, zone)
    return form.bundle(form.patient(fields), form.request(), form.task(links))


class _Referred(Accompanied):
    about = "ServiceRequest"
    subject = "Patient"
    purport = "of the referral and of these fields"

    def __init__(self, referral: ReferralPrepared, release: Release, sender: Organization, zone: ZoneInfo) -> None:
        super().__init__(release, sender, zone)
        self.referral = referral

    def patient(self, fields: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        disclosed = [fields[name] for name in self.permitted.fields if name in fields]
        members = {name: value for each in disclosed for name, value in each.items()}
        return {"resourceType": "Patient", "identifier": identifier(PARTNER_PATIENT, self.pseudonym)} | members

    def request(self) -> dict[str, Any]:
        return {
            "resourceType": "ServiceRequest",
            "identifier": identifier(REFERRAL, self.referral.referral_id),
            "status": "active",
            "intent": "order",
            "code": fhir.concept(codes.TASK, self.referral.kind),
            "subject": self.reference("Patient"),
            "authoredOn": self.referral.asked_at,
            "requester": self.sender,
            "performer": [fhir.logical(codes.PARTNER, self.partner.identifier)],
            "reasonCode": [fhir.concept(codes.PURPOSE, self.partner.purpose)],
        }

    def task(self, links: AnswerLinks) -> dict[str, Any]:
        return {
            "resourceType": "Task",
            "identifier": identifier(REFERRAL, self.referral.referral_id),
            "status": "requested",
            "intent": "order",
            "code": fhir.concept(codes.TASK, "referral"),
            "focus": self.reference("ServiceRequest"),
            "for": self.reference("Patient"),
            "authoredOn": self.referral.asked_at,
            "requester": self.sender,
            "owner": fhir.logical(codes.PARTNER, self.partner.identifier),
            "input": links.inputs(self.referral.task_id),
        }


def _fields(patient: Mapping[str, Any], now: datetime) -> dict[str, dict[str, Any]]:
    """The fields that can be told at all, by the code a consent and partners.toml name them with. A day is one of the
    zone in which `now` is."""
    return {
        "name": {"name": names[:1]} if (names := written_names(patient, now)) else {},
        "phone": _phone(in_use(patient, "telecom", now)),
        "area": _area(in_use(patient, "address", now)),
    }


def _phone(telecom: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The patient's own: by their rank, a mobile before one at home; whoever answers any other may not know. A remark
    beside the number, or in its place, is for the clinic alone: what is no number is none."""
    phones = [each for each in telecom if each.get("system") in ("phone", "sms") and _is_number(each.get("value"))]
    own = sorted((each for each in phones if each.get("use") in _PHONE_USES), key=_preference)
    return {"telecom": [only(own[0], ("system", "value", "use"))]} if own else {}


def _is_number(value: object) -> bool:
    return isinstance(value, str) and _NUMBER.fullmatch(value.strip()) is not None and sum(map(str.isdigit, value)) >= 5


def _preference(phone: Mapping[str, Any]) -> tuple[float, int]:
    rank = phone.get("rank")
    return (rank if isinstance(rank, int) else float("inf"), _PHONE_USES.index(phone["use"]))


def _area(addresses: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Where the patient lives, coarsely: no street, no postal code."""
    homes = [each for each in addresses if each.get("use") in _HOME_USES]
    places = [coarse for each in homes if (coarse := only(each, _AREA))]
    return {"address": places[:1]} if places else {}
