"""Deciding a batch: pure, before any statement that writes. A bug is caught per record, and parks that patient."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import msgspec

from shared.path import log
from shared.path.item import Accepted, Answer, Incomplete, Item, Kept, Stale, to_park
from shared.path.service import NewerState, Service
from shared.rules.decision import Moment, Refused
from shared.rules.escalation import Times
from shared.words import wire
from shared.words.aftercare import ReferralPrepared
from shared.words.envelope import Command, Envelope, Resource, Word
from shared.words.escalation import Escalation, EscalationRaised, EscalationResolved, Signal
from shared.words.inner import Noted, TimePassed
from shared.words.technical import WordParked, WordRedriven

CODE = "0.1.0"
"""Version of the deciding code, written to the journal with each decision."""
_encode = msgspec.json.Encoder().encode
_CLINICAL_TIMES = (
    "start",
    "effectiveDateTime",
    "identifiedDateTime",
    "authoredOn",
    "dateTime",
    "recorded",
    "sent",
    "date",
)


@dataclass(slots=True)
class Slot:
    """One patient's row, while its owner decides."""

    key: str
    program: str
    version: int
    body: str
    hold: str | None
    state: Any = None
    changed: bool = False
    stuck: bool = False
    """A parked word failed again: the ones behind it stay where they are."""


class ResourceRow(msgspec.Struct, frozen=True):
    type: str
    id: str
    program: str
    patient: str
    status: str | None
    at: datetime | None
    sealed: bool
    body: str


class JournalRow(msgspec.Struct, frozen=True):
    key: str
    program: str
    cause: UUID
    said_by: str
    word: str
    content: str
    settings: str
    said: list[UUID]


class OutboxRow(msgspec.Struct, frozen=True):
    lane: str
    key: str | None
    head: str
    body: str


class ParkedRow(msgspec.Struct, frozen=True):
    id: UUID
    key: str
    program: str
    class_: str
    place: str
    kind: str
    word: str
    head: str
    content: bytes


@dataclass(slots=True)
class Batch:
    """Everything one transaction will write, one list a table."""

    slots: dict[str, Slot]
    resources: dict[tuple[str, str], ResourceRow] = field(default_factory=dict)
    journal: list[JournalRow] = field(default_factory=list)
    outbox: list[OutboxRow] = field(default_factory=list)
    parked: list[ParkedRow] = field(default_factory=list)
    unparked: list[int] = field(default_factory=list)
    answers: list[tuple[Item, Answer]] = field(default_factory=list)
    told: dict[UUID, list[tuple[str, str]]] = field(default_factory=dict)
    """Resources that an answer names, per told item."""
    faults: int = 0


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
        if redriven and slot.stuck:
            return Incomplete()
        if item.unreadable is not None:
            return self._park(item, slot, batch, "unreadable", item.unreadable)
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
        for each in item.expects:
            if self.versions.get((each.type, each.id)) != each.version:
                return Stale(each.type, each.id)
        state = slot.state if slot.state is not None else self.service.decode(slot.version, slot.body)
        said: list[Word] = []
        if item.word is not None:
            moment = self._moment(item, item.id)
            said.extend(self.service.hear(state, item.word, moment))
            state = self._evolve(state, item.word, said)
            self._check_deadline(item.word, state)
        for ordinal, command in enumerate(item.commands):
            moment = self._moment(item, item.id if ordinal == 0 else uuid5(item.id, f"command:{ordinal}"))
            replied = self.service.tell(state, command, moment)
            if isinstance(replied, Refused):
                return replied
            state = self._evolve(state, command, replied)
            said.extend(replied)
        self.service.encode(state)
        said = [word for word in said if not isinstance(word, Noted)]
        written = [self._write(word, item, ordinal) for ordinal, word in enumerate(said)]
        slot.state, slot.changed = state, True
        self._keep(item, slot, batch, said, written)
        return Kept()

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
            id=uuid5(item.id, str(ordinal)),
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
        named: list[tuple[str, str]] = []
        for word, (_, record) in zip(said, written, strict=True):
            named.extend(say(batch, word, record, slot.key, item.program))
        for each in item.accepted:
            batch.resources[each.type, each.id] = _accepted(each, item.program, slot.key)
            named.append((each.type, each.id))
        if item.kind == "told":
            batch.told[item.id] = list(dict.fromkeys(named))
        content = item.commands if item.commands else item.word
        batch.journal.append(
            JournalRow(
                key=slot.key,
                program=item.program,
                cause=item.id,
                said_by=item.by,
                word=item.name,
                content=_encode(content).decode(),
                settings=self.digests[item.program],
                said=[envelope.id for envelope, _ in written],
            )
        )

    def _queue(self, item: Item, slot: Slot, batch: Batch) -> Answer:
        """Behind a parked word of the same patient, except what may not wait: consents and safety."""
        urgent = self.service.urgent
        if item.word is not None and isinstance(item.word, urgent):
            return self._at_once(item, slot, batch)
        now_told = tuple(each for each in item.commands if isinstance(each, urgent))
        if now_told:
            part = _part(item, now_told, tuple(each for each in item.accepted if each.type == "Consent"))
            self._at_once(part, slot, batch)
            later = tuple(each for each in item.commands if not isinstance(each, urgent))
            if not later:
                return Kept()
            item = _part(item, later, item.accepted)
        batch.parked.append(_parked(item, slot, "queued", "behind a parked word"))
        return Incomplete()

    def _at_once(self, item: Item, slot: Slot, batch: Batch) -> Answer:
        try:
            return self._decide(item, slot, batch)
        except Exception as bug:
            batch.parked.append(_parked(item, slot, "queued", log.place_of(bug)))
            return Incomplete()

    def _park(self, item: Item, slot: Slot, batch: Batch, class_: str, place: str) -> Answer:
        batch.faults += 1
        log.get().error("parked", word=item.name, place=place, id=str(item.id), **{"class": class_})
        if item.parked is not None:
            slot.stuck = True
            return Incomplete()
        if slot.key and slot.hold is None:
            self._hold(item, slot, batch)
            if class_ == "bug" and item.kind == "told":
                batch.parked.append(_parked(_without_urgent(item, self.service.urgent), slot, class_, place))
                return self._urgent_part(item, slot, batch)
        batch.parked.append(_parked(item, slot, class_, place))
        return Incomplete()

    def _urgent_part(self, item: Item, slot: Slot, batch: Batch) -> Answer:
        urgent = tuple(each for each in item.commands if isinstance(each, self.service.urgent))
        if urgent:
            self._at_once(_part(item, urgent, ()), slot, batch)
        return Incomplete()

    def _hold(self, item: Item, slot: Slot, batch: Batch) -> None:
        """From here on words of this patient queue; the case manager is told, and operations, without any value."""
        settings = self.settings.get(item.program)
        if settings is None:
            slot.hold = "{}"
            return
        escalation = _hub_hold(uuid5(item.id, "hub-hold"), item, self.now, settings.escalation, self.service.name)
        slot.hold = _encode(escalation).decode()
        self._say_aside(EscalationRaised(escalation=escalation, at=self.now), item, slot, batch)
        details = f"a word {item.name} was parked; iop parked list shows it"
        word = WordParked(outcome_id=str(uuid5(item.id, "operations")), service=self.service.name, details=details)
        self._say_to_operations(word, item, batch)

    def release(self, item: Item, slot: Slot, batch: Batch) -> None:
        """Nothing of this patient is parked any more: the hub-hold escalation is resolved."""
        if slot.hold not in (None, "{}"):
            escalation = msgspec.json.decode(slot.hold or "", type=Escalation)
            resolved = EscalationResolved(escalation=escalation, at=self.now, because="redriven")
            self._say_aside(resolved, item, slot, batch)
        slot.hold, slot.changed = None, True
        word = WordRedriven(
            outcome_id=str(uuid5(item.id, "redriven")),
            service=self.service.name,
            details="a patient's words were redriven",
        )
        self._say_to_operations(word, item, batch)

    def _say_aside(self, word: Word, item: Item, slot: Slot, batch: Batch) -> None:
        _, record = self._write(word, item, f"aside:{type(word).__name__}")
        say(batch, word, record, slot.key, item.program)

    def _say_to_operations(self, word: Word, item: Item, batch: Batch) -> None:
        _, record = self._write(word, item, f"aside:{type(word).__name__}")
        batch.outbox.append(
            OutboxRow(f"topic:{record.topic}", None, _encode(record.head).decode(), record.body.decode())
        )


def say(batch: Batch, word: Word, record: wire.Written, key: str, program: str) -> list[tuple[str, str]]:
    """Route a written word: to its topic's lane, a referral also to its partner's, its resources to the read model.

    Returns the names of those resources.
    """
    head, body = _encode(record.head).decode(), record.body.decode()
    batch.outbox.append(OutboxRow(f"topic:{record.topic}", key, head, body))
    if isinstance(word, ReferralPrepared):
        batch.outbox.append(OutboxRow(f"partner:{word.partner}", key, head, body))
    rows = [_resource_row(resource, encoded, program, key) for resource, encoded in record.resources]
    for row in rows:
        batch.resources[row.type, row.id] = row
    return [(row.type, row.id) for row in rows]


def _accepted(each: Accepted, program: str, patient: str) -> ResourceRow:
    return ResourceRow(each.type, each.id, program, patient, each.status, each.at, each.sealed, each.body)


def _resource_row(resource: Resource, encoded: bytes, program: str, patient: str) -> ResourceRow:
    status = resource.get("status")
    return ResourceRow(
        type=str(resource["resourceType"]),
        id=str(resource["id"]),
        program=program,
        patient=patient,
        status=status if isinstance(status, str) else None,
        at=clinical_time(resource),
        sealed=False,
        body=encoded.decode(),
    )


def clinical_time(resource: Mapping[str, Any]) -> datetime | None:
    """When it happened, for search by `date`: the first of FHIR's usual elements that is an instant here."""
    for name in _CLINICAL_TIMES:
        value = resource.get(name)
        if isinstance(value, datetime):
            return value
    period = resource.get("period")
    if isinstance(period, dict) and isinstance(period.get("start"), datetime):
        start: datetime = period["start"]
        return start
    return None


def _part(item: Item, commands: tuple[Command, ...], accepted: tuple[Accepted, ...]) -> Item:
    return Item(
        id=uuid5(item.id, "part:" + "+".join(type(each).__name__ for each in commands)),
        key=item.key,
        program=item.program,
        kind=item.kind,
        at=item.at,
        by=item.by,
        correlation_id=item.correlation_id,
        commands=commands,
        accepted=accepted,
        digest=item.digest,
    )


def _without_urgent(item: Item, urgent: tuple[type, ...]) -> Item:
    later = tuple(each for each in item.commands if not isinstance(each, urgent))
    return item if len(later) == len(item.commands) else _part(item, later, item.accepted)


def _parked(item: Item, slot: Slot, class_: str, place: str) -> ParkedRow:
    head, content = to_park(item)
    return ParkedRow(item.id, slot.key, item.program, class_, place, item.kind, item.name, head, content)


def _hub_hold(identity: UUID, item: Item, now: datetime, times: Times, service: str) -> Escalation:
    """T2 to the case manager: until the parked words are decided, nothing new is concluded about this patient."""
    tier = 2
    return Escalation(
        id=str(identity),
        category="hub-hold",
        reason="words-parked",
        tier=tier,
        owner="case-manager",
        rule=f"{service}/hub-hold|1",
        raised_at=now,
        acknowledge_by=now + timedelta(minutes=times.acknowledge_minutes[tier - 1]),
        act_by=now + timedelta(minutes=times.act_minutes[tier - 1]),
        signals=(Signal("words-parked", now, f"Patient/{item.key}"),),
    )
