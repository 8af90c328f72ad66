"""What a batch is decided with, and how what it emits gets its ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from shared.events import wire
from shared.events.envelope import Envelope, Event, unique_id
from shared.events.escalation import EscalationEvent
from shared.path.service import Decider, Service
from shared.path.transaction.delivery import Commanded, Delivery, Stale
from shared.path.transaction.journal import JournalRow, delivery_kind, digested
from shared.path.transaction.resources import OfProgram
from shared.rules.decision import Moment


@dataclass(frozen=True)
class Circumstances:
    """Of one batch: clinic time, what was listened to, each program's settings and their digest, and the versions of
    the resources that an If-Match names."""

    service: Service
    decider: Decider[Any]
    now: datetime
    listening_since: datetime
    settings: Mapping[str, Any]
    digests: Mapping[str, str]
    versions: Mapping[OfProgram, int]

    def cause(self, delivery: Delivery, part: int | str = "") -> UUID:
        """Where ids come from: the delivery, and who decides it. Several services consume the same event."""
        return unique_id(delivery.id, f"{self.service.name}:{part}")

    def moment(self, delivery: Delivery, part: int | str = "") -> Moment[Any]:
        return Moment(
            now=self.now,
            listening_since=self.listening_since,
            settings=self.settings[delivery.program],
            cause=self.cause(delivery, part),
            patient=delivery.key,
            program=delivery.program,
            by=delivery.producer,
        )

    def write(self, event: Event, delivery: Delivery, ordinal: int | str) -> tuple[UUID, wire.Written]:
        """The event's id and what it is written as. Raises OverflowError for a record that no topic takes."""
        identity = self.cause(delivery, ordinal)
        envelope = Envelope(
            id=identity,
            source=self.service.name,
            event=type(event).__name__,
            program=delivery.program,
            patient=delivery.key,
            at=self.now,
            correlation_id=delivery.correlation_id,
            causation_id=delivery.id,
            traceparent=delivery.traceparent,
        )
        return identity, self._guided(event, wire.write(event, envelope))

    def _guided(self, event: Event, record: wire.Written) -> wire.Written:
        """Its Task, where it is of an escalation, with the service's guidance on its reason."""
        reason = event.escalation.reason if isinstance(event, EscalationEvent) else ""
        text = self.service.guidance.get(reason)
        return record if text is None else wire.described(record, "Task", text)

    def journal_row(
        self,
        delivery: Delivery,
        event: str,
        content: str,
        outcome: str,
        emitted: Sequence[UUID],
        digests: Sequence[str] = (),
    ) -> JournalRow:
        """The row of a decision; `digests` are of the state before it and of each that was emitted."""
        row = JournalRow(
            key=delivery.key,
            program=delivery.program,
            cause=delivery.id,
            producer=delivery.producer,
            delivery=delivery_kind(delivery),
            event=event,
            content=content,
            outcome=outcome,
            settings=self.digests.get(delivery.program, ""),
            emitted=tuple(emitted),
            digests=tuple(digests),
        )
        return replace(row, digests=(digested(row, delivery.kind, self.now, self.listening_since), *row.digests))

    def stale(self, delivery: Delivery, changed: Mapping[OfProgram, object]) -> Stale | None:
        """The first If-Match that failed. Versions are as before this batch: what it `changed` is another version."""
        for expected in delivery.expects if isinstance(delivery, Commanded) else ():
            name = (delivery.program, expected.type, expected.id)
            if name in changed or self.versions.get(name) != expected.version:
                return Stale(expected.type, expected.id)
        return None
