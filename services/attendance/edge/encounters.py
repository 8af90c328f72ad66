"""An Encounter as what it reports: when somebody was there, and for which sessions."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from services.attendance.messages import CancelSession, CheckIn, WithdrawCheckIn
from services.attendance.record import Period
from services.attendance.spans import shortened, without
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import happened_exactly, planned_exactly, target
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.events import codes
from shared.events.envelope import Command

_UNIT_MINUTES = {"min": Decimal(1), "h": Decimal(60), "s": Decimal(1) / 60, "d": Decimal(1440)}
_PRESENT = frozenset({"arrived", "triaged", "in-progress", "onleave"})
_AWAY = "onleave"


def encounter(entry: BundleEntry, context: Context) -> Sequence[Command]:
    """A check-in while it lasts (arrived, in-progress), the time present once it is over (finished)."""
    resource, status = entry.resource, entry.resource["status"]
    withdrawn = WithdrawCheckIn(encounter_id=str(entry.id))
    if status == "entered-in-error" and entry.method == "PUT":
        return (withdrawn,)
    sessions = _sessions(resource, f"{entry.place}.appointment")
    if status == "cancelled":
        return (withdrawn, *(CancelSession(session_id=each) for each in sessions))
    if status not in _PRESENT and status != "finished":
        raise refuse(422, "business-rule", f"{entry.place}.status", "Must be arrived, in-progress or finished.")
    periods = _periods(resource, entry.place, context)
    class_code = _class_code(resource.get("class", {}))
    return (CheckIn(session_ids=sessions, encounter_id=str(entry.id), periods=periods, class_code=class_code),)


def _sessions(encounter: Json, place: str) -> tuple[str, ...]:
    named = (target(each, "Appointment") for each in encounter.get("appointment", ()))
    found = tuple(dict.fromkeys(each for each in named if each is not None))
    if not found:
        raise refuse(422, "required", place, "The session is required: GET /fhir/Appointment?patient=...&date=...")
    return found


def _class_code(coding: Json) -> str:
    return str(coding.get("code", "AMB")) if coding.get("system") == codes.ACT else "AMB"


def _periods(encounter: Json, place: str, context: Context) -> tuple[Period, ...]:
    """When somebody was there. Time on leave is cut out, and a `length` cuts off what lies beyond it."""
    bounds = encounter.get("period", {})
    start = happened_exactly(bounds.get("start"), f"{place}.period.start", context.time)
    if encounter["status"] != "finished":
        return ((start, None),)
    length = _length(encounter.get("length"), f"{place}.length")
    end = _end(start, bounds.get("end"), length, f"{place}.period.end", context)
    periods = without([(start, end)], _leaves(encounter, end, place, context))
    return (shortened(periods, length) if length is not None else periods) or ((start, start),)


def _end(start: datetime, text: object, length: timedelta | None, place: str, context: Context) -> datetime:
    if text is None and length is not None:
        text = (start + length).isoformat()
    return happened_exactly(text, place, context.time)


def _leaves(encounter: Json, end: datetime, place: str, context: Context) -> list[tuple[datetime, datetime]]:
    found = []
    for number, state in enumerate(encounter.get("statusHistory", ())):
        if state.get("status") == _AWAY:
            bounds, where = state.get("period", {}), f"{place}.statusHistory[{number}].period"
            away = happened_exactly(bounds.get("start"), f"{where}.start", context.time)
            found.append((away, planned_exactly(bounds["end"], f"{where}.end") if "end" in bounds else end))
    return found


def _length(length: Json | None, place: str) -> timedelta | None:
    """In UCUM min, h, s or d; at most a day, at least nothing."""
    if length is None:
        return None
    unit = _UNIT_MINUTES.get(length.get("code", length.get("unit", "min")))
    if unit is None or "value" not in length:
        raise refuse(422, "value", place, "Must have a value in min, h, s or d.")
    minutes = max(Decimal(0), min(Decimal(length["value"]) * unit, Decimal(24 * 60)))
    return timedelta(seconds=int(minutes * 60))
