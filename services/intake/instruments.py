"""The instruments that screens use, as data: which finding an item is, what its answers count, what a total sums."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from services.intake.placement.levels import LEVELS
from services.intake.table import TABLE, bare
from shared.platform.tables import structured


class Sum(msgspec.Struct, frozen=True, kw_only=True):
    """A total is the sum of these items, each up to as many points as stand in `most` in its place. Of a `reversed`
    item, what its answer lacks to the most."""

    source: str
    verified: bool = True
    items: tuple[str, ...]
    most: tuple[int, ...]
    answers: str = "number"
    reversed: tuple[str, ...] = ()


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Codes of LOINC about one matter, each with the finding it asks for, and the table of their answers, where it is
    not that of the finding."""

    about: str
    source: str
    codes: Mapping[str, str]
    verified: bool = True
    answers: str = ""


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer counts, by its code or its words in small letters."""

    source: str
    points: Mapping[str, int]


class Instruments(msgspec.Struct, frozen=True, kw_only=True):
    asked: tuple[Asked, ...]
    wording: Mapping[str, str]
    declined: frozenset[str]
    answered: Mapping[str, str]
    answers: Mapping[str, Answers]
    sum: Mapping[str, Sum]
    most: Mapping[str, int]
    route: Mapping[str, str]


INSTRUMENTS = structured(Path(__file__).parent / "data" / "instruments.toml", Instruments)
STATED = TABLE.facts() | set(TABLE.evidence.scores)
"""The hub's own codes of facts and scores."""


class Question(NamedTuple):
    """What a code asks for: a finding, and the table by which its answers are read; without one, a number."""

    finding: str
    answers: str


def _question(finding: str, answers: str = "") -> Question:
    number = "" if finding in INSTRUMENTS.most else "fact"
    return Question(finding, answers or INSTRUMENTS.answered.get(finding, number))


_POINTS = frozenset(TABLE.evidence.scores)
_ANSWERS = INSTRUMENTS.declined.union(*(each.points for each in INSTRUMENTS.answers.values()))
_OWN = {each: _question(each) for each in STATED}
_LOINC = {code: _question(finding, each.answers) for each in INSTRUMENTS.asked for code, finding in each.codes.items()}


def question(code: str) -> Question | None:
    """What this code asks for, LOINC's or the hub's own."""
    return _LOINC.get(code) or _OWN.get(code)


def totals_with(item: str) -> tuple[str, ...]:
    """The totals that this item is part of."""
    return tuple(total for total, each in INSTRUMENTS.sum.items() if item in each.items)


def totals(points_by_item: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """The totals of which every item is there."""
    for total, each in INSTRUMENTS.sum.items():
        if all(item in points_by_item for item in each.items):
            yield total, sum(points_by_item[item] for item in each.items)


def is_known(code: str) -> bool:
    """Whether something can be read under this code: a finding, an item of a total, a need, or the level of one."""
    return code in TABLE.dimensions or code in LEVELS or question(code) is not None or bool(totals_with(code))


def is_meaning(code: str) -> bool:
    """Whether a code map may name it: what is read under a code, an answer (a code or a word of the tables, or points),
    or a diagnosis (ICD-10-CM, or a disorder)."""
    points = code.isdecimal() and int(code) <= max(each for score, each in INSTRUMENTS.most.items() if score in _POINTS)
    diagnosis = code in TABLE.disorders() or any(each.evident(bare(code)) for each in TABLE.diagnosis)
    return is_known(code) or points or diagnosis or code.lower() in _ANSWERS
