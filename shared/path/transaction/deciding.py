"""Deciding a batch: pure, before any statement that writes. A bug is caught per delivery, and parks that key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, assert_never
from uuid import UUID

import msgspec
from msgspec.structs import replace

from shared.events import wire
from shared.events.envelope import Command, Event
from shared.events.internal import Listed, Lookup, StandsFor, StateEvent, TimePassed, To
from shared.events.technical import OperationsEvent
from shared.path.service import PATIENT, NewerState
from shared.path.transaction import hold, sealed
from shared.path.transaction.batch import Batch, LockedState
from shared.path.transaction.circumstances import Circumstances
from shared.path.transaction.delivery import (
    Answer,
    AnyDelivery,
    Commanded,
    Committed,
    Consumed,
    Delivery,
    Incomplete,
    Internal,
    Redriven,
    Unreadable,
    bare,
    name_of,
)
from shared.path.transaction.holding import Holding
from shared.path.transaction.journal import DECIDED, content_of, digest_of
from shared.platform import log, tracing
from shared.rules.decision import Refused

_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True)
class _Decision:
    """The state after it, and what leaves it, in order."""

    state: Any
    emissions: Sequence[Event | To]


Written = tuple[UUID, Event, wire.Written] | Internal
"""One emission, ready to store: an event with its id and record, or an internal event: for another key, or a lookup."""


class Deciding:
    """Decides deliveries into a batch, in their order."""

    def __init__(self, circumstances: Circumstances, batch: Batch) -> None:
        self._by = circumstances
        self._batch = batch

    @property
    def _holding(self) -> Holding:
        """Made when it is needed: in a circle of references each batch would stay in memory until a collection."""
        return Holding(self._by, self._batch, self._decide)

    def run(self, deliveries: Iterable[AnyDelivery]) -> None:
        for delivery in deliveries:
            locked = self._batch.locked_states[delivery.key]
            answer = self._traced(delivery, locked) if tracing.is_on() else self._answer(delivery, locked)
            self._batch.answers.append((delivery, answer))

    def _traced(self, delivery: AnyDelivery, locked: LockedState) -> Answer:
        """In a span of its own, from which what it emits goes on. One that was parked begins anew, linked to where it
        was decided before."""
        plain = bare(delivery)
        own, before = (None, plain.traceparent) if isinstance(delivery, Redriven) else (plain.traceparent, None)
        with tracing.part("decide", own, before, event=_event_name(plain)) as span:
            answer = self._answer(_of_trace(delivery, span.traceparent), locked)
            failed = isinstance(answer, Incomplete) and answer.fault
            span.ended(failed=failed, outcome=answer.code if isinstance(answer, Refused) else type(answer).__name__)
            return answer

    def release(self, delivery: AnyDelivery) -> None:
        """The last parked delivery of its key was decided: nothing is held any more."""
        self._holding.release(bare(delivery), self._batch.locked_states[delivery.key])

    def _answer(self, delivery: AnyDelivery, locked: LockedState) -> Answer:
        if isinstance(delivery, Redriven):
            return self._again(delivery, locked)
        if isinstance(delivery, Unreadable):
            return self._holding.park(delivery, locked, "unreadable", delivery.place)
        if locked.is_of_another_program(delivery.program):
            return self._of_another_program(delivery, locked)
        if hold.concerns(delivery, locked):
            return self._holding.about_hold(delivery, locked)
        if locked.hold is not None:
            return self._holding.queue(delivery, locked)
        try:
            return self._decide(delivery, locked)
        except NewerState:
            raise
        except Exception as bug:
            return self._holding.park(delivery, locked, "bug", log.place_of(bug))

    def _of_another_program(self, delivery: Delivery, locked: LockedState) -> Answer:
        """A record is parked, for it may have meant this patient; commands of another program find nobody."""
        if isinstance(delivery, Commanded):
            return Refused("not-found", "No patient of this program has this id.")
        return self._holding.park(delivery, locked, "unreadable", "headers.ce_program")

    def _again(self, redriven: Redriven, locked: LockedState) -> Answer:
        """A parked delivery. Where it fails again, the ones behind it stay where they are."""
        if redriven.quarantined:
            self._batch.unparked.append(redriven.sequence)
            return Committed()
        if locked.stuck:
            return Incomplete()
        try:
            if isinstance(redriven.delivery, Unreadable):
                return self._stuck(redriven, locked, "unreadable", redriven.delivery.place)
            if locked.is_of_another_program(redriven.delivery.program):
                return self._stuck(redriven, locked, "unreadable", "headers.ce_program")
            answer = self._decide(redriven.delivery, locked)
        except NewerState:
            raise
        except Exception as bug:
            return self._stuck(redriven, locked, "bug", log.place_of(bug))
        self._batch.unparked.append(redriven.sequence)
        return answer

    def _stuck(self, redriven: Redriven, locked: LockedState, class_: str, place: str) -> Answer:
        name, id_ = name_of(redriven.delivery), str(redriven.delivery.id)
        log.get().error("still parked", delivery=name, place=place, id=id_, **{"class": class_})
        locked.stuck = True
        return Incomplete(fault=True)

    def _decide(self, delivery: Delivery, locked: LockedState) -> Answer:
        """Decide and write, then put it into the batch: what fails on the way leaves nothing behind."""
        if (stale := self._by.stale(delivery, self._batch.resources)) is not None:
            return stale
        before, decision = locked.body, self._decision(delivery, locked)
        if isinstance(decision, Refused):
            self._refuse(delivery, locked, decision)
            return decision
        written = self._settle(delivery, locked, decision)
        self._put(delivery, locked, written)
        instead = [each for each in decision.emissions if isinstance(each, StandsFor)]
        if instead:
            self._batch.answered_instead[delivery.id] = tuple((each.kind, each.given, each.id) for each in instead)
        self._journal(delivery, DECIDED, before, written)
        return Committed()

    def _settle(self, delivery: Delivery, locked: LockedState, decision: _Decision) -> Sequence[Written]:
        """Written first: what can't be leaves the state as it was."""
        body = self._by.decider.write(decision.state)
        published = [each for each in decision.emissions if not isinstance(each, StateEvent)]
        written = [self._written(emission, delivery, ordinal) for ordinal, emission in enumerate(published)]
        locked.state, locked.body, locked.changed = decision.state, body, True
        return written

    def _refuse(self, delivery: Delivery, locked: LockedState, refused: Refused) -> None:
        """Nothing of the delivery is done; what it asks of a person is emitted all the same."""
        before, written = locked.body, list[Written]()
        if refused.asks:
            state = self._evolve(self._read(locked), *refused.asks)
            written = list(self._settle(delivery, locked, _Decision(state, refused.asks)))
            self._emit(written, delivery, locked)
        self._journal(delivery, refused.code, before, written)

    def _read(self, locked: LockedState) -> Any:
        decider = self._by.decider
        return locked.state if locked.state is not None else decider.read(locked.version, locked.body)

    def _decision(self, delivery: Delivery, locked: LockedState) -> _Decision | Refused:
        state = self._read(locked)
        match delivery:
            case Consumed(event=event) | Internal(event=event):
                emissions = list(self._by.decider.react(state, event, self._by.moment(delivery)))
                state = self._evolve(state, event, *emissions)
                self._check_deadline(event, state)
                return _Decision(state, emissions)
            case Commanded(commands=commands):
                return self._commanded(state, delivery, commands)
            case Unreadable():
                raise AssertionError("what can't be read is never decided")
            case _:
                assert_never(delivery)

    def _commanded(self, state: Any, delivery: Delivery, commands: Sequence[Command]) -> _Decision | Refused:
        """All commands in their order, or the first refusal."""
        emissions: list[Event | To] = []
        for ordinal, command in enumerate(commands):
            decided = self._by.decider.decide(state, command, self._by.moment(delivery, f"command:{ordinal}"))
            if isinstance(decided, Refused):
                return decided
            state = self._evolve(state, command, *decided)
            emissions.extend(decided)
        return _Decision(state, emissions)

    def _evolve(self, state: Any, *happened: Command | Event | To) -> Any:
        """By the cause and what is emitted; what goes to another key changes that one."""
        for each in happened:
            if not isinstance(each, To):
                state = self._by.decider.evolve(state, each)
        return state

    def _check_deadline(self, event: Event, state: Any) -> None:
        """A deadline that fell due and did not move would spin for ever."""
        if isinstance(event, TimePassed):
            due = self._by.decider.due(state)
            if due is not None and due <= self._by.now:
                raise AssertionError("deadline did not move")

    def _written(self, emission: Event | To, delivery: Delivery, ordinal: int) -> Written:
        if isinstance(emission, To):
            return self._internal(emission, delivery, ordinal)
        if isinstance(emission, Lookup):
            return self._internal(To(kind=delivery.kind, key=delivery.key, event=emission), delivery, ordinal)
        identity, record = self._by.write(emission, delivery, ordinal)
        return identity, emission, record

    def _internal(self, to: To, delivery: Delivery, ordinal: int) -> Internal:
        return Internal(
            id=self._by.cause(delivery, ordinal),
            key=to.key,
            kind=to.kind,
            program=delivery.program,
            at=self._by.now,
            producer=self._by.service.name,
            correlation_id=delivery.correlation_id,
            traceparent=delivery.traceparent,
            event=to.event,
        )

    def _emit(self, written: Sequence[Written], delivery: Delivery, locked: LockedState) -> list[tuple[str, str]]:
        """Into the batch; the names of the resources that now stand."""
        named: list[tuple[str, str]] = []
        for each in written:
            if isinstance(each, Internal):
                self._batch.note(each)
                continue
            _, event, record = each
            if isinstance(event, OperationsEvent):  # nothing of it is of a patient, and it is no part of a record
                self._batch.send(event, record, None, delivery.program)
            elif isinstance(event, Listed):
                patient = locked.key if locked.kind == PATIENT else ""
                named += self._batch.show(event, record, patient, delivery.program)
            else:
                named += self._batch.emit(event, record, locked.key, delivery.program)
        return named

    def _put(self, delivery: Delivery, locked: LockedState, written: Sequence[Written]) -> None:
        named = self._emit(written, delivery, locked)
        if isinstance(delivery, Commanded | Internal):
            emitted_names = set(named)
            standing = [
                each for each in delivery.accepted if not each.stands_in or (each.type, each.id) not in emitted_names
            ]
            answers = [(each[1], each[2]) for each in written if not isinstance(each, Internal) and each[1].stands]
            gone = _taken_back(written)
            named += self._batch.accept(standing, delivery.program, locked.key, answers, delivery.updates, gone)
        else:
            self._batch.accept(sealed.identified(delivery, self._by.service), delivery.program, locked.key)
        if isinstance(delivery, Commanded):
            self._batch.answered_resources[delivery.id] = list(dict.fromkeys(named))

    def _journal(self, delivery: Delivery, outcome: str, before: str, written: Sequence[Written]) -> None:
        left = [each for each in written if isinstance(each, Internal) or not isinstance(each[1], Listed)]
        emitted = [each.id if isinstance(each, Internal) else each[0] for each in left]
        bodies = (_encode(each.event) if isinstance(each, Internal) else each[2].body for each in left)
        digests = [digest_of(before), *map(digest_of, bodies)]
        name, content = name_of(delivery), content_of(delivery)
        self._batch.journal.append(self._by.journal_row(delivery, name, content, outcome, emitted, digests))


def _of_trace(delivery: AnyDelivery, traceparent: str | None) -> AnyDelivery:
    """What it emits belongs to this span."""
    if isinstance(delivery, Redriven):
        return replace(delivery, delivery=replace(delivery.delivery, traceparent=traceparent))
    return replace(delivery, traceparent=traceparent)


def _event_name(delivery: Delivery) -> str:
    """Of what can't be read nothing is repeated; of several commands the first."""
    return "unreadable" if isinstance(delivery, Unreadable) else name_of(delivery).partition("+")[0]


def _taken_back(written: Sequence[Written]) -> dict[str, str]:
    """The status that Observations as somebody sent them have now, by their id."""
    events = (each[1] for each in written if not isinstance(each, Internal))
    return {identity: status for event in events for identity, status in event.takes_back().items()}
