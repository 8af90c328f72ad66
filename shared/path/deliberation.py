"""Deciding a batch: pure, before any statement that writes. A bug is caught per record, and parks that patient."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from shared.path import log, parking
from shared.path.batch import Batch, JournalRow, Slot, accepted_row, say
from shared.path.item import Answer, Incomplete, Item, Kept, Stale
from shared.path.service import NewerState, Service
from shared.rules.decision import Moment, Refused
from shared.words import wire
from shared.words.envelope import Command, Envelope, Word, name_id
from shared.words.inner import Noted, TimePassed

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

    def run(self, items: Iterable[Item], batch: Batch) -> None:
        for item in items:
            batch.answers.append((item, self._one(item, batch.slots[item.key], batch)))

    def _one(self, item: Item, slot: Slot, batch: Batch) -> Answer:
        redriven = item.parked is not None
        if item.parked is not None and item.set_aside:
            batch.unparked.append(item.parked)
            return Kept()
        if redriven and slot.stuck:
            return Incomplete()
        if item.unreadable is not None:
            return self._park(item, slot, batch, "unreadable", item.unreadable)
        if parking.concerns(item, slot):
            return self._about_hold(item, slot, batch)
        if slot.hold is not None and not redriven:
            return self._queue(item, slot, batch)
        try:
            answer = self._decide(item, slot, batch)
        except NewerState:
            raise
        except Exception as bug:
            return self._park(item, slot, batch, "bug", log.place_of(bug))
        if item.parked is not None:
            batch.unparked.append(item.parked)
        return answer

    def _decide(self, item: Item, slot: Slot, batch: Batch) -> Answer:
        if (stale := self._stale(item, batch)) is not None:
            return stale
        state = slot.state if slot.state is not None else self.service.decode(slot.version, slot.body)
        said: list[Word] = []
        if item.word is not None:
            moment = self._moment(item, self._cause(item))
            said.extend(self.service.hear(state, item.word, moment))
            state = self._evolve(state, item.word, said)
            self._check_deadline(item.word, state)
        for ordinal, command in enumerate(item.commands):
            moment = self._moment(item, self._cause(item, f"command:{ordinal}"))
            replied = self.service.tell(state, command, moment)
            if isinstance(replied, Refused):
                return replied
            state = self._evolve(state, command, replied)
            said.extend(replied)
        body = self.service.encode(state)
        said = [word for word in said if not isinstance(word, Noted)]
        written = [self._write(word, item, ordinal) for ordinal, word in enumerate(said)]
        slot.state, slot.body, slot.changed = state, body, True
        self._keep(item, slot, batch, said, written)
        return Kept()

    def _about_hold(self, item: Item, slot: Slot, batch: Batch) -> Answer:
        """The hub-hold escalation is the path's own: it never waits behind the words it is about."""
        if (stale := self._stale(item, batch)) is not None:
            return stale
        replied = parking.decide(item, slot, self._moment(item, self._cause(item)))
        if isinstance(replied, Refused):
            return replied
        named: list[tuple[str, str]] = []
        for ordinal, word in enumerate(replied):
            named.extend(say(batch, word, self._write(word, item, ordinal)[1], slot.key, item.program))
            parking.evolve(slot, word)
        if item.kind == "told":
            batch.told[item.id] = named
        return Kept()

    def _stale(self, item: Item, batch: Batch) -> Stale | None:
        """The versions are as they were before this batch: what it has changed already is another version."""
        for each in item.expects:
            name = (each.type, each.id)
            if name in batch.resources or self.versions.get(name) != each.version:
                return Stale(*name)
        return None

    def _check_deadline(self, word: Word, state: Any) -> None:
        """A deadline that fell due and did not move would spin for ever."""
        if isinstance(word, TimePassed):
            due = self.service.due(state)
            if due is not None and due <= self.now:
                raise AssertionError("deadline did not move")

    def _evolve(self, state: Any, cause: Word | Command, said: Sequence[Word]) -> Any:
        state = self.service.evolve(state, cause)
        for word in said:
            state = self.service.evolve(state, word)
        return state

    def _cause(self, item: Item, part: int | str = "") -> UUID:
        """Where ids come from: the cause, and who decides it. Several services hear the same word."""
        return UUID(name_id(item.id, f"{self.service.name}:{part}"))

    def _moment(self, item: Item, cause: UUID) -> Moment[Any]:
        return Moment(
            now=self.now,
            listening_since=self.listening_since,
            settings=self.settings[item.program],
            cause=cause,
            patient=item.key,
            program=item.program,
            by=item.by,
        )

    def _write(self, word: Word, item: Item, ordinal: int | str) -> tuple[Envelope, wire.Written]:
        envelope = Envelope(
            id=self._cause(item, ordinal),
            source=self.service.name,
            word=type(word).__name__,
            program=item.program,
            patient=item.key,
            at=self.now,
            correlation_id=item.correlation_id,
            causation_id=item.id,
        )
        return envelope, wire.write(word, envelope)

    def _keep(
        self,
        item: Item,
        slot: Slot,
        batch: Batch,
        said: Sequence[Word],
        written: Sequence[tuple[Envelope, wire.Written]],
    ) -> None:
        content = _encode(item.commands if item.commands else item.word).decode()
        named: list[tuple[str, str]] = []
        for word, (_, record) in zip(said, written, strict=True):
            named.extend(say(batch, word, record, slot.key, item.program))
        for each in item.accepted:
            batch.resources[each.type, each.id] = accepted_row(each, item.program, slot.key)
            named.append((each.type, each.id))
        if item.kind == "told":
            batch.told[item.id] = list(dict.fromkeys(named))
        batch.journal.append(
            JournalRow(
                key=slot.key,
                program=item.program,
                cause=item.id,
                said_by=item.by,
                word=item.name,
                content=content,
                settings=self.digests[item.program],
                said=[envelope.id for envelope, _ in written],
            )
        )

    def _queue(self, item: Item, slot: Slot, batch: Batch) -> Answer:
        """Behind a parked word of the same patient, except what may not wait."""
        if item.word is not None and isinstance(item.word, self.service.urgent):
            return self._at_once(item, slot, batch)
        at_once, later = parking.split(item, self.service.urgent)
        if at_once is not None:
            self._at_once(at_once, slot, batch)
        if later is None:
            return Kept()
        batch.parked.append(parking.row(later, slot, "queued", "behind a parked word"))
        return Incomplete()

    def _at_once(self, item: Item, slot: Slot, batch: Batch) -> Answer:
        try:
            return self._decide(item, slot, batch)
        except Exception as bug:
            batch.parked.append(parking.row(item, slot, "queued", log.place_of(bug)))
            return Incomplete()

    def _park(self, item: Item, slot: Slot, batch: Batch, class_: str, place: str) -> Answer:
        log.get().error("parked", word=item.name, place=place, id=str(item.id), **{"class": class_})
        if item.parked is not None:
            slot.stuck = True
            return Incomplete(fault=True)
        if slot.key and slot.hold is None:
            settings = self.settings.get(item.program)
            parking.hold(item, slot, batch, self._record, self.now, settings, self.service.name)
        at_once, later = parking.split(item, self.service.urgent)
        if at_once is not None:
            self._at_once(at_once, slot, batch)
        batch.parked.append(parking.row(later or item, slot, class_, place))
        return Incomplete(fault=True)

    def release(self, item: Item, slot: Slot, batch: Batch) -> None:
        """Nothing of this patient is parked any more."""
        parking.release(item, slot, batch, self._record, self.now, self.service.name)

    def _record(self, word: Word, item: Item, ordinal: str) -> wire.Written:
        return self._write(word, item, ordinal)[1]
