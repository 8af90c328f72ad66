"""One entry in the members of the Meeting Guide format (domain 6.4), read leniently. Pure.

The readers of other formats write their rows as such entries, so that one place decides what a meeting is.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import msgspec

from services.aftercare.meetings import area, reading, type_codes, venue_address
from services.aftercare.meetings.meeting import Meeting, Source, Venue

_HOUR = timedelta(hours=1)
"""What a meeting lasts where no end is given (domain 6.4)."""
_ALIASES = (
    ("id", "slug"), ("meeting", "name"), ("full_address", "formatted_address"), ("location_name", "location"),
    ("zip", "postal_code"), ("start_time", "time"),
)  # fmt: skip
"""Members as some sheets call them; they count where the format's own is absent."""
_ROOMS = tuple(f".{host}" for host in (
    "zoom.us", "zoomgov.com", "meet.google.com", "teams.microsoft.com", "teams.live.com", "webex.com",
    "gotomeeting.com", "gotomeet.me", "skype.com", "freeconferencecall.com", "freeconference.com", "bluejeans.com",
    "meet.jit.si", "8x8.vc", "whereby.com", "discord.gg", "ringcentral.com",
))  # fmt: skip
"""Hosts whose addresses are rooms, whatever member they stand in."""


@dataclass(frozen=True, slots=True)
class EntryReading:
    """The meeting, or why there is none; and what the meeting lacks."""

    meeting: Meeting | None = None
    left_out: str | None = None
    lacking: tuple[str, ...] = ()


def read(source: Source, raw: Any) -> EntryReading:
    """What an entry is: only name and slug are required. One whose day or time can't be read is none, for it is no
    meeting by appointment; a place without a door and a room without link or number are no way in."""
    entry = _cleaned(raw) if isinstance(raw, dict) else {}
    name, slug = _name(entry), reading.text(entry.get("slug"))
    if name is None or slug is None or len(slug) == reading.TEXT_CHARACTERS_MOST:
        return EntryReading(left_out="name-or-slug")
    weekdays, days_are_read = reading.weekdays(entry.get("day"))
    start = reading.time_of_day(entry.get("time"))
    if not weekdays and not days_are_read:
        return EntryReading(left_out="day-unreadable")
    if start is None and not reading.is_absent(entry.get("time")):
        return EntryReading(left_out="time-unreadable")
    types, unknown_types = _types(source, entry)
    named = Meeting(
        feed=source.feed,
        slug=slug,
        name=name,
        fellowship=source.fellowship,
        weekdays=weekdays,
        start=start,
        end=_end(entry, start),
        timezone=reading.zone(entry.get("timezone")) or source.zone,
        types=types,
        updated=reading.day(entry.get("updated")),
    )
    found = _somewhere(source, entry, named)
    return EntryReading(found, lacking=_lacking(entry, found, days_are_read, unknown_types))


def _somewhere(source: Source, entry: dict[str, Any], meeting: Meeting) -> Meeting:
    """The meeting with where it is, and how to take part."""
    link, phone = reading.web_address(entry.get("conference_url")), reading.phone(entry.get("conference_phone"))
    address, place, coordinates = venue_address.address(entry), area.of(entry), _coordinates(entry)
    venues = _venues(entry, address, link, phone)
    return msgspec.structs.replace(
        meeting,
        venues=venues,
        location=reading.text(entry.get("location")) if "in-person" in venues else None,
        places=_places(entry, place.city) or source.regions,
        state=place.state,
        postal_code=place.postal_code,
        latitude=coordinates and coordinates[0],
        longitude=coordinates and coordinates[1],
        address=address,
        url=_page(entry, link),
        link=link,
        phone=phone,
        notes=_notes(entry) if link or phone else None,
    )


def _cleaned(raw: dict[str, Any]) -> dict[str, Any]:
    """The entry by the format's own names, its texts without tags and entities; what can't be read stays as it is."""
    entry = {member_name(name): _readable(value) for name, value in raw.items()}
    for alias, member in _ALIASES:
        if reading.is_absent(entry.get(member)) and alias in entry:
            entry[member] = entry[alias]
    parts = str(entry.get("coordinates") or "").split(",")
    if len(parts) == 2 and _is_absent(entry, "latitude", "longitude"):
        entry["latitude"], entry["longitude"] = parts
    elif len(parts) == 4:
        entry["approximate"] = "yes"
    return entry


def _readable(value: Any) -> Any:
    return (reading.whole_text(value) or value) if isinstance(value, str) else value


@lru_cache(maxsize=1024)
def member_name(name: str) -> str:
    """A column's name as a member of the format: "Full Address" is `full_address`."""
    return "_".join("".join(each if each.isalnum() else " " for each in name.casefold()).split())


def _is_absent(entry: dict[str, Any], *members: str) -> bool:
    return all(reading.is_absent(entry.get(each)) for each in members)


def _name(entry: dict[str, Any]) -> str | None:
    """Without the address of a room, which is a secret of its group."""
    stated = reading.whole_text(entry.get("name"))
    return reading.text(" ".join(each for each in stated.split() if "://" not in each))


def _types(source: Source, entry: dict[str, Any]) -> tuple[tuple[str, ...], int]:
    """The codes, which close the place too where they say so in any language."""
    stated = reading.texts(entry.get("types"))
    codes, unknown = type_codes.read(stated, source.fellowship)
    if isinstance(entry.get("types"), str | dict | list):
        entry["types"] = [*stated, *codes]
    return codes, unknown - sum(each.upper() == venue_address.ONLINE for each in stated)


def _venues(entry: dict[str, Any], address: str | None, link: str | None, phone: str | None) -> tuple[Venue, ...]:
    ways: list[tuple[Venue, bool]] = [
        ("in-person", venue_address.is_attended_in_person(entry, address)),
        ("online", link is not None),
        ("phone", phone is not None),
    ]
    return tuple(venue for venue, there in ways if there)


def _end(entry: dict[str, Any], start: str | None) -> str | None:
    return reading.time_of_day(entry.get("end_time")) or (reading.after(start, _HOUR) if start else None)


def _places(entry: dict[str, Any], city: str | None) -> tuple[str, ...]:
    """City first, then regions, each once."""
    stated = (each for member in ("region", "sub_region", "regions") for each in reading.several(entry.get(member)))
    found = [city, *(reading.text(each) for each in stated)]
    return tuple(dict.fromkeys(each for each in found if each))[: reading.TEXTS_MOST]


def _coordinates(entry: dict[str, Any]) -> tuple[float, float] | None:
    latitude, longitude = reading.coordinate(entry.get("latitude"), 90), reading.coordinate(entry.get("longitude"), 180)
    return None if latitude is None or longitude is None else (latitude, longitude)


def _states_coordinates(entry: dict[str, Any]) -> bool:
    """Whether any are stated; 0 stands for none."""
    stated = [entry.get(each) for each in ("latitude", "longitude")]
    return not all(reading.is_absent(each) or re.fullmatch(r"[+-]?0+(\.0*)?", str(each).strip()) for each in stated)


def _page(entry: dict[str, Any], link: str | None) -> str | None:
    """The group's page; never the room itself, though it stands where the page should."""
    page = reading.web_address(entry.get("url"))
    host = (urlsplit(page).hostname or "") if page else ""
    return None if page == link or f".{host}".endswith(_ROOMS) else page


def _notes(entry: dict[str, Any]) -> str | None:
    members = ("conference_url_notes", "conference_phone_notes")
    stated = dict.fromkeys(reading.whole_text(entry.get(each)) for each in members)
    return reading.text("; ".join(each for each in stated if each), reading.LINK_CHARACTERS_MOST)


def _lacking(entry: dict[str, Any], found: Meeting, days_are_read: bool, unknown_types: int) -> tuple[str, ...]:
    def is_lost(value: object, *members: str) -> bool:
        return value is None and not _is_absent(entry, *members)

    lacks = {
        "day-partly-unreadable": not days_are_read,
        "day-or-time": bool(found.weekdays) != (found.start is not None),
        "end-unreadable": is_lost(reading.time_of_day(entry.get("end_time")), "end_time"),
        "zone-unreadable": is_lost(reading.zone(entry.get("timezone")), "timezone"),
        "zone": found.timezone is None,
        "type-unknown": unknown_types > 0,
        "coordinates-unreadable": found.latitude is None and _states_coordinates(entry),
        "link-unreadable": is_lost(found.link, "conference_url"),
        "phone-unreadable": is_lost(found.phone, "conference_phone"),
        "page-unreadable": is_lost(found.url, "url"),
        "updated-unreadable": is_lost(found.updated, "updated"),
        "place-and-link": not found.venues,
    }
    return tuple(reason for reason, lack in lacks.items() if lack)
