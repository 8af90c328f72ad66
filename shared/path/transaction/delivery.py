"""A delivery: one thing to decide, whichever way it came. And an answer: what became of it."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeGuard, assert_never
from uuid import UUID

import msgspec
from msgspec.structs import replace

from shared.events import wire
from shared.events.envelope import Command, Event, patient_id
from shared.events.intake import Digest
from shared.events.internal import encode_internal
from shared.path.service import PATIENT, Service
from shared.path.transaction.resources import AcceptedResource
from shared.platform.db import Row
from shared.platform.documents import Document
from shared.rules.decision import Refused

NOBODY: Final = UUID(int=0)
"""The id of a record that names none: it can't be told from another one."""


class Expected(msgspec.Struct, frozen=True):
    """If-Match: the version of a resource that the client has seen."""

    type: str
    id: str
    version: int


class Put(msgspec.Struct, frozen=True):
    """An update of a resource by its content, and what is said of it (as JSON)."""

    type: str
    id: str
    digest: str
    remarks: str = "[]"


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """`key` is the patient (or another key, of its `kind`); `id` names the cause, from which everything emitted takes
    its ids; `producer` is the service that emitted it or the client that commands."""

    id: UUID
    key: str
    program: str
    at: datetime
    producer: str
    correlation_id: UUID
    kind: str = PATIENT


class Consumed(Origin, frozen=True, kw_only=True):
    """An event from Kafka. `headers` and `content` are what must be stored to read it again."""

    event: Event
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    content: bytes = b""


class Commanded(Origin, frozen=True, kw_only=True):
    """Commands from an edge, all or none. One that is `repeatable` is known by its id: the same again gets the same
    answer, another content (`digest`) under it is refused. `document` is what was received, stored with it; `binds` are
    identifiers of its patient, bound with it; `puts` are the updates in it; `questions` are work items of no patient,
    each stored once with it, also where it is parked."""

    commands: tuple[Command, ...]
    accepted: tuple[AcceptedResource, ...] = ()
    expects: tuple[Expected, ...] = ()
    digest: str | None = None
    repeatable: bool = True
    document: Document | None = None
    binds: tuple[Digest, ...] = ()
    puts: tuple[Put, ...] = ()
    questions: tuple[AcceptedResource, ...] = ()


class Internal(Origin, frozen=True, kw_only=True):
    """An internal event: a deadline, an outcome, something for another key. `outbox_id` is its row of lane internal."""

    event: Event
    accepted: tuple[AcceptedResource, ...] = ()
    outbox_id: int | None = None


class Unreadable(Origin, frozen=True, kw_only=True):
    """A delivery that cannot be understood; `place` says where. It is parked, never skipped. `of` is what it was, where
    it could be read and its data broke a statement."""

    place: str
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    content: bytes = b""
    of: Commanded | Internal | None = None


Delivery = Consumed | Commanded | Internal | Unreadable


class Redriven(msgspec.Struct, frozen=True):
    """A parked delivery, decided again. Quarantined: nobody can ever read it, a person lets the others go on."""

    delivery: Delivery
    sequence: int
    quarantined: bool = False

    @property
    def key(self) -> str:
        return self.delivery.key


AnyDelivery = Delivery | Redriven


class Committed(msgspec.Struct, frozen=True, tag=True):
    """Decided and committed: the resources that now stand, with their versions."""

    resources: tuple[tuple[str, str, int], ...] = ()


class Incomplete(msgspec.Struct, frozen=True, tag=True):
    """Accepted and stored, but decided later: deliveries of this key are parked (202). `fault` tells the one that
    failed from those queued behind it."""

    fault: bool = False


class Stale(msgspec.Struct, frozen=True):
    """If-Match failed: somebody changed the resource since."""

    type: str
    id: str


class Reused(msgspec.Struct, frozen=True):
    """The same id was used before with other content."""


class Identified(msgspec.Struct, frozen=True):
    """Nothing is stored: its patient, or that of an identifier with it, has just become known. Find out whose it is
    again."""


Answer = Committed | Incomplete | Stale | Reused | Refused | Identified


def bare(delivery: AnyDelivery) -> Delivery:
    """The delivery itself, redriven or not."""
    return delivery.delivery if isinstance(delivery, Redriven) else delivery


def document_of(delivery: AnyDelivery) -> Document | None:
    """The bytes as received, stored in the transaction that decides or parks it."""
    match delivery:
        case Commanded(document=document) | Unreadable(of=Commanded(document=document)):
            return document
        case _:
            return None


def name_of(delivery: Delivery) -> str:
    """What it is called in the journal and in the list of parked deliveries."""
    match delivery:
        case Consumed(event=event) | Internal(event=event):
            return type(event).__name__
        case Commanded(commands=commands):
            return "+".join(type(each).__name__ for each in commands)
        case Unreadable(of=None, headers=headers):
            return wire.event_name(headers) or "unreadable"
        case Unreadable(of=readable):
            return name_of(readable) if readable is not None else "unreadable"
        case _:
            assert_never(delivery)


def marks_processed(delivery: AnyDelivery) -> TypeGuard[Delivery]:
    """Whether its id is an idempotency key. A redriven one was marked when it came, an internal one comes once."""
    match delivery:
        case Consumed():
            return True
        case Commanded(repeatable=repeatable):
            return repeatable
        case Unreadable(id=identity, of=None):
            return identity != NOBODY
        case Unreadable(of=readable):
            return isinstance(readable, Commanded) and readable.repeatable
        case Internal() | Redriven():
            return False
        case _:
            assert_never(delivery)


def read_record(headers: Mapping[str, str], key: str, value: bytes | None) -> Consumed | Unreadable:
    """The delivery of one Kafka record. An unreadable one is a delivery too: it must be parked, never skipped."""
    try:
        envelope = wire.read_envelope(headers, key)
    except wire.Unreadable as wrong:
        return _unreadable(headers, key, value, wrong.place)
    try:
        patient_id(key)
    except ValueError:
        return _unreadable(headers, key, value, "key")
    try:
        event = wire.read(envelope.event, value)
    except wire.Unreadable as wrong:
        return _unreadable(headers, key, value, wrong.place)
    return Consumed(
        id=envelope.id,
        key=key,
        program=envelope.program,
        at=envelope.at,
        producer=envelope.source,
        correlation_id=envelope.correlation_id,
        event=event,
        headers=headers,
        content=value or b"",
    )


def _unreadable(headers: Mapping[str, str], key: str, value: bytes | None, place: str) -> Unreadable:
    try:
        identity = UUID(headers.get("ce_id", ""))
    except ValueError:
        identity = NOBODY
    return Unreadable(
        id=identity,
        key=key,
        program=headers.get("ce_program", ""),
        at=datetime.min,
        producer="",
        correlation_id=identity,
        place=place,
        headers=headers,
        content=value or b"",
    )


def unstorable(delivery: Delivery, place: str) -> Unreadable:
    """The delivery whose data broke a statement: read, but nothing here can store it."""
    match delivery:
        case Unreadable():
            return delivery
        case Consumed(headers=headers, content=content):
            record, readable = {"headers": headers, "content": content}, None
        case _:
            record, readable = {}, delivery
    return Unreadable(
        id=delivery.id,
        key=delivery.key,
        kind=delivery.kind,
        program=delivery.program,
        at=delivery.at,
        producer="",  # it may be what broke the statement
        correlation_id=delivery.correlation_id,
        place=place,
        of=readable,
        **record,  # type: ignore[arg-type]
    )


class _ParkedHeaders(msgspec.Struct, frozen=True):
    """The origin of a commanded or internal delivery, as it is stored while parked."""

    id: UUID
    producer: str
    at: datetime
    correlation: UUID
    digest: str | None = None


class _ParkedCommands(msgspec.Struct, frozen=True):
    commands: msgspec.Raw
    accepted: tuple[AcceptedResource, ...]
    expects: tuple[Expected, ...] = ()
    puts: tuple[Put, ...] = ()


class _ParkedInternal(msgspec.Struct, frozen=True):
    event: msgspec.Raw
    accepted: tuple[AcceptedResource, ...]


_encode = msgspec.json.Encoder().encode


def to_park(delivery: Delivery) -> tuple[str, str, bytes]:
    """Its kind, headers and content, from which `from_parked` makes the delivery again."""
    match delivery:
        case Consumed() | Unreadable(of=None):
            return "consumed", json.dumps(dict(delivery.headers)), delivery.content
        case Unreadable(of=readable) if readable is not None:
            return to_park(readable)
        case Internal(event=event, accepted=accepted):
            content = _encode(_ParkedInternal(msgspec.Raw(encode_internal(event)), accepted))
            return "internal", _parked_headers(delivery, None), content
        case Commanded(commands=commands, accepted=accepted, digest=digest, expects=expects, puts=puts):
            content = _encode(_ParkedCommands(msgspec.Raw(_encode(commands)), accepted, expects, puts))
            return "commanded", _parked_headers(delivery, digest), content
        case _:
            raise AssertionError("a delivery of no kind")


def _parked_headers(origin: Origin, digest: str | None) -> str:
    headers = _ParkedHeaders(origin.id, origin.producer, origin.at, origin.correlation_id, digest)
    return _encode(headers).decode()


def from_parked(row: Row, service: Service) -> Delivery:
    """The delivery of a parked row. What still can't be read is Unreadable again."""
    content = bytes(row["content"])
    if row["kind"] == "consumed":
        found = read_record(json.loads(row["headers"]), row["key"], content)
        found = found if found.program else replace(found, program=row["program"])
        return found if found.key else unstorable(found, "key")
    headers = msgspec.json.decode(row["headers"], type=_ParkedHeaders)
    origin = {
        "id": headers.id,
        "key": row["key"],
        "kind": row["key_kind"],
        "program": row["program"],
        "at": headers.at,
        "producer": headers.producer,
        "correlation_id": headers.correlation,
    }
    if row["kind"] == "internal":
        internal = msgspec.json.decode(content, type=_ParkedInternal)
        return Internal(**origin, event=service.read_internal(bytes(internal.event)), accepted=internal.accepted)
    parked = msgspec.json.decode(content, type=_ParkedCommands)
    commands = service.read_commands(bytes(parked.commands))
    expects, puts = parked.expects, parked.puts
    return Commanded(
        **origin, commands=commands, accepted=parked.accepted, expects=expects, puts=puts, digest=headers.digest
    )


class _InternalHeaders(msgspec.Struct, frozen=True):
    """The origin of an internal event on its way through lane `internal`."""

    id: UUID
    kind: str
    program: str
    producer: str
    at: datetime
    correlation: UUID


def to_internal_lane(delivery: Internal) -> tuple[str, bytes]:
    """Headers and body of its row, from which `from_internal_lane` makes the delivery again."""
    headers = _InternalHeaders(
        delivery.id, delivery.kind, delivery.program, delivery.producer, delivery.at, delivery.correlation_id
    )
    return _encode(headers).decode(), encode_internal(delivery.event)


def from_internal_lane(row: Row, service: Service) -> Internal:
    headers = msgspec.json.decode(row["headers"], type=_InternalHeaders)
    return Internal(
        id=headers.id,
        key=row["key"],
        kind=headers.kind,
        program=headers.program,
        at=headers.at,
        producer=headers.producer,
        correlation_id=headers.correlation,
        event=service.read_internal(row["body"]),
        outbox_id=row["id"],
    )
