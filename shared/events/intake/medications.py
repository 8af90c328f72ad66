"""What the patient takes, as the whole reconciled list."""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from shared.events import codes, fhir
from shared.events.envelope import Event, Resource

_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"


class Medication(msgspec.Struct, frozen=True, array_like=True):
    """One medication the patient takes: RxNorm code, the days it is active (both inclusive), the route where known.

    An empty code is a medication that nobody coded: it is listed all the same, because it may explain a result.
    """

    id: str
    rxnorm: str
    start_on: date | None = None
    end_on: date | None = None
    route: str | None = None


class MedicationsRecorded(Event, frozen=True, kw_only=True):
    """The whole reconciled list, each time: what is not in it is no longer taken as prescribed."""

    list_id: str
    recorded_at: datetime
    medications: tuple[Medication, ...]

    def write(self, patient: str) -> list[Resource]:
        subject = fhir.reference("Patient", patient)
        entries = [{"item": fhir.reference("MedicationStatement", each.id)} for each in self.medications]
        empty = None if entries else fhir.concept("http://terminology.hl7.org/CodeSystem/list-empty-reason", "nilknown")
        listing: Resource = fhir.without_nothing(
            {
                "resourceType": "List",
                "id": self.list_id,
                "status": "current",
                "mode": "snapshot",
                "subject": subject,
                "date": self.recorded_at,
                "entry": entries,
                "emptyReason": empty,
            }
        )
        return [listing, *(_statement(each, subject) for each in self.medications)]


def _statement(medication: Medication, subject: fhir.Element) -> Resource:
    bounds = {
        name: day.isoformat()
        for name, day in (("start", medication.start_on), ("end", medication.end_on))
        if day is not None
    }
    route = [{"route": fhir.concept(codes.ROUTE, medication.route)}] if medication.route else None
    return fhir.without_nothing(
        {
            "resourceType": "MedicationStatement",
            "id": medication.id,
            "status": "active",
            "medicationCodeableConcept": fhir.concept(codes.RXNORM, medication.rxnorm)
            if medication.rxnorm
            else fhir.concept(_ABSENT, "unknown"),
            "subject": subject,
            "effectivePeriod": bounds,
            "dosage": route,
        }
    )


def read_medications_recorded(resources: Sequence[Resource]) -> MedicationsRecorded:
    (listing,) = fhir.of_type(resources, "List")
    return MedicationsRecorded(
        list_id=listing["id"],
        recorded_at=fhir.moment(listing["date"]),
        medications=tuple(_medication(each) for each in fhir.of_type(resources, "MedicationStatement")),
    )


def _medication(statement: fhir.Element) -> Medication:
    bounds: dict[str, str] = statement.get("effectivePeriod", {})
    return Medication(
        id=statement["id"],
        rxnorm=_rxnorm(statement["medicationCodeableConcept"]["coding"]),
        start_on=date.fromisoformat(bounds["start"]) if "start" in bounds else None,
        end_on=date.fromisoformat(bounds["end"]) if "end" in bounds else None,
        route=fhir.code_of(statement["dosage"][0]["route"]) if "dosage" in statement else None,
    )


def _rxnorm(codings: Sequence[dict[str, str]]) -> str:
    return next((each["code"] for each in codings if each["system"] == codes.RXNORM), "")
