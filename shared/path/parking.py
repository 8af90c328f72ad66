"""When a word can't be decided: its patient is held, the case manager and operations are told, the rest queues."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import msgspec

from shared.path.batch import Batch, OutboxRow, ParkedRow, Slot, say
from shared.path.item import Accepted, Item, to_park
from shared.rules.escalation import Times
from shared.words import wire
from shared.words.envelope import Command, Word
from shared.words.escalation import Escalation, EscalationRaised, EscalationResolved, Signal
from shared.words.technical import WordParked, WordRedriven

HOLD_TIER = 2
"""Until the parked words are decided, nothing new is concluded about this patient: a day to act."""
UNKNOWN_PROGRAM = "{}"
"""A hold without an escalation: nobody here is responsible for that program."""

Write = Callable[[Word, Item, str], wire.Written]
_encode = msgspec.json.Encoder().encode


def hold(item: Item, slot: Slot, batch: Batch, write: Write, now: datetime, settings: Any, service: str) -> None:
    """From here on words of this patient queue. Nothing said of it holds a value; operations learn of no patient."""
    if settings is None:
        slot.hold = UNKNOWN_PROGRAM
        return
    escalation = _hub_hold(uuid5(item.id, f"{service}:hub-hold"), item, now, settings.escalation, service)
    slot.hold = _encode(escalation).decode()
    raised = EscalationRaised(escalation=escalation, at=now)
    say(batch, raised, write(raised, item, "hub-hold"), slot.key, item.program)
    details = f"a word {item.name} was parked; iop parked list shows it"
    parked = WordParked(outcome_id=str(uuid5(item.id, f"{service}:parked")), service=service, details=details)
    _say_to_operations(parked, item, batch, write)


def release(item: Item, slot: Slot, batch: Batch, write: Write, now: datetime, service: str) -> None:
    """Nothing of this patient is parked any more: the hub-hold escalation is resolved."""
    if slot.hold is not None and slot.hold != UNKNOWN_PROGRAM:
        escalation = msgspec.json.decode(slot.hold, type=Escalation)
        resolved = EscalationResolved(escalation=escalation, at=now, because="redriven")
        say(batch, resolved, write(resolved, item, "hub-release"), slot.key, item.program)
    slot.hold, slot.changed = None, True
    details = "the parked words of a patient were decided"
    redriven = WordRedriven(outcome_id=str(uuid5(item.id, f"{service}:redriven")), service=service, details=details)
    _say_to_operations(redriven, item, batch, write)


def _say_to_operations(word: Word, item: Item, batch: Batch, write: Write) -> None:
    record = write(word, item, type(word).__name__)
    head, body = _encode(record.head).decode(), record.body.decode()
    batch.outbox.append(OutboxRow(f"topic:{record.topic}", item.program, None, head, body))


def row(item: Item, slot: Slot, class_: str, place: str) -> ParkedRow:
    head, content = to_park(item)
    return ParkedRow(item.id, slot.key, item.program, class_, place, item.kind, item.name, head, content)


def split(item: Item, urgent: tuple[type, ...]) -> tuple[Item | None, Item | None]:
    """What of a told item may not wait, and what can: consents and safety are decided though the patient is held."""
    at_once = tuple(each for each in item.commands if isinstance(each, urgent))
    if not at_once:
        return None, item
    later = tuple(each for each in item.commands if not isinstance(each, urgent))
    consents = tuple(each for each in item.accepted if each.type == "Consent")
    return part(item, at_once, consents), part(item, later, item.accepted) if later else None


def part(item: Item, commands: tuple[Command, ...], accepted: tuple[Accepted, ...]) -> Item:
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


def _hub_hold(identity: UUID, item: Item, now: datetime, times: Times, service: str) -> Escalation:
    return Escalation(
        id=str(identity),
        category="hub-hold",
        reason="words-parked",
        tier=HOLD_TIER,
        owner="case-manager",
        rule=f"{service}/hub-hold|1",
        raised_at=now,
        acknowledge_by=now + timedelta(minutes=times.acknowledge_minutes[HOLD_TIER - 1]),
        act_by=now + timedelta(minutes=times.act_minutes[HOLD_TIER - 1]),
        signals=(Signal("words-parked", now, f"Patient/{item.key}"),),
    )
