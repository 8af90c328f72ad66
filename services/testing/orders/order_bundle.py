"""An order to a laboratory as FHIR: a transaction of Organization, Patient, ServiceRequest and Task, with the notice.

Each is known by its number, so a repetition, another window and a cancellation meet what the laboratory has. Pure.
"""

from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from services.testing.messages import LaboratoryOrderPrepared
from services.testing.orders.identified import Identified
from shared.events import codes, fhir
from shared.events.envelope import Resource
from shared.events.laboratory_order import TASK
from shared.path.destination import Release
from shared.path.outbound.accompanied import PARTNER_PATIENT, Accompanied, identifier
from shared.rules.organization import Organization

_LOINC = "LN"
"""Table 0396."""


def order_bundle(
    order: LaboratoryOrderPrepared,
    release: Release,
    sender: Organization,
    zone: ZoneInfo,
    patient: Identified,
    panel: str,
) -> Resource:
    """`panel` is the laboratory's own code, as partners.toml has it."""
    form = _Ordered(order, release, sender, zone)
    return form.bundle(form.patient(patient), form.request(panel), form.task())


class _Ordered(Accompanied):
    about = "ServiceRequest"
    subject = "Patient"
    purport = "of the order and of these fields"
    replaced: ClassVar[frozenset[str]] = frozenset({"ServiceRequest", "Task"})
    noticed = True

    def __init__(self, order: LaboratoryOrderPrepared, release: Release, sender: Organization, zone: ZoneInfo) -> None:
        super().__init__(release, sender, zone)
        self.order = order

    def patient(self, patient: Identified) -> dict[str, Any]:
        numbers = [{"system": system, "value": value} for _, system, value in patient.numbers]
        return fhir.without_nothing(
            {
                "resourceType": "Patient",
                "identifier": [*identifier(PARTNER_PATIENT, self.pseudonym), *numbers],
                "name": [dict(patient.name)] if patient.name else None,
                "gender": patient.gender or None,
                "birthDate": patient.birth_date or None,
            }
        )

    def request(self, panel: str) -> dict[str, Any]:
        return {
            "resourceType": "ServiceRequest",
            "identifier": identifier(codes.ORDER_NUMBER, self.order.number),
            "status": "revoked" if self.order.action == "cancel" else "active",
            "intent": "order",
            "code": {"coding": [_coding(panel)]},
            "subject": self.reference("Patient"),
            "occurrencePeriod": fhir.period(self.order.opens_at, self.order.closes_at),
            "authoredOn": self.order.prepared_at,
            "requester": self.sender,
            "performer": [fhir.logical(codes.PARTNER, self.partner.identifier)],
        }

    def task(self) -> dict[str, Any]:
        return {
            "resourceType": "Task",
            "identifier": identifier(codes.ORDER_NUMBER, self.order.number),
            "status": "cancelled" if self.order.action == "cancel" else "requested",
            "intent": "order",
            "code": fhir.concept(codes.TASK, TASK),
            "focus": self.reference("ServiceRequest"),
            "for": self.reference("Patient"),
            "authoredOn": self.order.prepared_at,
            "requester": self.sender,
            "owner": fhir.logical(codes.PARTNER, self.partner.identifier),
        }


def _coding(panel: str) -> dict[str, Any]:
    """CE as a Coding: a system that only the laboratory knows is left out."""
    code, text, system = (each.strip() for each in (*panel.split("^"), "", "")[:3])
    return fhir.without_nothing(
        {"system": codes.LOINC if system == _LOINC else None, "code": code, "display": text or None}
    )
