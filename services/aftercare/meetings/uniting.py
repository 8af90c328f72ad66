"""Meetings of several feeds, each once: an intergroup and a directory often publish the same one. Pure."""

import re
from collections.abc import Hashable, Iterable, Iterator
from itertools import groupby

import msgspec

from services.aftercare.meetings.meeting import Meeting

_SHORT = {
    "street": "st", "avenue": "ave", "road": "rd", "boulevard": "blvd", "drive": "dr", "lane": "ln", "place": "pl",
    "court": "ct", "highway": "hwy", "parkway": "pkwy", "square": "sq", "north": "n", "south": "s", "east": "e",
    "west": "w", "saint": "st",
}  # fmt: skip
_EMPTY = frozenset({"the", "a", "group", "meeting", "of", "and"})
"""What a name has or has not."""


def united(meetings: Iterable[Meeting]) -> tuple[Meeting, ...]:
    """Each meeting once, in the order of their ids: of two from different feeds that are alike in fellowship, name,
    hour, zone, place and ways in, the one with more weekdays counts; of the other what weekdays it has besides.

    Meetings of one feed are never united, for their publisher tells them apart. The order given decides nothing, nor
    does what changes with each update: a list refers to a meeting by its id.
    """
    in_turn = sorted(meetings, key=lambda each: (_start(each), -len(each.weekdays), each.id))
    # Hour by hour: what is alike of 100,000 at once takes 200 MB.
    found = (each for _, of_an_hour in groupby(in_turn, key=_start) for each in _united(of_an_hour))
    return tuple(sorted(found, key=lambda each: each.id))


def _start(meeting: Meeting) -> str:
    return meeting.start or ""


def _united(meetings: Iterable[Meeting]) -> Iterator[Meeting]:
    """Of one hour, those on most weekdays first."""
    covered: dict[Hashable, dict[str, set[int]]] = {}
    for meeting in meetings:
        by_feed = covered.setdefault(_alike(meeting), {})
        elsewhere = {day for feed, days in by_feed.items() if feed != meeting.feed for day in days}
        weekdays = tuple(day for day in meeting.weekdays if day not in elsewhere)
        if weekdays or (not meeting.weekdays and by_feed.keys() <= {meeting.feed}):
            by_feed.setdefault(meeting.feed, set()).update(weekdays)
            is_whole = weekdays == meeting.weekdays
            yield meeting if is_whole else msgspec.structs.replace(meeting, weekdays=weekdays)


def _alike(meeting: Meeting) -> Hashable:
    name = frozenset(_plain(meeting.name)) - _EMPTY or meeting.name
    return (meeting.fellowship, name, meeting.start, meeting.timezone, meeting.venues, _where(meeting))


def _where(meeting: Meeting) -> Hashable:
    """The first line of a door and its city, else the room, the number, or the spot within some hundred meters."""
    if "in-person" in meeting.venues and meeting.address is not None:
        street = tuple(_SHORT.get(each, each) for each in _plain(meeting.address.partition(",")[0]))
        return (street, *(each.casefold() for each in meeting.places[:1]))
    if meeting.link is not None:
        return meeting.link.partition("?")[0].casefold().rstrip("/")
    if meeting.phone is not None:
        return re.sub(r"\D", "", meeting.phone)
    if meeting.latitude is not None and meeting.longitude is not None:
        return (round(meeting.latitude, 3), round(meeting.longitude, 3))
    return meeting.id


def _plain(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold().replace("'", "").replace("’", ""))
