"""Small pieces of foreign FHIR: codings, references, and times as FHIR writes them. Refusals name the place only."""

from calendar import monthrange
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from shared.edge.contract import Context
from shared.edge.outcome import HttpRefusal, refuse

Json = Mapping[str, Any]


def codings(concept: Json | None) -> Iterator[Json]:
    """The codings of a CodeableConcept."""
    yield from (concept or {}).get("coding", ())


def code_in(concept: Json | None, *systems: str) -> str | None:
    """The first code of one of these systems."""
    return next(
        (str(each["code"]) for each in codings(concept) if each.get("system") in systems and "code" in each), None
    )


def target(reference: Json | None, kind: str) -> str | None:
    """The id in a literal reference `Type/id`."""
    literal = str((reference or {}).get("reference", "")).partition("/_history/")[0]
    before, _, identity = literal.rpartition("/")
    return identity if before.rpartition("/")[2] == kind else None


def instant(text: Any, zone: str, place: str) -> datetime:
    """When it was: an instant, or the first moment of the local day, month or year. Raises Refusal when missing."""
    if not isinstance(text, str):
        raise refuse(422, "required", place, "The time is missing.")
    if "T" in text:
        return _exact(text, zone, place)
    return _midnight(_first_day(text, place), zone)


def happened(text: Any, context: Context, place: str) -> datetime:
    """When something that has happened did. Raises Refusal where the time is missing, or lies ahead by more than a
    sender's clock may: a wrong year would outlive every later correction."""
    at = instant(text, context.settings.timezone, place)
    if at > context.now + timedelta(minutes=context.settings.ahead_minutes):
        raise refuse(422, "business-rule", place, "This lies in the future; it is told once it has happened.")
    return at


def last_instant(text: str, zone: str, place: str) -> datetime:
    """Until when it holds: an instant, or the end of the local day, month or year."""
    if "T" in text:
        return _exact(text, zone, place)
    return _midnight(last_day(text, zone, place) + timedelta(days=1), zone)


def first_day(text: str, zone: str, place: str) -> date:
    """The local day on which it begins."""
    return _exact(text, zone, place).astimezone(ZoneInfo(zone)).date() if "T" in text else _first_day(text, place)


def last_day(text: str, zone: str, place: str) -> date:
    """The local day on which it ends."""
    if "T" in text:
        return _exact(text, zone, place).astimezone(ZoneInfo(zone)).date()
    first = _first_day(text, place)
    match text.count("-"):
        case 0:
            return date(first.year, 12, 31)
        case 1:
            return first.replace(day=monthrange(first.year, first.month)[1])
        case _:
            return first


def _exact(text: str, zone: str, place: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise _not_a_time(place) from wrong
    _in_a_life(found, place)
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))


def _first_day(text: str, place: str) -> date:
    try:
        found = date.fromisoformat(text + "-01" * (2 - text.count("-")))
    except ValueError as wrong:
        raise _not_a_time(place) from wrong
    _in_a_life(found, place)
    return found


def _in_a_life(found: date, place: str) -> None:
    """FHIR has the years 1 to 9999; at their ends there is no such instant in another time zone."""
    if not 1900 <= found.year <= 9998:
        raise refuse(422, "value", place, "No patient's life has this time.")


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone))


def _not_a_time(place: str) -> HttpRefusal:
    return refuse(422, "value", place, "Not a date or time.")
