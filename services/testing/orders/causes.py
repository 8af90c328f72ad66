"""Which ordered tests ask a person to act, and how soon (domain 5.2). None of it is ever a positive result."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from services.testing.escalation_packing import order_evidence_of
from services.testing.grading import grade
from services.testing.grading.triggers import Cause, causes
from services.testing.orders.ordered import OrderedTest
from services.testing.settings import Settings
from services.testing.state import State
from shared.events.escalation import COMBINING, Signal
from shared.rules.packing import instant, unpack_id

REFUSED = "collection-refused"


def order_causes(state: State, settings: Settings) -> list[Cause]:
    """Everything about ordered tests that asks for a person now, in order of their windows; a refusal with another
    signal near it, whichever came first, at tier 3."""
    found = [cause for each in state.orders.tests for cause in _of(each)]
    if not any(each.reason == REFUSED for each in found):
        return found
    others = [each.signal for each in (*causes(grade(state, settings), settings), *found)]
    return [_met(each, others, settings) for each in found]


def _met(cause: Cause, others: Sequence[Signal], settings: Settings) -> Cause:
    """As it is beside these signals; what cannot show new use is none of them."""
    window = timedelta(days=settings.refusal_window_days)
    near = (
        abs(each.at - cause.signal.at) <= window
        for each in others
        if each.code in COMBINING and each.evidence != cause.signal.evidence
    )
    return replace(cause, tier=3) if cause.reason == REFUSED and any(near) else cause


def _of(test: OrderedTest) -> Iterator[Cause]:
    match test.outcome:
        case "refused":
            yield _cause(test, "collection-refused", 2, test.refused_at)
        case "missed":
            yield _cause(test, "collection-missed", 2, test.closes_at)
        case "awaited" if test.asked:
            yield _cause(test, "collection-unknown", 1, test.closes_at)
        case _:
            pass
    if test.overdue and test.awaits_result:
        yield _cause(test, "result-overdue", 1, test.given_at)
    if test.dispatch is not None and test.dispatch.failed_at and not test.resulted:
        yield _cause(test, "order-not-sent", 1, test.dispatch.failed_at)


def _cause(test: OrderedTest, reason: str, tier: int, at: int) -> Cause:
    return Cause(reason, tier, Signal(reason, instant(at), order_evidence_of(unpack_id(test.id))))
