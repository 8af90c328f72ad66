"""What aftercare emits of an answer to the partner that referred: where its own referral stands, and no more."""

from datetime import datetime
from typing import ClassVar

from shared.events import codes, fhir
from shared.events.aftercare import ASKS_NOBODY
from shared.events.disclosed import EndedBy
from shared.events.envelope import Event, Resource, name_id


class AnswerEvent(Event, frozen=True, kw_only=True):
    """One state of one referral, for the partner that made it. A referral's answers share a Task, which a case manager
    has while one is on hold; each answer is a Communication. `attempt` counts from 1."""

    answer_id: str
    referral_id: str
    partner: str
    """Its name in partners.toml."""
    purpose: str
    """For which it is answered; empty where the program has no such partner any more."""
    state: str
    """Of the referral (REFERRAL), since `changed_at`."""
    changed_at: datetime
    attempt: int
    at: datetime
    of_stay: bool = False
    """Whether the partner is answered about the stay, too: a court. It stands on no topic."""
    status: ClassVar[str]
    message_status: ClassVar[str]
    business_status: ClassVar[str]

    def write(self, patient: str) -> list[Resource]:
        return [self._task(patient), self._message(patient)]

    def _task(self, patient: str) -> fhir.Element:
        return {
            "resourceType": "Task",
            "id": name_id(self.referral_id, "answer-task"),
            "status": self.status,
            "businessStatus": fhir.concept(codes.TASK, self.business_status),
            "intent": "order",
            "code": fhir.concept(codes.TASK, "answer-referrer"),
            "focus": fhir.reference("Communication", self.answer_id),
            "for": fhir.reference("Patient", patient),
            "authoredOn": self.changed_at,
            "lastModified": self.at,
            "owner": fhir.logical(codes.PARTNER, self.partner),
            "input": [{"type": fhir.concept(codes.INPUT, "attempt"), "valueInteger": self.attempt}],
        }

    def _message(self, patient: str) -> fhir.Element:
        return {
            "resourceType": "Communication",
            "id": self.answer_id,
            "basedOn": [fhir.reference("ServiceRequest", self.referral_id)],
            "status": self.message_status,
            "subject": fhir.reference("Patient", patient),
            "topic": fhir.concept(codes.REFERRAL, self.state),
            "recipient": [fhir.logical(codes.PARTNER, self.partner)],
            **({"reasonCode": [fhir.concept(codes.PURPOSE, self.purpose)]} if self.purpose else {}),
        }


class AnswerPrepared(AnswerEvent, frozen=True, kw_only=True):
    """Ready to go; the consent gate decides at release. `number` is how the referrer calls its referral, sealed for
    aftercare: it stands on no topic."""

    status: ClassVar[str] = "draft"
    message_status: ClassVar[str] = "preparation"
    business_status: ClassVar[str] = "prepared"
    number: str = ""

    @property
    def focus(self) -> str:
        """The resource that is disclosed."""
        return f"Communication/{self.answer_id}"

    @property
    def ended_by(self) -> EndedBy:
        return EndedBy("Communication", self.answer_id, {"stopped": "answer-withdrawn"})


class AnswerSent(AnswerEvent, frozen=True, kw_only=True):
    """The partner has it. `consent_id` is the consent that permitted it; None inside the program."""

    status: ClassVar[str] = "completed"
    message_status: ClassVar[str] = "completed"
    business_status: ClassVar[str] = "sent"
    consent_id: str | None

    def write(self, patient: str) -> list[Resource]:
        task, message = self._task(patient), self._message(patient) | {"sent": self.at}
        if self.consent_id is not None:
            consent = fhir.reference("Consent", self.consent_id)
            task["input"].append({"type": fhir.concept(codes.INPUT, "consent"), "valueReference": consent})
        return [task, message]


class AnswerWithheld(AnswerEvent, frozen=True, kw_only=True):
    """On hold: no living consent permits it, or the hub does not know how to say it. The case manager has the Task,
    unless the patient has said no. At `until` the hub tries again, for a consent begins; at `hold_ends_at` it stops
    waiting, until the referral stands elsewhere or a consent comes."""

    status: ClassVar[str] = "on-hold"
    message_status: ClassVar[str] = "on-hold"
    business_status: ClassVar[str] = "withheld"
    reason: str
    until: datetime | None = None
    may_have_been_received: bool = False
    hold_ends_at: datetime | None = None

    def write(self, patient: str) -> list[Resource]:
        why = fhir.concept(codes.DISCLOSURE, self.reason)
        task = self._task(patient) | {"statusReason": why}
        if self.reason not in ASKS_NOBODY:
            task["requester"] = fhir.logical(codes.ROLE, "case-manager")
        if self.may_have_been_received:
            task["input"].append({"type": fhir.concept(codes.INPUT, "may-have-been-received"), "valueBoolean": True})
        if (bounds := fhir.period(self.until, self.hold_ends_at)) != {}:
            task["restriction"] = {"period": bounds}
        return [task, self._message(patient) | {"statusReason": why}]


class AnswerRefused(AnswerWithheld, frozen=True, kw_only=True):
    """The partner refused it for good, or the hub gave up after its last try; a person follows up."""

    status: ClassVar[str] = "failed"
    message_status: ClassVar[str] = "not-done"
    business_status: ClassVar[str] = "refused"


class AnswerWithdrawn(AnswerWithheld, frozen=True, kw_only=True):
    """Not to be sent any more: the referral stands elsewhere by now, another partner made it, a death is reported,
    nobody permitted it in time, or a person takes it back."""

    status: ClassVar[str] = "cancelled"
    message_status: ClassVar[str] = "stopped"
    business_status: ClassVar[str] = "withdrawn"
