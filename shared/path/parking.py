"""When a word can't be decided: its patient is held, the case manager and operations are told, the rest queues."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec

from shared.path.batch import Batch, OutboxRow, ParkedRow, Slot, say
from shared.path.item import Accepted, Item, to_park
from shared.rules import escalation
from shared.rules.decision import Moment, Refused
from shared.rules.escalation import Open, Times
from shared.words import wire
from shared.words.envelope import Command, Word
from shared.words.escalation import Escalation, EscalationRaised, EscalationResolved, EscalationWord, Signal
from shared.words.inner import TimePassed
from shared.words.technical import WordParked, WordRedriven

CATEGORY: Final = "hub-hold"
HOLD_TIER = 2
"""Until the parked words are decided, nothing new is concluded about this patient: a day to act."""
UNKNOWN_PROGRAM = "{}"
"""A hold without an escalation: nobody here is responsible for that program."""
STILL_PARKED = Refused(
    "business-rule",
    "words of this patient are still parked: the hub resolves this once they are redriven (iop parked redrive)",
    "Task.status",
)


class AcknowledgeHold(Command, frozen=True, kw_only=True):
    """A person takes a hub-hold escalation on."""

    escalation_id: str


class ResolveHold(Command, frozen=True, kw_only=True):
    """A person says it is done with; only redriving makes that true."""

    escalation_id: str
    because: str


HoldCommand = AcknowledgeHold | ResolveHold
Write = Callable[[Word, Item, str], wire.Written]
_encode = msgspec.json.Encoder().encode


def hold(item: Item, slot: Slot, batch: Batch, write: Write, now: datetime, settings: Any, service: str) -> None:
    """From here on words of this patient queue. Nothing said of it holds a value; operations learn of no patient."""
    if settings is None:
        slot.hold = UNKNOWN_PROGRAM
        return
    found = _hub_hold(uuid5(item.id, f"{service}:hub-hold"), item, now, settings.escalation, service)
    slot.hold = _encode(Open(found)).decode()
    raised = EscalationRaised(escalation=found, at=now)
    say(batch, raised, write(raised, item, "hub-hold"), slot.key, item.program)
    details = f"a word {item.name} was parked; iop parked list shows it"
    parked = WordParked(outcome_id=str(uuid5(item.id, f"{service}:parked")), service=service, details=details)
    _say_to_operations(parked, item, batch, write)


def release(item: Item, slot: Slot, batch: Batch, write: Write, now: datetime, service: str) -> None:
    """Nothing of this patient is parked any more: the hub-hold escalation is resolved."""
    for each in _open(slot.hold):
        resolved = EscalationResolved(escalation=each.escalation, at=now, because="redriven")
        say(batch, resolved, write(resolved, item, "hub-release"), slot.key, item.program)
    slot.hold, slot.changed = None, True
    details = "the parked words of a patient were decided"
    redriven = WordRedriven(outcome_id=str(uuid5(item.id, f"{service}:redriven")), service=service, details=details)
    _say_to_operations(redriven, item, batch, write)


def concerns(item: Item, slot: Slot) -> bool:
    """Whether the hold itself is meant, not the clinic: a person's command about it, or its own deadline."""
    if item.commands:
        return isinstance(item.commands[0], HoldCommand)
    return slot.hold is not None and item.parked is None and isinstance(item.word, TimePassed)


def decide(item: Item, slot: Slot, moment: Moment[Any]) -> Sequence[Word] | Refused:
    """What is said of the hub-hold escalation. While words are parked nobody resolves it: nothing would be resolved."""
    still_open = _open(slot.hold)
    match item.commands:
        case (AcknowledgeHold(escalation_id=identity),):
            return escalation.acknowledge(still_open, identity, moment)
        case (ResolveHold(escalation_id=identity),):
            return STILL_PARKED if any(each.escalation.id == identity for each in still_open) else escalation.NOT_OPEN
        case _:
            return escalation.say_overdue(still_open, moment.now)


def evolve(slot: Slot, word: Word) -> None:
    """The hold after this word about it."""
    if isinstance(word, EscalationWord):
        (still,) = escalation.evolve(_open(slot.hold), word)
        slot.hold = _encode(still).decode()


def due(hold: str) -> datetime | None:
    """The one deadline of a held patient: when nobody has acknowledged the hold itself. The clinic's deadlines rest."""
    return escalation.due(_open(hold))


def _open(hold: str | None) -> tuple[Open, ...]:
    return () if hold is None or hold == UNKNOWN_PROGRAM else (msgspec.json.decode(hold, type=Open),)


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
        category=CATEGORY,
        reason="words-parked",
        tier=HOLD_TIER,
        owner="case-manager",
        rule=f"{service}/hub-hold|1",
        raised_at=now,
        acknowledge_by=now + timedelta(minutes=times.acknowledge_minutes[HOLD_TIER - 1]),
        act_by=now + timedelta(minutes=times.act_minutes[HOLD_TIER - 1]),
        signals=(Signal("words-parked", now, f"Patient/{item.key}"),),
    )
