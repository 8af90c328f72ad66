"""How near a meeting is to where a patient lives: by distance where both are known, else by the city's name. Pure.

Distances are of the centre of a ZIP code, rounded to 0.05 degrees (up to 3 miles off), so they are only bands.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from services.aftercare.meetings.wishes import Wishes

_MILES_PER_DEGREE = 69.05
_SHORT = {"st": "saint", "ste": "sainte", "mt": "mount", "ft": "fort", "pt": "point", "n": "north", "s": "south"}
_SHORT |= {"e": "east", "w": "west", "hts": "heights", "spgs": "springs", "twp": "", "township": ""}
_ALIASES = {"nyc": "new york", "new york city": "new york", "manhattan": "new york", "la": "los angeles"}


class Spot(NamedTuple):
    """Where a meeting is: `place` degrees, `names` the city and regions by `city_name`, `state` capitals."""

    place: tuple[float, float] | None
    names: frozenset[str]
    state: str | None


class Nearness(NamedTuple):
    """`miles` is the band, None where the distance is not known."""

    miles: int | None


_UNKNOWN = Nearness(None)


def nearness(wishes: Wishes, bands_miles: Sequence[int]) -> Callable[[Spot], Nearness | None]:
    """How near a spot is to this patient, by the least of these bands; None where it is farther than all of them, or
    nobody can say that it is near. Of a patient of whom no place is known, all is."""
    area = None if wishes.area is None else city_name(wishes.area)
    away = None if wishes.place is None else _band(*wishes.place, bands_miles)

    def near(spot: Spot) -> Nearness | None:
        if away is not None and spot.place is not None:
            return away(*spot.place)
        if area is None:
            return _UNKNOWN if away is None else None
        is_other_state = None not in (wishes.state, spot.state) and wishes.state != spot.state
        return _UNKNOWN if not is_other_state and area in spot.names else None

    return near


def _band(latitude: float, longitude: float, miles: Sequence[int]) -> Callable[[float, float], Nearness | None]:
    """On a plane, which at 25 miles is right to a hundredth, at 100 to three."""
    narrow = math.cos(math.radians(latitude))
    bands = [((each / _MILES_PER_DEGREE) ** 2, Nearness(each)) for each in sorted(miles)]

    def band(north: float, east: float) -> Nearness | None:
        square = (north - latitude) ** 2 + (((east - longitude + 180.0) % 360.0 - 180.0) * narrow) ** 2
        for most, found in bands:
            if square <= most:
                return found
        return None

    return band


def names(places: Iterable[str]) -> frozenset[str]:
    return frozenset(name for each in places if (name := city_name(each)))


@lru_cache(4096)
def city_name(text: str) -> str:
    """One spelling of a city: "St. Louis" is "saint louis", "NYC" is "new york", "Kansas City" is no Kansas."""
    words = re.findall(r"[\w'’]+", text.casefold())
    short = " ".join(filter(None, (_SHORT.get(each, each) for each in words))) or " ".join(words)
    return _ALIASES.get(short, short)
