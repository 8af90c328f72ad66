"""Deciding a batch: pure, before any statement that writes. A bug is caught per record, and parks that patient."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from shared.events import wire
from shared.events.envelope import Command, Envelope, Event, name_id
from shared.events.internal import StateEvent, TimePassed
from shared.path.service import NewerState, Service
from shared.path.transaction import hold
from shared.path.transaction.batch import Batch, JournalRow, LockedState, accepted_row, emit
from shared.path.transaction.delivery import Answer, Committed, Delivery, Incomplete, Stale
from shared.platform import log
from shared.rules.decision import Moment, Refused

CODE = "0.1.0"
"""Version of the deciding code, written to the journal with each decision."""
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Deliberation:
    """One batch's circumstances: clinic time, what was listened to, each program's settings."""

    service: Service
    now: datetime
    listening_since: datetime
    settings: Mapping[str, Any]
    digests: Mapping[str, str]
    versions: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def run(self, deliveries: Iterable[Delivery], batch: Batch) -> None:
        for delivery in deliveries:
            batch.answers.append((delivery, self._one(delivery, batch.locked_states[delivery.key], batch)))

    def _one(self, delivery: Delivery, locked: LockedState, batch: Batch) -> Answer:
        redriven = delivery.parked is not None
        if delivery.parked is not None and delivery.quarantined:
            batch.unparked.append(delivery.parked)
            return Committed()
        if redriven and locked.stuck:
            return Incomplete()
        if delivery.unreadable is not None:
            return self._park(delivery, locked, batch, "unreadable", delivery.unreadable)
        if hold.concerns(delivery, locked):
            return self._about_hold(delivery, locked, batch)
        if locked.hold is not None and not redriven:
            return self._queue(delivery, locked, batch)
        try:
            answer = self._decide(delivery, locked, batch)
        except NewerState:
            raise
        except Exception as bug:
            return self._park(delivery, locked, batch, "bug", log.place_of(bug))
        if delivery.parked is not None:
            batch.unparked.append(delivery.parked)
        return answer

    def _decide(self, delivery: Delivery, locked: LockedState, batch: Batch) -> Answer:
        if (stale := self._stale(delivery, batch)) is not None:
            return stale
        state = locked.state if locked.state is not None else self.service.decode(locked.version, locked.body)
        emitted: list[Event] = []
        if delivery.event is not None:
            moment = self._moment(delivery, self._cause(delivery))
            emitted.extend(self.service.react(state, delivery.event, moment))
            state = self._evolve(state, delivery.event, emitted)
            self._check_deadline(delivery.event, state)
        for ordinal, command in enumerate(delivery.commands):
            moment = self._moment(delivery, self._cause(delivery, f"command:{ordinal}"))
            replied = self.service.decide(state, command, moment)
            if isinstance(replied, Refused):
                return replied
            state = self._evolve(state, command, replied)
            emitted.extend(replied)
        body = self.service.encode(state)
        emitted = [event for event in emitted if not isinstance(event, StateEvent)]
        written = [self._write(event, delivery, ordinal) for ordinal, event in enumerate(emitted)]
        locked.state, locked.body, locked.changed = state, body, True
        self._store(delivery, locked, batch, emitted, written)
        return Committed()

    def _about_hold(self, delivery: Delivery, locked: LockedState, batch: Batch) -> Answer:
        """The hub-hold escalation is the path's own: it never waits behind the events it is about."""
        if (stale := self._stale(delivery, batch)) is not None:
            return stale
        replied = hold.decide(delivery, locked, self._moment(delivery, self._cause(delivery)))
        if isinstance(replied, Refused):
            return replied
        named: list[tuple[str, str]] = []
        for ordinal, event in enumerate(replied):
            named.extend(emit(batch, event, self._write(event, delivery, ordinal)[1], locked.key, delivery.program))
            hold.evolve(locked, event)
        if delivery.kind == "commanded":
            batch.answered_resources[delivery.id] = named
        return Committed()

    def _stale(self, delivery: Delivery, batch: Batch) -> Stale | None:
        """The versions are as they were before this batch: what it has changed already is another version."""
        for each in delivery.expects:
            name = (each.type, each.id)
            if name in batch.resources or self.versions.get(name) != each.version:
                return Stale(*name)
        return None

    def _check_deadline(self, event: Event, state: Any) -> None:
        """A deadline that fell due and did not move would spin for ever."""
        if isinstance(event, TimePassed):
            due = self.service.due(state)
            if due is not None and due <= self.now:
                raise AssertionError("deadline did not move")

    def _evolve(self, state: Any, cause: Event | Command, emitted: Sequence[Event]) -> Any:
        state = self.service.evolve(state, cause)
        for event in emitted:
            state = self.service.evolve(state, event)
        return state

    def _cause(self, delivery: Delivery, part: int | str = "") -> UUID:
        """Where ids come from: the cause, and who decides it. Several services hear the same event."""
        return UUID(name_id(delivery.id, f"{self.service.name}:{part}"))

    def _moment(self, delivery: Delivery, cause: UUID) -> Moment[Any]:
        return Moment(
            now=self.now,
            listening_since=self.listening_since,
            settings=self.settings[delivery.program],
            cause=cause,
            patient=delivery.key,
            program=delivery.program,
            by=delivery.by,
        )

    def _write(self, event: Event, delivery: Delivery, ordinal: int | str) -> tuple[Envelope, wire.Written]:
        envelope = Envelope(
            id=self._cause(delivery, ordinal),
            source=self.service.name,
            event=type(event).__name__,
            program=delivery.program,
            patient=delivery.key,
            at=self.now,
            correlation_id=delivery.correlation_id,
            causation_id=delivery.id,
        )
        return envelope, wire.write(event, envelope)

    def _store(
        self,
        delivery: Delivery,
        locked: LockedState,
        batch: Batch,
        emitted: Sequence[Event],
        written: Sequence[tuple[Envelope, wire.Written]],
    ) -> None:
        content = _encode(delivery.commands if delivery.commands else delivery.event).decode()
        named: list[tuple[str, str]] = []
        for event, (_, record) in zip(emitted, written, strict=True):
            named.extend(emit(batch, event, record, locked.key, delivery.program))
        for each in delivery.accepted:
            batch.resources[each.type, each.id] = accepted_row(each, delivery.program, locked.key)
            named.append((each.type, each.id))
        if delivery.kind == "commanded":
            batch.answered_resources[delivery.id] = list(dict.fromkeys(named))
        batch.journal.append(
            JournalRow(
                key=locked.key,
                program=delivery.program,
                cause=delivery.id,
                producer=delivery.by,
                event=delivery.name,
                content=content,
                settings=self.digests[delivery.program],
                emitted=[envelope.id for envelope, _ in written],
            )
        )

    def _queue(self, delivery: Delivery, locked: LockedState, batch: Batch) -> Answer:
        """Behind a parked event of the same patient, except what may not wait."""
        if delivery.event is not None and isinstance(delivery.event, self.service.urgent):
            return self._at_once(delivery, locked, batch)
        at_once, later = hold.split(delivery, self.service.urgent)
        if at_once is not None:
            self._at_once(at_once, locked, batch)
        if later is None:
            return Committed()
        batch.parked.append(hold.row(later, locked, "queued", "behind a parked event"))
        return Incomplete()

    def _at_once(self, delivery: Delivery, locked: LockedState, batch: Batch) -> Answer:
        try:
            return self._decide(delivery, locked, batch)
        except Exception as bug:
            batch.parked.append(hold.row(delivery, locked, "queued", log.place_of(bug)))
            return Incomplete()

    def _park(self, delivery: Delivery, locked: LockedState, batch: Batch, class_: str, place: str) -> Answer:
        log.get().error("parked", delivery=delivery.name, place=place, id=str(delivery.id), **{"class": class_})
        if delivery.parked is not None:
            locked.stuck = True
            return Incomplete(fault=True)
        if locked.key and locked.hold is None:
            settings = self.settings.get(delivery.program)
            hold.hold(delivery, locked, batch, self._record, self.now, settings, self.service.name)
        at_once, later = hold.split(delivery, self.service.urgent)
        if at_once is not None:
            self._at_once(at_once, locked, batch)
        batch.parked.append(hold.row(later or delivery, locked, class_, place))
        return Incomplete(fault=True)

    def release(self, delivery: Delivery, locked: LockedState, batch: Batch) -> None:
        """Nothing of this patient is parked any more."""
        hold.release(delivery, locked, batch, self._record, self.now, self.service.name)

    def _record(self, event: Event, delivery: Delivery, ordinal: str) -> wire.Written:
        return self._write(event, delivery, ordinal)[1]
