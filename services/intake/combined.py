"""Signals that meet within 7 days of clinical time (domain 5.2): a missed session and an unexpected positive, or two
kinds of tier 2 and above. Signals of one kind have rules of their own where they are raised.

What stands is computed from the signal window alone, so the order in which the two topics arrived cannot matter.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations

from services.intake.settings import Settings
from services.intake.signals import MISS, POSITIVE, SignalWindow, StandingSignal
from services.intake.table import TABLE
from shared.events.escalation import COMBINING
from shared.rules.escalation import SIGNALS_MOST, Trigger
from shared.rules.packing import DAY

REASON = "miss-and-positive"
"""Asks for another look at the placement too, and stands for whatever else meets."""
MODERATE = "two-moderate-signals"
REASONS = (REASON, MODERATE)
TIER = 3
"""One above the tier of two moderate signals, and never more: T4 comes from the safety rules alone (domain 5.2)."""
Pair = tuple[StandingSignal, StandingSignal]


def together(window: SignalWindow, settings: Settings) -> Trigger | None:
    """The one trigger of all signals that meet another one, unless a person has already answered both."""
    pairs = [each for each in combinations(window.signals, 2) if _meet(*each, settings.combine_days * DAY)]
    if found := [each for each in pairs if _kinds(each) == {MISS, POSITIVE}]:
        return _trigger(REASON, found, window)
    if found := [each for each in pairs if min(map(window.tier, each)) >= settings.combine_tier]:
        return _trigger(MODERATE, found, window)
    return None


def _meet(one: StandingSignal, other: StandingSignal, within: int) -> bool:
    both_answered = one.answered and other.answered
    return one.kind != other.kind and abs(one.at - other.at) <= within and not both_answered


def _kinds(signals: Iterable[StandingSignal]) -> set[str]:
    return {COMBINING[each.kind] for each in signals}


def _trigger(reason: str, pairs: Sequence[Pair], window: SignalWindow) -> Trigger:
    shown = _shown(sorted({signal for pair in pairs for signal in pair}, key=lambda each: each.clinical_order))
    return Trigger(
        category="combined",
        reason=reason,
        tier=TIER,
        owner="primary-therapist",
        rule=TABLE.rule_version(reason),
        signals=tuple(each.signal for each in shown),
        subsumes=tuple(dict.fromkeys(identity for each in shown for identity in window.named_by(each))),
    )


def _shown(meeting: Sequence[StandingSignal]) -> list[StandingSignal]:
    """The newest few, and at least one of each kind: without it the reason could not be seen."""
    newest_of_each = {each.kind: each for each in meeting}.values()
    others = [each for each in reversed(meeting) if each not in newest_of_each]
    return sorted([*newest_of_each, *others][:SIGNALS_MOST], key=lambda each: each.clinical_order)
