"""The instruments that screens use, as data: which finding an item is, what its answers count, what a total sums."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from services.intake.table import TABLE
from shared.platform.tables import structured


class Sum(msgspec.Struct, frozen=True):
    """A total is the sum of these items, each up to as many points as stand in `most` in its place. Of a `reversed`
    item, what its answer lacks to the most."""

    items: tuple[str, ...]
    most: tuple[int, ...]
    answers: str = "number"
    reversed: tuple[str, ...] = ()


class Instruments(msgspec.Struct, frozen=True):
    finding: Mapping[str, str]
    wording: Mapping[str, str]
    answers: Mapping[str, Mapping[str, int]]
    sum: Mapping[str, Sum]
    most: Mapping[str, int]
    route: Mapping[str, str]


INSTRUMENTS = structured(Path(__file__).parent / "data" / "instruments.toml", Instruments)
STATED = TABLE.facts() | set(TABLE.evidence.scores)
"""The hub's own codes of facts and scores."""


def finding_code(code: str) -> str | None:
    """The finding that this code asks for, LOINC's or the hub's own."""
    return INSTRUMENTS.finding.get(code) or (code if code in STATED else None)


def totals_with(item: str) -> tuple[str, ...]:
    """The totals that this item is part of."""
    return tuple(total for total, each in INSTRUMENTS.sum.items() if item in each.items)


def totals(points_by_item: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """The totals of which every item is there."""
    for total, each in INSTRUMENTS.sum.items():
        if all(item in points_by_item for item in each.items):
            yield total, sum(points_by_item[item] for item in each.items)


def is_known(code: str) -> bool:
    """Whether something can be read under this code: a finding, or an item of a total."""
    return finding_code(code) is not None or bool(totals_with(code))
