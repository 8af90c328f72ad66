"""Open escalations, packed for the state, and the table of reasons with who is asked to act.

An escalation here has at most one open for each reason, so the state is bounded by this table.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec
from msgspec.structs import replace

from shared.events.escalation import (
    Escalation,
    EscalationEvent,
    EscalationUpdated,
    HandedOver,
    Signal,
    SignalsCorrected,
)
from shared.rules.escalation import Open, evolve, rule_version
from shared.rules.packing import instant, pack_id, seconds, unpack_id

OWNERS: dict[str, str] = {
    "unexpected-positive-opioid": "primary-therapist",
    "opioid-with-sedative": "primary-therapist",
    "repeated-unexpected-positive": "primary-therapist",
    "unexpected-positive-confirmed": "primary-therapist",
    "unexpected-positive-presumptive": "primary-therapist",
    "provisional-positive": "primary-therapist",
    "baseline-opioid-safety": "primary-therapist",
    "opioid-safety": "primary-therapist",
    "prescribed-medication-absent": "prescriber",
    "medical-review": "prescriber",
    "specimen-substituted-or-adulterated": "primary-therapist",
    "recollection-needed": "case-manager",
    "laboratory-code-unmapped": "case-manager",
    "result-unclear": "case-manager",
    "collection-refused": "primary-therapist",
    "collection-missed": "primary-therapist",
    "collection-unknown": "case-manager",
    "result-overdue": "case-manager",
    "order-not-sent": "case-manager",
}
REASONS = tuple(OWNERS)
SIGNALS = (
    "unexpected-positive",
    "provisional-positive",
    "baseline-safety",
    "opioid-safety",
    "prescribed-medication-absent",
    "medical-review",
    "specimen-not-valid",
    "unmapped-code",
    "result-unclear",
    "specimen-altered",
    "collection-refused",
    "collection-missed",
    "collection-unknown",
    "result-overdue",
    "order-not-sent",
)
OF_ORDERS = frozenset(
    {"collection-refused", "collection-missed", "collection-unknown", "result-overdue", "order-not-sent"}
)
"""Signals about an ordered test: its ServiceRequest is behind them, no report."""
STORED_SIGNALS_MOST = 12
"""Signals of an open escalation that the state holds, more than an event shows: when the newest are corrected, the
older ones still hold it up. Three months of weekly positives that nobody resolved."""


RULES_VERSION = "1"


def rule_of(reason: str) -> str:
    return rule_version("testing", reason, RULES_VERSION)


class PackedEscalation(msgspec.Struct, frozen=True, array_like=True):
    """An open escalation. `reason` and each signal's code are places in the tables above, never to be reordered."""

    id: str
    reason: int
    tier: int
    raised_at: int
    acknowledge_by: int
    act_by: int
    signals: tuple[tuple[int, int, str], ...]
    accepted: bool
    overdue: bool
    accepted_by: str = ""
    acted: str = ""
    owner: str = ""
    """The role that it was handed over to; else that of its reason is asked."""
    handed_over: tuple[int, str] | None = None
    """When it was handed over since it was asked, and to whom ("" for anybody of the role)."""


_EVIDENCE, _ORDER = "DiagnosticReport/", "ServiceRequest/"


def packed_after(packed: tuple[PackedEscalation, ...], event: EscalationEvent) -> tuple[PackedEscalation, ...]:
    """What is open after this event, which shows only the newest of its signals: the others stand unless it says that
    they are gone. A collection time that is known better now makes no other signal."""
    before = unpack_escalations(packed)
    known = next((each.escalation for each in before if each.escalation.id == event.escalation.id), None)
    gone = event.gone if isinstance(event, EscalationUpdated) else ()
    signals = {
        (each.code, each.evidence): each for each in (*(known.signals if known else ()), *event.escalation.signals)
    }
    for signal in gone:
        signals.pop((signal.code, signal.evidence), None)
    whole = replace(event.escalation, signals=tuple(sorted(signals.values(), key=lambda each: each.at)))
    return pack_escalations(evolve(before, replace(event, escalation=whole)))


def packed_with(packed: tuple[PackedEscalation, ...], event: SignalsCorrected) -> tuple[PackedEscalation, ...]:
    """With the clinical times that are known now; what is gone each escalation says itself."""
    times = {(each.code, each.evidence): each.at for each in event.moved}
    return pack_escalations(tuple(_timed(each, times) for each in unpack_escalations(packed))) if times else packed


def _timed(known: Open, times: Mapping[tuple[str, str], datetime]) -> Open:
    signals = (replace(each, at=times.get((each.code, each.evidence), each.at)) for each in known.escalation.signals)
    return replace(
        known, escalation=replace(known.escalation, signals=tuple(sorted(signals, key=lambda each: each.at)))
    )


def pack_escalations(still_open: tuple[Open, ...]) -> tuple[PackedEscalation, ...]:
    return tuple(_packed(each) for each in still_open if each.escalation.reason in OWNERS)


def _packed(each: Open) -> PackedEscalation:
    escalation, handing = each.escalation, each.escalation.handed_over
    return PackedEscalation(
        id=pack_id(escalation.id),
        reason=REASONS.index(escalation.reason),
        tier=escalation.tier,
        raised_at=seconds(escalation.raised_at),
        acknowledge_by=seconds(escalation.acknowledge_by),
        act_by=seconds(escalation.act_by),
        signals=tuple(
            (SIGNALS.index(signal.code), seconds(signal.at), pack_id(signal.evidence.partition("/")[2]))
            for signal in escalation.signals[-STORED_SIGNALS_MOST:]
        ),
        accepted=each.accepted,
        overdue=each.overdue,
        accepted_by=each.accepted_by,
        acted=each.acted,
        owner="" if escalation.owner == OWNERS[escalation.reason] else escalation.owner,
        handed_over=None if handing is None else (seconds(handing.at), handing.person),
    )


def unpack_escalations(packed_escalations: tuple[PackedEscalation, ...]) -> tuple[Open, ...]:
    return tuple(_unpacked(each) for each in packed_escalations)


def _unpacked(each: PackedEscalation) -> Open:
    reason = REASONS[each.reason]
    escalation = Escalation(
        id=unpack_id(each.id),
        category="drug-test",
        reason=reason,
        tier=each.tier,
        owner=each.owner or OWNERS[reason],
        rule=rule_of(reason),
        raised_at=instant(each.raised_at),
        acknowledge_by=instant(each.acknowledge_by),
        act_by=instant(each.act_by),
        signals=tuple(
            Signal(SIGNALS[code], instant(at), _evidence(SIGNALS[code], unpack_id(behind)))
            for code, at, behind in each.signals
        ),
        handed_over=None if each.handed_over is None else HandedOver(instant(each.handed_over[0]), each.handed_over[1]),
    )
    return Open(escalation, each.accepted, each.overdue, each.accepted_by, each.acted)


def _evidence(code: str, identity: str) -> str:
    return order_evidence_of(identity) if code in OF_ORDERS else evidence_of(identity)


def order_evidence_of(order_id: str) -> str:
    return f"{_ORDER}{order_id}"


def evidence_of(report_id: str) -> str:
    return f"{_EVIDENCE}{report_id}"
