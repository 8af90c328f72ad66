"""The hub-hold escalation of a key whose deliveries are parked. It never waits behind the deliveries it is about."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid5

import msgspec

from shared.events.envelope import Command, Event
from shared.events.escalation import Escalation, EscalationEvent, Signal
from shared.events.internal import TimePassed
from shared.path.transaction.batch import LockedState
from shared.path.transaction.delivery import (
    AnyDelivery,
    Commanded,
    Delivery,
    Internal,
)
from shared.rules import escalation
from shared.rules.decision import Moment, Refused
from shared.rules.escalation import Open, Times

CATEGORY: Final = "hub-hold"
TIER = 2
"""Until the parked deliveries are decided, nothing new is concluded about this patient: a day to act."""
UNESCALATED = "{}"
"""A hold without an escalation: of a program nobody here is responsible for, or of a key that is no patient."""
STILL_PARKED = Refused(
    "business-rule",
    "Deliveries of this patient are still parked. The hub resolves this once they are redriven (iop parked redrive).",
    "Task.status",
)
_encode = msgspec.json.Encoder().encode


class AcknowledgeHold(Command, frozen=True, kw_only=True):
    """A person takes a hub-hold escalation on."""

    escalation_id: str
    by: str = ""
    proved: bool = False


class ActOnHold(Command, frozen=True, kw_only=True):
    """Whoever has it did something about it."""

    escalation_id: str
    act: str
    by: str = ""
    proved: bool = False


class HandOverHold(Command, frozen=True, kw_only=True):
    """It is handed over to another person or a role."""

    escalation_id: str
    to: str
    reason: str
    by: str = ""


class ResolveHold(Command, frozen=True, kw_only=True):
    """A person says it is done with; only redriving makes that true."""

    escalation_id: str
    reason: str
    by: str = ""
    proved: bool = False


def concerns(delivery: AnyDelivery, locked: LockedState) -> bool:
    """Whether the hold itself is meant, not the clinic: a person's command about it, or its own deadline."""
    match delivery:
        case Commanded(commands=(AcknowledgeHold() | ActOnHold() | HandOverHold() | ResolveHold(), *_)):
            return True
        case Internal(event=TimePassed()):
            return locked.hold is not None
        case _:
            return False


def decide(delivery: Delivery, locked: LockedState, moment: Moment[Any]) -> Sequence[Event] | Refused:
    """What is emitted of the hub-hold escalation. While deliveries are parked nobody resolves it."""
    still_open = open_of(locked.hold)
    match delivery:
        case Commanded(commands=(AcknowledgeHold(escalation_id=identity, by=by, proved=proved),)):
            return escalation.acknowledge(still_open, identity, by, moment, proved=proved)
        case Commanded(commands=(ActOnHold(escalation_id=identity, act=act, by=by, proved=proved),)):
            return escalation.act_on(still_open, identity, act, by, moment, proved=proved)
        case Commanded(commands=(HandOverHold(escalation_id=identity, to=to, reason=reason, by=by),)):
            return escalation.hand_over(still_open, identity, to, reason, by, moment)
        case Commanded(commands=(ResolveHold(escalation_id=identity),)):
            return STILL_PARKED if any(each.escalation.id == identity for each in still_open) else escalation.NOT_OPEN
        case _:
            return escalation.emit_overdue(still_open, moment.now)


def evolve(locked: LockedState, event: Event) -> None:
    """The hold after this event about it."""
    if isinstance(event, EscalationEvent):
        (still,) = escalation.evolve(open_of(locked.hold), event)
        locked.hold = written(still)


def due(hold: str) -> datetime | None:
    """The one deadline of a held key: when nobody has acknowledged the hold itself. The clinic's deadlines rest."""
    return escalation.due(open_of(hold))


def raised(delivery: Delivery, service: str, times: Times, now: datetime) -> Escalation:
    return Escalation(
        id=str(uuid5(delivery.id, f"{service}:hub-hold")),
        category=CATEGORY,
        reason="deliveries-parked",
        tier=TIER,
        owner="case-manager",
        rule=f"{service}/hub-hold|1",
        raised_at=now,
        acknowledge_by=now + timedelta(minutes=times.acknowledge_minutes[TIER - 1]),
        act_by=now + timedelta(minutes=times.act_minutes[TIER - 1]),
        signals=(Signal("deliveries-parked", now, f"Patient/{delivery.key}"),),
    )


def open_of(hold: str | None) -> tuple[Open, ...]:
    return () if hold is None or hold == UNESCALATED else (msgspec.json.decode(hold, type=Open),)


def written(still_open: Open) -> str:
    """The hold as it stands beside the state, from which `open_of` reads it."""
    return _encode(still_open).decode()
