"""The placement table as typed data. Loaded once, never changed."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from math import inf
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import msgspec

from shared.platform.tables import structured
from shared.rules.escalation import rule_version

_PART = re.compile(r"(?P<code>[a-z0-9-]+) >= (?P<bound>\d+)")


class Conditional(Protocol):
    """A row of the table that holds or not."""

    @property
    def when(self) -> tuple[str, ...]: ...


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a rule: what it raises, adds or asks for when it holds. Several rows may share an id."""

    id: str
    when: tuple[str, ...]
    where: str | None = None
    unless: str | None = None
    safety: bool = False
    hold: bool = False
    review: bool = False
    outpatient: bool = False
    """Its condition is added only to an outpatient level."""
    dimension: str | None = None
    level: str | None = None
    condition: str | None = None


class SafetyTrigger(msgspec.Struct, frozen=True, kw_only=True):
    """Findings that a person must know of at once. `under`: not raised where that other reason covers more."""

    reason: str
    rule: str
    tier: int
    owner: str
    when: tuple[str, ...]
    under: str | None = None


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A track or a flag, and what speaks for it. Of the tracks of one `axis` one holds."""

    code: str
    when: tuple[str, ...]
    axis: str = ""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """How long answers speak for the present: `days`, for ever where there are none. What is older `ends`, or is `old`.

    `answer`: which of several decides. After `confirm_days` a person is asked to confirm it; it goes on deciding.
    """

    codes: tuple[str, ...] = ()
    days: int | None = None
    after: Literal["old", "ends"] = "old"
    answer: Literal["highest", "lowest", "newest"] = "highest"
    confirm_days: int | None = None
    instrument: str = ""
    """Codes of one instrument share the room in a state."""


class EvidenceOnly(msgspec.Struct, frozen=True, kw_only=True):
    facts: tuple[str, ...]
    scores: tuple[str, ...]


class Evident(NamedTuple):
    """A finding that a code is evidence of: a fact that is true (1) or not (0), or a score of at least so many."""

    code: str
    value: int


class Diagnoses(msgspec.Struct, frozen=True, kw_only=True):
    """What ICD-10-CM codes about one matter are evidence of ("fact", "not fact", "score=4"), and the prefixes of each.

    `status`: of a present disorder, a past one, or either. `at`: from when it speaks. An injury counts with one of its
    `intents` and its `encounters` (7th character) alone.
    """

    about: str
    source: str
    codes: dict[str, tuple[str, ...]]
    status: Literal["present", "past", "either"] = "either"
    at: Literal["now", "recorded", "onset"] = "now"
    intents: str = ""
    encounters: str = ""

    def evident(self, code: str) -> Evident | None:
        """By the longest prefix of this code, which is bare: without its dot, in capitals."""
        known = _PREFIXES[self.about]
        return next((known[code[:end]] for end in range(_LONGEST, 0, -1) if code[:end] in known), None)

    def facts(self) -> frozenset[str]:
        return frozenset(_evident(each).code for each in self.codes)


def bare(code: str) -> str:
    """Many senders leave the dot out, or write small letters: F1121, f11.21."""
    return code.strip().upper().replace(".", "")


def _evident(text: str) -> Evident:
    code, _, points = text.removeprefix("not ").partition("=")
    return Evident(code, int(points or not text.startswith("not ")))


class Table(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    dimensions: tuple[str, ...]
    derived: tuple[str, ...]
    rule: tuple[Rule, ...]
    trigger: tuple[SafetyTrigger, ...]
    track: tuple[Choice, ...]
    flag: tuple[Choice, ...]
    window: tuple[Window, ...]
    assessed: Window
    """Of every code that no window names."""
    severity: dict[str, dict[str, int]]
    """Of each score: what it is called from how many points on, rising."""
    evidence: EvidenceOnly
    diagnosis: tuple[Diagnoses, ...]

    def rows(self) -> tuple["Conditional", ...]:
        return (*self.rule, *self.trigger, *self.track, *self.flag)

    def facts(self) -> frozenset[str]:
        """Every fact a sender may state: those some condition asks for, and those stored as evidence."""
        asked = {code for row in self.rows() for code in codes_asked(row.when)}
        others = {*self.evidence.scores, *self.disorders(), *self.derived}
        return frozenset((asked | set(self.evidence.facts)) - others)

    def disorders(self) -> frozenset[str]:
        """The facts that only a diagnosis states."""
        return next(each.facts() for each in self.diagnosis if each.about == "disorder")

    def rule_version(self, rule: str) -> str:
        return rule_version("intake", rule, self.version)


@dataclass(frozen=True, slots=True)
class ConditionPart:
    """One part of a line: a value within bounds, or (`stated`) a need stated at this level or in this form."""

    code: str = ""
    least: float = 1
    most: float = inf
    stated: str = ""


Line = tuple[ConditionPart, ...]


@cache
def lines(when: tuple[str, ...]) -> tuple[Line, ...]:
    """A condition as it is written in the table, read once."""
    return tuple(tuple(_part(part) for part in line.split(" & ")) for line in when)


@cache
def codes_asked(when: tuple[str, ...]) -> frozenset[str]:
    """The codes of the findings that a condition asks for."""
    return codes_of(lines(when))


@cache
def asks_needs(when: tuple[str, ...]) -> bool:
    """Whether a condition asks for a stated need."""
    return any(part.stated for line in lines(when) for part in line)


def codes_of(among: Sequence[Line]) -> frozenset[str]:
    return frozenset(part.code for line in among for part in line if part.code)


def _part(part: str) -> ConditionPart:
    if part.startswith("stated "):
        return ConditionPart(stated=part.removeprefix("stated "))
    if part.startswith("not "):
        return ConditionPart(part.removeprefix("not "), 0, 0)
    if compared := _PART.fullmatch(part):
        return ConditionPart(compared["code"], int(compared["bound"]))
    return ConditionPart(part)


TABLE = structured(Path(__file__).parent / "data" / "placement_table.toml", Table)
_PREFIXES = {
    each.about: {bare(prefix): _evident(of) for of, prefixes in each.codes.items() for prefix in prefixes}
    for each in TABLE.diagnosis
}
_LONGEST = max(len(prefix) for known in _PREFIXES.values() for prefix in known)


TRACKS = frozenset({"general", *(each.code for each in TABLE.track)})
SAFETY_CODES = frozenset(code for each in TABLE.trigger for code in codes_asked(each.when))
"""What a safety trigger looks at."""
_WINDOWS = {code: each for each in TABLE.window for code in each.codes}
_BOUNDS: dict[str, set[float]] = {}
for _part_asked in (part for row in TABLE.rows() for line in lines(row.when) for part in line if part.least > 0):
    _BOUNDS.setdefault(_part_asked.code, set()).add(_part_asked.least)


JOINED = frozenset(
    part.code for row in TABLE.rule for line in lines(row.when) if len(line) > 1 for part in line if part.code
)
"""Of these a "no" is stored as well: beside the other half of a condition it tells what was asked from what was not."""


def window_of(code: str) -> Window:
    return _WINDOWS.get(code, TABLE.assessed)


def decides_safety(code: str) -> bool:
    """Whether a person must know of it at once, or it belongs to an instrument of which that is so."""
    return code in SAFETY_CODES or bool(window_of(code).instrument)


def band(code: str, value: int) -> int:
    """How many of the bounds that the conditions of the table set for this code the value reaches."""
    return sum(bound <= value for bound in _BOUNDS.get(code, {1}))


def answer_of(code: str, value: int) -> str:
    """What a value is as a code: the severity of a score, `yes` or `no` of a fact."""
    severities = TABLE.severity.get(code)
    if severities is None:
        return "yes" if value else "no"
    return max((points, name) for name, points in severities.items() if points <= value)[1]


UNREADABLE = "screen-unreadable"
LASTING_UNREADABLE = "lasting-screen-unreadable"
_DECIDING = SAFETY_CODES.union(*(codes_asked(each.when) for each in TABLE.rule))


def unreadable_as(codes: Collection[str]) -> str:
    """The finding that nobody could read an answer to one of these: it lasts as such an answer would, or longer."""
    days = [window_of(each).days for each in codes if each in _DECIDING]
    week = window_of(UNREADABLE).days
    return LASTING_UNREADABLE if any(each is None or (week and each > week) for each in days) else UNREADABLE


def review_codes(rule: str) -> frozenset[str]:
    """The codes by which this rule asks a person to look; none where it doesn't."""
    return frozenset().union(*(codes_asked(each.when) for each in TABLE.rule if each.id == rule and each.review))
