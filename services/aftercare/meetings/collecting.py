"""The entries of a feed gathered: each is a meeting, merged into one, or left out for a reason. Pure.

Publishers write a meeting of several days as one entry or as one a day, and some repeat a slug for different meetings:
rows that differ in their day alone are one meeting, others are several.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from services.aftercare.meetings.entry import EntryReading
from services.aftercare.meetings.meeting import Feed, Meeting

MEETINGS_MOST = 20_000
"""Of one feed; what comes after is left out and counted."""


def collected(entries: Sequence[Any], read: Callable[[Any], EntryReading]) -> Feed:
    """All meetings of these entries, in their order, each id once."""
    left_out = Counter({"too-many": max(len(entries) - MEETINGS_MOST, 0)})
    lacking: Counter[str] = Counter()
    found: dict[Hashable, Meeting] = {}
    occasions: set[Hashable] = set()
    merged = 0
    for entry in map(read, entries[:MEETINGS_MOST]):
        meeting = entry.meeting
        if meeting is None:
            left_out[entry.left_out or ""] += 1
        elif (same := _but_for_days(meeting)) in found:
            found[same] = _united(found[same], meeting)
            merged += 1
        elif not occasions.isdisjoint(_occasions(meeting)):
            left_out["slug-repeated"] += 1
        else:
            found[same] = meeting
            lacking.update(entry.lacking)
        if meeting is not None:
            occasions.update(_occasions(meeting))
    meetings = _each_id_once(found.values())
    left_out["slug-repeated"] += len(found) - len(meetings)
    return Feed(meetings=meetings, entries=len(entries), merged=merged, left_out=+left_out, lacking=lacking)


def _but_for_days(meeting: Meeting) -> Hashable:
    return msgspec.structs.replace(meeting, weekdays=(), updated=None)


def _united(first: Meeting, second: Meeting) -> Meeting:
    weekdays = tuple(sorted({*first.weekdays, *second.weekdays}))
    updated = max(filter(None, (first.updated, second.updated)), default=None)
    return msgspec.structs.replace(first, weekdays=weekdays, updated=updated)


def _occasions(meeting: Meeting) -> list[Hashable]:
    """When and where: of two meetings with one slug and one of these, one is a mistake."""
    return [(meeting.slug, day, *_where(meeting)) for day in meeting.weekdays or (None,)]


def _where(meeting: Meeting) -> tuple[Hashable, ...]:
    return (meeting.start, meeting.address, meeting.places, meeting.link, meeting.phone)


def _each_id_once(meetings: Iterable[Meeting]) -> tuple[Meeting, ...]:
    """Of several meetings with one slug the earliest of the week has it; the others get one made of when and where they
    are, which the order of the feed does not change."""
    by_slug: dict[str, list[Meeting]] = {}
    for meeting in meetings:
        by_slug.setdefault(meeting.slug, []).append(meeting)
    found: dict[str, Meeting] = {}
    for alike in by_slug.values():
        first, *others = sorted(alike, key=_in_the_week) if len(alike) > 1 else alike
        found[first.slug] = first
        for meeting in others:
            slug = _made_slug(meeting)
            found.setdefault(slug, msgspec.structs.replace(meeting, slug=slug))
    return tuple(found.values())


def _in_the_week(meeting: Meeting) -> tuple[Any, ...]:
    return (meeting.weekdays, meeting.start or "", repr(_where(meeting)), meeting.name)


def _made_slug(meeting: Meeting) -> str:
    made = sha256(repr((meeting.weekdays, *_where(meeting))).encode()).hexdigest()[:12]
    return f"{meeting.slug}~{made}"
