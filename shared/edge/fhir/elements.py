"""The one reader of elements in foreign FHIR: instants and days, codes, references, and the owner of a Task.

- **Zone.** A time of day has its own, or is refused: a guess may be hours off. A day, a month or a year is the local
  one of the zone given: it begins with its first midnight and ends with its last.
- **Future.** `happened` refuses what lies further ahead than a clock may be wrong; the other readers take any moment,
  for a plan lies ahead.
- **Ends of the calendar.** Years 1900 to 9998, as written. A leap second is refused: no clock here has one.
- **Search.** Days are those of UTC in a search (`span`) and in what it finds (`clinical_time`), and FHIR lets a search
  leave its zone out. What is no time by these rules is stored as received and found by no date.

A refusal names the rule and the place, never the value.
"""

import re
from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from shared.edge import moments
from shared.edge.json import Json
from shared.edge.outcome import HttpRefusal, refuse
from shared.path.transaction import resources

_ZONED = re.compile(r"(?:Z|[+-][0-9:]+)$")


def codings(concept: Json | None) -> Iterator[Json]:
    """The codings of a CodeableConcept."""
    yield from (concept or {}).get("coding", ())


def code_in(concept: Json | None, *systems: str) -> str | None:
    """The first code of one of these systems, of any where none is named."""
    return next(codes_in(concept, *systems), None)


def codes_in(concept: Json | None, *systems: str) -> Iterator[str]:
    """Every code of one of these systems, of any where none is named."""
    for coding in codings(concept):
        if "code" in coding and (not systems or coding.get("system") in systems):
            yield str(coding["code"])


def has_code(concept: Json | None, system: str, code: str) -> bool:
    """Whether one of its codings is this code."""
    return code in codes_in(concept, system)


def target(reference: Json | None, kind: str) -> str | None:
    """The id in a literal reference to this type, `Type/id` or absolute, of whatever version."""
    before, _, identity = literal(reference).rpartition("/")
    return identity if before.rpartition("/")[2] == kind else None


def literal(reference: Json | None) -> str:
    """A literal reference without its version; empty for a logical one."""
    return str((reference or {}).get("reference", "")).partition("/_history/")[0]


def logical(reference: Json | None, system: str) -> str | None:
    """The value of a logical reference's identifier in this system."""
    named = (reference or {}).get("identifier", {})
    return str(named["value"]) if named.get("system") == system and named.get("value") else None


def owner(task: Json, staff: str) -> str | None:
    """Who owns a Task: a Practitioner by id, or a member of staff by the identifier in this system."""
    return target(task.get("owner"), "Practitioner") or logical(task.get("owner"), staff)


def instant(text: object, zone: str, place: str) -> datetime:
    """When it was, or the first moment of the local day, month or year. Raises HttpRefusal 422."""
    given = _given(text, place)
    return exact(given, place) if "T" in given else _midnight(_first_day(given, place), zone)


def exact(text: object, place: str) -> datetime:
    """When it was, to the second: a day is not enough. Raises HttpRefusal 422."""
    given = _given(text, place)
    if "T" not in given:
        raise refuse(422, "value", place, "Must be an instant with its zone: 2026-01-31T09:30:00-05:00.")
    try:
        found = datetime.fromisoformat(given)
    except ValueError as wrong:
        raise _no_time(place) from wrong
    if found.tzinfo is None:
        raise refuse(422, "value", place, "A time of day needs its zone: 2026-01-31T09:30:00-05:00.")
    _require_in_calendar(found, place)
    return found


def happened(text: object, zone: str, place: str, now: datetime, ahead: timedelta = moments.AHEAD_MOST) -> datetime:
    """`instant` of something that is over. Raises HttpRefusal 422, also where it lies ahead."""
    at = instant(text, zone, place)
    if not moments.has_happened(at, now, ahead):
        raise refuse(422, "business-rule", place, "Must not be in the future.")
    return at


def last_instant(text: object, zone: str, place: str) -> datetime:
    """Until when it holds: an instant, or the end of the local day, month or year. Raises HttpRefusal 422."""
    given = _given(text, place)
    return exact(given, place) if "T" in given else _midnight(last_day(given, zone, place) + timedelta(days=1), zone)


def first_day(text: object, zone: str, place: str) -> date:
    """The local day on which it begins. Raises HttpRefusal 422."""
    given = _given(text, place)
    return _local_day(given, zone, place) if "T" in given else _first_day(given, place)


def last_day(text: object, zone: str, place: str) -> date:
    """The local day on which it ends. Raises HttpRefusal 422."""
    given = _given(text, place)
    if "T" in given:
        return _local_day(given, zone, place)
    first = _first_day(given, place)
    match given.count("-"):
        case 0:
            return date(first.year, 12, 31)
        case 1:
            return first.replace(day=monthrange(first.year, first.month)[1])
        case _:
            return first


def names_a_day(text: str) -> bool:
    """Whether it tells a day at least: a month is not known to be its first."""
    return len(text) >= len("2026-01-31")


def clinical_time(resource: Json) -> datetime | None:
    """When a foreign resource happened, for search by date; None where it does not tell."""
    named: dict[str, object] = {
        name: _searched(value) for name, value in resource.items() if isinstance(value, str) and value[:4].isdigit()
    }
    period = resource.get("period") or resource.get("effectivePeriod")
    if isinstance(period, dict):
        named["period"] = {"start": _searched(period.get("start"))}
    return resources.clinical_time(named)


def span(text: str) -> tuple[datetime, datetime]:
    """From when until when a date of a search lasts, [since, until). Raises HttpRefusal 422."""
    if "T" not in text:
        return instant(text, "UTC", ""), last_instant(text, "UTC", "")
    at = exact(text if _ZONED.search(text) else f"{text}Z", "").astimezone(UTC)
    return at, at + (timedelta(microseconds=1) if at.microsecond else timedelta(seconds=1))


def _searched(text: object) -> datetime | None:
    try:
        return instant(text, "UTC", "").astimezone(UTC)
    except HttpRefusal:
        return None


def _given(text: object, place: str) -> str:
    if not isinstance(text, str):
        raise refuse(422, "required", place, "A time is required.")
    return text


def _local_day(text: str, zone: str, place: str) -> date:
    return exact(text, place).astimezone(ZoneInfo(zone)).date()


def _first_day(text: str, place: str) -> date:
    try:
        found = date.fromisoformat(text + "-01" * (2 - text.count("-")))
    except ValueError as wrong:
        raise _no_time(place) from wrong
    _require_in_calendar(found, place)
    return found


def _require_in_calendar(day: date, place: str) -> None:
    if not moments.is_in_calendar(day):
        raise refuse(422, "value", place, "Year must be 1900 to 9998.")


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone))


def _no_time(place: str) -> HttpRefusal:
    return refuse(422, "value", place, "Must be a date, or an instant without a leap second: 2026-01-31T09:30:00Z.")
