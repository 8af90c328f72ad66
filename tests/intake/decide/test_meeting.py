"""Which signals meet, of as many as a stay may have: the same as if each pair were looked at."""

from collections.abc import Iterable
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as some

from services.intake.combined import MODERATE, REASON, together
from services.intake.signals import MISS, Key, Naming, SignalWindow, StandingSignal, window_of
from shared.events.escalation import AS_POSITIVE, COMBINING
from shared.rules.escalation import SIGNALS_MOST
from shared.rules.packing import DAY, pack_id, unpack_id
from tests.intake.given import SETTINGS
from tests.laws import examples

IDS = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(12)]


@some.composite
def windows(draw: some.DrawFn) -> SignalWindow:
    """Signals of three weeks, often at the very limit from another one, under escalations of any tier."""
    times = some.sampled_from((0, DAY, 7 * DAY, 7 * DAY + 1, 8 * DAY, 14 * DAY, 15 * DAY))
    evidence = some.sampled_from([f"D{pack_id(each)}" for each in IDS])
    keys: list[Key] = draw(
        some.lists(some.tuples(some.integers(0, len(COMBINING) - 1), times, evidence), unique=True, max_size=12)
    )
    namings = {
        Naming(pack_id(identity), draw(some.integers(1, 4))): {key for key in keys if draw(some.booleans())}
        for identity in IDS[:4]
    }
    return window_of(namings, {key for key in keys if draw(some.integers(0, 3)) == 0})


def of_pairs(pairs: Iterable[tuple[StandingSignal, StandingSignal]]) -> set[StandingSignal]:
    return {
        signal
        for one, other in pairs
        for signal in (one, other)
        if one.kind != other.kind
        and abs(one.at - other.at) <= SETTINGS.combine_days * DAY
        and not (one.answered and other.answered)
    }


@given(windows())
@settings(max_examples=examples(300))
def test_those_meet_that_are_within_seven_days_of_another_kind_unless_both_were_answered(window: SignalWindow) -> None:
    everything = list(combinations(window.signals, 2))
    miss_and_positive = [{MISS, positive} for positive in AS_POSITIVE]
    both = [each for each in everything if {COMBINING[one.kind] for one in each} in miss_and_positive]
    grave = [each for each in everything if min(map(window.tier, each)) >= SETTINGS.combine_tier]
    reason, meeting = next(
        ((reason, found) for reason, pairs in ((REASON, both), (MODERATE, grave)) if (found := of_pairs(pairs))),
        ("", set[StandingSignal]()),
    )
    trigger = together(window, SETTINGS)
    assert reason == (trigger.reason if trigger is not None else "")
    if trigger is not None:
        assert {*trigger.signals} <= {each.signal for each in meeting}
        assert len(trigger.signals) == min(SIGNALS_MOST, len(meeting))
        assert {*trigger.subsumes} <= {unpack_id(each.id) for each in window.escalations}
