"""When somebody was there, as an Encounter states it. What is not unmistakable is never guessed: a person is asked."""

from datetime import datetime, timedelta
from decimal import Decimal

from services.attendance.record import Period
from services.attendance.spans import shortened, without
from shared.edge.contract import Context
from shared.edge.fhir.elements import happened_exactly, planned_exactly, planned_until
from shared.edge.json import Json
from shared.events import codes

_SPELLINGS = {
    Decimal(1) / 60: "s sec secs second seconds",
    Decimal(1): "min mins minute minutes",
    Decimal(60): "h hr hrs hour hours",
    Decimal(1440): "d day days",
}
_MINUTES = {unit: minutes for minutes, spelled in _SPELLINGS.items() for unit in spelled.split()}
"""The units of time in UCUM, whatever their case, and as they are written out."""
_AWAY = "onleave"
Reported = tuple[tuple[Period, ...], bool]


class _Unclear(Exception):
    """Somebody was there, but what is stated does not tell for how long."""


def reported(encounter: Json, place: str, context: Context) -> Reported:
    """When somebody was there, and whether that tells how long. Raises HttpRefusal for times that cannot be.

    Time on leave is cut out, and a `length` cuts off what lies beyond it.
    """
    bounds = encounter.get("period", {})
    start = happened_exactly(bounds.get("start"), f"{place}.period.start", context.time)
    text, where = bounds.get("end"), f"{place}.period.end"
    if encounter["status"] != "finished":
        return _lasting(start, text, where, context)
    end = happened_exactly(text, where, context.time) if _is_exact(text) else None
    try:
        return _present(encounter, start, end, place, context), True
    except _Unclear:
        return ((start, end),), False


def _lasting(start: datetime, text: object, place: str, context: Context) -> Reported:
    """An end that lies ahead is a plan. One that has come contradicts the status: nobody knows who stayed so long."""
    if text is None or planned_until(text, place, context.time) > context.now:
        return ((start, None),), True
    return ((start, planned_exactly(text, place) if _is_exact(text) else None),), False


def _present(
    encounter: Json, start: datetime, end: datetime | None, place: str, context: Context
) -> tuple[Period, ...]:
    length = _length(encounter.get("length"))
    if end is None and length is None:
        raise _Unclear
    if end is None:
        end = happened_exactly((start + (length or timedelta(0))).isoformat(), f"{place}.period.end", context.time)
    periods = without([(start, end)], _leaves(encounter, end, place))
    return (shortened(periods, length) if length is not None else periods) or ((start, start),)


def _leaves(encounter: Json, end: datetime, place: str) -> list[tuple[datetime, datetime]]:
    """A leave without an end lasted to the end of the Encounter; one without a start may have been any."""
    found = []
    for number, state in enumerate(encounter.get("statusHistory", ())):
        if state.get("status") == _AWAY:
            bounds, where = state.get("period", {}), f"{place}.statusHistory[{number}].period"
            if not _is_exact(bounds.get("start")) or not _is_exact(bounds.get("end", bounds.get("start"))):
                raise _Unclear
            away = planned_exactly(bounds["start"], f"{where}.start")
            found.append((away, planned_exactly(bounds["end"], f"{where}.end") if "end" in bounds else end))
    return found


def _length(length: Json | None) -> timedelta | None:
    """At most a day; None where no value is stated. One of no time at all is what nobody filled in."""
    if length is None or "value" not in length:
        return None
    value = Decimal(length["value"])
    if "comparator" in length or value < 0:
        raise _Unclear
    seconds = int(min(value * _unit(length), Decimal(24 * 60)) * 60)
    if seconds == 0:
        raise _Unclear
    return timedelta(seconds=seconds)


def _unit(length: Json) -> Decimal:
    """In minutes, where its code in UCUM and its text, or the one that is stated, are of one unit."""
    stated = [length.get("unit")]
    if length.get("system", codes.UCUM) == codes.UCUM:
        stated.append(length.get("code"))
    found = {_MINUTES.get(_plain(each)) for each in stated if each is not None}
    unit = found.pop() if len(found) == 1 else None
    if unit is None:
        raise _Unclear
    return unit


def _plain(text: str) -> str:
    return text.strip().lower().removesuffix("(s)").removesuffix(".")


def _is_exact(text: object) -> bool:
    """Whether it is an instant: a day is read as less than that."""
    return isinstance(text, str) and "T" in text
