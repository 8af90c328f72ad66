"""What the patient takes, as the whole reconciled list."""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from shared.events import codes, fhir, reading
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


class _Days(reading.Element, frozen=True):
    start: date | None = None
    end: date | None = None


class _Dosage(reading.Element, frozen=True):
    route: reading.Concept


class _MedicationStatement(reading.Read, frozen=True):
    id: str
    medication_codeable_concept: reading.Concept
    effective_period: _Days = _Days()
    dosage: tuple[_Dosage, ...] = ()


class _List(reading.Read, frozen=True):
    id: str
    date: reading.Instant


@reading.reads(_List, _MedicationStatement)
def read_medications_recorded(resources: Sequence[reading.Read]) -> MedicationsRecorded:
    (listing,) = reading.of_type(resources, _List)
    return MedicationsRecorded(
        list_id=listing.id,
        recorded_at=reading.utc(listing.date),
        medications=tuple(_medication(each) for each in reading.of_type(resources, _MedicationStatement)),
    )


def _medication(statement: _MedicationStatement) -> Medication:
    return Medication(
        id=statement.id,
        rxnorm=statement.medication_codeable_concept.code_of(codes.RXNORM),
        start_on=statement.effective_period.start,
        end_on=statement.effective_period.end,
        route=statement.dosage[0].route.code if statement.dosage else None,
    )
