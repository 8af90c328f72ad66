"""Everything one transaction will write, one list a table; and how an event is routed into it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec

from shared.events import wire
from shared.events.envelope import Event, Resource, patient_id
from shared.events.internal import Lookup
from shared.path.destination import Routes
from shared.path.transaction import resources
from shared.path.transaction.delivery import Answer, AnyDelivery, Consumed, Internal
from shared.path.transaction.journal import JournalRow
from shared.path.transaction.resources import AcceptedResource, Name, OfProgram, ResourceRow
from shared.path.transaction.stored import to_internal_lane

INTERNAL_LANE = "internal"
NOTHING_TAKEN_BACK: Mapping[str, str] = {}
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class LockedState:
    """One key's row, while its owner decides."""

    kind: str
    key: str
    program: str
    version: int
    body: str
    hold: str | None
    state: Any = None
    changed: bool = False
    stuck: bool = False
    """A parked delivery failed again: the ones behind it stay where they are."""

    def is_of_another_program(self, program: str) -> bool:
        """Whether what names this program is not this patient's."""
        return bool(self.key and self.program) and program != self.program


class OutboxRow(msgspec.Struct, frozen=True):
    lane: str
    program: str
    key: str | None
    headers: str
    body: str | None


class ParkedRow(msgspec.Struct, frozen=True):
    id: UUID
    key_kind: str
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
    """Everything one transaction will write, one list a table; all its keys are of one kind."""

    kind: str
    locked_states: dict[str, LockedState]
    routes: Routes
    resources: dict[OfProgram, ResourceRow] = field(default_factory=dict)
    journal: list[JournalRow] = field(default_factory=list)
    outbox: list[OutboxRow] = field(default_factory=list)
    parked: list[ParkedRow] = field(default_factory=list)
    unparked: list[int] = field(default_factory=list)
    answers: list[tuple[AnyDelivery, Answer]] = field(default_factory=list)
    answered_resources: dict[UUID, list[Name]] = field(default_factory=dict)
    """Resources that an answer names, per commanded delivery."""
    answered_instead: dict[UUID, tuple[tuple[str, str, str], ...]] = field(default_factory=dict)
    """By type and the id that was given, which ones it names instead."""

    @property
    def edge_answers(self) -> list[tuple[AnyDelivery, Answer]]:
        """Without the events consumed: they bring no document, identifier or update, and nobody waits for an answer."""
        return [each for each in self.answers if not isinstance(each[0], Consumed)]

    @property
    def lanes(self) -> frozenset[str]:
        """The lanes it feeds."""
        return frozenset(row.lane for row in self.outbox)

    def emit(self, event: Event, record: wire.Written, key: str, program: str) -> list[Name]:
        """Route a written event: to the lanes of its destinations, its resources to the read model.

        Returns the names of those resources.
        """
        self.send(event, record, key, program)
        return self.show(event, record, key, program)

    def show(self, event: Event, record: wire.Written, patient: str, program: str) -> list[Name]:
        """Its resources to the read model alone, of this patient or ("") of none; their names."""
        rows = [resources.emitted_row(each, encoded, program, patient) for each, encoded in record.resources]
        numbers = event.identifiers()
        for row in rows:
            self._put(event, row, numbers.get(row.id, ()))
        for identity, status in event.takes_back().items():
            self._take_back(resources.taken_back(identity, status, program, patient))
        return [(row.type, row.id) for row in rows]

    def _put(self, event: Event, row: ResourceRow, identifiers: Sequence[Resource]) -> None:
        name = row.program, row.type, row.id
        known = self.resources.get(name)
        row = resources.numbered(row, identifiers, known)
        if row.type in event.amends:
            row = msgspec.structs.replace(
                row, amends=known is None or known.amends, sent=known is not None and known.sent
            )
            row = resources.answering(row, event.stands[row.type]) if row.type in event.stands else row
            row = row if known is None else resources.amended(known.body, resources.answered(row, known.answer))
        self.resources[name] = row

    def _take_back(self, row: ResourceRow) -> None:
        """What came earlier in this batch, else what is stored."""
        name = row.program, row.type, row.id
        known = self.resources.get(name)
        is_here = known is not None and not known.is_only_status
        self.resources[name] = resources.with_status(known, str(row.status)) if known and is_here else row

    def send(self, event: Event, record: wire.Written, key: str | None, program: str) -> None:
        """To the lanes of its destinations alone. A key is a patient's id, or what the destination makes of the event.
        Raises ValueError."""
        patient = None if key is None else patient_id(key)
        for destination in self.routes.of(event):
            more = destination.headers(event)
            headers = _encode({**record.headers, **more} if more else record.headers).decode()
            body = destination.body(event, record)
            text = None if body is None else body.decode()
            self.outbox.append(OutboxRow(destination.lane, program, destination.key(event, patient), headers, text))

    def note(self, delivery: Internal) -> None:
        """An internal event, for this key or another one: lane internal brings it back. A lookup goes to its own lane,
        which brings its answer back."""
        headers, body = to_internal_lane(delivery)
        lane = delivery.event.lane if isinstance(delivery.event, Lookup) else INTERNAL_LANE
        self.outbox.append(OutboxRow(lane, delivery.program, delivery.key, headers, body.decode()))

    def accept(
        self,
        accepted: Sequence[AcceptedResource],
        program: str,
        key: str,
        answers: Sequence[tuple[Event, wire.Written]] = (),
        updates: frozenset[Name] | None = None,
        taken_back: Mapping[str, str] = NOTHING_TAKEN_BACK,
    ) -> list[Name]:
        """Foreign resources as they came, beside what is decided; over them what answers them, or takes them back. Of
        those that are no `updates` (where it is known which are) nothing was answered before."""
        over = [
            resources.emitted_row(each, encoded, program, key)
            for event, record in answers
            for each, encoded in record.resources
            if each["resourceType"] in event.stands
        ]
        for each in accepted:
            is_update = updates is None or (each.type, each.id) in updates
            row = resources.accepted_row(each, program, key, sent=is_update)
            known = self.resources.get((program, each.type, each.id))
            known = None if known is not None and known.is_only_status else known
            if resources.is_outranked(row, known):
                continue
            row = resources.answered(row, known.answer) if known is not None else row
            row = resources.with_status(row, taken_back[each.id]) if each.id in taken_back else row
            self.resources[program, each.type, each.id] = _under(row, over, sent=is_update)
        return [(each.type, each.id) for each in accepted]


def _under(row: ResourceRow, over: Sequence[ResourceRow], *, sent: bool) -> ResourceRow:
    """The row with what answers it over it."""
    for answer in over:
        if (answer.type, answer.id) == (row.type, row.id):
            whole, at = resources.amended(row.body, answer), answer.at or row.at
            row = msgspec.structs.replace(whole, at=at, answer=row.answer, sent=sent)
    return row
