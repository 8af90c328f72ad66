"""The placement table as typed data, and whether one of its conditions holds. Loaded once, never changed."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from math import inf
from pathlib import Path
from typing import Any, Protocol

import msgspec

from services.intake.messages import StatedNeed
from services.intake.state import MinuteFindings
from shared.rules.escalation import rule_version

_PART = re.compile(r"(?P<code>[a-z0-9-]+) (?P<relation>>=|<=) (?P<bound>\d+)")


class Conditional(Protocol):
    """A row of the table that holds or not."""

    @property
    def when(self) -> tuple[str, ...]: ...
    @property
    def within_days(self) -> int | None: ...


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a rule: what it raises, adds or asks for when it holds. Several rows may share an id."""

    id: str
    when: tuple[str, ...]
    within_days: int | None = None
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
    within_days: int | None = None
    under: str | None = None


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A track or a flag, and what speaks for it."""

    code: str
    when: tuple[str, ...]
    within_days: int | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    facts: tuple[str, ...]
    scores: tuple[str, ...]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    rule: tuple[Rule, ...]
    trigger: tuple[SafetyTrigger, ...]
    track: tuple[Choice, ...]
    flag: tuple[Choice, ...]
    evidence: Evidence
    diagnoses: dict[str, str]

    @property
    def dimensions(self) -> tuple[str, ...]:
        return (*self.required, *self.optional)

    def facts(self) -> frozenset[str]:
        """Every fact a sender may state: those some condition asks for, and those stored as evidence."""
        rows: Sequence[Conditional] = (*self.rule, *self.trigger, *self.track, *self.flag)
        asked = {code for row in rows for code in codes_asked(row.when)}
        return frozenset((asked | set(self.evidence.facts)) - set(self.evidence.scores) - set(self.diagnoses.values()))

    def looked_at_by_safety(self) -> frozenset[str]:
        return frozenset(code for each in self.trigger for code in codes_asked(each.when))

    def rule_version(self, rule: str) -> str:
        return rule_version("intake", rule, self.version)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a condition is asked of: stated needs and findings, at an instant."""

    needs: tuple[StatedNeed, ...]
    findings: tuple[MinuteFindings, ...]
    now: datetime

    def within(self, days: int | None) -> dict[str, int]:
        """Finding codes to values, without those older than `days`."""
        since = None if days is None else self.now - timedelta(days=days)
        counting = [each.values for each in self.findings if since is None or each.at >= since]
        return {code: value for values in counting for code, value in values.items()}

    def states(self, form: str) -> bool:
        """Whether a need was stated at this level, or in this form (COE)."""
        return any(form == each.level or form in each.level.split("-")[1:] for each in self.needs)


@dataclass(frozen=True, slots=True)
class ConditionPart:
    """One part of a line: a value within bounds, or (`stated`) a need stated at this level or in this form."""

    code: str = ""
    least: float = 1
    most: float = inf
    stated: str = ""

    def holds(self, values: Mapping[str, int], known: Assessment) -> bool:
        if self.stated:
            return known.states(self.stated)
        value = values.get(self.code)
        return value is not None and self.least <= value <= self.most


def support(row: Conditional, known: Assessment) -> frozenset[str] | None:
    """The finding codes by which the row holds (every line that does counts), or None where none holds."""
    values = known.within(row.within_days)
    holding = [line for line in _lines(row.when) if all(part.holds(values, known) for part in line)]
    return _codes(holding) if holding else None


@cache
def codes_asked(when: tuple[str, ...]) -> frozenset[str]:
    """The codes of the findings that a condition asks for."""
    return _codes(_lines(when))


@cache
def _lines(when: tuple[str, ...]) -> tuple[tuple[ConditionPart, ...], ...]:
    """A condition as it is written in the table, read once."""
    return tuple(tuple(_part(part) for part in line.split(" & ")) for line in when)


def _part(part: str) -> ConditionPart:
    if part.startswith("stated "):
        return ConditionPart(stated=part.removeprefix("stated "))
    if part.startswith("not "):
        return ConditionPart(part.removeprefix("not "), 0, 0)
    if compared := _PART.fullmatch(part):
        bound = int(compared["bound"])
        return (
            ConditionPart(compared["code"], bound)
            if compared["relation"] == ">="
            else ConditionPart(compared["code"], -inf, bound)
        )
    return ConditionPart(part)


def _codes(lines: Sequence[tuple[ConditionPart, ...]]) -> frozenset[str]:
    return frozenset(part.code for line in lines for part in line if part.code)


def load(path: Path) -> Table:
    """The table from its file. Raises msgspec.ValidationError, naming the place, where it is not one."""
    with path.open("rb") as file:
        plain: dict[str, Any] = tomllib.load(file)
    return msgspec.convert(plain, type=Table)


TABLE = load(Path(__file__).parent / "data" / "placement_table.toml")
