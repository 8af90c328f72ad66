"""What testing emits of an ordered drug test: the order, its specimen, and what was awaited and did not come.

A refusal and a miss are outcomes of their own, and no result: nothing here is ever read as positive (domain 4.1).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from shared.events import codes, fhir
from shared.events.envelope import Event, Resource
from shared.events.testing import Number

RequestStatus = Literal["active", "completed", "revoked", "entered-in-error"]
REFUSED, NO_SHOW = "refused", "no-show"
"""Of domain 4.4, as the condition of a specimen that there is none of: of the same CodeSystem as the outcomes."""


class DrugTestOrderEvent(Event, frozen=True, kw_only=True):
    """One ordered test as it stands: its window, and its number. `random` is one that the hub has drawn; `numbers` are
    those of whoever ordered it."""

    order_id: str
    specimen_id: str
    number: str
    opens_at: datetime
    closes_at: datetime
    random: bool = False
    numbers: tuple[Number, ...] = ()

    def identifiers(self) -> Mapping[str, list[Resource]]:
        return {self.order_id: [each.write() for each in self.numbers]} if self.numbers else {}

    def write(self, patient: str) -> list[Resource]:
        return [self.request(patient, "active")]

    def request(self, patient: str, status: RequestStatus) -> Resource:
        return {
            "resourceType": "ServiceRequest",
            "id": self.order_id,
            "identifier": [Number("PLAC", self.number, codes.ORDER_NUMBER).write()],
            "status": status,
            "intent": "order",
            "category": [fhir.concept(codes.TASK, "random" if self.random else "requested")],
            "code": fhir.concept(codes.TASK, "drug-test"),
            "subject": fhir.reference("Patient", patient),
            "occurrencePeriod": fhir.period(self.opens_at, self.closes_at),
        }

    def specimen(self, patient: str, status: str, condition: str = "", at: datetime | None = None) -> Resource:
        return fhir.without_nothing(
            {
                "resourceType": "Specimen",
                "id": self.specimen_id,
                "status": status,
                "subject": fhir.reference("Patient", patient),
                "request": [fhir.reference("ServiceRequest", self.order_id)],
                "collection": {"collectedDateTime": at} if at else None,
                "condition": [fhir.concept(codes.OUTCOME, condition)] if condition else None,
            }
        )


class DrugTestOrdered(DrugTestOrderEvent, frozen=True, kw_only=True):
    """A test is ordered, or its window is another one: the patient gives a specimen within it."""


class DrugTestCancelled(DrugTestOrderEvent, frozen=True, kw_only=True):
    """It is not asked for any more: by whoever ordered it, or because the stay ended; `in_error`: it never was.
    `collected_at` of a specimen that was given all the same: that is there, whoever wants it."""

    in_error: bool = False
    collected_at: datetime | None = None

    def write(self, patient: str) -> list[Resource]:
        request = self.request(patient, "entered-in-error" if self.in_error else "revoked")
        return [request, *([self.specimen(patient, "available", at=self.collected_at)] if self.collected_at else [])]


class SpecimenCollected(DrugTestOrderEvent, frozen=True, kw_only=True):
    """The patient gave the specimen, in time. It stands in the place of a miss or a refusal that was said before."""

    collected_at: datetime
    resulted: bool = False
    """Whether its laboratory has reported on it: then nothing of the order is open."""

    def write(self, patient: str) -> list[Resource]:
        status: RequestStatus = "completed" if self.resulted else "active"
        return [self.request(patient, status), self.specimen(patient, "available", at=self.collected_at)]


class CollectionRefused(DrugTestOrderEvent, frozen=True, kw_only=True):
    """The patient came, and gave no specimen. It is no result."""

    refused_at: datetime

    def write(self, patient: str) -> list[Resource]:
        refused = self.specimen(patient, "unavailable", REFUSED, self.refused_at)
        return [self.request(patient, "revoked"), refused]


class CollectionMissed(DrugTestOrderEvent, frozen=True, kw_only=True):
    """Nobody came within the window; `collected_at` where they came later. It is no result.

    Concluded from silence that was listened to, or stated by the program.
    """

    collected_at: datetime | None = None

    def write(self, patient: str) -> list[Resource]:
        status = "unavailable" if self.collected_at is None else "available"
        return [self.request(patient, "revoked"), self.specimen(patient, status, NO_SHOW, self.collected_at)]


class CollectionWithdrawn(DrugTestOrderEvent, frozen=True, kw_only=True):
    """What was said of the collection was wrong, and nothing stands in its place: it is awaited again."""

    def write(self, patient: str) -> list[Resource]:
        return [self.request(patient, "active"), self.specimen(patient, "entered-in-error")]


class ResultOverdue(DrugTestOrderEvent, frozen=True, kw_only=True):
    """The specimen was collected, and no laboratory has reported on it by `due_at`."""

    collected_at: datetime
    due_at: datetime

    def write(self, patient: str) -> list[Resource]:
        return [self.request(patient, "active"), self.specimen(patient, "available", at=self.collected_at)]
