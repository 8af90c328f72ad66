"""Where the referral of an outside referrer stands, for the referrer: no level, rule, need or reason goes along."""

from collections.abc import Sequence
from datetime import datetime

from shared.events import codes, fhir, reading
from shared.events.envelope import Event, Resource, name_id

ENDED = frozenset({"admitted", "declined", "withdrawn", "closed"})
"""States of a referral that no other follows, unless it is received anew."""


class PartnerReferralChanged(Event, frozen=True, kw_only=True):
    """A referral that a partner made stands elsewhere now (`state`, of REFERRAL), or its requester was corrected: an
    empty `partner` is none any more. `number` is sealed for aftercare: how the referrer calls its referral, empty where
    that is as it was. Whether the partner may be answered is aftercare's gate to decide.
    """

    referral_id: str
    partner: str
    """Its name in partners.toml."""
    state: str
    changed_at: datetime
    number: str = ""

    def write(self, patient: str) -> list[Resource]:
        identity = name_id(self.referral_id, "answer")
        answer: Resource = {
            "resourceType": "Communication",
            "id": identity,
            "basedOn": [fhir.reference("ServiceRequest", self.referral_id)],
            "status": self._status(),
            "subject": fhir.reference("Patient", patient),
            "topic": fhir.concept(codes.REFERRAL, self.state),
            "recipient": [fhir.logical(codes.PARTNER, self.partner)] if self.partner else [],
            "sent": self.changed_at,
        }
        return [fhir.without_nothing(answer), *([self._number(identity, patient)] if self.number else [])]

    def _status(self) -> str:
        """What never ends would stay for ever (retention)."""
        if not self.partner:
            return "not-done"
        return "completed" if self.state in ENDED else "preparation"

    def _number(self, identity: str, patient: str) -> Resource:
        return {
            "resourceType": "Binary",
            "id": name_id(identity, "number"),
            "contentType": "application/jose",
            "securityContext": fhir.reference("Patient", patient),
            "data": fhir.base64_text(self.number),
        }


class _Communication(reading.Read, frozen=True):
    based_on: tuple[reading.Reference, ...]
    topic: reading.Concept
    sent: reading.Instant
    recipient: tuple[reading.Logical, ...] = ()


class _Binary(reading.Read, frozen=True):
    data: str


@reading.reads(_Communication, _Binary)
def read_partner_referral_changed(resources: Sequence[reading.Read]) -> PartnerReferralChanged:
    (answer,) = reading.of_type(resources, _Communication)
    sealed = [fhir.text_of_base64(each.data) for each in reading.of_type(resources, _Binary)]
    return PartnerReferralChanged(
        referral_id=fhir.own_id(answer.based_on[0].id),
        partner=answer.recipient[0].identifier.value if answer.recipient else "",
        state=answer.topic.code,
        changed_at=reading.utc(answer.sent),
        number=sealed[0] if sealed else "",
    )
