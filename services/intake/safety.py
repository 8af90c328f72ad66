"""Findings that a person must know of at once (domain 5.2): decided from the findings alone, never from a placement."""

from collections.abc import Iterable, Sequence

from services.intake.messages import ReportedFinding
from services.intake.state import MinuteFindings, remembered_findings
from services.intake.table import TABLE, Assessment, SafetyTrigger, support
from shared.events.escalation import Signal
from shared.rules.escalation import Open, Trigger


def fresh(known: Sequence[MinuteFindings], findings: Iterable[ReportedFinding]) -> tuple[ReportedFinding, ...]:
    """The findings that change what is known: an EHR often sends all of them again, and older ones later."""
    before = tuple(known)
    return tuple(each for each in findings if remembered_findings(before, [each]) != before)


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
    by = support(trigger, known) or frozenset()
    return [each for each in new if each.code in by]


def _signals(trigger: SafetyTrigger, known: Assessment, new: Sequence[ReportedFinding]) -> tuple[Signal, ...]:
    """The minimum: the reason, when, and where it stands. Not which question was answered how."""
    found = _new_support(trigger, known, new)
    return tuple(dict.fromkeys(Signal(trigger.reason, each.at, each.evidence) for each in found))


def holding(known: Assessment) -> frozenset[str]:
    """The reasons that still hold."""
    return frozenset(each.reason for each in TABLE.trigger if support(each, known) is not None)


def withdrawn(still_open: Sequence[Open], known: Assessment, stated: Sequence[ReportedFinding]) -> list[str]:
    """Evidence of an open safety escalation that, as stated now, supports it no longer: it was corrected."""
    rows = {each.reason: each for each in TABLE.trigger}
    gone: dict[str, None] = {}
    for known_open in still_open:
        row = rows.get(known_open.escalation.reason)
        if row is None:
            continue
        by = support(row, known) or frozenset()
        stands = {finding.evidence for finding in stated if finding.code in by}
        behind = {signal.evidence for signal in known_open.escalation.signals}
        gone.update(dict.fromkeys(one.evidence for one in stated if one.evidence in behind - stands))
    return list(gone)
