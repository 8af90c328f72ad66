"""The life of an escalation, one pure machine: raised, updated, acknowledged, overdue, resolved, retracted.

Tiers and times are the program's settings (domain 5.1). Text is codes only: supportive language lives with the reader.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, assert_never

import msgspec

from shared.events.envelope import Command
from shared.events.escalation import (
    Category,
    Escalation,
    EscalationAcknowledged,
    EscalationEvent,
    EscalationOverdue,
    EscalationRaised,
    EscalationResolved,
    EscalationRetracted,
    EscalationUpdated,
    Signal,
)
from shared.rules.decision import Moment, Refused

SIGNALS_MOST = 4
"""Newest signals an escalation carries; the older ones stay readable in earlier events."""
OVERDUE_TIER_MOST = 3
"""An overdue escalation rises one tier, at most to T3; T4 comes from the safety rules alone (domain 5.2)."""


class AcknowledgeEscalation(Command, frozen=True, kw_only=True, tag=True):
    """A person takes it on: `by` is their id in the program's staff."""

    escalation_id: str
    by: str = ""


class ResolveEscalation(Command, frozen=True, kw_only=True, tag=True):
    """A person has acted on it; `reason` is their code for what was done."""

    escalation_id: str
    reason: str
    by: str = ""


EscalationCommand = AcknowledgeEscalation | ResolveEscalation


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """Minutes to acknowledge and to act, per tier 1 to 4 (domain 5.1)."""

    acknowledge_minutes: tuple[int, int, int, int]
    act_minutes: tuple[int, int, int, int]


class Open(msgspec.Struct, frozen=True, array_like=True):
    """An escalation that still waits for a person."""

    escalation: Escalation
    accepted: bool = False
    overdue: bool = False
    accepted_by: str = ""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A reason to escalate, found by a service's own rules. One reason has at most one open escalation.

    `act_by` is an instant of its own by which to act, where it is earlier than the tier's.
    """

    category: Category
    reason: str
    tier: int
    owner: str
    rule: str
    signals: tuple[Signal, ...]
    subsumes: tuple[str, ...] = ()
    act_by: datetime | None = None


def rule_version(service: str, rule: str, version: str) -> str:
    """A rule as an escalation names it: whose it is, and the version of the table it stands in."""
    return f"{service}/{rule}|{version}"


def raise_or_update(
    still_open: Sequence[Open], triggers: Sequence[Trigger], moment: Moment[Any], times: Times
) -> list[EscalationEvent]:
    """Raise each trigger, or update the open escalation of the same reason with what it hasn't yet.

    A tier never falls by an update. Where it rises, the times to act shorten to the higher tier's, and whoever took on
    the milder one is asked anew: nobody has seen how grave it is.
    """
    now_open, emitted = tuple(still_open), list[EscalationEvent]()
    for trigger in triggers:
        known = next((each for each in now_open if each.escalation.reason == trigger.reason), None)
        event = _raised(trigger, moment, times) if known is None else _updated(known, trigger, moment, times)
        if event is not None:
            emitted.append(event)
            now_open = evolve(now_open, event)
    return emitted


def _raised(trigger: Trigger, moment: Moment[Any], times: Times) -> EscalationRaised:
    act_by = _act_by(trigger.tier, moment, times)
    escalation = Escalation(
        id=moment.new_id(f"escalation:{trigger.reason}"),
        category=trigger.category,
        reason=trigger.reason,
        tier=trigger.tier,
        owner=trigger.owner,
        rule=trigger.rule,
        raised_at=moment.now,
        acknowledge_by=_acknowledge_by(trigger.tier, moment, times),
        act_by=min(act_by, trigger.act_by or act_by),
        signals=_newest(trigger.signals),
        subsumes=trigger.subsumes,
    )
    return EscalationRaised(escalation=escalation, at=moment.now)


def _updated(known: Open, trigger: Trigger, moment: Moment[Any], times: Times) -> EscalationUpdated | None:
    before = known.escalation
    after = msgspec.structs.replace(
        before,
        signals=_newest(before.signals + trigger.signals),
        subsumes=tuple(dict.fromkeys(before.subsumes + trigger.subsumes)),
    )
    rises = trigger.tier > before.tier
    if rises:
        acknowledge_by = _acknowledge_by(trigger.tier, moment, times)
        after = msgspec.structs.replace(
            after,
            tier=trigger.tier,
            acknowledge_by=acknowledge_by if known.accepted else min(before.acknowledge_by, acknowledge_by),
            act_by=min(before.act_by, _act_by(trigger.tier, moment, times)),
        )
    accepted = known.accepted and not rises
    return None if after == before else EscalationUpdated(escalation=after, at=moment.now, accepted=accepted)


def _newest(signals: Sequence[Signal]) -> tuple[Signal, ...]:
    """Each once, in clinical order, the newest few."""
    ordered = sorted(set(signals), key=lambda each: (each.at, each.code, each.evidence))
    return tuple(ordered[-SIGNALS_MOST:])


def _acknowledge_by(tier: int, moment: Moment[Any], times: Times) -> datetime:
    return moment.now + timedelta(minutes=times.acknowledge_minutes[tier - 1])


def _act_by(tier: int, moment: Moment[Any], times: Times) -> datetime:
    return moment.now + timedelta(minutes=times.act_minutes[tier - 1])


def withdraw_evidence(
    still_open: Sequence[Open], evidence: str, stands: Collection[str], reason: str, now: datetime
) -> list[EscalationEvent]:
    """Take evidence back: an escalation whose reason still `stands` loses the signal, the others are retracted."""
    emitted: list[EscalationEvent] = []
    for known in still_open:
        gone = tuple(each for each in known.escalation.signals if each.evidence == evidence)
        left = tuple(each for each in known.escalation.signals if each.evidence != evidence)
        if not gone:
            continue
        if left and known.escalation.reason in stands:
            updated = msgspec.structs.replace(known.escalation, signals=left)
            emitted.append(EscalationUpdated(escalation=updated, at=now, accepted=known.accepted, gone=gone))
        else:
            emitted.append(EscalationRetracted(escalation=known.escalation, at=now, reason=reason))
    return emitted


def decide_escalation(
    still_open: Sequence[Open], command: EscalationCommand, moment: Moment[Any]
) -> list[EscalationEvent] | Refused:
    """What a person's command does to the open escalation it names."""
    match command:
        case AcknowledgeEscalation(escalation_id=identity, by=by):
            return acknowledge(still_open, identity, by, moment)
        case ResolveEscalation(escalation_id=identity, reason=reason, by=by):
            return resolve(still_open, identity, reason, by, moment)
        case _:
            assert_never(command)


def acknowledge(
    still_open: Sequence[Open], identity: str, by: str, moment: Moment[Any]
) -> list[EscalationEvent] | Refused:
    """A person takes it on. The same person a second time changes nothing; another one learns who was first."""
    found = _find(still_open, identity)
    if found is None:
        return NOT_OPEN
    person = by or moment.by
    if found.accepted and found.accepted_by in (person, ""):
        return []
    if found.accepted:
        return Refused("conflict", f"{found.accepted_by} has taken this escalation on already.", "Task.owner")
    return [EscalationAcknowledged(escalation=found.escalation, at=moment.now, by=person, client=moment.by)]


def resolve(
    still_open: Sequence[Open], identity: str, reason: str, by: str, moment: Moment[Any]
) -> list[EscalationEvent] | Refused:
    """A person has acted on it, acknowledged before or not."""
    found = _find(still_open, identity)
    if found is None:
        return NOT_OPEN
    return [
        EscalationResolved(
            escalation=found.escalation, at=moment.now, reason=reason, by=by or moment.by, client=moment.by
        )
    ]


NOT_OPEN = Refused("conflict", "This escalation is not open: it was resolved or retracted.", "Task.status")


def emit_overdue(still_open: Sequence[Open], now: datetime) -> list[EscalationEvent]:
    """Each escalation that nobody acknowledged in time, once, one tier up."""
    return [
        EscalationOverdue(escalation=_risen(each.escalation), at=now)
        for each in still_open
        if _waits(each) and each.escalation.acknowledge_by <= now
    ]


def close_all(still_open: Sequence[Open], reason: str, now: datetime) -> list[EscalationEvent]:
    """Discharge closes each owner's open escalations, with a reason."""
    return [EscalationResolved(escalation=each.escalation, at=now, reason=reason) for each in still_open]


def evolve(still_open: tuple[Open, ...], event: EscalationEvent) -> tuple[Open, ...]:
    """The open escalations after this event of the service's own."""
    others = tuple(each for each in still_open if each.escalation.id != event.escalation.id)
    match event:
        case EscalationRaised():
            return (*others, Open(event.escalation))
        case EscalationUpdated():
            return tuple(
                _updated_to(event.escalation, each) if each.escalation.id == event.escalation.id else each
                for each in still_open
            )
        case EscalationAcknowledged(by=by):
            return (*others, Open(event.escalation, accepted=True, accepted_by=by))
        case EscalationOverdue():
            return (*others, Open(event.escalation, overdue=True))
        case _:
            return others


def _updated_to(escalation: Escalation, known: Open) -> Open:
    if escalation.tier > known.escalation.tier:
        return Open(escalation, overdue=known.overdue)
    return msgspec.structs.replace(known, escalation=escalation)


def due(still_open: Sequence[Open]) -> datetime | None:
    """The next instant at which one becomes overdue."""
    return min((each.escalation.acknowledge_by for each in still_open if _waits(each)), default=None)


def _waits(known: Open) -> bool:
    return not known.accepted and not known.overdue


def _risen(escalation: Escalation) -> Escalation:
    return msgspec.structs.replace(escalation, tier=max(escalation.tier, min(escalation.tier + 1, OVERDUE_TIER_MOST)))


def _find(still_open: Sequence[Open], identity: str) -> Open | None:
    return next((each for each in still_open if each.escalation.id == identity), None)
