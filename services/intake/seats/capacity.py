"""Where seats are counted: a level of care (`2.1`), or a track of it with seats of its own (`2.1|dual-diagnosis`)."""

from collections.abc import Collection, Iterable
from typing import Annotated, Final

import msgspec

CAPACITY_MOST = 150
SeatCount = Annotated[int, msgspec.Meta(ge=0, le=CAPACITY_MOST)]
"""0: nobody is admitted there until a seat is counted again."""
SEATS: Final = "seats"
"""The kind of key that a place is."""
PREGNANT_AND_INJECTING, PREGNANT, INJECTING, STEP_DOWN, LONGEST = range(5)
"""In this order a free seat is offered (45 CFR 96.131(a); 42 USC 300x-27(a)), then to whoever asked first."""


INJECTING_USE = "injecting-use"
"""The fact by which a patient is known to inject."""


def place_key(program: str, place: str) -> str:
    """The key of a place: it names no patient, so that a person may read it."""
    return f"{program}/{place}"


def place_of(level: str, tracks: Iterable[str], capacity: Collection[str]) -> str | None:
    """Where a seat is asked for: among those of the first track that has its own, else among the level's; None where
    neither is counted."""
    places = (*(f"{level}|{each}" for each in tracks), level)
    return next((each for each in places if each in capacity), None)


def level_of(place: str) -> str:
    return place.partition("|")[0]


def require_places(places: Iterable[str], offers: Collection[str], tracks: Collection[str]) -> None:
    """Raises ValueError of a place that no patient could ever ask for."""
    for place in places:
        level, bar, track = place.partition("|")
        if level not in offers:
            raise ValueError(f'capacity: "{place}": the level must be one of offers')
        if bar and track not in tracks:
            raise ValueError(f'capacity: "{place}": the track must be one of {", ".join(sorted(tracks))}')
