"""Findings that a person must know of at once (domain 5.2): decided from the findings alone, never from a placement."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from services.intake.assessment import Assessment, support
from services.intake.evidence import source_key
from services.intake.messages import ReportedFinding
from services.intake.table import TABLE, SafetyTrigger, window_of
from shared.events.escalation import Signal
from shared.rules.escalation import Open, Trigger

TRIGGERS = {each.reason: each for each in TABLE.trigger}


def triggers(known: Assessment, new: Sequence[ReportedFinding]) -> list[Trigger]:
    """What the new findings raise, alone or together with those known; what was raised before is not raised again."""
    held = {each.reason: each for each in TABLE.trigger if _new_support(each, known, new)}
    return [
        Trigger(
            category="safety",
            reason=each.reason,
            tier=each.tier,
            owner=each.owner,
            rule=TABLE.rule_version(each.rule),
            signals=_signals(each, known, new),
        )
        for each in held.values()
        if each.under not in held
    ]


def _new_support(trigger: SafetyTrigger, known: Assessment, new: Sequence[ReportedFinding]) -> list[ReportedFinding]:
    return [each for each in new if _is_current(each, known) and _supports(trigger, known, each.code, each.value)]


def _is_current(finding: ReportedFinding, known: Assessment) -> bool:
    days = window_of(finding.code).days
    return days is None or finding.at >= known.now - timedelta(days=days)


def _supports(trigger: SafetyTrigger, known: Assessment, code: str, value: int) -> bool:
    """Whether the trigger holds by this answer itself, together with what else stands."""
    by = support(trigger, known, {**known.current, code: value})
    return by is not None and code in by


def _signals(trigger: SafetyTrigger, known: Assessment, new: Sequence[ReportedFinding]) -> tuple[Signal, ...]:
    """The minimum: the reason, when, and where it stands. Not which question was answered how."""
    found = _new_support(trigger, known, new)
    return tuple(dict.fromkeys(Signal(trigger.reason, each.at, each.evidence) for each in found))


def holding(known: Assessment) -> frozenset[str]:
    """The reasons that still hold."""
    return frozenset(each.reason for each in TABLE.trigger if support(each, known, known.current) is not None)


def withdrawn(still_open: Sequence[Open], known: Assessment, sources: Collection[str]) -> list[str]:
    """Evidence of an open safety escalation whose source, as stated now, supports it no longer: it was corrected."""
    gone: dict[str, None] = {}
    for known_open in still_open:
        trigger = TRIGGERS.get(known_open.escalation.reason)
        if trigger is not None:
            behind = {signal.evidence for signal in known_open.escalation.signals}
            gone.update(dict.fromkeys(each for each in sources if each in behind and not _speaks(trigger, known, each)))
    return list(gone)


def _speaks(trigger: SafetyTrigger, known: Assessment, source: str) -> bool:
    """Whether an answer of this source supports the trigger, however old it has become."""
    key = source_key(source)
    return any(
        _supports(trigger, known, code, piece.value)
        for code, pieces in known.evidence.items()
        for piece in pieces
        if piece.source == key
    )
