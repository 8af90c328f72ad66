"""What testing emits of an order on its way out: a drug test that a laboratory of the program is told of.

Each is one Task, whose focus is the order: asked of the laboratory, accepted by it, or not sent, and why.
"""

from datetime import datetime
from typing import ClassVar, Literal

from shared.events import codes, fhir
from shared.events.envelope import Event, Resource

Action = Literal["new", "change", "cancel"]


class LaboratoryOrderEvent(Event, frozen=True, kw_only=True):
    """One telling of one ordered test to one laboratory (`partner`, its name in partners.toml). `attempt` counts from 1.

    `number` is the order's own, by which the laboratory's report names it again; `panel` the code under which it was
    ordered, a key of the laboratory's `panels`.
    """

    order_id: str
    task_id: str
    """name_id(order_id, "laboratory-order")."""
    partner: str
    action: Action
    attempt: int
    number: str
    panel: str
    opens_at: datetime
    closes_at: datetime
    random: bool = False
    prepared_at: datetime
    status: ClassVar[str]

    def write(self, patient: str) -> list[Resource]:
        return [self.task(patient)]

    def task(self, patient: str) -> Resource:
        return {
            "resourceType": "Task",
            "id": self.task_id,
            "status": self.status,
            "intent": "order",
            "code": fhir.concept(codes.TASK, "laboratory-order"),
            "focus": fhir.reference("ServiceRequest", self.order_id),
            "for": fhir.reference("Patient", patient),
            "authoredOn": self.prepared_at,
            "owner": fhir.logical(codes.PARTNER, self.partner),
        }


class LaboratoryOrderPrepared(LaboratoryOrderEvent, frozen=True, kw_only=True):
    """Ready to go; the consent gate decides at release."""

    status: ClassVar[str] = "requested"

    @property
    def focus(self) -> str:
        """The resource that is disclosed."""
        return f"Task/{self.task_id}"


class LaboratoryOrderSent(LaboratoryOrderEvent, frozen=True, kw_only=True):
    """The laboratory has it."""

    status: ClassVar[str] = "accepted"


class LaboratoryOrderFailed(LaboratoryOrderEvent, frozen=True, kw_only=True):
    """It does not have it, or nobody knows: withheld, refused, or no answer in time (`reason`)."""

    status: ClassVar[str] = "failed"
    reason: str

    def write(self, patient: str) -> list[Resource]:
        return [self.task(patient) | {"statusReason": fhir.concept(codes.REASON, self.reason)}]
