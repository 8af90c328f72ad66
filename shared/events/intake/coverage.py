"""Who pays for the patient's treatment, by the names of the program's table of payers alone."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from shared.events import codes, fhir, reading
from shared.events.envelope import Event, Resource, name_id


class PayerSpan(msgspec.Struct, frozen=True, array_like=True):
    """This payer, by its name in `[program.NAME.payers.PAYER]`, pays in [since, until): None is always, for good."""

    payer: str
    since: datetime | None = None
    until: datetime | None = None

    def holds(self, at: datetime) -> bool:
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


class CoverageRecorded(Event, frozen=True, kw_only=True):
    """Who pays when, the whole of it each time, in order of time: at no instant more than one. Where none is named
    nobody knows, and the program's own numbers count."""

    list_id: str
    recorded_at: datetime
    payers: tuple[PayerSpan, ...]

    def write(self, patient: str) -> list[Resource]:
        ids = (name_id(self.list_id, number) for number in range(len(self.payers)))
        contained = [_coverage(identity, each, patient) for identity, each in zip(ids, self.payers, strict=True)]
        entries = [{"item": {"reference": f"#{each['id']}"}} for each in contained]
        empty = None if entries else fhir.concept("http://terminology.hl7.org/CodeSystem/list-empty-reason", "notasked")
        return [
            fhir.without_nothing(
                {
                    "resourceType": "List",
                    "id": self.list_id,
                    "contained": contained,
                    "status": "current",
                    "mode": "snapshot",
                    "code": fhir.concept(codes.LIST, PAYERS),
                    "subject": fhir.reference("Patient", patient),
                    "date": self.recorded_at,
                    "entry": entries,
                    "emptyReason": empty,
                }
            )
        ]


PAYERS = "payers"


def _coverage(identity: str, span: PayerSpan, patient: str) -> fhir.Element:
    return fhir.without_nothing(
        {
            "resourceType": "Coverage",
            "id": identity,
            "status": "active",
            "beneficiary": fhir.reference("Patient", patient),
            "period": fhir.period(span.since, span.until),
            "payor": [fhir.logical(codes.PAYER, span.payer)],
        }
    )


class _Coverage(reading.Element, frozen=True):
    payor: tuple[reading.Logical, ...]
    period: reading.Period = reading.Period()


class _List(reading.Read, frozen=True):
    id: str
    date: reading.Instant
    contained: tuple[_Coverage, ...] = ()


@reading.reads(_List)
def read_coverage_recorded(resources: Sequence[reading.Read]) -> CoverageRecorded:
    """Raises ValueError for an id that is none of the hub's own: those of the Coverages are made from it."""
    (listing,) = reading.of_type(resources, _List)
    return CoverageRecorded(
        list_id=fhir.own_id(listing.id),
        recorded_at=reading.utc(listing.date),
        payers=tuple(_span(each) for each in listing.contained),
    )


def _span(coverage: _Coverage) -> PayerSpan:
    since, until = coverage.period.start, coverage.period.end
    return PayerSpan(
        payer=coverage.payor[0].identifier.value,
        since=since and reading.utc(since),
        until=until and reading.utc(until),
    )
