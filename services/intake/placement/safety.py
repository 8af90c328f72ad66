"""Findings that a person must know of at once (domain 5.2): decided from the findings alone, never from a placement."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import msgspec

from services.intake.messages import ReportedFinding
from services.intake.placement.assessment import Assessment, support
from services.intake.placement.sources import source_key
from services.intake.table import TABLE, SafetyTrigger, codes_asked, window_of
from shared.events.escalation import Escalation, EscalationEvent, EscalationRetracted, Signal
from shared.rules.escalation import Open, Trigger, updated

TRIGGERS = {each.reason: each for each in TABLE.trigger}


def triggers(known: Assessment, new: Sequence[ReportedFinding]) -> list[Trigger]:
    """What the new findings raise, alone or together with those known; what was raised before is not raised again."""
    found = {each.reason: _new_support(each, known, new) for each in TABLE.trigger} if new else {}
    held = {reason: TRIGGERS[reason] for reason, support_found in found.items() if support_found}
    return [_trigger(each, _signals(each, found[each.reason])) for each in held.values() if each.under not in held]


def _trigger(row: SafetyTrigger, signals: tuple[Signal, ...]) -> Trigger:
    return Trigger(
        category="safety",
        reason=row.reason,
        tier=row.tier,
        owner=row.owner,
        rule=TABLE.rule_version(row.rule),
        signals=signals,
    )


def _new_support(trigger: SafetyTrigger, known: Assessment, new: Sequence[ReportedFinding]) -> list[ReportedFinding]:
    asked = codes_asked(trigger.when)
    return [
        each
        for each in new
        if each.code in asked and _is_current(each, known) and _supports(trigger, known, each.code, each.value)
    ]


def _is_current(finding: ReportedFinding, known: Assessment) -> bool:
    days = window_of(finding.code).days
    return days is None or finding.at >= known.now - timedelta(days=days)


def _supports(trigger: SafetyTrigger, known: Assessment, code: str, value: int) -> bool:
    """Whether the trigger holds by this answer itself, together with what else stands."""
    by = support(trigger, known, {**known.current, code: value})
    return by is not None and code in by


def _signals(trigger: SafetyTrigger, found: Sequence[ReportedFinding]) -> tuple[Signal, ...]:
    """The minimum: the reason, when, and where it stands. Not which question was answered how."""
    return tuple(dict.fromkeys(Signal(trigger.reason, each.at, each.evidence) for each in found))


def still_stands(reason: str, newest: Signal, known: Assessment) -> Trigger | None:
    """What raised this once, where it still stands; by the newest of its signals."""
    trigger = TRIGGERS.get(reason)
    if trigger is None or support(trigger, known, known.current) is None:
        return None
    return _trigger(trigger, (newest,))


def standing(asked: Escalation, known: Assessment) -> list[Signal]:
    """Of the signals of a safety escalation those whose source still supports what it was raised for."""
    trigger = TRIGGERS.get(asked.reason)
    if trigger is None or support(trigger, known, known.current) is None:
        return []
    return [each for each in asked.signals if _speaks(trigger, known, each.evidence)]


def codes_behind(reason: str) -> frozenset[str]:
    """The codes of the findings that raise this reason; none of a reason that safety doesn't know."""
    return codes_asked(TRIGGERS[reason].when) if reason in TRIGGERS else frozenset()


def corrected(
    still_open: Sequence[Open], known: Assessment, sources: Collection[str], now: datetime
) -> list[EscalationEvent]:
    """An open escalation loses the signals whose source, as stated now, supports it no longer. It is retracted once
    nothing else holds it up, visibly; an answer that no signal names any more may hold it up too."""
    ours = [each for each in still_open if each.escalation.reason in TRIGGERS]
    events = [_corrected(each, known, sources, now) for each in ours]
    return [each for each in events if each is not None]


def _corrected(known_open: Open, known: Assessment, sources: Collection[str], now: datetime) -> EscalationEvent | None:
    before = known_open.escalation
    trigger = TRIGGERS[before.reason]
    stated = [each for each in before.signals if each.evidence in sources]
    gone = tuple(each for each in stated if not _speaks(trigger, known, each.evidence))
    if not gone and before.signals:
        return None
    if support(trigger, known, known.current) is None:
        return EscalationRetracted(escalation=before, at=now, reason=CORRECTED)
    left = msgspec.structs.replace(before, signals=tuple(each for each in before.signals if each not in gone))
    return updated(known_open, left, now, gone) if gone else None


CORRECTED = "finding-corrected"


def _speaks(trigger: SafetyTrigger, known: Assessment, source: str) -> bool:
    """Whether an answer of this source supports the trigger, however old it has become."""
    key = source_key(source)
    return any(
        _supports(trigger, known, code, piece.value)
        for code, pieces in known.evidence.items()
        for piece in pieces
        if piece.key == key
    )
