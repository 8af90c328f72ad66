"""Batch: everything one transaction will write, one list a table; and how an event is routed into it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from shared.events import wire
from shared.events.aftercare import ReferralPrepared
from shared.events.envelope import Event, Resource
from shared.path.transaction.delivery import AcceptedResource, Answer, Delivery

_encode = msgspec.json.Encoder().encode
_CLINICAL_TIMES = (
    "start",
    "effectiveDateTime",
    "identifiedDateTime",
    "authoredOn",
    "dateTime",
    "recorded",
    "sent",
    "date",
)


@dataclass(slots=True)
class LockedState:
    """One patient's row, while its owner decides."""

    key: str
    program: str
    version: int
    body: str
    hold: str | None
    state: Any = None
    changed: bool = False
    stuck: bool = False
    """A parked event failed again: the ones behind it stay where they are."""


class ResourceRow(msgspec.Struct, frozen=True):
    type: str
    id: str
    program: str
    patient: str
    status: str | None
    at: datetime | None
    sealed: bool
    body: str


class JournalRow(msgspec.Struct, frozen=True):
    key: str
    program: str
    cause: UUID
    producer: str
    event: str
    content: str
    settings: str
    emitted: list[UUID]


class OutboxRow(msgspec.Struct, frozen=True):
    lane: str
    program: str
    key: str | None
    headers: str
    body: str


class ParkedRow(msgspec.Struct, frozen=True):
    id: UUID
    key: str
    program: str
    class_: str
    place: str
    kind: str
    event: str
    headers: str
    content: bytes


@dataclass(slots=True)
class Batch:
    """Everything one transaction will write, one list a table."""

    locked_states: dict[str, LockedState]
    resources: dict[tuple[str, str], ResourceRow] = field(default_factory=dict)
    journal: list[JournalRow] = field(default_factory=list)
    outbox: list[OutboxRow] = field(default_factory=list)
    parked: list[ParkedRow] = field(default_factory=list)
    unparked: list[int] = field(default_factory=list)
    answers: list[tuple[Delivery, Answer]] = field(default_factory=list)
    answered_resources: dict[UUID, list[tuple[str, str]]] = field(default_factory=dict)
    """Resources that an answer names, per told item."""

    @property
    def lanes(self) -> frozenset[str]:
        """The lanes it feeds."""
        return frozenset(row.lane for row in self.outbox)


def emit(batch: Batch, event: Event, record: wire.Written, key: str, program: str) -> list[tuple[str, str]]:
    """Route a written event: to its topic's lane, a referral also to its partner's, its resources to the read model.

    Returns the names of those resources.
    """
    headers, body = _encode(record.headers).decode(), record.body.decode()
    batch.outbox.append(OutboxRow(f"topic:{record.topic}", program, key, headers, body))
    if isinstance(event, ReferralPrepared):
        batch.outbox.append(OutboxRow(f"partner:{event.partner}", program, key, headers, body))
    rows = [_resource_row(resource, encoded, program, key) for resource, encoded in record.resources]
    for row in rows:
        batch.resources[row.type, row.id] = row
    return [(row.type, row.id) for row in rows]


def accepted_row(each: AcceptedResource, program: str, patient: str) -> ResourceRow:
    return ResourceRow(each.type, each.id, program, patient, each.status, each.at, each.sealed, each.body)


def _resource_row(resource: Resource, encoded: bytes, program: str, patient: str) -> ResourceRow:
    status = resource.get("status")
    return ResourceRow(
        type=str(resource["resourceType"]),
        id=str(resource["id"]),
        program=program,
        patient=patient,
        status=status if isinstance(status, str) else None,
        at=clinical_time(resource),
        sealed=False,
        body=encoded.decode(),
    )


def clinical_time(resource: Mapping[str, Any]) -> datetime | None:
    """When it happened, for search by `date`: the first of FHIR's usual elements that is an instant here."""
    for name in _CLINICAL_TIMES:
        value = resource.get(name)
        if isinstance(value, datetime):
            return value
    period = resource.get("period")
    if isinstance(period, dict) and isinstance(period.get("start"), datetime):
        start: datetime = period["start"]
        return start
    return None
