"""Where a ZIP code is, about: its centre rounded to 0.05 degrees, its state and zone; of the package `zipcodes` 3.0.0.

`data/zip_codes.csv` holds per first three digits what a lookup needs; a code that is none, a military one or a foreign
one has no place.
"""

import re
from pathlib import Path
from typing import NamedTuple

from shared.platform.tables import Row, by_key

STEPS = 20
"""Of a degree: 0.05 each."""
_ZIP = re.compile(r"(\d{3})(\d{2})(-?\d{4})?", re.ASCII)
_CODES = re.compile(r"\d\d:-?\d+:-?\d+:[A-Z]{2}:\d(?: \d\d:-?\d+:-?\d+:[A-Z]{2}:\d)*", re.ASCII)


class ZipCode(NamedTuple):
    """`place` is degrees of latitude and longitude, `state` two capitals, `zone` of the tz database."""

    place: tuple[float, float]
    state: str
    zone: str


class _Prefix(NamedTuple):
    zones: tuple[str, ...]
    codes: str


def _prefix(row: Row) -> _Prefix:
    zones = tuple(row["zones"].split())
    if not zones or _CODES.fullmatch(row["codes"]) is None:
        raise ValueError("needs zones, and codes as digits:latitude:longitude:state:zone")
    return _Prefix(zones, row["codes"])


_TABLE = by_key(Path(__file__).parent / "data" / "zip_codes.csv", "prefix", _prefix)


def zip_code(text: str) -> ZipCode | None:
    """Of five digits, or nine; None for all else."""
    stated = _ZIP.fullmatch(text.strip())
    known = _TABLE.get(stated[1]) if stated else None
    if stated is None or known is None:
        return None
    found = re.search(rf"(?<!\S){stated[2]}:(\S+)", known.codes)
    if found is None:
        return None
    latitude, longitude, state, zone = found[1].split(":")
    return ZipCode((int(latitude) / STEPS, int(longitude) / STEPS), state, known.zones[int(zone)])
