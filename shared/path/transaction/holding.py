"""When a delivery can't be decided: its key is held, the case manager and operations hear of it, the rest queues."""

from collections.abc import Callable, Sequence
from typing import Literal
from uuid import UUID, uuid5

from msgspec.structs import replace

from shared.events.envelope import Command
from shared.events.escalation import EscalationEvent, EscalationRaised, EscalationResolved
from shared.events.technical import DeliveryParked, DeliveryRedriven
from shared.path.service import PATIENT, NewerState
from shared.path.transaction.batch import Batch, LockedState, ParkedRow
from shared.path.transaction.circumstances import Circumstances
from shared.path.transaction.delivery import (
    Answer,
    Commanded,
    Committed,
    Consumed,
    Delivery,
    Incomplete,
    name_of,
)
from shared.path.transaction.hold import UNESCALATED, decide, evolve, open_of, raised, written
from shared.path.transaction.journal import HELD, content_of
from shared.path.transaction.stored import to_park
from shared.platform import log
from shared.rules.decision import Refused
from shared.rules.escalation import Open

Class = Literal["unreadable", "bug", "queued"]
DecideNow = Callable[[Delivery, LockedState], Answer]


class Holding:
    """Parks, queues and releases within one batch. `decide_now` decides what may not wait."""

    def __init__(self, circumstances: Circumstances, batch: Batch, decide_now: DecideNow) -> None:
        self._by = circumstances
        self._batch = batch
        self._decide_now = decide_now

    def park(self, delivery: Delivery, locked: LockedState, class_: Class, place: str) -> Answer:
        """The delivery failed: from here on its key is held. What may not wait is decided all the same."""
        name, id_ = name_of(delivery), str(delivery.id)
        log.get().error("parked", delivery=name, place=place, id=id_, **{"class": class_})
        self._report(delivery, locked)
        at_once, later = self._split(delivery)
        if at_once is not None:
            self._at_once(at_once, locked)
        self._add(later or delivery, locked, class_, place)
        return Incomplete(fault=True)

    def queue(self, delivery: Delivery, locked: LockedState) -> Answer:
        """Behind a parked delivery of the same key, except what may not wait."""
        if isinstance(delivery, Consumed) and isinstance(delivery.event, self._by.decider.urgent):
            return self._at_once(delivery, locked)
        at_once, later = self._split(delivery)
        if at_once is not None:
            self._at_once(at_once, locked)
        if later is None:
            return Committed()
        self._add(later, locked, "queued", "behind a parked delivery")
        return Incomplete()

    def release(self, delivery: Delivery, locked: LockedState) -> None:
        """Nothing of this key is parked any more: the hub-hold escalation is resolved."""
        resolved = [
            EscalationResolved(escalation=each.escalation, at=self._by.now, reason="redriven")
            for each in open_of(locked.hold)
        ]
        locked.hold, locked.changed = None, True
        self._read(locked)
        delivery = _of_program(delivery, locked)
        identity = self._outcome_id(delivery, "redriven")
        details = f"The parked deliveries of a {locked.kind} were decided."
        redriven = DeliveryRedriven(outcome_id=identity, service=self._by.service.name, details=details)
        self._emit(delivery, locked, resolved, "hub-release", redriven)

    def _read(self, locked: LockedState) -> None:
        """The state as it is stored, in today's shape: where nothing of its key was decided its deadline comes back."""
        if locked.state is None:
            locked.state = self._by.decider.read(locked.version, locked.body)
            locked.body = self._by.decider.write(locked.state) if locked.body else ""

    def _report(self, delivery: Delivery, locked: LockedState) -> None:
        """Operations hear of every delivery that is parked, without its patient; whoever is responsible for the patient
        hears of the hold, in the program that the patient's row names."""
        raised = self._hold(delivery, locked) if locked.key and locked.hold is None else []
        identity = self._outcome_id(delivery, "parked")
        details = f"{name_of(delivery)} was parked. `iop parked list` shows it."
        parked = DeliveryParked(outcome_id=identity, service=self._by.service.name, details=details)
        self._emit(_of_program(delivery, locked), locked, raised, "hub-hold", parked)

    def _hold(self, delivery: Delivery, locked: LockedState) -> list[EscalationEvent]:
        """From here on deliveries of this key queue."""
        settings = self._by.settings.get(_of_program(delivery, locked).program)
        if settings is None or locked.kind != PATIENT:
            locked.hold = UNESCALATED
            return []
        found = raised(delivery, self._by.service.name, settings.escalation, self._by.now)
        locked.hold = written(Open(found))
        return [EscalationRaised(escalation=found, at=self._by.now)]

    def _outcome_id(self, delivery: Delivery, name: str) -> str:
        return str(uuid5(delivery.id, f"{self._by.service.name}:{name}"))

    def _emit(
        self,
        delivery: Delivery,
        locked: LockedState,
        escalations: Sequence[EscalationEvent],
        name: str,
        technical: DeliveryParked | DeliveryRedriven,
    ) -> None:
        """The escalation to whoever is responsible, the technical fact to operations without the patient."""
        emitted: list[UUID] = []
        for event in escalations:
            identity, record = self._by.write(event, delivery, name)
            self._batch.emit(event, record, locked.key, delivery.program)
            emitted.append(identity)
        identity, record = self._by.write(technical, delivery, type(technical).__name__)
        self._batch.send(technical, record, None, delivery.program)
        self._journal(delivery, type(technical).__name__, "null", [*emitted, identity])

    def about_hold(self, delivery: Delivery, locked: LockedState) -> Answer:
        """A person's command about the hold, or its own deadline."""
        if (stale := self._by.stale(delivery, self._batch.resources)) is not None:
            return stale
        decided = decide(delivery, locked, self._by.moment(delivery))
        if isinstance(decided, Refused):
            self._journal(delivery, name_of(delivery), content_of(delivery), [], f"{HELD}: {decided.code}")
            return decided
        named: list[tuple[str, str]] = []
        emitted: list[UUID] = []
        for ordinal, event in enumerate(decided):
            identity, record = self._by.write(event, delivery, ordinal)
            named += self._batch.emit(event, record, locked.key, delivery.program)
            emitted.append(identity)
            evolve(locked, event)
        if isinstance(delivery, Commanded):
            self._batch.answered_resources[delivery.id] = named
        self._journal(delivery, name_of(delivery), content_of(delivery), emitted)
        return Committed()

    def _journal(
        self, delivery: Delivery, event: str, content: str, emitted: Sequence[UUID], outcome: str = HELD
    ) -> None:
        self._batch.journal.append(self._by.journal_row(delivery, event, content, outcome, emitted))

    def _at_once(self, delivery: Delivery, locked: LockedState) -> Answer:
        try:
            return self._decide_now(delivery, locked)
        except NewerState:
            raise
        except Exception as bug:
            self._add(delivery, locked, "queued", log.place_of(bug))
            return Incomplete()

    def _split(self, delivery: Delivery) -> tuple[Commanded | None, Delivery | None]:
        """What of commands may not wait, and what can: consents and safety are decided though the key is held."""
        if not isinstance(delivery, Commanded):
            return None, delivery
        urgent = self._by.decider.urgent
        at_once = tuple(each for each in delivery.commands if isinstance(each, urgent))
        if not at_once:
            return None, delivery
        later = tuple(each for each in delivery.commands if not isinstance(each, urgent))
        consents = tuple(each for each in delivery.accepted if each.type == "Consent")
        now = replace(_part(delivery, at_once), accepted=consents)
        expects = tuple(each for each in delivery.expects if each.type != "Consent")
        return now, replace(_part(delivery, later), expects=expects) if later else None

    def _add(self, delivery: Delivery, locked: LockedState, class_: Class, place: str) -> None:
        kind, headers, content = to_park(delivery)
        self._batch.parked.append(
            ParkedRow(
                id=delivery.id,
                key_kind=locked.kind,
                key=locked.key,
                program=_of_program(delivery, locked).program if kind == "consumed" else delivery.program,
                class_=class_,
                place=place,
                kind=kind,
                event=name_of(delivery),
                headers=headers,
                content=content,
            )
        )


def _of_program(delivery: Delivery, locked: LockedState) -> Delivery:
    """A record that names no program of ours, or another one, is its patient's own program's to see to."""
    return replace(delivery, program=locked.program) if locked.program else delivery


def _part(delivery: Commanded, commands: tuple[Command, ...]) -> Commanded:
    """Some of the commands as a delivery of their own, whose id says which."""
    name = "part:" + "+".join(type(each).__name__ for each in commands)
    return replace(delivery, id=uuid5(delivery.id, name), commands=commands, expects=(), puts=())
