"""One key's decisions made again from an empty state, from the rows of the journal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from shared.events.catalogue import BY_NAME
from shared.events.envelope import Event
from shared.path.destination import Destination, Routes
from shared.path.service import Service
from shared.path.transaction.batch import Batch, LockedState
from shared.path.transaction.circumstances import Circumstances
from shared.path.transaction.deciding import Deciding
from shared.path.transaction.delivery import Commanded, Consumed, Delivery, Internal
from shared.path.transaction.journal import HELD, JournalRow, digest_of
from shared.platform.db import Connection, Row

_SETTINGS = "SELECT program, digest, body FROM settings"
NOT_WHOLE = "their journal does not begin with their first decision (months past their retention are deleted)"
OTHERWISE = "this release does not make the next decision as it was made: iop replay names it"
NO_SETTINGS = "the settings they were decided with are not stored, or not readable by this release"
UNREADABLE = (msgspec.MsgspecError, LookupError)


@dataclass
class Settings:
    """The sets of settings that rows name, read as the service's own type; one that can't be is as good as missing."""

    type_: type[object]
    bodies: Mapping[tuple[str, str], str]
    _read: dict[tuple[str, str], object] = field(default_factory=dict)

    @classmethod
    async def stored(cls, connection: Connection, present: Mapping[str, object]) -> "Settings":
        """All that rows name; `present` are those of each program now, of whose type they are."""
        rows, type_ = await connection.fetch(_SETTINGS), type(next(iter(present.values())))
        return cls(type_, {(row["program"], row["digest"]): row["body"] for row in rows})

    def tampered(self, row: Row) -> bool:
        """Whether what stands under this digest is something else."""
        body = self.bodies.get((row["program"], row["settings"]))
        return body is not None and digest_of(body) != row["settings"]

    def of(self, row: Row) -> object | None:
        name = row["program"], row["settings"]
        if name not in self._read:
            self._read[name] = self._decoded(name)
        return self._read[name]

    def _decoded(self, name: tuple[str, str]) -> object | None:
        body = self.bodies.get(name)
        try:
            return None if body is None else msgspec.json.decode(body, type=self.type_)
        except msgspec.MsgspecError:
            return None


@dataclass(frozen=True)
class Nowhere(Routes):
    """Leads nowhere, and remembers what would have gone."""

    destinations: Sequence[Destination[Event]] = ()
    emitted: list[Event] = field(default_factory=list)

    def of(self, event: Event) -> Iterable[Destination[Event]]:
        self.emitted.append(event)
        return ()


@dataclass(frozen=True)
class MadeAgain:
    """One decision made again: its row as it would be written, the events it emits, and the state it was made from.
    A decision that failed is `held`."""

    row: JournalRow
    events: Sequence[Event]
    before: str

    @property
    def held(self) -> bool:
        return self.row.outcome.startswith(HELD)


class Fold:
    """The decisions of one key, one after another, from an empty state."""

    def __init__(self, service: Service, kind: str, key: str, program: str) -> None:
        self._service = service
        self._decider = service.deciders[kind]
        self.locked = LockedState(kind, key, program, self._decider.version, "", None)

    @property
    def due(self) -> datetime | None:
        """When it is told next that time has passed."""
        return self._decider.due(self.locked.state) if self.locked.body else None

    def copy(self) -> "Fold":
        """The same up to now."""
        copied = Fold(self._service, self.locked.kind, self.locked.key, self.locked.program)
        copied.locked = replace(self.locked)
        return copied

    def decide(self, delivery: Delivery, row: Row, settings: object) -> MadeAgain:
        """This delivery, with the row's times and these settings."""
        circumstances = Circumstances(
            self._service,
            self._decider,
            row["now"],
            row["listening_since"],
            {row["program"]: settings},
            {row["program"]: row["settings"]},
            versions={},
        )
        routes, before = Nowhere(), self.locked.body
        batch = Batch(self.locked.kind, {self.locked.key: self.locked}, routes)
        Deciding(circumstances, batch).run([delivery])
        return MadeAgain(batch.journal[-1], routes.emitted, before)


def comes_out(row: Row, made: MadeAgain) -> bool:
    """Whether it was decided like this, and the same was emitted."""
    return (made.row.outcome, list(made.row.emitted)) == (row["outcome"], list(row["emitted"]))


def begins_later(row: Row) -> bool:
    """Whether something had been decided of its key before."""
    return bool(row["digests"]) and row["digests"][1] != digest_of("")


def delivery_of(row: Row, service: Service) -> Delivery:
    """What was decided, from its row. Raises MsgspecError or LookupError where this release can't read it."""
    origin = {
        "id": row["cause"],
        "key": row["key"],
        "kind": row["kind"],
        "program": row["program"],
        "at": row["now"],
        "producer": row["producer"],
        "correlation_id": row["cause"],
    }
    match row["delivery"]:
        case "consumed":
            event = msgspec.json.decode(row["content"], type=BY_NAME[row["event"]].event)
            return Consumed(**origin, event=event)
        case "commanded":
            return Commanded(**origin, commands=service.read_commands(row["content"]))
        case _:
            return Internal(**origin, event=service.read_internal(row["content"]))
