"""When an event can't be decided: its patient is held, the case manager and operations are told, the rest queues."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec

from shared.events import wire
from shared.events.envelope import Command, Event
from shared.events.escalation import Escalation, EscalationEvent, EscalationRaised, EscalationResolved, Signal
from shared.events.internal import TimePassed
from shared.events.technical import DeliveryParked, DeliveryRedriven
from shared.path.transaction.batch import Batch, LockedState, OutboxRow, ParkedRow, emit
from shared.path.transaction.delivery import AcceptedResource, Delivery, to_park
from shared.rules import escalation
from shared.rules.decision import Moment, Refused
from shared.rules.escalation import Open, Times

CATEGORY: Final = "hub-hold"
HOLD_TIER = 2
"""Until the parked events are decided, nothing new is concluded about this patient: a day to act."""
UNKNOWN_PROGRAM = "{}"
"""A hold without an escalation: nobody here is responsible for that program."""
STILL_PARKED = Refused(
    "business-rule",
    "events of this patient are still parked: the hub resolves this once they are redriven (iop parked redrive)",
    "Task.status",
)


class AcknowledgeHold(Command, frozen=True, kw_only=True):
    """A person takes a hub-hold escalation on."""

    escalation_id: str


class ResolveHold(Command, frozen=True, kw_only=True):
    """A person emits it is done with; only redriving makes that true."""

    escalation_id: str
    reason: str


HoldCommand = AcknowledgeHold | ResolveHold
Write = Callable[[Event, Delivery, str], wire.Written]
_encode = msgspec.json.Encoder().encode


def hold(
    delivery: Delivery, locked: LockedState, batch: Batch, write: Write, now: datetime, settings: Any, service: str
) -> None:
    """From here on events of this patient queue. Nothing emitted about it holds a value or names them to operations."""
    if settings is None:
        locked.hold = UNKNOWN_PROGRAM
        return
    found = _hub_hold(uuid5(delivery.id, f"{service}:hub-hold"), delivery, now, settings.escalation, service)
    locked.hold = _encode(Open(found)).decode()
    raised = EscalationRaised(escalation=found, at=now)
    emit(batch, raised, write(raised, delivery, "hub-hold"), locked.key, delivery.program)
    details = f"an event {delivery.name} was parked; iop parked list shows it"
    parked = DeliveryParked(outcome_id=str(uuid5(delivery.id, f"{service}:parked")), service=service, details=details)
    _say_to_operations(parked, delivery, batch, write)


def release(delivery: Delivery, locked: LockedState, batch: Batch, write: Write, now: datetime, service: str) -> None:
    """Nothing of this patient is parked any more: the hub-hold escalation is resolved."""
    for each in _open(locked.hold):
        resolved = EscalationResolved(escalation=each.escalation, at=now, reason="redriven")
        emit(batch, resolved, write(resolved, delivery, "hub-release"), locked.key, delivery.program)
    locked.hold, locked.changed = None, True
    details = "the parked events of a patient were decided"
    redriven = DeliveryRedriven(
        outcome_id=str(uuid5(delivery.id, f"{service}:redriven")), service=service, details=details
    )
    _say_to_operations(redriven, delivery, batch, write)


def concerns(delivery: Delivery, locked: LockedState) -> bool:
    """Whether the hold itself is meant, not the clinic: a person's command about it, or its own deadline."""
    if delivery.commands:
        return isinstance(delivery.commands[0], HoldCommand)
    return locked.hold is not None and delivery.parked is None and isinstance(delivery.event, TimePassed)


def decide(delivery: Delivery, locked: LockedState, moment: Moment[Any]) -> Sequence[Event] | Refused:
    """What is emitted of the hub-hold escalation. While events are parked nobody resolves it."""
    still_open = _open(locked.hold)
    match delivery.commands:
        case (AcknowledgeHold(escalation_id=identity),):
            return escalation.acknowledge(still_open, identity, moment)
        case (ResolveHold(escalation_id=identity),):
            return STILL_PARKED if any(each.escalation.id == identity for each in still_open) else escalation.NOT_OPEN
        case _:
            return escalation.emit_overdue(still_open, moment.now)


def evolve(locked: LockedState, event: Event) -> None:
    """The hold after this event about it."""
    if isinstance(event, EscalationEvent):
        (still,) = escalation.evolve(_open(locked.hold), event)
        locked.hold = _encode(still).decode()


def due(hold: str) -> datetime | None:
    """The one deadline of a held patient: when nobody has acknowledged the hold itself. The clinic's deadlines rest."""
    return escalation.due(_open(hold))


def _open(hold: str | None) -> tuple[Open, ...]:
    return () if hold is None or hold == UNKNOWN_PROGRAM else (msgspec.json.decode(hold, type=Open),)


def _say_to_operations(event: Event, delivery: Delivery, batch: Batch, write: Write) -> None:
    record = write(event, delivery, type(event).__name__)
    headers, body = _encode(record.headers).decode(), record.body.decode()
    batch.outbox.append(OutboxRow(f"topic:{record.topic}", delivery.program, None, headers, body))


def row(delivery: Delivery, locked: LockedState, class_: str, place: str) -> ParkedRow:
    headers, content = to_park(delivery)
    return ParkedRow(
        delivery.id, locked.key, delivery.program, class_, place, delivery.kind, delivery.name, headers, content
    )


def split(delivery: Delivery, urgent: tuple[type, ...]) -> tuple[Delivery | None, Delivery | None]:
    """What of a told item may not wait, and what can: consents and safety are decided though the patient is held."""
    at_once = tuple(each for each in delivery.commands if isinstance(each, urgent))
    if not at_once:
        return None, delivery
    later = tuple(each for each in delivery.commands if not isinstance(each, urgent))
    consents = tuple(each for each in delivery.accepted if each.type == "Consent")
    return part(delivery, at_once, consents), part(delivery, later, delivery.accepted) if later else None


def part(delivery: Delivery, commands: tuple[Command, ...], accepted: tuple[AcceptedResource, ...]) -> Delivery:
    return Delivery(
        id=uuid5(delivery.id, "part:" + "+".join(type(each).__name__ for each in commands)),
        key=delivery.key,
        program=delivery.program,
        kind=delivery.kind,
        at=delivery.at,
        by=delivery.by,
        correlation_id=delivery.correlation_id,
        commands=commands,
        accepted=accepted,
        digest=delivery.digest,
    )


def _hub_hold(identity: UUID, delivery: Delivery, now: datetime, times: Times, service: str) -> Escalation:
    return Escalation(
        id=str(identity),
        category=CATEGORY,
        reason="deliveries-parked",
        tier=HOLD_TIER,
        owner="case-manager",
        rule=f"{service}/hub-hold|1",
        raised_at=now,
        acknowledge_by=now + timedelta(minutes=times.acknowledge_minutes[HOLD_TIER - 1]),
        act_by=now + timedelta(minutes=times.act_minutes[HOLD_TIER - 1]),
        signals=(Signal("deliveries-parked", now, f"Patient/{delivery.key}"),),
    )
