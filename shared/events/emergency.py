"""A medical emergency: medical personnel were told of a patient without a consent (42 CFR 2.51)."""

from datetime import datetime

from shared.events import codes, fhir
from shared.events.envelope import Event, Resource


class EmergencyDisclosed(Event, frozen=True, kw_only=True):
    """The four facts that are recorded of it: who was told (their name and facility stand in the Communication, on no
    topic), who told them, when, and the nature of the emergency. It is a line in the patient's accounting."""

    audit_id: str
    communication_id: str
    nature: str
    """One of EMERGENCIES."""
    by: str
    disclosed_at: datetime
    recorded_at: datetime
    client: str = ""

    def write(self, patient: str) -> list[Resource]:
        return [self._audit(patient, "emergency", [])]

    def _audit(self, patient: str, result: str, more: list[fhir.Element]) -> Resource:
        sent = [{"who": fhir.logical(codes.CLIENT, self.client), "requestor": False}] if self.client else []
        return {
            "resourceType": "AuditEvent",
            "id": self.audit_id,
            "type": fhir.coding(codes.DCM, "110106"),
            "subtype": [fhir.coding(codes.DISCLOSURE, result)],
            "action": "R",
            "period": {"start": self.disclosed_at, "end": self.disclosed_at},
            "recorded": self.recorded_at,
            "outcome": "0",
            "outcomeDesc": self.nature,
            "purposeOfEvent": [fhir.concept(codes.ACT_REASON, "ETREAT")],
            "agent": [
                {"who": fhir.staff(self.by), "requestor": True},
                {"who": fhir.logical(codes.ROLE, "medical-personnel"), "requestor": False},
                *sent,
                *more,
            ],
            "source": {"observer": fhir.staff("aftercare")},
            "entity": [
                {"what": fhir.reference("Patient", patient)},
                {"what": fhir.reference("Communication", self.communication_id)},
            ],
        }


class EmergencyMistaken(EmergencyDisclosed, frozen=True, kw_only=True):
    """It was recorded by mistake, as `mistaken_by` says: nobody was told. The line stays in the patient's accounting,
    marked."""

    mistaken_by: str

    def write(self, patient: str) -> list[Resource]:
        marked = {"who": fhir.staff(self.mistaken_by), "requestor": False}
        return [self._audit(patient, "emergency-mistaken", [marked])]
