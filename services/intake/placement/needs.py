"""The needs that clinicians stated: of each dimension the latest decides, until its own source withdraws it."""

from collections.abc import Collection, Iterable, Sequence

import msgspec

from services.intake.messages import StatedNeed
from services.intake.placement.levels import LEVELS
from services.intake.placement.sources import key_of, source_key, stored_source
from services.intake.table import TABLE

MISTAKEN = "entered-in-error"
"""A need taken back: no level of any edition."""
UNREADABLE = "unreadable"
"""A need whose level nobody could read, none either: a person looks (R0)."""
SOURCES_MOST = 3
"""Needs of one dimension that a state holds, each of another source: one withdrawn, the one before decides."""


def stated_needs(
    known: Iterable[StatedNeed], stated: Sequence[StatedNeed], replaced: Collection[str] = ()
) -> tuple[StatedNeed, ...]:
    """Of each dimension the newest of each source, the latest first. Another version of a source replaces what it said,
    whenever it says that was; of a `replaced` source (Type/id) nothing stays but what is stated here."""
    gone = {source_key(each) for each in (*replaced, *(need.source for need in stated)) if each}
    by_source = {_place(need): need for need in known if key_of(need.source) not in gone}
    for need in stated:
        named = msgspec.structs.replace(need, source=stored_source(need.source))
        by_source.pop((need.dimension, "", need.at), None)
        if need.level != MISTAKEN:
            by_source[_place(named)] = named
    latest_first = sorted(by_source.values(), key=_time_and_gravity, reverse=True)
    by_dimension = {name: [each for each in latest_first if each.dimension == name] for name in TABLE.dimensions}
    return tuple(need for needs in by_dimension.values() for need in needs[:SOURCES_MOST])


def _time_and_gravity(need: StatedNeed) -> tuple[object, ...]:
    """Of two at one time the graver goes first; a code that the table doesn't know is the gravest: a person looks."""
    return (need.at, LEVELS.index(need.level) if need.level in LEVELS else len(LEVELS), key_of(need.source))


def is_same(need: StatedNeed, other: StatedNeed) -> bool:
    """Stated by the same source, whichever release stored it."""
    return (_place(need), need.level, need.at) == (_place(other), other.level, other.at)


def _place(need: StatedNeed) -> tuple[object, ...]:
    """A source says one thing about a dimension; of one that nobody remembers, its time tells it apart."""
    return (need.dimension, key_of(need.source)) if need.source else (need.dimension, "", need.at)


def latest(needs: Iterable[StatedNeed]) -> tuple[StatedNeed, ...]:
    """The need of each dimension that decides."""
    found: dict[str, StatedNeed] = {}
    for need in needs:
        found.setdefault(need.dimension, need)
    return tuple(found.values())
