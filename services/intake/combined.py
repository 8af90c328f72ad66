"""Signals that meet within 7 days of clinical time (domain 5.2): a missed session and an unexpected positive, or two
kinds of tier 2 and above. Signals of one kind have rules of their own where they are raised.

What stands is computed from the signal window alone, so the order in which the two topics arrived cannot matter.
"""

from collections.abc import Callable, Iterable, Sequence

from services.intake.settings import Settings
from services.intake.signals import MISS, SignalWindow, StandingSignal
from services.intake.table import TABLE
from shared.events.escalation import AS_POSITIVE, COMBINING
from shared.rules.escalation import SIGNALS_MOST, Trigger
from shared.rules.packing import DAY

REASON = "miss-and-positive"
"""Asks for another look at the placement too, and stands for whatever else meets."""
MODERATE = "two-moderate-signals"
REASONS = (REASON, MODERATE)
TIER = 3
"""One above the tier of two moderate signals, and never more: T4 comes from the safety rules alone (domain 5.2)."""


def together(window: SignalWindow, settings: Settings) -> Trigger | None:
    """The one trigger of all signals that meet another one, unless a person has already answered both."""
    within = settings.combine_days * DAY
    if found := _meeting([each for each in window.signals if _is_miss(each) or _is_positive(each)], within, _is_miss):
        return _trigger(REASON, found, window)
    moderate = [each for each in window.signals if window.tier(each) >= settings.combine_tier]
    if found := _meeting(moderate, within, lambda each: each.kind):
        return _trigger(MODERATE, found, window)
    return None


def _is_miss(signal: StandingSignal) -> bool:
    return COMBINING[signal.kind] == MISS


def _is_positive(signal: StandingSignal) -> bool:
    """An altered specimen too, which beside its own positive is one signal of this kind and not two."""
    return COMBINING[signal.kind] in AS_POSITIVE


def _meeting(
    signals: Sequence[StandingSignal], within: int, kind_of: Callable[[StandingSignal], int]
) -> set[StandingSignal]:
    """Those of these, in clinical order, that one of another kind meets. Each is looked at once from either side: of
    sixty there would be 1,770 pairs."""
    return _meeting_one_before(signals, within, kind_of) | _meeting_one_before(signals[::-1], within, kind_of)


def _meeting_one_before(
    signals: Iterable[StandingSignal], within: int, kind_of: Callable[[StandingSignal], int]
) -> set[StandingSignal]:
    """Of all before it that are of one kind the last is the nearest."""
    found: set[StandingSignal] = set()
    nearest: dict[tuple[int, bool], int] = {}
    for each in signals:
        for (kind, answered), at in nearest.items():
            both_answered = answered and each.answered
            if kind != kind_of(each) and abs(each.at - at) <= within and not both_answered:
                found.add(each)
                break
        nearest[kind_of(each), each.answered] = each.at
    return found


def _trigger(reason: str, meeting: Iterable[StandingSignal], window: SignalWindow) -> Trigger:
    shown = _shown(sorted(meeting, key=lambda each: each.clinical_order))
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
