"""The one reader of elements in foreign FHIR: instants and days, codes and references.

- **Zone.** A time of day has its own, or is refused: a guess may be hours off. A day, a month or a year is the
  program's: it begins with its first midnight there and ends with its last.
- **Two doors** (`shared/edge/moments.py`): `happened` refuses what lies further ahead than a clock may be wrong;
  `planned` takes any moment of the years 1900 to 9998, as written, and so do the days. A leap second is refused: no
  clock here has one.
- **Search.** The same days count in a search (`span`) and in what it finds (`clinical_time`); FHIR lets a search leave
  its zone out, which is then the program's. What is no time by these rules is stored as received and found by no date.

A refusal names the rule and the place, never the value.
"""

import re
from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

from shared.edge import moments
from shared.edge.json import Json
from shared.edge.moments import ProgramTime, WrongMoment
from shared.edge.outcome import HttpRefusal, refuse
from shared.path.transaction import resources

_MIDNIGHT = time_of_day()
_TIME_OF_DAY = re.compile(r"T[0-9]{2}:[0-9]{2}(?P<seconds>:[0-9]{2}(?:\.(?P<fraction>[0-9]+))?)?")
_ZONED = re.compile(r"(?:Z|[+-][0-9:]+)$")


def codings(concept: Json | None) -> Iterator[Json]:
    """The codings of a CodeableConcept."""
    yield from (concept or {}).get("coding", ())


def code_in(concept: Json | None, *systems: str) -> str | None:
    """The first code of one of these systems, of any where none is named."""
    return next(codes_in(concept, *systems), None)


def codes_in(concept: Json | None, *systems: str | None) -> Iterator[str]:
    """Every code of one of these systems (None: of no system), of any where none is named."""
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


def members(resource: Json) -> list[str]:
    """The ids of the Observations that are this panel's members."""
    named = (target(each, "Observation") for each in resource.get("hasMember", ()))
    return [each for each in named if each]


def literal(reference: Json | None) -> str:
    """A literal reference without its version; empty for a logical one."""
    return str((reference or {}).get("reference", "")).partition("/_history/")[0]


def logical(reference: Json | None, system: str) -> str | None:
    """The value of a logical reference's identifier in this system."""
    named = (reference or {}).get("identifier", {})
    return str(named["value"]) if named.get("system") == system and named.get("value") else None


def happened(text: object, place: str, time: ProgramTime) -> datetime:
    """When it was, or the first moment of the local day, month or year. Raises HttpRefusal 422, also where it lies
    ahead."""
    return _past(_beginning(text, place, time.zone), place, time).astimezone(UTC)


def happened_exactly(text: object, place: str, time: ProgramTime) -> datetime:
    """When it was, to the second: a day is not enough. Raises HttpRefusal 422, also where it lies ahead."""
    return _past(_exactly(text, place), place, time).astimezone(UTC)


def planned(text: object, place: str, time: ProgramTime) -> datetime:
    """When it is to be, or the first moment of the local day, month or year. Raises HttpRefusal 422."""
    return _beginning(text, place, time.zone).astimezone(UTC)


def planned_exactly(text: object, place: str) -> datetime:
    """When it is to be, to the second: a day is not enough. Raises HttpRefusal 422."""
    return _exactly(text, place).astimezone(UTC)


def _exactly(text: object, place: str) -> datetime:
    """In the zone that it names: the calendar is that of whoever wrote it."""
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


def planned_until(text: object, place: str, time: ProgramTime) -> datetime:
    """Until when it holds: an instant, or the end of the local day, month or year. Raises HttpRefusal 422."""
    return _end(text, place, time.zone).astimezone(UTC)


def first_day(text: object, place: str, time: ProgramTime) -> date:
    """The local day on which it begins. Raises HttpRefusal 422."""
    given = _given(text, place)
    return _local_day(given, place, time) if "T" in given else _first_day(given, place)


def last_day(text: object, place: str, time: ProgramTime) -> date:
    """The local day on which it ends. Raises HttpRefusal 422."""
    given = _given(text, place)
    return _local_day(given, place, time) if "T" in given else _last_day(given, place)


def names_a_day(text: str) -> bool:
    """Whether it tells a day at least: a month is not known to be its first."""
    return len(text) >= len("2026-01-31")


_PERIODS = ("period", "effectivePeriod", "identifiedPeriod")


def clinical_time(resource: Json, zone: ZoneInfo) -> datetime | None:
    """When a foreign resource happened, for search by date; None where it does not tell."""
    named: dict[str, object] = {
        name: _searched(value, zone)
        for name, value in resource.items()
        if isinstance(value, str) and value[:4].isdigit()
    }
    period = next((resource[each] for each in _PERIODS if resource.get(each)), None)
    if isinstance(period, dict):
        named["period"] = {"start": _searched(period.get("start"), zone)}
    return resources.clinical_time(named)


def span(text: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From when until when a date of a search lasts, [since, until). Raises HttpRefusal 422."""
    if "T" not in text:
        return _beginning(text, "", zone), _end(text, "", zone)
    at = _local(text, zone).astimezone(UTC)
    return at, at + _width(text)


def _width(text: str) -> timedelta:
    """How long a time of day lasts as it is written: a minute, a second, or as many parts of one as it has digits."""
    written = _TIME_OF_DAY.search(text)
    if written is None or not written["seconds"]:
        return timedelta(minutes=1)
    return timedelta(microseconds=10 ** (6 - min(len(written["fraction"] or ""), 6)))


def _local(text: str, zone: ZoneInfo) -> datetime:
    """A time of day in its own zone, else in this one. Raises HttpRefusal 422."""
    if _ZONED.search(text):
        return planned_exactly(text, "")
    return planned_exactly(f"{text}Z", "").replace(tzinfo=zone)


def _searched(text: object, zone: ZoneInfo) -> datetime | None:
    try:
        return _beginning(text, "", zone).astimezone(UTC)
    except HttpRefusal:
        return None


def _beginning(text: object, place: str, zone: ZoneInfo) -> datetime:
    given = _given(text, place)
    return _exactly(given, place) if "T" in given else _midnight(_first_day(given, place), zone)


def _end(text: object, place: str, zone: ZoneInfo) -> datetime:
    given = _given(text, place)
    return _exactly(given, place) if "T" in given else _midnight(_last_day(given, place) + timedelta(days=1), zone)


def _given(text: object, place: str) -> str:
    if not isinstance(text, str):
        raise refuse(422, "required", place, "A time is required.")
    return text


def _local_day(text: str, place: str, time: ProgramTime) -> date:
    return planned_exactly(text, place).astimezone(time.zone).date()


def _first_day(text: str, place: str) -> date:
    try:
        found = date.fromisoformat(text + "-01" * (2 - text.count("-")))
    except ValueError as wrong:
        raise _no_time(place) from wrong
    _require_in_calendar(found, place)
    return found


def _last_day(text: str, place: str) -> date:
    first = _first_day(text, place)
    match text.count("-"):
        case 0:
            return date(first.year, 12, 31)
        case 1:
            return first.replace(day=monthrange(first.year, first.month)[1])
        case _:
            return first


def _require_in_calendar(day: date, place: str) -> None:
    try:
        moments.require_in_calendar(day)
    except WrongMoment as wrong:
        raise refuse(422, wrong.code, place, wrong.rule) from wrong


def _past(at: datetime, place: str, time: ProgramTime) -> datetime:
    try:
        return moments.happened(at, time)
    except WrongMoment as wrong:
        raise refuse(422, wrong.code, place, wrong.rule) from wrong


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, _MIDNIGHT, zone)


def _no_time(place: str) -> HttpRefusal:
    return refuse(422, "value", place, "Must be a date, or an instant without a leap second: 2026-01-31T09:30:00Z.")
