"""What the checks of a specimen show together (domain 4.3), whichever reports and messages they came in. Pure.

A check shows a condition by itself; of creatinine and specific gravity each shows a level, and both a condition.
"""

from collections.abc import Iterable
from itertools import product
from typing import Literal

from shared.events.testing import Condition, ResultFinding

Check = Literal[
    "valid",
    "unclear",
    "unmapped",
    "dilute",
    "temperature-out-of-range",
    "invalid",
    "substituted",
    "adulterated",
    "low",
    "very-low",
    "high",
]
"""`unclear` is a check that can't be read, `unmapped` one whose code nobody knows yet. `low` may be dilute, `very-low`
and `high` may be substituted."""
LETTERS: dict[Check, str] = {
    "unmapped": "q",
    "valid": "v",
    "high": "h",
    "low": "l",
    "very-low": "o",
    "unclear": "i",
    "dilute": "d",
    "temperature-out-of-range": "t",
    "invalid": "x",
    "substituted": "s",
    "adulterated": "a",
}
"""As a state holds them, the graver later: of one row read twice that one stands."""
CHECKS: dict[str, Check] = {letter: check for check, letter in LETTERS.items()}
LEVELS: tuple[Check, ...] = ("low", "very-low", "high")
GRAVITY: tuple[Condition | Literal[""], ...] = (
    "",
    "valid",
    "unclear",
    "dilute",
    "temperature-out-of-range",
    "invalid",
    "rejected-unsatisfactory",
    "substituted",
    "adulterated",
)
"""Conditions of a specimen, the gravest last."""

CONCENTRATION = ("creatinine", "specific-gravity")
"""The checks that only together show how concentrated a specimen is."""


def gravest(conditions: Iterable[Condition]) -> Condition:
    return max(conditions, key=GRAVITY.index, default="valid")


def condition_by(found: Iterable[tuple[str, Check]]) -> Condition:
    """The gravest of what these checks, each with its analyte, show; of one that was taken twice each figure counts."""
    if not (every := set(found)):
        return "valid"
    alone = [_alone(check) for _, check in every if check not in LEVELS]
    return gravest([*alone, concentration_by(every)])


def concentration_by(found: Iterable[tuple[str, Check]]) -> Condition:
    """What creatinine and specific gravity show with one another."""
    if not (every := list(found)):
        return "valid"
    return gravest(_by_both(*pair) for pair in product(*(_levels(name, every) for name in CONCENTRATION)))


def finding_by(check: Check, concentration: Condition) -> ResultFinding:
    """What such a row shows, by what its specimen's concentration is where it is a level."""
    match concentration if check in LEVELS else _alone(check):
        case "valid":
            return "valid"
        case "unclear":
            return "indeterminate"
        case _:
            return "unsatisfactory"


def _alone(check: Check) -> Condition:
    return "unclear" if check == "unmapped" else "valid" if check in LEVELS else check  # type: ignore[return-value]


def _levels(name: str, found: Iterable[tuple[str, Check]]) -> set[Check] | set[None]:
    return {check for analyte, check in found if analyte == name and check in ("valid", *LEVELS)} or {None}


def _by_both(creatinine: Check | None, gravity: Check | None) -> Condition:
    """One low figure alone leaves the specimen unclear; a high gravity alone is as usual."""
    if creatinine is None or gravity is None:
        return "unclear" if {creatinine, gravity} & {"low", "very-low"} else "valid"
    if creatinine == "very-low":
        return "substituted" if gravity in ("very-low", "high") else "invalid"
    if gravity == "very-low":
        return "invalid"
    return "dilute" if creatinine == gravity == "low" else "valid"
