"""FHIR in about an ordered test, by a Task of an EHR that works by Tasks: one without a focus orders a test, and the
window that it states is that of its order. Pure.

It is decided as a ServiceRequest is (`placing`): of the two the one that came last stands.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from services.testing.messages import CancelDrugTest, OrderDrugTest
from services.testing.orders.placing import DRUG_TEST, ORDER, ORDERS, require_possible, window
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import has_code
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.events import codes, fhir
from shared.events.envelope import name_id

_ASKED = ("requested", "received", "accepted", "ready", "in-progress")
"""Statuses in which something is still to be done."""
FOCUS_REQUIRED = (
    "Must refer to the ServiceRequest of the ordered test, by the hub's id. Without it a new Task orders a test: intent"
    " order, status requested, and its window in restriction.period."
)


def own_order(task_id: str) -> str:
    """The id of the order that a Task without a focus makes: the same however often it comes."""
    return name_id(task_id, "drug-test-order")


def with_focus(entry: BundleEntry, before: Json | None) -> BundleEntry:
    """A Task that orders, with its order as its focus, as it is stored and read again; any other as it is."""
    task, order_id = entry.resource, own_order(str(entry.id))
    if "focus" in task or not has_code(task.get("code"), codes.TASK, DRUG_TEST):
        return entry
    if not (_names(before, order_id) if before is not None else _orders(task)):
        return entry
    return msgspec.structs.replace(entry, resource={**task, "focus": fhir.reference(ORDER, order_id)})


def _orders(task: Json) -> bool:
    return task.get("intent") in ORDERS and task["status"] in _ASKED


def _names(task: Json, order_id: str) -> bool:
    return bool(task.get("focus", {}).get("reference") == f"{ORDER}/{order_id}")


def is_own(entry: BundleEntry) -> bool:
    """Whether its order is the one that it made."""
    return _names(entry.resource, own_order(str(entry.id)))


def is_new(entry: BundleEntry, before: Json | None) -> bool:
    """Whether it orders a test now."""
    return before is None and is_own(entry)


def asked(
    entry: BundleEntry, order_id: str, before: Json | None, entries: Sequence[BundleEntry], context: Context
) -> Iterator[OrderDrugTest | CancelDrugTest]:
    """That its order is placed, moved, or was never meant. Raises HttpRefusal 422; 409 where it stands no more."""
    task = entry.resource
    if task["status"] == "entered-in-error" and is_own(entry):
        if before is not None and before["status"] != "entered-in-error":
            yield CancelDrugTest(order_id=order_id, in_error=True)
    elif is_new(entry, before) or (task["status"] in _ASKED and _states_window(task, before)):
        yield from _placed(entry, order_id, is_new(entry, before), entries, context)


def _states_window(task: Json, before: Json | None) -> bool:
    """Whether it states a window of this order that it did not state before."""
    stated = _period(task), task.get("focus")
    return bool(_period(task)) and (before is None or stated != (_period(before), before.get("focus")))


def _period(task: Json) -> Json:
    period: Json = task.get("restriction", {}).get("period", {})
    return period


def _placed(
    entry: BundleEntry, order_id: str, new: bool, entries: Sequence[BundleEntry], context: Context
) -> Iterator[OrderDrugTest]:
    """In its window; one that stands in it already is left as it is."""
    where, order = f"{entry.place}.restriction.period", context.stored.get((ORDER, order_id))
    together = new or any((each.type, each.id) == (ORDER, order_id) for each in entries)
    stood = None if together or order is None else _stood(order.body)
    opens_at, closes_at = window(_period(entry.resource), where, stood[0] if stood else context.now, context)
    if stood == (opens_at, closes_at):
        return
    if order is not None and not together and order.body["status"] != "active":
        text = "Its order stands no more: put the ServiceRequest as active, with the window that it is to have."
        raise refuse(409, "conflict", where, text)
    require_possible(opens_at, closes_at, where, context)
    yield OrderDrugTest(order_id=order_id, opens_at=opens_at, closes_at=closes_at)


def _stood(order: Json) -> tuple[datetime, datetime]:
    """The window of an order as the hub wrote it."""
    period = order["occurrencePeriod"]
    return datetime.fromisoformat(period["start"]), datetime.fromisoformat(period["end"])
