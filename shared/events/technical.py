"""What the path itself emits: an AuditEvent for every disclosure, and technical facts for operations.

Operations events carry no patient data at all: neither in the body, nor as the record's key.
"""

from datetime import datetime
from typing import ClassVar, Final, Literal

from shared.events import codes, fhir
from shared.events.envelope import Event, Resource

OPERATOR: Final = "operator"
"""Who is asked about what surrounds the hub: no role of the clinic's staff."""
DisclosureResult = Literal["attempted", "made", "refused", "gave-up", "not-sent", "withheld", "withheld-after-attempt"]
"""`attempted` stands before the first byte leaves and, without an answer, for good: it may have been received."""


class DisclosureRecorded(Event, frozen=True, kw_only=True):
    """An accounting row (42 CFR 2.25): what became of a send, to whom, for what, which fields, under which consent."""

    audit_id: str
    result: DisclosureResult
    reason: str | None
    partner: str
    purpose: str
    service: str
    focus: str
    consent_id: str | None
    recorded_at: datetime
    fields: tuple[str, ...] = ()
    """Of the patient, as the consent and partners.toml name them; none where nothing was to be sent."""

    def write(self, patient: str) -> list[Resource]:
        fields = [{"type": "field", "valueString": each} for each in self.fields]
        entities: list[fhir.Element] = [
            fhir.without_nothing({"what": fhir.reference("Patient", patient), "detail": fields}),
            {"what": {"reference": self.focus}},
        ]
        if self.consent_id is not None:
            entities.append({"what": fhir.reference("Consent", self.consent_id)})
        result = {"outcomeDesc": self.reason} if self.reason else {}
        return [
            {
                "resourceType": "AuditEvent",
                "id": self.audit_id,
                "type": fhir.coding(codes.DCM, "110106"),
                "subtype": [fhir.coding(codes.DISCLOSURE, self.result)],
                "action": "R",
                "recorded": self.recorded_at,
                "outcome": "0" if self.result == "made" else "4",
                "purposeOfEvent": [fhir.concept(codes.PURPOSE, self.purpose)],
                "agent": [
                    {"who": fhir.staff(self.service), "requestor": True},
                    {"who": fhir.logical(codes.PARTNER, self.partner), "requestor": False},
                ],
                "source": {"observer": fhir.staff(self.service)},
                "entity": entities,
            }
            | result
        ]


class OperationsEvent(Event, frozen=True, kw_only=True):
    """A technical fact: an OperationOutcome without labels, because nothing in it is about a patient."""

    outcome_id: str
    service: str
    details: str
    severity: ClassVar[str] = "information"

    def write(self, patient: str) -> list[Resource]:
        return [
            {
                "resourceType": "OperationOutcome",
                "id": self.outcome_id,
                "issue": [
                    {
                        "severity": self.severity,
                        "code": "processing",
                        "details": fhir.concept(codes.OPERATION, type(self).__name__),
                        "diagnostics": f"{self.service}: {self.details}",
                    }
                ],
            }
        ]


class DeliveryParked(OperationsEvent, frozen=True, kw_only=True):
    """An event could not be decided; it and the patient's later ones wait for a person."""

    severity: ClassVar[str] = "error"


class DeliveryRedriven(OperationsEvent, frozen=True, kw_only=True):
    """A patient's parked events were decided after all."""


class StraysStored(OperationsEvent, frozen=True, kw_only=True):
    """Records on a topic that are no events of the hub's: their places and digests are stored, they hold nobody."""

    severity: ClassVar[str] = "warning"


class ConsumerStopped(OperationsEvent, frozen=True, kw_only=True):
    """A service consumes nothing more until a person lets it go on; all else of it goes on."""

    severity: ClassVar[str] = "error"


class CapacityNearlyReached(OperationsEvent, frozen=True, kw_only=True):
    """So many seats of a level are taken that the State has to be told; it is emitted once until they are fewer again.
    Counts alone, of nobody."""

    severity: ClassVar[str] = "warning"


class FeedSilent(OperationsEvent, frozen=True, kw_only=True):
    """Of so many sessions of a program in a row, or of a whole day of it, nothing was reported: an interface may stand
    still. Absences are not concluded until it speaks again."""

    severity: ClassVar[str] = "error"


class FeedSpoke(OperationsEvent, frozen=True, kw_only=True):
    """Reports of the program's sessions come again, or a person answered that there were none to come."""


class WorkListAged(OperationsEvent, frozen=True, kw_only=True):
    """So much of what laboratories sent has waited for a person for so many hours. Counts alone, of nobody, once for
    each age."""

    severity: ClassVar[str] = "warning"


class FeedTroubled(OperationsEvent, frozen=True, kw_only=True):
    """A public feed of meetings can't be had or trusted, or has not been for too long: its last good copy counts, if it
    has one. Emitted once for each trouble."""

    severity: ClassVar[str] = "warning"


class FeedRecovered(OperationsEvent, frozen=True, kw_only=True):
    """A public feed that was in trouble is read as published again."""
