"""FHIR in about ordered tests: a ServiceRequest orders, moves or cancels one; a Specimen that names it says what became
of its collection. Pure.

Beside a report a ServiceRequest is context: it says what the report is about, and orders nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from services.testing import tables
from services.testing.messages import CancelDrugTest, OrderDrugTest, ReportCollection, SendOrderAgain
from services.testing.orders.ordered import Kind
from services.testing.orders.schedule import Schedule
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import codes_in, codings, happened, has_code, planned, planned_until, target
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.events import codes
from shared.events.codes import LOINC
from shared.events.drug_test_order import NO_SHOW, REFUSED
from shared.events.envelope import Command, is_id
from shared.events.laboratory_order import TASK as TO_LABORATORY
from shared.events.testing import Number

ORDER = "ServiceRequest"
DRUG_TEST = "drug-test"
WINDOW_HOURS_MOST = 168
AHEAD_DAYS_MOST = 366
NUMBERS_MOST = 4
ORDERS = ("order", "original-order", "reflex-order", "filler-order", "instance-order")
"""Intents with which something is to be done."""
_GIVEN = ("available", "unsatisfactory")
NOT_GIVEN: dict[str, Kind] = {REFUSED: "refused", NO_SHOW: "missed"}


def placed(entry: BundleEntry, context: Context) -> Command:
    """What it asks for by its status. Raises HttpRefusal 422."""
    require_known(entry, context)
    request, place = entry.resource, entry.place
    match request["status"]:
        case "active":
            return _ordered(entry, context)
        case "revoked" | "entered-in-error" if entry.method == "PUT":
            in_error = request["status"] == "entered-in-error"
            return CancelDrugTest(order_id=str(entry.id), in_error=in_error)
        case _:
            text = "Must be active; of an order that stands also revoked or entered-in-error."
            raise refuse(422, "business-rule", f"{place}.status", text)


def require_known(entry: BundleEntry, context: Context, names: str = "subject") -> None:
    """Only a result waits for its patient, whom this element names. Raises HttpRefusal 409."""
    if not context.patient:
        text = "The patient is not known yet; try again later."
        raise refuse(409, "transient", f"{entry.place}.{names}", text, Retry_After="5")


def _ordered(entry: BundleEntry, context: Context) -> OrderDrugTest:
    request, place = entry.resource, entry.place
    if request.get("intent") not in ORDERS:
        raise refuse(
            422, "business-rule", f"{place}.intent", "Must be an order: nothing is done on a proposal or plan."
        )
    if request.get("doNotPerform"):
        raise refuse(422, "not-supported", f"{place}.doNotPerform", "Must be false: to cancel an order, revoke it.")
    if (panel := _panel(request)) is None:
        text = f"Must be {DRUG_TEST} ({codes.TASK}), or a LOINC code of a drug test that the hub knows."
        raise refuse(422, "code-invalid", f"{place}.code", text)
    opens_at, closes_at = _window(request, place, context)
    require_possible(opens_at, closes_at, f"{place}.occurrence", context)
    numbers = tuple(dict.fromkeys(_numbers(request)))[:NUMBERS_MOST]
    return OrderDrugTest(order_id=str(entry.id), opens_at=opens_at, closes_at=closes_at, numbers=numbers, panel=panel)


def _panel(request: Json) -> str | None:
    """The LOINC code of what is ordered; empty for any drug test, None where it is none that the hub knows."""
    coded = [(each.get("system"), each.get("code")) for each in codings(request.get("code"))]
    panels = [str(code) for system, code in coded if system == LOINC and code in tables.LOINC]
    return next(iter(panels), "" if (codes.TASK, DRUG_TEST) in coded else None)


def is_of_laboratory(task: Json) -> bool:
    """Whether this Task says how an order stands with its laboratory."""
    return has_code(task.get("code"), codes.TASK, TO_LABORATORY)


def sent_again(entry: BundleEntry) -> SendOrderAgain:
    """Requested of a person. Raises HttpRefusal 422 for any other status: the laboratory alone accepts or rejects."""
    if entry.resource["status"] != "requested":
        text = "Must be requested, to send it again. To cancel or move the test, update its ServiceRequest."
        raise refuse(422, "business-rule", f"{entry.place}.status", text)
    return SendOrderAgain(task_id=str(entry.id))


def _window(request: Json, place: str, context: Context) -> tuple[datetime, datetime]:
    """A day is the whole local day; an instant opens the program's window; without either it opens now."""
    text, where = request.get("occurrenceDateTime"), f"{place}.occurrence"
    if text is None:
        return window(request.get("occurrencePeriod", {}), where, context.now, context)
    opens_at = planned(text, where, context.time)
    return opens_at, _closes(opens_at, context) if "T" in text else planned_until(text, where, context.time)


def window(period: Json, where: str, otherwise: datetime, context: Context) -> tuple[datetime, datetime]:
    """Where this stands; without a start it opens at `otherwise`, without an end it is open as long as the program's.
    Raises HttpRefusal 422."""
    opens_at = planned(period["start"], f"{where}.start", context.time) if "start" in period else otherwise
    until = period.get("end")
    return opens_at, _closes(opens_at, context) if until is None else planned_until(until, f"{where}.end", context.time)


def _closes(opens_at: datetime, context: Context) -> datetime:
    schedule: Schedule = context.settings.schedule
    return opens_at + timedelta(hours=schedule.window_hours)


def require_possible(opens_at: datetime, closes_at: datetime, where: str, context: Context) -> None:
    """Raises HttpRefusal 422."""
    days = context.settings.schedule.remembered_days
    if not timedelta(0) < closes_at - opens_at <= timedelta(hours=WINDOW_HOURS_MOST):
        text = f"The window must close after it opens, at most {WINDOW_HOURS_MOST} h later."
    elif closes_at <= context.now - timedelta(days=days):
        text = f"Must not lie further back than {days} days (schedule.remembered_days of program.toml)."
    elif opens_at > context.now + timedelta(days=AHEAD_DAYS_MOST):
        text = f"Must not lie further ahead than {AHEAD_DAYS_MOST} days."
    else:
        return
    raise refuse(422, "business-rule", where, text)


def _numbers(request: Json) -> Iterator[Number]:
    """By which it is found, and the laboratory's result may name it, without the hub's own: that is its id."""
    for each in request.get("identifier", ()):
        if each.get("value") and each.get("system") != codes.ORDER_NUMBER:
            yield Number("PLAC" if "PLAC" in codes_in(each.get("type")) else "", each["value"], each.get("system", ""))


def collections(entry: BundleEntry, context: Context) -> Iterator[ReportCollection]:
    """Of each ordered test that the Specimen names, what became of it; of one that it names no more, nothing. Raises
    HttpRefusal 422."""
    stored = context.stored.get((entry.type, str(entry.id)))
    former = _requests(stored.body) if stored is not None else []
    named = _requests(entry.resource)
    for each in (name for name in former if name not in named):
        yield ReportCollection(order_id=each, collection_id=str(entry.id), kind=None, at=context.now)
    if not named:
        return
    require_known(entry, context)
    kind, at = _kind(entry), _at(entry, context)
    for each in named:
        yield ReportCollection(order_id=each, collection_id=str(entry.id), kind=kind, at=at)


def _requests(specimen: Json) -> list[str]:
    """The ids of the hub's orders; whoever has orders of their own names them otherwise."""
    found = (target(each, ORDER) for each in specimen.get("request", ()))
    return list(dict.fromkeys(each for each in found if each is not None and is_id(each)))


def _kind(entry: BundleEntry) -> Kind | None:
    match _status(entry):
        case status if status in _GIVEN:
            return "collected"
        case "entered-in-error":
            return None
        case _:
            return not_given(entry.resource.get("condition", ()), f"{entry.place}.condition")


def not_given(stated: Iterable[Json], where: str) -> Kind:
    """Why there is no specimen, by exactly one of these concepts. Raises HttpRefusal 422."""
    outcomes = {code for each in stated for code in codes_in(each, codes.OUTCOME)}
    found = [kind for code, kind in NOT_GIVEN.items() if code in outcomes]
    if len(found) != 1:
        text = f"Of an ordered test without a specimen, must be one of {', '.join(NOT_GIVEN)} ({codes.OUTCOME})."
        raise refuse(422, "code-invalid", where, text)
    return found[0]


def _at(entry: BundleEntry, context: Context) -> datetime:
    """When it was given, or refused; of one that nobody gave, now where nothing is stated."""
    text, where = collected(entry.resource), f"{entry.place}.collection.collected"
    if text is not None:
        return happened(text, where, context.time)
    if _status(entry) in _GIVEN:
        text = "A specimen of an ordered test needs the time at which it was collected."
        raise refuse(422, "required", where, text)
    return context.now


def collected(specimen: Json) -> str | None:
    """When it says that it was collected."""
    collection = specimen.get("collection", {})
    text: str | None = collection.get("collectedDateTime", collection.get("collectedPeriod", {}).get("start"))
    return text


def _status(entry: BundleEntry) -> str:
    """One without a status is there."""
    return str(entry.resource.get("status", "available"))


def is_of_the_program(entries: Sequence[BundleEntry], context: Context) -> bool:
    """Whether a Specimen among these is the program's word about a collection. A laboratory's own is what its report is
    about, and an order that it names may be its own, too."""
    beside_a_report = any(each.type in ("DiagnosticReport", "Observation") for each in entries)
    return not beside_a_report and not context.caller.client.reports
