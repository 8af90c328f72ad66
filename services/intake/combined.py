"""Signals that meet: a missed session and an unexpected positive within 7 days of clinical time (domain 5.2).

What stands is computed from the signal window alone, so the order in which the two topics arrived cannot matter.
"""

from collections.abc import Sequence
from datetime import timedelta

from services.intake.signals import COMBINING, NamedSignal
from services.intake.table import TABLE
from shared.events.escalation import Signal
from shared.rules.escalation import SIGNALS_MOST, Trigger

REASON = "miss-and-positive"
TIER = 3


def together(signals: Sequence[NamedSignal], days: int) -> Trigger | None:
    """The trigger of all signals that meet another one, unless a person has already answered all of them."""
    meeting = [each for each in signals if _meets(each, signals, days)]
    if not meeting:
        return None
    shown = _shown(meeting)
    return Trigger(
        category="combined",
        reason=REASON,
        tier=TIER,
        owner="primary-therapist",
        rule=TABLE.rule_version(REASON),
        signals=tuple(sorted({each.signal for each in shown}, key=_order)),
        subsumes=tuple(dict.fromkeys(each.escalation_id for each in shown)),
    )


def _meets(one: NamedSignal, signals: Sequence[NamedSignal], days: int) -> bool:
    return any(
        one.signal.code != other.signal.code
        and abs(one.signal.at - other.signal.at) <= timedelta(days=days)
        and not (one.answered and other.answered)
        for other in signals
    )


def _shown(meeting: Sequence[NamedSignal]) -> list[NamedSignal]:
    """The newest few, and at least one of each kind: without the pair the reason could not be seen."""
    newest_first = sorted(meeting, key=lambda each: (_order(each.signal), each.escalation_id), reverse=True)
    pair = [next(each for each in newest_first if each.signal.code == code) for code in COMBINING]
    others = [each for each in newest_first if each not in pair]
    return sorted((pair + others)[:SIGNALS_MOST], key=lambda each: (_order(each.signal), each.escalation_id))


def _order(signal: Signal) -> tuple[object, ...]:
    return (signal.at, signal.code, signal.evidence)
