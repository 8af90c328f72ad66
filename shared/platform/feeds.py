"""feeds.toml: where the mutual-help meetings of a program are published. What can't be right is refused at start."""

import re
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from shared.platform.settings import ConfigurationError, programs, read_each, require_url, require_zone

FILE = "feeds.toml"
FEEDS_MOST = 40
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_CODE = re.compile(r"[a-z][a-z0-9-]{1,30}")
Kind = Literal["meeting-guide", "bmlt", "table"]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
Hours = Annotated[int, msgspec.Meta(ge=1, le=720)]
Days = Annotated[int, msgspec.Meta(ge=1, le=365)]
Ids = Annotated[tuple[Annotated[int, msgspec.Meta(ge=1)], ...], msgspec.Meta(max_length=50)]


class RegisteredFeed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One feed. It is at its `url`, in its `file` of the folder of settings, or of a BMLT below its `root`."""

    name: str
    program: str
    """Whose meetings they are: what two programs both use stands twice, under two names."""
    kind: Kind
    zone: str
    """Of meetings that name none."""
    attribution: Text
    """Who publishes it, as a patient reads it."""
    url: str = ""
    file: str = ""
    root: str = ""
    service_bodies: Ids = ()
    """Of a BMLT: these, with all below them; empty for all."""
    root_server_ids: Ids = ()
    """Of an aggregator of BMLTs: these; empty for all."""
    fellowship: str = ""
    """Of meetings that name none: aa, na, smart, ..."""
    regions: Annotated[tuple[Text, ...], msgspec.Meta(max_length=20)] = ()
    """Of meetings that name no place."""
    every_hours: Hours = 24
    stale_days: Days = 14

    @property
    def address(self) -> str:
        """Where it is fetched; empty of a file."""
        return self.url or self.root

    @property
    def every(self) -> timedelta:
        return timedelta(hours=self.every_hours)

    @property
    def stale_after(self) -> timedelta:
        return timedelta(days=self.stale_days)


TRY = "feeds"
"""As first argument of aftercare: a feed is fetched and read, and nothing is stored."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What `iop feeds try` asks: a feed of feeds.toml by its `name`, else a `file` of this kind."""

    name: str = ""
    file: str = ""
    kind: Kind = "meeting-guide"


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """How it was read, and the first of its meetings by name; or by a code why not."""

    meetings: int = 0
    entries: int = 0
    merged: int = 0
    left_out: Mapping[str, int] = {}
    lacking: Mapping[str, int] = {}
    faults: tuple[tuple[int, str, str], ...] = ()
    first: tuple[str, ...] = ()
    failed: str = ""


def registered_feeds(deploy: Path) -> dict[str, RegisteredFeed]:
    """The feeds of feeds.toml by name. Raises ConfigurationError."""
    file = deploy / FILE
    known = read_each(file, "feed", _read, may_be_absent=True)
    if len(known) > FEEDS_MOST:
        raise ConfigurationError(f"{file}: must have at most {FEEDS_MOST} feeds; it has {len(known)}.")
    of_programs = programs(deploy)
    for name, feed in known.items():
        place = f"{file}: feed.{name}"
        if feed.program not in of_programs:
            raise ConfigurationError(f"{place}.program: must be a program of program.toml.")
        if feed.address:
            require_url(feed.address, f"{place}.{'url' if feed.url else 'root'}")
    _require_apart(known, file)
    return known


def _read(name: str, table: Mapping[str, object]) -> RegisteredFeed:
    """Raises ValueError."""
    feed = msgspec.convert({"name": name, **table}, type=RegisteredFeed)
    if _NAME.fullmatch(name) is None:
        raise ValueError("its name must be of a-z, 0-9 and -, at most 40 of them")
    if feed.fellowship and _CODE.fullmatch(feed.fellowship) is None:
        raise ValueError("fellowship must be a code of a-z, 0-9 and -, like aa or na")
    if feed.stale_after <= feed.every:
        raise ValueError("stale_days must be longer than every_hours")
    _require_zone(feed.zone)
    is_bmlt = feed.kind == "bmlt"
    if is_bmlt and (not feed.root.endswith("/") or feed.url or feed.file):
        raise ValueError(
            "root must be the address of the BMLT, which ends with main_server/ or the like, and the only one"
        )
    if not is_bmlt and (bool(feed.url) == bool(feed.file) or feed.root or feed.service_bodies or feed.root_server_ids):
        raise ValueError(
            "either url or file must say where it is; root, service_bodies and root_server_ids are a bmlt's"
        )
    return feed


def _require_zone(zone: str) -> None:
    try:
        require_zone(zone)
    except ValueError as unknown:
        raise ValueError(str(unknown).replace("timezone", "zone", 1)) from unknown


def _require_apart(known: Mapping[str, RegisteredFeed], file: Path) -> None:
    """No two of a program are the same. Raises ConfigurationError."""
    places = Counter(_place(each) for each in known.values())
    for name, feed in known.items():
        if places[_place(feed)] > 1:
            raise ConfigurationError(f"{file}: feed.{name}: another feed of its program has the same address.")


def _place(feed: RegisteredFeed) -> tuple[object, ...]:
    return feed.program, feed.address, feed.file, feed.service_bodies, feed.root_server_ids
