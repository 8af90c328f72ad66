"""What testing emits of an ordered test that its laboratory is told of: ready to go, taken, or not.

No event names the patient, or says what was found: a window is a time, the number an opaque id.
"""

from datetime import datetime
from typing import ClassVar, Final, Literal

from shared.events import codes, fhir
from shared.events.disclosed import EndedBy
from shared.events.envelope import Event, Resource, name_id

Action = Literal["new", "change", "cancel"]
"""What the laboratory is told: to expect a test, that its window or panel is another one, that it is not asked for any
more."""
ACTIONS: tuple[Action, ...] = ("new", "change", "cancel")
TASK: Final = "laboratory-order"
PANEL_UNKNOWN: Final = "laboratory-has-no-such-panel"
"""Withheld: the code of the order stands in no line of `panels` in partners.toml."""
ORDER_ENDED: Final = "order-ended"
"""Withheld: before it was sent the test was cancelled, refused or missed, or its result came."""
_OVER = dict.fromkeys(("revoked", "entered-in-error", "completed"), ORDER_ENDED)
REFUSALS = ("hl7-", "http-")
"""How reasons begin that are the laboratory's own no."""


def task_id(order_id: str) -> str:
    """The one Task that says how an order stands with its laboratory."""
    return name_id(order_id, TASK)


class LaboratoryOrderEvent(Event, frozen=True, kw_only=True):
    """One ordered test on its way to a laboratory, `partner` by its name in partners.toml.

    `attempt` counts from 1 over all that the laboratory is told of this order; `number` is by which its result names
    it, `panel` the code of the order (`drug-test`, or a LOINC code).
    """

    order_id: str
    task_id: str
    partner: str
    action: Action
    attempt: int
    number: str
    panel: str
    opens_at: datetime
    closes_at: datetime
    prepared_at: datetime
    random: bool = False
    business_status: ClassVar[str]

    @property
    def status(self) -> str:
        """Of the Task."""
        raise NotImplementedError

    def write(self, patient: str) -> list[Resource]:
        return [self._task(patient)]

    @property
    def changed_at(self) -> datetime:
        """When the Task became as it is."""
        return self.prepared_at

    def _task(self, patient: str) -> fhir.Element:
        return {
            "resourceType": "Task",
            "id": self.task_id,
            "status": self.status,
            "businessStatus": fhir.concept(codes.TASK, self.business_status),
            "intent": "order",
            "code": fhir.concept(codes.TASK, TASK),
            "focus": fhir.reference("ServiceRequest", self.order_id),
            "for": fhir.reference("Patient", patient),
            "authoredOn": self.prepared_at,
            "lastModified": self.changed_at,
            "owner": fhir.logical(codes.PARTNER, self.partner),
            "restriction": {"period": fhir.period(self.opens_at, self.closes_at)},
            "input": [
                {"type": fhir.concept(codes.INPUT, "attempt"), "valueInteger": self.attempt},
                {"type": fhir.concept(codes.INPUT, "laboratory-action"), "valueCode": self.action},
            ],
        }


class LaboratoryOrderPrepared(LaboratoryOrderEvent, frozen=True, kw_only=True):
    """Ready to go; the consent gate decides at release."""

    business_status: ClassVar[str] = "prepared"

    @property
    def status(self) -> str:
        return "requested"

    @property
    def focus(self) -> str:
        """The resource that is disclosed."""
        return f"Task/{self.task_id}"

    @property
    def ended_by(self) -> EndedBy | None:
        """A test that has ended is ordered of nobody any more; that it was cancelled is told all the same."""
        return None if self.action == "cancel" else EndedBy("ServiceRequest", self.order_id, _OVER)


class LaboratoryOrderSent(LaboratoryOrderEvent, frozen=True, kw_only=True):
    """The laboratory has taken it. `consent_id` is the consent that permitted it; None where an agreement does."""

    business_status: ClassVar[str] = "sent"
    sent_at: datetime
    consent_id: str | None = None

    @property
    def status(self) -> str:
        return "cancelled" if self.action == "cancel" else "accepted"

    @property
    def changed_at(self) -> datetime:
        return self.sent_at

    def write(self, patient: str) -> list[Resource]:
        task = self._task(patient)
        if self.consent_id is not None:
            consent = fhir.reference("Consent", self.consent_id)
            task["input"].append({"type": fhir.concept(codes.INPUT, "consent"), "valueReference": consent})
        return [task]


class LaboratoryOrderFailed(LaboratoryOrderEvent, frozen=True, kw_only=True):
    """The laboratory said no, could not be reached, or may not be told (`reason`); a person is asked, unless nobody has
    to be told any more (`order-ended`).

    `may_have_been_received`: an earlier send of it was not answered.
    """

    business_status: ClassVar[str] = "refused"
    reason: str
    failed_at: datetime
    may_have_been_received: bool = False

    @property
    def status(self) -> str:
        if self.reason == ORDER_ENDED:
            return "cancelled"
        return "rejected" if self.reason.startswith(REFUSALS) else "failed"

    @property
    def changed_at(self) -> datetime:
        return self.failed_at

    def write(self, patient: str) -> list[Resource]:
        task = self._task(patient) | {"statusReason": fhir.concept(codes.DISCLOSURE, self.reason)}
        if self.may_have_been_received:
            task["statusReason"]["text"] = "May have been received."
            task["input"].append({"type": fhir.concept(codes.INPUT, "may-have-been-received"), "valueBoolean": True})
        return [task]
