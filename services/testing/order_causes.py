"""Which ordered tests ask a person to act, and how soon (domain 5.2). None of it is ever a positive result."""

from collections.abc import Iterator

from services.testing.escalation_packing import order_evidence_of
from services.testing.ordered import OrderedTest, Orders
from services.testing.triggers import Cause
from shared.events.escalation import Signal
from shared.rules.packing import instant, unpack_id


def order_causes(orders: Orders) -> list[Cause]:
    """Everything about ordered tests that asks for a person now, in order of their windows."""
    return [cause for each in orders.tests for cause in _of(each)]


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


def _cause(test: OrderedTest, reason: str, tier: int, at: int) -> Cause:
    return Cause(reason, tier, Signal(reason, instant(at), order_evidence_of(unpack_id(test.id))))
