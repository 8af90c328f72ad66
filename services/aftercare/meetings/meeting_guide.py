"""A feed in the public Meeting Guide format (domain 6.4), read leniently.

Addresses of online rooms carry secrets and are dropped while reading.
"""

import json
import re
from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from services.aftercare.meetings import venue_address
from services.aftercare.meetings.meeting import Feed, Meeting, Source, Venue
from shared.events.wire import Unreadable

MEETINGS_MOST = 20_000
"""Of one feed; what comes after is skipped and counted."""
TEXT_CHARACTERS_MOST = 255
TEXTS_MOST = 50


def read(source: Source, content: bytes) -> Feed:
    """Read a Meeting Guide array leniently: only name and slug are required. What an entry lacks is counted; one whose
    day or time can't be read is left out, for it is no meeting by appointment.

    Raises Unreadable when it is no JSON array at all; the cached meetings then stay as they are.
    """
    try:
        entries = json.loads(content.decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError) as wrong:
        raise Unreadable(f"meeting feed {source.feed}") from wrong
    if not isinstance(entries, list):
        raise Unreadable(f"meeting feed {source.feed}")
    meetings: dict[str, Meeting] = {}
    left_out = Counter({"too-many": max(len(entries) - MEETINGS_MOST, 0)})
    lacking: Counter[str] = Counter()
    for entry in entries[:MEETINGS_MOST]:
        meeting = _meeting(source, entry)
        if meeting is None:
            left_out["name-or-slug"] += 1
        elif reason := _why_left_out(entry, meeting, meetings):
            left_out[reason] += 1
        else:
            lacking.update(_lacking(entry, meeting))
            meetings[meeting.slug] = meeting
    return Feed(meetings=tuple(meetings.values()), entries=len(entries), merged=0, left_out=+left_out, lacking=lacking)


def _why_left_out(entry: dict[str, Any], meeting: Meeting, known: Collection[str]) -> str | None:
    if meeting.slug in known:
        return "slug-repeated"
    if _given(entry, "day") and not meeting.weekdays:
        return "day-unreadable"
    return "time-unreadable" if _given(entry, "time") and meeting.start is None else None


def _lacking(entry: dict[str, Any], meeting: Meeting) -> list[str]:
    found = {
        "day-partly-unreadable": bool(meeting.weekdays) and not all(map(_is_day, _days(entry["day"]))),
        "place-and-link": not meeting.venues,
    }
    return [reason for reason, lacks in found.items() if lacks]


def _given(entry: dict[str, Any], member: str) -> bool:
    return entry.get(member) not in (None, "", [])


def _meeting(source: Source, entry: Any) -> Meeting | None:
    if not isinstance(entry, dict):
        return None
    name, slug = _text(entry.get("name")), _text(entry.get("slug"))
    if name is None or slug is None or len(slug) == TEXT_CHARACTERS_MOST:
        return None
    start = _time(entry.get("time"))
    return Meeting(
        feed=source.feed,
        slug=slug,
        name=name,
        weekdays=_weekdays(entry.get("day")),
        start=start,
        end=_time(entry.get("end_time")) or _an_hour_after(start),
        timezone=_text(entry.get("timezone")) or source.zone,
        fellowship=source.fellowship,
        venues=_ways_in(entry),
        address=venue_address.address(entry),
        types=_texts(entry.get("types")),
        places=tuple(
            dict.fromkeys(
                place for member in ("city", "region", "sub_region", "regions") for place in _texts(entry.get(member))
            )
        ),
        url=_text(entry.get("url")),
        updated=_text(entry.get("updated")),
    )


def _ways_in(entry: dict[str, Any]) -> tuple[Venue, ...]:
    """In person needs a door; online is an address for a conference, never stored."""
    in_person = venue_address.is_attended_in_person(entry)
    ways: list[tuple[Venue, bool]] = [
        ("in-person", in_person),
        ("online", bool(_text(entry.get("conference_url")))),
        ("phone", bool(_text(entry.get("conference_phone")))),
    ]
    return tuple(venue for venue, there in ways if there)


def _weekdays(day: Any) -> tuple[int, ...]:
    return tuple(sorted({int(each) for each in _days(day) if _is_day(each)}))


def _days(day: Any) -> list[Any]:
    return day if isinstance(day, list) else [day]


def _is_day(value: Any) -> bool:
    return isinstance(value, int | str) and re.fullmatch("[0-6]", str(value)) is not None


def _time(value: Any) -> str | None:
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)(:[0-5]\d)?", _text(value) or "", re.ASCII)
    return f"{int(found[1]):02}:{found[2]}" if found else None


def _an_hour_after(start: str | None) -> str | None:
    if start is None:
        return None
    return f"{datetime.strptime(start, '%H:%M') + timedelta(hours=1):%H:%M}"


def _texts(value: Any) -> tuple[str, ...]:
    values: Collection[Any] = value[:TEXTS_MOST] if isinstance(value, list) else [value]
    return tuple(text for each in values if (text := _text(each)) is not None)


def _text(value: Any) -> str | None:
    """Printable text of bounded length, or nothing: a feed is anybody's, and NUL ends in no database."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    printable = "".join(each if each.isprintable() else " " for each in str(value))
    return " ".join(printable.split())[:TEXT_CHARACTERS_MOST].strip() or None
