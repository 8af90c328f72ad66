"""Item: one thing to decide, whichever way it came; and Answer: what became of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from shared.path.service import Service
from shared.rules.decision import Refused
from shared.words import inner, wire
from shared.words.envelope import Command, Word

Kind = Literal["heard", "told", "inner"]


class Accepted(msgspec.Struct, frozen=True):
    """A foreign resource as it came (ids, meta and references rewritten), to be kept beside what is decided."""

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
class Item:
    """`key` is the patient; `id` names the cause, from which everything said takes its ids. `head` and `content` are
    what must be kept to decide it again later."""

    id: UUID
    key: str
    program: str
    kind: Kind
    at: datetime
    by: str
    correlation_id: UUID
    word: Word | None = None
    commands: tuple[Command, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    expects: tuple[Expected, ...] = ()
    claim: bool = True
    digest: str | None = None
    head: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    unreadable: str | None = None
    parked: int | None = None
    """Sequence of its parked row, when it is decided again."""
    set_aside: bool = False
    """Nobody can ever read it: a person lets the others go on without it."""
    outbox_id: int | None = None
    """Row of lane self it came from; deleted in the same transaction."""

    @property
    def name(self) -> str:
        """What it is called in the journal and in the list of parked words."""
        if self.word is not None:
            return type(self.word).__name__
        return "+".join(type(each).__name__ for each in self.commands) or wire.word_name(self.head) or "unreadable"


class Kept(msgspec.Struct, frozen=True, tag=True):
    """Decided and committed: the resources that now stand, with their versions."""

    resources: tuple[tuple[str, str, int], ...] = ()


class Incomplete(msgspec.Struct, frozen=True, tag=True):
    """Accepted and kept, but decided later: words of this patient are parked (202). `fault` tells the one that failed
    from those queued behind it."""

    fault: bool = False


class Stale(msgspec.Struct, frozen=True):
    """If-Match failed: somebody changed the resource since."""

    type: str
    id: str


class Reused(msgspec.Struct, frozen=True):
    """The same id was used before with other content."""


class Told(msgspec.Struct, frozen=True):
    """A told item's parts as they are kept while parked."""

    commands: msgspec.Raw
    accepted: tuple[Accepted, ...]


Answer = Kept | Incomplete | Stale | Reused | Refused

_encode = msgspec.json.Encoder().encode


def to_park(item: Item) -> tuple[str, bytes]:
    """Head and content from which `from_parked` makes the item again."""
    if item.kind == "heard":
        return json.dumps(dict(item.head)), item.content
    head = {
        "id": str(item.id),
        "by": item.by,
        "at": item.at.isoformat(),
        "correlation": str(item.correlation_id),
        "digest": item.digest,
    }
    if item.kind == "inner":
        return json.dumps(head), item.content or _encode(item.word)
    told = Told(msgspec.Raw(_encode(item.commands)), item.accepted)
    return json.dumps(head), _encode(told)


def from_parked(row: Mapping[str, Any], service: Service) -> Item:
    """The item of a parked row. What is still unreadable says so in `unreadable`."""
    head = json.loads(row["head"])
    if row["kind"] == "heard":
        item = heard(head, row["key"], bytes(row["content"]))
        item.program = item.program or row["program"]
    else:
        item = Item(
            id=UUID(head["id"]),
            key=row["key"],
            program=row["program"],
            kind=row["kind"],
            at=datetime.fromisoformat(head["at"]),
            by=head["by"],
            correlation_id=UUID(head["correlation"]),
            digest=head["digest"],
            content=bytes(row["content"]),
        )
        if row["kind"] == "inner":
            item.word = inner.decode_inner(item.content)
        else:
            told = msgspec.json.decode(item.content, type=Told)
            item.commands = msgspec.json.decode(told.commands, type=tuple[service.commands, ...])  # type: ignore[name-defined]
            item.accepted = told.accepted
    item.claim, item.parked = False, row["sequence"]
    return item


def heard(head: Mapping[str, str], key: str, value: bytes | None) -> Item:
    """The item of one Kafka record. An unreadable one is an item too: it must be parked, never skipped."""
    try:
        envelope = wire.read_envelope(head, key)
    except wire.Unreadable as wrong:
        return _unreadable(head, key, value, wrong.place)
    item = Item(
        id=envelope.id,
        key=key,
        program=envelope.program,
        kind="heard",
        at=envelope.at,
        by=envelope.source,
        correlation_id=envelope.correlation_id,
        head=head,
        content=value or b"",
    )
    try:
        item.word = wire.read(envelope.word, value)
    except wire.Unreadable as wrong:
        item.unreadable = wrong.place
    return item


def _unreadable(head: Mapping[str, str], key: str, value: bytes | None, place: str) -> Item:
    nobody = UUID(int=0)
    try:
        identity = UUID(head.get("ce_id", ""))
    except ValueError:
        identity = nobody
    return Item(
        id=identity,
        key=key,
        program=head.get("ce_program", ""),
        kind="heard",
        at=datetime.min,
        by="",
        correlation_id=identity,
        head=head,
        content=value or b"",
        unreadable=place,
        claim=identity != nobody,
    )
