"""A delivery: one thing to decide, whichever way it came. And an answer: what became of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeGuard, assert_never
from uuid import NAMESPACE_OID, UUID, uuid5

import msgspec

from shared.events import wire
from shared.events.envelope import Command, Event
from shared.events.intake import Digest
from shared.events.internal import TimePassed
from shared.path.service import PATIENT
from shared.path.transaction.resources import AcceptedResource, Name
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


class Create(msgspec.Struct, frozen=True):
    """A resource that is created unless one of its patient carries this identifier (system and value, as JSON)."""

    type: str
    id: str
    identifier: str


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """`key` is the patient (or another key, of its `kind`); `id` names the cause, from which everything emitted takes
    its ids; `producer` is the service that emitted it or the client that commands; `traceparent` is its trace."""

    id: UUID
    key: str
    program: str
    at: datetime
    producer: str
    correlation_id: UUID
    kind: str = PATIENT
    traceparent: str | None = None


class Consumed(Origin, frozen=True, kw_only=True):
    """An event from Kafka. `headers` and `content` are what must be stored to read it again."""

    event: Event
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    content: bytes = b""


class Commanded(Origin, frozen=True, kw_only=True):
    """Commands from an edge, all or none. One that is `repeatable` is known by its id: the same again gets the same
    answer, another content (`digest`) under it is refused. `document` is what was received, stored with it; `binds` are
    identifiers of its patient, bound with it; `puts` are the updates in it, `creates` what it creates on a condition;
    `questions` are work items of no patient, each stored once with it, also where it is parked. `fact` is what waited
    for its patient until now, where it is that: another one who names the patient comes too late."""

    commands: tuple[Command, ...]
    accepted: tuple[AcceptedResource, ...] = ()
    expects: tuple[Expected, ...] = ()
    digest: str | None = None
    repeatable: bool = True
    document: Document | None = None
    binds: tuple[Digest, ...] = ()
    puts: tuple[Put, ...] = ()
    creates: tuple[Create, ...] = ()
    questions: tuple[AcceptedResource, ...] = ()
    fact: UUID | None = None

    @property
    def updates(self) -> frozenset[Name] | None:
        """Which of `accepted` may be stored already."""
        return frozenset((each.type, each.id) for each in self.puts)


class Internal(Origin, frozen=True, kw_only=True):
    """An internal event: a deadline, an outcome, something for another key. `outbox_id` is its row of lane internal."""

    event: Event
    accepted: tuple[AcceptedResource, ...] = ()
    outbox_id: int | None = None

    @property
    def updates(self) -> frozenset[Name] | None:
        """Nobody remembers which."""
        return None


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
    """Decided and committed: the resources that now stand, with their versions. `instead` are, by type and the id that
    a client's creation was given, those of ours that it is."""

    resources: tuple[tuple[str, str, int], ...] = ()
    instead: tuple[tuple[str, str, str], ...] = ()


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
    """Nothing is stored: its patient, or that of an identifier with it, has just become known, or what waited for them
    is read otherwise by now, or the same update or what it creates on a condition has just been stored. Look again."""


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


def time_passed(
    service: str, of: Row, due_at: datetime, now: datetime, reported_at: datetime | None = None
) -> Internal:
    """What a key (by its `key`, `kind` and `program`) is told of when this deadline of its has come."""
    identity = uuid5(_namespace(of["key"]), f"time-passed:{service}:{due_at.isoformat()}")
    return Internal(
        id=identity,
        key=of["key"],
        kind=of["kind"],
        program=of["program"],
        at=now,
        producer=service,
        correlation_id=identity,
        event=TimePassed(reported_at=reported_at),
    )


def _namespace(key: str) -> UUID:
    """The key as a namespace: a patient's id, or whatever names a group."""
    try:
        return UUID(key)
    except ValueError:
        return uuid5(NAMESPACE_OID, key)


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
