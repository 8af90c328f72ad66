"""FHIR in about an ordered test, by a Task whose focus is its ServiceRequest: how an EHR that works by Tasks says what
became of the collection, when it is to be, or that nobody is to be asked for it any more. Pure.

It is decided as a Specimen that names the order is (`placing`): whichever of the two comes, the same stands.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from services.testing.messages import CancelDrugTest, OrderDrugTest, ReportCollection
from services.testing.orders import task_orders
from services.testing.orders.placing import DRUG_TEST, ORDER, collected, not_given, require_known
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import happened, has_code, target
from shared.edge.json import Json
from shared.edge.outcome import HttpRefusal, refuse
from shared.events import codes
from shared.events.envelope import is_id
from shared.path.transaction.resources import Name

FULFIL = "http://hl7.org/fhir/CodeSystem/task-code", "fulfill"
_ENDED = ("completed", "failed", "rejected")
_NOT_COLLECTED = ("failed", "rejected")


def is_collection(entry: BundleEntry, context: Context) -> bool:
    """Whether it is such a Task: of one that is updated as it stands, so that none of the hub's becomes one."""
    return entry.type == "Task" and _is_collection(_before(entry, context) or entry.resource)


def require_collection(entry: BundleEntry) -> None:
    """Of any other Task. Raises HttpRefusal 422: a client makes none, for the hub asks by them."""
    if entry.method == "POST":
        raise refuse(422, "business-rule", f"{entry.place}.code", f"Must be {DRUG_TEST} ({codes.TASK}).")


def with_order(entry: BundleEntry, context: Context) -> BundleEntry:
    """The entry; a Task that orders a test with that order as its focus."""
    return task_orders.with_focus(entry, _before(entry, context)) if entry.type == "Task" else entry


def behind(entries: Sequence[BundleEntry], context: Context) -> list[Name]:
    """The orders that such Tasks are about, and the Specimens that they name."""
    tasks = [with_order(each, context).resource for each in entries if is_collection(each, context)]
    orders = [(ORDER, each) for task in tasks if (each := _order(task)) is not None]
    return [*orders, *(("Specimen", each) for task in tasks for each in _specimens(task))]


def reported(
    entry: BundleEntry, entries: Sequence[BundleEntry], context: Context
) -> Iterator[ReportCollection | OrderDrugTest | CancelDrugTest]:
    """What it says of its order now, and that it says nothing more of one that it named before. Raises HttpRefusal."""
    require_known(entry, context, "for")
    _require_program(entry, context)
    before, task = _before(entry, context), entry.resource
    if not _is_collection(task):
        raise refuse(422, "business-rule", f"{entry.place}.code", f"Must stay {DRUG_TEST} ({codes.TASK}).")
    _require_may_follow(entry, before)
    order_id, collection_id = _required_order(entry, entries, context), str(entry.id)
    yield from task_orders.asked(entry, order_id, before, entries, context)
    named = _order(before) if _has_ended(before) else None
    if named is not None and (named != order_id or not _has_ended(task)):
        yield ReportCollection(order_id=named, collection_id=collection_id, kind=None, at=context.now)
    match task["status"]:
        case "completed":
            at = _given_at(entry, entries, context)
            yield ReportCollection(order_id=order_id, collection_id=collection_id, kind="collected", at=at)
        case status if status in _NOT_COLLECTED:
            kind = not_given([task.get("statusReason", {})], f"{entry.place}.statusReason")
            at = _stated_at(entry, context) or context.now
            yield ReportCollection(order_id=order_id, collection_id=collection_id, kind=kind, at=at)
        case "cancelled" if before is None or before["status"] != "cancelled":
            yield CancelDrugTest(order_id=order_id)
        case _:
            pass


def _before(entry: BundleEntry, context: Context) -> Json | None:
    """What it replaces."""
    stored = context.stored.get((entry.type, str(entry.id)))
    return stored.body if stored is not None else None


def _is_collection(task: Json) -> bool:
    """Fulfilment of something else than an order is none of it."""
    if has_code(task.get("code"), codes.TASK, DRUG_TEST):
        return True
    return has_code(task.get("code"), *FULFIL) and _order(task) is not None


def _has_ended(task: Json | None) -> bool:
    return task is not None and task["status"] in _ENDED


def _order(task: Json | None) -> str | None:
    """The hub's id of the order that it is about."""
    found = target((task or {}).get("focus"), ORDER)
    return found if found is not None and is_id(found) else None


def _specimens(task: Json) -> Iterator[str]:
    for each in task.get("output", ()):
        if (found := target(each.get("valueReference"), "Specimen")) is not None:
            yield found


def _require_program(entry: BundleEntry, context: Context) -> None:
    """Raises HttpRefusal 403."""
    if context.caller.client.reports:
        text = "The program says what became of a collection; a laboratory reports its result."
        raise refuse(403, "forbidden", f"{entry.place}.code", text)


def _required_order(entry: BundleEntry, entries: Sequence[BundleEntry], context: Context) -> str:
    """Raises HttpRefusal 422 where it names none of this patient's."""
    found = _order(entry.resource)
    if found is None:
        raise refuse(422, "required", f"{entry.place}.focus", task_orders.FOCUS_REQUIRED)
    if task_orders.is_new(entry, _before(entry, context)):
        return found
    stored = context.stored.get((ORDER, found))
    is_theirs = stored is not None and stored.patient == context.patient
    if not (is_theirs or any((each.type, each.id) == (ORDER, found) for each in entries)):
        raise refuse(422, "not-found", f"{entry.place}.focus", "No ordered test of this patient has this id.")
    return found


def _require_may_follow(entry: BundleEntry, before: Json | None) -> None:
    """Raises HttpRefusal 409 for what FHIR's Task can't become, and would mean two things here."""
    status, was = entry.resource["status"], (before or {}).get("status")
    if was == "cancelled" and status != "cancelled":
        raise _conflict(entry, "It revoked its order: put the ServiceRequest as active again, and send another Task.")
    if was == "entered-in-error" and status != was and task_orders.is_own(entry):
        raise _conflict(entry, "It was never meant, nor is its order: send another Task.")
    if was in _ENDED and status == "cancelled":
        raise _conflict(entry, "It has ended: what it said is taken back as entered-in-error.")


def _conflict(entry: BundleEntry, text: str) -> HttpRefusal:
    return refuse(409, "conflict", f"{entry.place}.status", text)


def _given_at(entry: BundleEntry, entries: Sequence[BundleEntry], context: Context) -> datetime:
    """Its own word, else that of the Specimen which it names. Raises HttpRefusal 422."""
    if (stated := _stated_at(entry, context)) is not None:
        return stated
    for name in _specimens(entry.resource):
        stored = context.stored.get(("Specimen", name))
        sent = (each.resource for each in entries if (each.type, each.id) == ("Specimen", name))
        specimen = next(sent, stored.body if stored is not None and stored.patient == context.patient else {})
        if (text := collected(specimen)) is not None:
            return happened(text, f"{entry.place}.output", context.time)
    text = "Must say when the specimen was given: the end of executionPeriod, or an output with its Specimen."
    raise refuse(422, "required", f"{entry.place}.executionPeriod", text)


def _stated_at(entry: BundleEntry, context: Context) -> datetime | None:
    period, place = entry.resource.get("executionPeriod", {}), f"{entry.place}.executionPeriod"
    for name in ("end", "start"):
        if name in period:
            return happened(period[name], f"{place}.{name}", context.time)
    return None
