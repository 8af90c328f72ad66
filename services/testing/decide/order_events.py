"""What is emitted of an ordered test, by what became of it before and after."""

from collections.abc import Iterator
from typing import Any

from services.testing.messages import (
    CollectionMissed,
    CollectionRefused,
    CollectionWithdrawn,
    DrugTestCancelled,
    DrugTestOrdered,
    DrugTestOrderEvent,
    ResultOverdue,
    SpecimenCollected,
)
from services.testing.orders.ordered import OrderedTest, specimen_id
from shared.rules.packing import instant, unpack_id

CONCLUDED = ("collected", "refused", "missed")


def changes(before: OrderedTest | None, test: OrderedTest) -> Iterator[DrugTestOrderEvent]:
    """None where it stands as it did."""
    its = _fields(test)
    if before is None or (before.outcome == "cancelled" and not test.cancelled):
        yield DrugTestOrdered(**its)
        before = None
    if before is None or _stands(before) != _stands(test):
        yield from _became(before, test, its)
    if test.overdue and test.awaits_result and not (before is not None and before.overdue):
        yield ResultOverdue(**its, collected_at=instant(test.given_at), due_at=instant(test.result_by))


def _stands(test: OrderedTest) -> tuple[object, ...]:
    """Of a test whose specimen was given, when it was refused before is no news."""
    refused_at = test.refused_at if test.outcome == "refused" else 0
    window = test.opens_at, test.closes_at
    return (
        test.outcome,
        test.cancelled == "entered-in-error",
        *window,
        test.given_at,
        refused_at,
        test.resulted,
        test.numbers,
    )


def _became(before: OrderedTest | None, test: OrderedTest, its: dict[str, Any]) -> Iterator[DrugTestOrderEvent]:
    was_concluded = before is not None and before.outcome in CONCLUDED
    given = instant(test.given_at) if test.given_at else None
    match test.outcome:
        case "awaited" if was_concluded:
            yield CollectionWithdrawn(**its)
        case "awaited" if before is not None:
            yield DrugTestOrdered(**its)
        case "cancelled":
            if not given and (was_concluded or (before is not None and before.given_at)):
                yield CollectionWithdrawn(**its)
            yield DrugTestCancelled(**its, in_error=test.cancelled == "entered-in-error", collected_at=given)
        case "collected":
            yield SpecimenCollected(**its, collected_at=instant(test.given_at), resulted=test.resulted)
        case "refused":
            yield CollectionRefused(**its, refused_at=instant(test.refused_at))
        case "missed":
            yield CollectionMissed(**its, collected_at=given)
        case _:
            pass


def _fields(test: OrderedTest) -> dict[str, Any]:
    return {
        "order_id": unpack_id(test.id),
        "specimen_id": specimen_id(test.id),
        "number": test.id,
        "opens_at": instant(test.opens_at),
        "closes_at": instant(test.closes_at),
        "random": test.random,
    }
