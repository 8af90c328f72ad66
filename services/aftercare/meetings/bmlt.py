"""The meetings of a BMLT root server, or of an aggregator of several (Narcotics Anonymous; domain 6.5). Pure.

What a server answers to `GetServerInfo`, `GetFormats` and `GetSearchResults`, all values of which may be texts. A
format counts by its world id: its number and its letters are each server's own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec

from services.aftercare.meetings import entry, reading, type_codes
from services.aftercare.meetings.collecting import collected
from services.aftercare.meetings.entry import EntryReading
from services.aftercare.meetings.meeting import Feed, Source
from shared.events.wire import Unreadable

_FELLOWSHIP = "na"
_IN_PERSON, _VIRTUAL, _HYBRID = "1", "2", "3"
_ATTENDANCE = {_IN_PERSON: "in_person", _VIRTUAL: "online", _HYBRID: "hybrid"}
_LANGUAGE, _MEETS_VIRTUALLY, _MEETS_BOTH_WAYS = "LANG", "VM", "HYBR"
_REGIONS = ("location_neighborhood", "location_city_subsection", "location_sub_province")
_UNREADABLE = "?"
"""In place of a day or time that must be there: such a row is no meeting by appointment."""


class _Format(msgspec.Struct, frozen=True):
    world_id: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Server:
    """What holds for all rows: formats by root server and by their id there, and by their letters there."""

    formats: Mapping[tuple[str, str], _Format]
    duration: timedelta | None
    is_closed_unless_stated: bool


@dataclass(slots=True)
class _Formats:
    """What the formats of one row are: world ids and type codes."""

    world_ids: set[str] = field(default_factory=set)
    codes: list[str] = field(default_factory=list)
    lacking: set[str] = field(default_factory=set)


def read(source: Source, info: Any, formats: Any, results: Any) -> Feed:
    """All published meetings of a server, from the three documents as parsed; `results` are the rows of all its pages,
    or an object of meetings and formats.

    Raises Unreadable when formats or results are none: without its formats a meeting for some would be one for all.
    """
    if isinstance(results, dict):
        formats, results = formats or results.get("formats"), results.get("meetings")
    if not isinstance(results, list) or not isinstance(formats, list):
        raise Unreadable(f"meeting feed {source.feed}")
    source = replace(source, fellowship=source.fellowship or _FELLOWSHIP)
    return collected(results, partial(_row, source, _server(info, formats)))


def _server(info: Any, formats: Iterable[Any]) -> _Server:
    stated = info[0] if isinstance(info, list) and info else info
    stated = stated if isinstance(stated, dict) else {}
    return _Server(
        formats=_by_key(each for each in formats if isinstance(each, dict)),
        duration=reading.duration(stated.get("defaultDuration")),
        is_closed_unless_stated=stated.get("default_closed_status") in (True, "1", "true"),
    )


def _by_key(formats: Iterable[dict[str, Any]]) -> dict[tuple[str, str], _Format]:
    """By id and by letters, in all languages; the English name comes first."""
    found: dict[tuple[str, str], _Format] = {}
    for each in sorted(formats, key=lambda each: each.get("lang") != "en"):
        root, name = _text(each, "root_server_id"), _text(each, "name_string")
        for key in (f"id {_text(each, 'id')}", f"letters {_text(each, 'key_string')}"):
            known = found.get((root, key)) or _Format(_text(each, "world_id").upper(), ())
            found[root, key] = _Format(known.world_id, (*known.names, name))
    return found


def _row(source: Source, server: _Server, row: Any) -> EntryReading:
    if not isinstance(row, dict):
        return entry.read(source, row)
    if row.get("published") not in (None, "1", 1, True):
        return EntryReading(left_out="unpublished")
    formats = _formats(server, row)
    found = entry.read(source, _as_entry(server, row, formats))
    return replace(found, lacking=(*found.lacking, *sorted(formats.lacking))) if found.meeting else found


def _as_entry(server: _Server, row: dict[str, Any], formats: _Formats) -> dict[str, Any]:
    """The row in the members of the Meeting Guide format."""
    venue_type = _venue_type(row, formats)
    is_joined_from_afar = venue_type != _IN_PERSON or _text(row, "venue_type") == ""
    return {
        "name": row.get("meeting_name"),
        "slug": "-".join(filter(None, (_text(row, "root_server_id"), _text(row, "id_bigint")))),
        "day": _weekday(row),
        "time": row.get("start_time") or _UNREADABLE,
        "end_time": _end(server, row),
        "timezone": row.get("time_zone"),
        "types": formats.codes,
        "attendance_option": _ATTENDANCE.get(venue_type, venue_type),
        "location": row.get("location_text"),
        "location_notes": row.get("location_info"),
        "notes": row.get("comments"),
        "address": row.get("location_street"),
        "city": row.get("location_municipality") or row.get("location_city_subsection"),
        "regions": [
            row.get(each) for each in ("location_neighborhood", "location_city_subsection", "location_sub_province")
        ],
        "state": row.get("location_province"),
        "postal_code": row.get("location_postal_code_1"),
        "country": row.get("location_nation"),
        "latitude": row.get("latitude"),
        "longitude": row.get("longitude"),
        "conference_url": row.get("virtual_meeting_link") if is_joined_from_afar else None,
        "conference_phone": row.get("phone_meeting_number") if is_joined_from_afar else None,
        "conference_url_notes": row.get("virtual_meeting_additional_info"),
    }


def _weekday(row: dict[str, Any]) -> int | str:
    """From 1 = Sunday."""
    stated = _text(row, "weekday_tinyint")
    return int(stated) - 1 if stated in set("1234567") else _UNREADABLE


def _end(server: _Server, row: dict[str, Any]) -> str | None:
    start, stated = reading.time_of_day(row.get("start_time")), _text(row, "duration_time")
    length = reading.duration(stated) if stated else server.duration
    if start is None or length is None:
        return _UNREADABLE if stated else None
    return reading.after(start, length)


def _venue_type(row: dict[str, Any], formats: _Formats) -> str:
    """As stated; where its formats say virtual alone, it is. A server that states none is older than venue types."""
    stated = _text(row, "venue_type")
    is_both, is_virtual = _MEETS_BOTH_WAYS in formats.world_ids, _MEETS_VIRTUALLY in formats.world_ids
    if stated == "":
        return _HYBRID if is_both else _VIRTUAL if is_virtual else _IN_PERSON
    if stated not in _ATTENDANCE:
        formats.lacking.add("venue-type-unknown")
    return _VIRTUAL if stated == _IN_PERSON and is_virtual and not is_both else stated


def _formats(server: _Server, row: dict[str, Any]) -> _Formats:
    found = _Formats()
    root, ids = _text(row, "root_server_id"), reading.texts(row.get("format_shared_id_list"))
    keys = [f"id {each}" for each in ids] or [f"letters {each}" for each in reading.texts(row.get("formats"))]
    for known in (server.formats.get((root, key)) for key in keys):
        if known is None or (known.world_id and known.world_id not in type_codes.WORLD_IDS):
            found.lacking.add("format-unknown")
        elif known.world_id:
            found.world_ids.add(known.world_id)
            found.codes.extend(type_codes.WORLD_IDS[known.world_id])
            found.codes.extend(_languages(row, known, found.lacking))
    if server.is_closed_unless_stated and not {type_codes.OPEN, type_codes.CLOSED} & set(found.codes):
        found.codes.append(type_codes.CLOSED)
    return found


def _languages(row: dict[str, Any], known: _Format, lacking: set[str]) -> tuple[str, ...]:
    """Of a format that is a language: by its name, else the language of the row itself."""
    if known.world_id != _LANGUAGE:
        return ()
    named = next(filter(None, map(type_codes.languages, known.names)), ())
    if named:
        return named
    lacking.add("language-unknown")
    own = type_codes.LANGUAGES.get(_text(row, "lang_enum").partition("-")[0].lower())
    return (own,) if own else ()


def _text(row: dict[str, Any], member: str) -> str:
    return reading.text(row.get(member)) or ""
