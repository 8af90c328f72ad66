"""The life of an escalation, one pure machine: raised, updated, acknowledged, handed over, overdue, closed.

Tiers and times are the program's settings (domain 5.1). Text is codes only: supportive language lives with the reader.
Every service asks by it, whatever it stores of what it asked.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Protocol, TypeVar, assert_never

import msgspec

from shared.events.codes import HANDLING, RESOLUTIONS
from shared.events.envelope import Command
from shared.events.escalation import (
    CLIENT,
    PERSON,
    Category,
    Escalation,
    EscalationAcknowledged,
    EscalationActedOn,
    EscalationEvent,
    EscalationHandedOver,
    EscalationOverdue,
    EscalationRaised,
    EscalationReopened,
    EscalationResolved,
    EscalationRetracted,
    EscalationUpdated,
    HandedOver,
    Signal,
    is_client,
)
from shared.rules.decision import Moment, Refused
from shared.rules.numbers import HoursOrNone, Minutes
from shared.rules.staff import Staff

SIGNALS_MOST = 4
"""Newest signals an escalation shows; a service may remember more of one that is open, and a retraction carries all."""
OVERDUE_TIER_MOST = 3
"""An overdue escalation rises one tier, at most to T3; T4 comes from the safety rules alone (domain 5.2)."""

Time = TypeVar("Time", int, datetime)


class AcknowledgeEscalation(Command, frozen=True, kw_only=True, tag=True):
    """A person takes it on: `by` is their id in the program's staff, `proved` whether their token or link says so."""

    escalation_id: str
    by: str = ""
    proved: bool = False


class ActOnEscalation(Command, frozen=True, kw_only=True, tag=True):
    """Whoever has it did something about it, by code; who has not taken it on yet does so with it."""

    escalation_id: str
    act: str
    by: str = ""
    proved: bool = False


class HandOverEscalation(Command, frozen=True, kw_only=True, tag=True):
    """It is handed over `to` another person (`staff/<id>`) or a role, for a coded reason; `by` is the person whose
    token it is, empty where that is a client's alone."""

    escalation_id: str
    to: str
    reason: str
    by: str = ""


class ResolveEscalation(Command, frozen=True, kw_only=True, tag=True):
    """A person has acted on it; `reason` is their code for what was done."""

    escalation_id: str
    reason: str
    by: str = ""
    proved: bool = False


class ReopenEscalation(Command, frozen=True, kw_only=True, tag=True):
    """A resolved one is open once more, for a coded reason. No state remembers it, so that the command holds it whole,
    as its Task says it: with what it was resolved (`resolution`) and when, and whether `by` is who did."""

    escalation: Escalation
    resolution: str
    resolved_at: datetime
    reason: str
    by: str = ""
    by_the_same: bool = False
    proved: bool = False


StaysOpen = AcknowledgeEscalation | ActOnEscalation | HandOverEscalation
EscalationCommand = StaysOpen | ResolveEscalation


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """Minutes to acknowledge and to act, per tier 1 to 4 (domain 5.1): a worse tier never has more. Unless it
    `acknowledge_needs_person`, a client may answer in its own name. For `reopen_hours` who resolved one may reopen it,
    0 for never."""

    acknowledge_minutes: tuple[Minutes, Minutes, Minutes, Minutes]
    act_minutes: tuple[Minutes, Minutes, Minutes, Minutes]
    acknowledge_needs_person: bool = True
    reopen_hours: HoursOrNone = 24

    def __post_init__(self) -> None:
        for name in ("acknowledge_minutes", "act_minutes"):
            minutes = getattr(self, name)
            if minutes[3] < 1 or any(worse > milder for milder, worse in pairwise(minutes)):
                raise ValueError(f"{name}: must be 1 and more, and never more for a higher tier")


class Open(msgspec.Struct, frozen=True, array_like=True):
    """An escalation that still waits for a person: to take it on, or (`accepted`) to have acted on it. `overdue`: the
    one that it waits for was not done in time, and that was emitted. `acted`: what was done about it last, by code; no
    attempt comes in the place of what handled it."""

    escalation: Escalation
    accepted: bool = False
    overdue: bool = False
    accepted_by: str = ""
    acted: str = ""


class AskingSettings(Protocol):
    """What any service's settings have: how long a person has by the tier, and who there is."""

    @property
    def escalation(self) -> Times: ...

    @property
    def staff(self) -> Staff: ...


Asking = TypeVar("Asking", bound=AskingSettings)


@dataclass(frozen=True, slots=True)
class Trigger:
    """A reason to escalate, found by a service's own rules. One reason has at most one open escalation."""

    category: Category
    reason: str
    tier: int
    owner: str
    rule: str
    signals: tuple[Signal, ...]
    subsumes: tuple[str, ...] = ()


def rule_version(service: str, rule: str, version: str) -> str:
    """A rule as an escalation names it: whose it is, and the version of the table it stands in."""
    return f"{service}/{rule}|{version}"


def raise_or_update(
    still_open: Sequence[Open], triggers: Sequence[Trigger], moment: Moment[Any], times: Times
) -> list[EscalationEvent]:
    """Raise each trigger, or update the open escalation of the same reason with what it hasn't yet.

    A tier never falls by an update. Where it rises, it is asked anew: nobody has seen how grave it is.
    """
    now_open, emitted = tuple(still_open), list[EscalationEvent]()
    for trigger in triggers:
        known = next((each for each in now_open if each.escalation.reason == trigger.reason), None)
        event = _raised(trigger, moment, times) if known is None else _updated(known, trigger, moment, times)
        if event is not None:
            emitted.append(event)
            now_open = evolve(now_open, event)
    return emitted


def asked_anew(known: Open, tier: int, now: datetime, times: Times) -> Open:
    """Asked as if for the first time, at this tier: whoever took on the milder one is asked again, and it can become
    overdue again. Where it was handed over, everybody of the role that owns it now is asked.

    A time that is still waited for only comes nearer. Once somebody took it on or it was overdue, the time to
    acknowledge begins anew, and that to act where it is over.
    """
    before, answered = known.escalation, known.accepted or known.overdue
    acknowledge_by, act_by = _due_times(tier, now, times)
    if not answered:
        acknowledge_by = min(before.acknowledge_by, acknowledge_by)
    if not answered or before.act_by > now:
        act_by = min(before.act_by, act_by)
    return Open(
        msgspec.structs.replace(before, tier=tier, acknowledge_by=acknowledge_by, act_by=act_by, handed_over=None)
    )


def _raised(trigger: Trigger, moment: Moment[object], times: Times) -> EscalationRaised:
    acknowledge_by, act_by = _due_times(trigger.tier, moment.now, times)
    escalation = Escalation(
        id=moment.new_id(f"escalation:{trigger.reason}"),
        category=trigger.category,
        reason=trigger.reason,
        tier=trigger.tier,
        owner=trigger.owner,
        rule=trigger.rule,
        raised_at=moment.now,
        acknowledge_by=acknowledge_by,
        act_by=act_by,
        signals=_newest(trigger.signals),
        subsumes=trigger.subsumes,
    )
    return EscalationRaised(escalation=escalation, at=moment.now)


def _updated(known: Open, trigger: Trigger, moment: Moment[object], times: Times) -> EscalationUpdated | None:
    before, rises = known.escalation, trigger.tier > known.escalation.tier
    asked = asked_anew(known, trigger.tier, moment.now, times) if rises else known
    if not rises and {*_newest(trigger.signals)} <= {*before.signals} and {*trigger.subsumes} <= {*before.subsumes}:
        return None
    after = msgspec.structs.replace(
        asked.escalation,
        signals=_with_new(before.signals, trigger.signals),
        subsumes=tuple(dict.fromkeys(before.subsumes + trigger.subsumes)),
    )
    return updated(asked, after, moment.now)


def updated(known: Open, escalation: Escalation, now: datetime, gone: tuple[Signal, ...] = ()) -> EscalationUpdated:
    """The open escalation as it is now; whether somebody has it, and whether it is overdue, stays as it was."""
    return EscalationUpdated(
        escalation=shown(escalation),
        at=now,
        accepted=known.accepted,
        overdue=known.overdue,
        acted=known.acted,
        gone=gone,
    )


def _with_new(known: Sequence[Signal], new: Sequence[Signal]) -> tuple[Signal, ...]:
    """What is new is shown though it is older than the others: it may have become known late."""
    news = _newest(new)
    others = [each for each in _in_clinical_order(known) if each not in news]
    room = SIGNALS_MOST - len(news)
    return tuple(_in_clinical_order([*news, *(others[-room:] if room else ())]))


def shown(escalation: Escalation) -> Escalation:
    """As it is emitted: with the newest few of its signals."""
    return msgspec.structs.replace(escalation, signals=_newest(escalation.signals))


def _newest(signals: Sequence[Signal]) -> tuple[Signal, ...]:
    """Each once, in clinical order, the newest few."""
    return tuple(_in_clinical_order(signals)[-SIGNALS_MOST:])


def _in_clinical_order(signals: Sequence[Signal]) -> list[Signal]:
    return sorted(set(signals), key=lambda each: (each.at, each.code, each.evidence))


def _due_times(tier: int, now: datetime, times: Times) -> tuple[datetime, datetime]:
    """By when to acknowledge, and by when to act."""
    acknowledge, act = times.acknowledge_minutes[tier - 1], times.act_minutes[tier - 1]
    return now + timedelta(minutes=acknowledge), now + timedelta(minutes=act)


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
            emitted.append(updated(known, msgspec.structs.replace(known.escalation, signals=left), now, gone))
        else:
            emitted.append(EscalationRetracted(escalation=known.escalation, at=now, reason=reason))
    return emitted


def decide_escalation(
    still_open: Sequence[Open], command: EscalationCommand, moment: Moment[Asking]
) -> list[EscalationEvent] | Refused:
    """What a person's command does to the open escalation it names."""
    match command:
        case AcknowledgeEscalation(escalation_id=identity, by=by, proved=proved):
            return acknowledge(still_open, identity, by, moment, proved=proved)
        case ActOnEscalation(escalation_id=identity, act=act, by=by, proved=proved):
            return act_on(still_open, identity, act, by, moment, proved=proved)
        case HandOverEscalation(escalation_id=identity, to=to, reason=reason, by=by):
            return hand_over(still_open, identity, to, reason, by, moment)
        case ResolveEscalation(escalation_id=identity, reason=reason, by=by, proved=proved):
            return resolve(still_open, identity, reason, by, moment, proved=proved)
        case _:
            assert_never(command)


def acknowledge(
    still_open: Sequence[Open], identity: str, by: str, moment: Moment[Asking], *, proved: bool = False
) -> list[EscalationEvent] | Refused:
    """A person takes it on. The same person a second time changes nothing; another one learns who was first. What only
    a client has taken on any person may."""
    found = _find(still_open, identity)
    if found is None:
        return NOT_OPEN
    person = _acting(by, moment)
    if found.accepted and found.accepted_by in (person, ""):
        return []
    if found.accepted and not (by and is_client(found.accepted_by)):
        return Refused("conflict", _acknowledged_by(found.accepted_by), "Task.owner")
    return [EscalationAcknowledged(**_step(found.escalation, person, moment, proved))]


def _step(escalation: Escalation, person: str, moment: Moment[Asking], proved: bool) -> dict[str, Any]:
    """What each step says of who did it: from then on the escalation is theirs."""
    return {
        "escalation": _taken_by(shown(escalation), person),
        "at": moment.now,
        "by": person,
        "client": moment.by,
        "role": _acts_as(person, escalation, moment),
        "proved": proved,
    }


def _acting(by: str, moment: Moment[Asking]) -> str:
    """The person; where none is named the client itself."""
    return by or f"{CLIENT}{moment.by}"


def _acknowledged_by(holder: str) -> str:
    return f"acknowledged by {holder}" if is_client(holder) else f"acknowledged by {PERSON}{holder}"


def _acts_as(person: str, escalation: Escalation, moment: Moment[Asking]) -> str:
    """In which of their roles: the one that is asked, where they have it. None of who is nobody of the staff."""
    staff = moment.settings.staff
    return _role_of(person, escalation.owner, staff) if person in staff else ""


def _taken_by(escalation: Escalation, person: str) -> Escalation:
    """Where another person than whom it was handed over to takes it on, it is that one's no more."""
    handed_over = escalation.handed_over
    if handed_over is None or handed_over.person in (person, ""):
        return escalation
    return msgspec.structs.replace(escalation, handed_over=HandedOver(handed_over.at))


def act_on(
    still_open: Sequence[Open], identity: str, act: str, by: str, moment: Moment[Asking], *, proved: bool = False
) -> list[EscalationEvent] | Refused:
    """Whoever has it, or takes it on with this, did something about it; the same again changes nothing."""
    taken = acknowledge(still_open, identity, by, moment, proved=proved)
    found = _find(still_open, identity)
    if isinstance(taken, Refused) or found is None or (found.acted == act and not taken):
        return taken
    return [*taken, EscalationActedOn(act=act, **_step(found.escalation, _acting(by, moment), moment, proved))]


def hand_over(
    still_open: Sequence[Open], identity: str, to: str, reason: str, by: str, moment: Moment[Asking]
) -> list[EscalationEvent] | Refused:
    """Whoever has it, or the person whose token it is while nobody has it, has another one asked anew; whom it waits
    for already is not asked again."""
    found = _find(still_open, identity)
    if found is None:
        return NOT_OPEN
    if not found.accepted and to == found.escalation.asked:
        return []
    person = _hands_over(found, by)
    if isinstance(person, Refused):
        return person
    if to == f"{PERSON}{person}":
        return Refused("business-rule", "Must be another person than who hands it over, or a role.", "Task.owner")
    return [
        EscalationHandedOver(
            escalation=shown(_asked_of_another(found.escalation, to, moment)),
            at=moment.now,
            reason=reason,
            by=person,
            client=moment.by,
            role=_acts_as(person, found.escalation, moment),
            proved=by != "",
            overdue=found.overdue and found.escalation.act_by <= moment.now,
        )
    ]


def _hands_over(known: Open, by: str) -> str | Refused:
    """Who does: whoever has it; while nobody has it a person whose token it is, of one that was handed over to a person
    only they."""
    escalation = known.escalation
    if known.accepted:
        holds = by in (known.accepted_by, "")
        return known.accepted_by if holds else Refused("conflict", _acknowledged_by(known.accepted_by), "Task.owner")
    if escalation.handed_over is not None and (not by or escalation.person not in (by, "")):
        return Refused("conflict", f"handed over to {escalation.asked}", "Task.owner")
    return by or NOBODY_HAS_IT


def _asked_of_another(before: Escalation, to: str, moment: Moment[Asking]) -> Escalation:
    """By when to act stays as it was, and the time to acknowledge ends with it. In whole seconds, as states hold it."""
    now, person = moment.now.replace(microsecond=0), to.removeprefix(PERSON) if to.startswith(PERSON) else ""
    acknowledge_by, _ = _due_times(before.tier, now, moment.settings.escalation)
    return msgspec.structs.replace(
        before,
        owner=_role_of(person, before.owner, moment.settings.staff) if person else to,
        acknowledge_by=min(before.act_by, acknowledge_by),
        handed_over=HandedOver(now, person),
    )


def _role_of(person: str, asked: str, staff: Staff) -> str:
    """The role that is asked where the person has it, else their own first one."""
    roles = staff[person].roles if person in staff else ()
    return asked if asked in roles or not roles else roles[0]


def resolve(
    still_open: Sequence[Open], identity: str, reason: str, by: str, moment: Moment[Asking], *, proved: bool = False
) -> list[EscalationEvent] | Refused:
    """A person has acted on it, acknowledged before or not."""
    found = _find(still_open, identity)
    if found is None:
        return NOT_OPEN
    return [EscalationResolved(reason=reason, **_step(found.escalation, _acting(by, moment), moment, proved))]


def reopen(
    still_open: Sequence[Open],
    command: ReopenEscalation,
    stands: Sequence[Signal] | Refused,
    moment: Moment[Asking],
) -> list[EscalationEvent] | Refused:
    """Who resolved it has it again, as if they had just taken it on. `stands` are those of its signals that still ask
    for it by the service's own state, or why it can't be asked again. The same a second time changes nothing."""
    escalation, person = command.escalation, _acting(command.by, moment)
    if (known := _find(still_open, escalation.id)) is not None:
        taken = acknowledge(still_open, escalation.id, command.by, moment, proved=command.proved)
        return taken if known.accepted else NOT_RESOLVED
    refused = _not_reopened(still_open, command, moment)
    if refused is not None:
        return refused
    if isinstance(stands, Refused):
        return stands
    if not stands:
        return STANDS_NO_MORE
    acknowledge_by, act_by = _due_times(escalation.tier, moment.now.replace(microsecond=0), moment.settings.escalation)
    again = msgspec.structs.replace(
        escalation, signals=_newest(stands), acknowledge_by=acknowledge_by, act_by=act_by, handed_over=None
    )
    return [EscalationReopened(reason=command.reason, **_step(again, person, moment, command.proved))]


def _not_reopened(still_open: Sequence[Open], command: ReopenEscalation, moment: Moment[Asking]) -> Refused | None:
    """Why not, whatever it is about."""
    hours, reason = moment.settings.escalation.reopen_hours, command.escalation.reason
    if command.resolution not in RESOLUTIONS:
        return CLOSED_BY_THE_HUB
    if not command.by_the_same:
        return RESOLVED_BY_ANOTHER
    if moment.now > command.resolved_at + timedelta(hours=hours):
        text = (
            f"It can be reopened for {hours} h after it was resolved: what is known now is asked in a new escalation."
        )
        return Refused("conflict", text, "Task.status")
    instead = next((each for each in still_open if each.escalation.reason == reason), None)
    return None if instead is None else already_asked(instead.escalation.id)


def already_asked(identity: str) -> Refused:
    return Refused("conflict", f"Task/{identity} asks for the same and is open: answer that one.", "Task.status")


NOT_RESOLVED = Refused("conflict", "It is open: acknowledge it.", "Task.status")
CLOSED_BY_THE_HUB = Refused(
    "conflict",
    "No person resolved it: the hub closed it with what it was about, and asks anew where that is corrected.",
    "Task.status",
)
RESOLVED_BY_ANOTHER = Refused("conflict", "Only who resolved it may reopen it, and it was resolved", "Task.owner")
STANDS_NO_MORE = Refused(
    "conflict",
    "What it was about stands no more: it was corrected, answered or ended since. What is new is asked anew.",
    "Task.status",
)
STAY_OVER = Refused(
    "conflict",
    "The stay has ended since: its discharge closes what it asked. Where that is wrong, take it back.",
    "Task.status",
)
NOT_OPEN = Refused("conflict", "This escalation is not open.", "Task.status")
NOBODY_HAS_IT = Refused(
    "required",
    "Nobody has it, and no person is proved: acknowledge it first, or send a user's token.",
    "Task.owner",
)


def emit_overdue(still_open: Sequence[Open], now: datetime) -> list[EscalationEvent]:
    """Each escalation that nobody took on in time, or that whoever took it on has not acted on in time: once, one tier
    up."""
    return [
        EscalationOverdue(escalation=_risen(shown(each.escalation)), at=now, accepted=each.accepted)
        for each in still_open
        if (at := _due(each)) is not None and at <= now
    ]


def close_all(still_open: Sequence[Open], reason: str, now: datetime) -> list[EscalationEvent]:
    """Discharge closes each owner's open escalations, with a reason."""
    return [EscalationResolved(escalation=shown(each.escalation), at=now, reason=reason) for each in still_open]


def evolve(still_open: tuple[Open, ...], event: EscalationEvent) -> tuple[Open, ...]:
    """The open escalations after this event of the service's own."""
    known = _find(still_open, event.escalation.id)
    others = tuple(each for each in still_open if each is not known)
    match event:
        case EscalationRaised():
            return (*others, Open(event.escalation))
        case EscalationUpdated() if known is not None:
            now = _updated_to(event.escalation, known)
            return tuple(now if each is known else each for each in still_open)
        case EscalationUpdated():
            return still_open
        case EscalationAcknowledged(escalation=escalation, at=at, by=by):
            late = known is not None and known.overdue and escalation.act_by <= at
            return (*others, Open(escalation, accepted=True, overdue=late, accepted_by=by))
        case EscalationReopened(escalation=escalation, by=by):
            return (*others, Open(escalation, accepted=True, accepted_by=by))
        case EscalationActedOn():
            return (*others, _acted_on(known, event))
        case EscalationHandedOver(escalation=escalation, overdue=overdue):
            return (*others, Open(escalation, overdue=overdue))
        case EscalationOverdue(escalation=escalation, accepted=accepted):
            by = known.accepted_by if known is not None and accepted else ""
            return (*others, Open(escalation, accepted=accepted, overdue=True, accepted_by=by))
        case _:
            return others


def _acted_on(known: Open | None, event: EscalationActedOn) -> Open:
    """After an attempt what is late stays so, and what has handled it before does."""
    if event.act in HANDLING or known is None:
        return Open(event.escalation, accepted=True, accepted_by=event.by, acted=event.act)
    acted = known.acted if known.acted in HANDLING else event.act
    return Open(event.escalation, accepted=True, overdue=known.overdue, accepted_by=event.by, acted=acted)


def _updated_to(escalation: Escalation, known: Open) -> Open:
    if escalation.tier > known.escalation.tier:
        return Open(escalation)
    return msgspec.structs.replace(known, escalation=escalation)


def due(still_open: Sequence[Open]) -> datetime | None:
    """The next instant at which one becomes overdue."""
    return min((at for each in still_open if (at := _due(each)) is not None), default=None)


def _due(known: Open) -> datetime | None:
    return due_at(
        known.accepted,
        known.overdue or known.acted in HANDLING,
        known.escalation.acknowledge_by,
        known.escalation.act_by,
    )


def due_at(accepted: bool, done: bool, acknowledge_by: Time, act_by: Time) -> Time | None:
    """When it becomes overdue: by when to take it on, then by when to act; once it is, or somebody has acted (both
    `done`), never again as it stands."""
    if done:
        return None
    return act_by if accepted else min(acknowledge_by, act_by)


def _risen(escalation: Escalation) -> Escalation:
    return msgspec.structs.replace(escalation, tier=max(escalation.tier, min(escalation.tier + 1, OVERDUE_TIER_MOST)))


def _find(still_open: Sequence[Open], identity: str) -> Open | None:
    return next((each for each in still_open if each.escalation.id == identity), None)
