"""How a delivery is read from a record of Kafka, and written to and read back from a parked row or lane `internal`."""

import json
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec.structs import replace

from shared.events import wire
from shared.events.envelope import patient_id
from shared.events.internal import encode_internal
from shared.path.service import Service
from shared.path.transaction.delivery import (
    NOBODY,
    Commanded,
    Consumed,
    Delivery,
    Expected,
    Internal,
    Origin,
    Put,
    Unreadable,
)
from shared.path.transaction.resources import AcceptedResource
from shared.platform.db import Row


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
        traceparent=wire.context(headers),
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
        traceparent=wire.context(headers),
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
        traceparent=delivery.traceparent,
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
    traceparent: str | None = None


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
    headers = _ParkedHeaders(origin.id, origin.producer, origin.at, origin.correlation_id, digest, origin.traceparent)
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
        "traceparent": headers.traceparent,
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


class _InternalHeaders(msgspec.Struct, frozen=True, omit_defaults=True):
    """The origin of an internal event on its way through lane `internal`."""

    id: UUID
    kind: str
    program: str
    producer: str
    at: datetime
    correlation: UUID
    traceparent: str | None = None


def to_internal_lane(delivery: Internal) -> tuple[str, bytes]:
    """Headers and body of its row, from which `from_internal_lane` makes the delivery again."""
    headers = _InternalHeaders(
        delivery.id,
        delivery.kind,
        delivery.program,
        delivery.producer,
        delivery.at,
        delivery.correlation_id,
        delivery.traceparent,
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
        traceparent=headers.traceparent,
        event=service.read_internal(row["body"]),
        outbox_id=row["id"],
    )
