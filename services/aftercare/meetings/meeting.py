"""One weekly meeting as every source is normalized (domain 6.6). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

Venue = Literal["in-person", "online", "phone"]

SECRETS = ("link", "phone", "notes")
"""How to join from afar: secrets of the group, stored sealed, for the patient's letter alone; no `repr` shows them."""


class Meeting(msgspec.Struct, frozen=True, kw_only=True):
    """One weekly meeting as every source is normalized (domain 6.6). Weekdays count from Sunday = 0, times are local.

    Without weekdays or start it is by appointment.
    """

    feed: str
    slug: str
    name: str
    fellowship: str = ""
    """A code: aa, na, ...; empty where its source names none."""
    weekdays: tuple[int, ...] = ()
    start: str | None = None
    end: str | None = None
    timezone: str | None = None
    """Of the tz database; its source's own where the entry names none."""
    venues: tuple[Venue, ...] = ()
    types: tuple[str, ...] = ()
    """Codes of the Meeting Guide format, where the source's own word is one of them."""
    location: str | None = None
    """What the place is called, as a church or a club."""
    places: tuple[str, ...] = ()
    """City and regions, coarse: what a patient's area is compared with."""
    state: str | None = None
    """Two capitals, as of a state of the USA."""
    postal_code: str | None = None
    """Five digits of a ZIP code; None in another country."""
    latitude: float | None = None
    longitude: float | None = None
    """Degrees, of the place or about it; both or none."""
    address: str | None = None
    """The door; None where the feed gives coordinates alone, or no place."""
    url: str | None = None
    """The group's own page, public; http or https."""
    link: str | None = None
    """Of the online room; http or https."""
    phone: str | None = None
    """To dial in, as stated; ten digits or more."""
    notes: str | None = None
    """What else one needs to join, such as a password."""
    updated: str | None = None
    """The day its source changed it last, as YYYY-MM-DD."""

    @property
    def id(self) -> str:
        return f"{self.feed}|{self.slug}"

    def __repr__(self) -> str:
        shown = (f"{each}={getattr(self, each)!r}" for each in self.__struct_fields__ if each not in SECRETS)
        return f"Meeting({', '.join(shown)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is known of a feed before it is read: what holds for each entry that does not state it itself."""

    feed: str
    fellowship: str = ""
    zone: str | None = None
    regions: tuple[str, ...] = ()


class Fault(msgspec.Struct, frozen=True):
    """Where in a curated table what is wrong; never what stands there."""

    line: int
    column: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """The meetings of one feed. Each of its `entries` is a meeting, was `merged` into one, or is `left_out` for one
    reason; `lacking` counts the meetings that lack something, by reason.
    """

    meetings: tuple[Meeting, ...]
    entries: int
    merged: int
    left_out: Mapping[str, int]
    lacking: Mapping[str, int]
    faults: tuple[Fault, ...] = ()
    """Of a curated table alone, for the person who writes it."""
