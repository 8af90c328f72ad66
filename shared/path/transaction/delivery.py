"""Item: one thing to decide, whichever way it came; and Answer: what became of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from shared.events import internal, wire
from shared.events.envelope import Command, Event
from shared.path.service import Service
from shared.rules.decision import Refused

Kind = Literal["consumed", "commanded", "internal"]


class AcceptedResource(msgspec.Struct, frozen=True):
    """A foreign resource as it came (ids, meta and references rewritten), to be stored beside what is decided."""

    type: str
    id: str
    body: str
    status: str | None = None
    at: datetime | None = None
    sealed: bool = False


class Expected(msgspec.Struct, frozen=True):
    """If-Match: the version of a resource that the client has seen."""

    type: str
    id: str
    version: int


@dataclass(slots=True, kw_only=True)
class Delivery:
    """`key` is the patient; `id` names the cause, from which everything emitted takes its ids. `head` and `content` are
    what must be stored to decide it again later."""

    id: UUID
    key: str
    program: str
    kind: Kind
    at: datetime
    by: str
    correlation_id: UUID
    event: Event | None = None
    commands: tuple[Command, ...] = ()
    accepted: tuple[AcceptedResource, ...] = ()
    expects: tuple[Expected, ...] = ()
    deduplicate: bool = True
    digest: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    unreadable: str | None = None
    parked: int | None = None
    """Sequence of its parked row, when it is decided again."""
    quarantined: bool = False
    """Nobody can ever read it: a person lets the others go on without it."""
    outbox_id: int | None = None
    """Row of lane internal it came from; deleted in the same transaction."""

    @property
    def name(self) -> str:
        """What it is called in the journal and in the list of parked events."""
        if self.event is not None:
            return type(self.event).__name__
        return "+".join(type(each).__name__ for each in self.commands) or wire.event_name(self.headers) or "unreadable"


class Committed(msgspec.Struct, frozen=True, tag=True):
    """Decided and committed: the resources that now stand, with their versions."""

    resources: tuple[tuple[str, str, int], ...] = ()


class Incomplete(msgspec.Struct, frozen=True, tag=True):
    """Accepted and stored, but decided later: events of this patient are parked (202). `fault` tells the one that
    failed from those queued behind it."""

    fault: bool = False


class Stale(msgspec.Struct, frozen=True):
    """If-Match failed: somebody changed the resource since."""

    type: str
    id: str


class Reused(msgspec.Struct, frozen=True):
    """The same id was used before with other content."""


class ParkedCommands(msgspec.Struct, frozen=True):
    """A told item's parts as they are stored while parked."""

    commands: msgspec.Raw
    accepted: tuple[AcceptedResource, ...]


Answer = Committed | Incomplete | Stale | Reused | Refused

_encode = msgspec.json.Encoder().encode


def to_park(delivery: Delivery) -> tuple[str, bytes]:
    """Head and content from which `from_parked` makes the item again."""
    if delivery.kind == "consumed":
        return json.dumps(dict(delivery.headers)), delivery.content
    headers = {
        "id": str(delivery.id),
        "by": delivery.by,
        "at": delivery.at.isoformat(),
        "correlation": str(delivery.correlation_id),
        "digest": delivery.digest,
    }
    if delivery.kind == "internal":
        return json.dumps(headers), delivery.content or _encode(delivery.event)
    parked = ParkedCommands(msgspec.Raw(_encode(delivery.commands)), delivery.accepted)
    return json.dumps(headers), _encode(parked)


def from_parked(row: Mapping[str, Any], service: Service) -> Delivery:
    """The item of a parked row. What is still unreadable emits so in `unreadable`."""
    headers = json.loads(row["headers"])
    if row["kind"] == "consumed":
        delivery = consumed(headers, row["key"], bytes(row["content"]))
        delivery.program = delivery.program or row["program"]
    else:
        delivery = Delivery(
            id=UUID(headers["id"]),
            key=row["key"],
            program=row["program"],
            kind=row["kind"],
            at=datetime.fromisoformat(headers["at"]),
            by=headers["by"],
            correlation_id=UUID(headers["correlation"]),
            digest=headers["digest"],
            content=bytes(row["content"]),
        )
        if row["kind"] == "internal":
            delivery.event = internal.decode_internal(delivery.content)
        else:
            parked = msgspec.json.decode(delivery.content, type=ParkedCommands)
            delivery.commands = msgspec.json.decode(parked.commands, type=tuple[service.commands, ...])  # type: ignore[name-defined]
            delivery.accepted = parked.accepted
    delivery.deduplicate, delivery.parked = False, row["sequence"]
    return delivery


def consumed(headers: Mapping[str, str], key: str, value: bytes | None) -> Delivery:
    """The item of one Kafka record. An unreadable one is an item too: it must be parked, never skipped."""
    try:
        envelope = wire.read_envelope(headers, key)
    except wire.Unreadable as wrong:
        return _unreadable(headers, key, value, wrong.place)
    delivery = Delivery(
        id=envelope.id,
        key=key,
        program=envelope.program,
        kind="consumed",
        at=envelope.at,
        by=envelope.source,
        correlation_id=envelope.correlation_id,
        headers=headers,
        content=value or b"",
    )
    try:
        delivery.event = wire.read(envelope.event, value)
    except wire.Unreadable as wrong:
        delivery.unreadable = wrong.place
    return delivery


def _unreadable(headers: Mapping[str, str], key: str, value: bytes | None, place: str) -> Delivery:
    nobody = UUID(int=0)
    try:
        identity = UUID(headers.get("ce_id", ""))
    except ValueError:
        identity = nobody
    return Delivery(
        id=identity,
        key=key,
        program=headers.get("ce_program", ""),
        kind="consumed",
        at=datetime.min,
        by="",
        correlation_id=identity,
        headers=headers,
        content=value or b"",
        unreadable=place,
        deduplicate=identity != nobody,
    )
