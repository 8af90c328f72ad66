"""Mutual-help meetings: read from a cached public feed, matched to a patient here. Nothing about a patient leaves.

The feed is Meeting Guide JSON (domain 6.4). Addresses of online rooms carry secrets and are dropped while reading.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any, Literal

import msgspec

from services.aftercare import venue_address
from services.aftercare.venue_address import CLOSED_FOR_NOW
from shared.events.wire import Unreadable

MEETINGS_MOST = 20_000
"""Of one feed; what comes after is skipped and counted."""
TEXT_CHARACTERS_MOST = 255
TEXTS_MOST = 50
Venue = Literal["in-person", "online", "phone"]

NEWCOMER, OPEN, DUAL_DIAGNOSIS, ATTENDANCE_PROOF, WHEELCHAIR = "BE", "O", "DD", "POA", "X"
EVENING = "17:00"
FOR_SOME = frozenset({"BI", "G", "L", "LGBTQ", "M", "N", "NB", "NDG", "P", "POC", "SEN", "T", "W", "Y"})
"""Types that speak to a part of the people: never guessed of a patient, so offered last."""
LANGUAGES = {
    "af": "AF", "am": "AM", "ar": "AR", "bg": "BG", "da": "DA", "de": "DE", "el": "EL", "en": "EN", "es": "S",
    "fa": "FA", "fi": "FI", "fr": "FR", "he": "HE", "hi": "HI", "hr": "HR", "hu": "HU", "is": "IS", "it": "ITA",
    "ja": "JA", "ka": "KA", "ko": "KOR", "lt": "LT", "ml": "ML", "mt": "MT", "ne": "NE", "nl": "NL", "no": "NO",
    "pa": "PUN", "pl": "POL", "pt": "POR", "ru": "RUS", "sk": "SK", "sl": "SL", "sv": "SV", "th": "TH", "tl": "TL",
    "tr": "TUR", "uk": "UK",
}  # fmt: skip
"""BCP 47 primary language to the feed's type code."""


class Meeting(msgspec.Struct, frozen=True, kw_only=True):
    """One weekly meeting as every source is normalized (domain 6.6). Weekdays count from Sunday = 0, times are local.

    Without weekdays or start it is by appointment.
    """

    feed: str
    slug: str
    name: str
    weekdays: tuple[int, ...] = ()
    start: str | None = None
    end: str | None = None
    timezone: str | None = None
    venues: tuple[Venue, ...] = ()
    types: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    """City and regions, coarse: what a patient's area is compared with."""
    address: str | None = None
    """The door; None where the feed gives coordinates alone, or no place."""
    url: str | None = None
    updated: str | None = None

    @property
    def id(self) -> str:
        return f"{self.feed}|{self.slug}"


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What a list should look like for one patient: coarse facts only, `language` is a BCP 47 code."""

    newcomer: bool = False
    dual_diagnosis: bool = False
    attendance_proof: bool = False
    wheelchair: bool = False
    telehealth: bool = False
    evening: bool = False
    language: str = "en"
    area: str | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """The meetings of one feed, and how many entries lack what, by reason."""

    meetings: tuple[Meeting, ...]
    lacking: Mapping[str, int]


def parse(feed: str, content: bytes) -> Feed:
    """Read a Meeting Guide array leniently: only name and slug are required. What an entry lacks is counted; one whose
    day or time can't be read is left out, for it is no meeting by appointment.

    Raises Unreadable when it is no JSON array at all; the cached meetings then stay as they are.
    """
    try:
        entries = json.loads(content.decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError) as wrong:
        raise Unreadable(f"meeting feed {feed}") from wrong
    if not isinstance(entries, list):
        raise Unreadable(f"meeting feed {feed}")
    meetings: dict[str, Meeting] = {}
    lacking = Counter({"too-many": max(len(entries) - MEETINGS_MOST, 0)})
    for entry in entries[:MEETINGS_MOST]:
        meeting = _meeting(feed, entry)
        lacking.update(_lacking(entry, meeting, meetings))
        if meeting is not None and not _is_unreadable(entry, meeting):
            meetings.setdefault(meeting.slug, meeting)
    return Feed(tuple(meetings.values()), +lacking)


def _lacking(entry: Any, meeting: Meeting | None, known: Collection[str]) -> list[str]:
    """What an entry lacks, or why it is left out."""
    if meeting is None:
        return ["name-or-slug"]
    if meeting.slug in known:
        return ["slug-repeated"]
    found = {
        "day-unreadable": _given(entry, "day") and not meeting.weekdays,
        "day-partly-unreadable": bool(meeting.weekdays) and not all(map(_is_day, _days(entry["day"]))),
        "time-unreadable": _given(entry, "time") and meeting.start is None,
        "place-and-link": not meeting.venues,
    }
    return [reason for reason, lacks in found.items() if lacks]


def _is_unreadable(entry: dict[str, Any], meeting: Meeting) -> bool:
    return (_given(entry, "day") and not meeting.weekdays) or (_given(entry, "time") and meeting.start is None)


def _given(entry: dict[str, Any], member: str) -> bool:
    return entry.get(member) not in (None, "", [])


def match(meetings: Sequence[Meeting], wishes: Wishes, most: int) -> tuple[str, ...]:
    """Identifiers of at most `most` meetings, the fitting ones first on each weekday, spread over the week. Where none
    is near, those of any area: a list is never silently empty."""
    found = _matching(meetings, wishes, most)
    return found or _matching(meetings, msgspec.structs.replace(wishes, area=None), most)


def _matching(meetings: Iterable[Meeting], wishes: Wishes, most: int) -> tuple[str, ...]:
    suitable = [
        each for each in meetings if _is_regular(each) and _venues(each, wishes) and _is_understood(each, wishes)
    ]
    ranked = sorted(suitable, key=lambda each: (-_worth(each, wishes), each.start or "", each.id))
    return _spread(ranked, most)


def _is_regular(meeting: Meeting) -> bool:
    return bool(meeting.weekdays) and meeting.start is not None


def _venues(meeting: Meeting, wishes: Wishes) -> list[Venue]:
    """The ways in which this patient can take part; a place that is far, closed or full of steps is none."""
    near = wishes.area is None or wishes.area.casefold() in {each.casefold() for each in meeting.places}
    reachable = WHEELCHAIR in meeting.types or not wishes.wheelchair
    in_person = near and reachable and CLOSED_FOR_NOW not in meeting.types
    return [each for each in meeting.venues if each != "in-person" or in_person]


def _is_understood(meeting: Meeting, wishes: Wishes) -> bool:
    return bool({_language(wishes), "EN"} & _spoken(meeting))


def _language(wishes: Wishes) -> str:
    return LANGUAGES.get(wishes.language.partition("-")[0].lower(), "EN")


def _spoken(meeting: Meeting) -> set[str]:
    """A meeting that names no language is held in English."""
    return set(meeting.types) & set(LANGUAGES.values()) or {"EN"}


def _worth(meeting: Meeting, wishes: Wishes) -> int:
    types = set(meeting.types)
    points = 8 if _language(wishes) in _spoken(meeting) else 0
    points += sum(worth for type_, worth in _worth_of_types(wishes).items() if type_ in types)
    points += 1 if wishes.evening and _is_evening(meeting) else 0
    points += 1 if _preferred(wishes) in _venues(meeting, wishes) else 0
    return points - (5 if types & FOR_SOME else 0)


def _worth_of_types(wishes: Wishes) -> dict[str, int]:
    """What a type of meeting is worth to this patient."""
    return {
        DUAL_DIAGNOSIS: 4 * wishes.dual_diagnosis,
        ATTENDANCE_PROOF: 4 * wishes.attendance_proof,
        NEWCOMER: 2 * wishes.newcomer,
        OPEN: 1 * wishes.newcomer,
    }


def _preferred(wishes: Wishes) -> Venue:
    return "online" if wishes.telehealth else "in-person"


def _is_evening(meeting: Meeting) -> bool:
    return (meeting.start or "") >= EVENING


def _spread(ranked: Sequence[Meeting], most: int) -> tuple[str, ...]:
    """The best of each weekday, then the second best of each, until there are enough."""
    days = [[each.id for each in ranked if day in each.weekdays] for day in range(7)]
    in_turn = (each for turn in zip_longest(*days) for each in turn if each is not None)
    return tuple(dict.fromkeys(in_turn))[:most]


def _meeting(feed: str, entry: Any) -> Meeting | None:
    if not isinstance(entry, dict):
        return None
    name, slug = _text(entry.get("name")), _text(entry.get("slug"))
    if name is None or slug is None or len(slug) == TEXT_CHARACTERS_MOST:
        return None
    start = _time(entry.get("time"))
    return Meeting(
        feed=feed,
        slug=slug,
        name=name,
        weekdays=_weekdays(entry.get("day")),
        start=start,
        end=_time(entry.get("end_time")) or _an_hour_after(start),
        timezone=_text(entry.get("timezone")),
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
