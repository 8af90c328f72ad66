"""One weekly meeting as every source is normalized (domain 6.6). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

Venue = Literal["in-person", "online", "phone"]

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
    fellowship: str = ""
    """A code: aa, na, ...; empty where its source names none."""
    weekdays: tuple[int, ...] = ()
    start: str | None = None
    end: str | None = None
    timezone: str | None = None
    venues: tuple[Venue, ...] = ()
    types: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    """City and regions, coarse: what a patient's area is compared with."""
    state: str | None = None
    postal_code: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    address: str | None = None
    """The door; None where the feed gives coordinates alone, or no place."""
    url: str | None = None
    """The group's own page, public."""
    link: str | None = None
    phone: str | None = None
    """How to join from afar: secrets of the group, for the patient's letter alone."""
    notes: str | None = None
    """What else one needs to join, such as a password: a secret of the group."""
    updated: str | None = None

    @property
    def id(self) -> str:
        return f"{self.feed}|{self.slug}"


@dataclass(frozen=True, slots=True)
class Feed:
    """The meetings of one feed, and how many entries lack what, by reason."""

    meetings: tuple[Meeting, ...]
    lacking: Mapping[str, int]
