"""Combining needs into one level of care, deterministic and top down (domain 2.3). Public codes only."""

from collections.abc import Collection
from dataclasses import dataclass

LEVELS = (
    "none", "1.0", "1.5", "1.5-COE", "1.7", "1.7-COE", "2.1", "2.5", "2.5-COE", "2.7", "2.7-COE", "2.7-BIO",
    "3.1", "3.5", "3.5-COE", "3.7", "3.7-COE", "3.7-BIO", "4", "4-psych",
)  # fmt: skip
"""Every need code the table knows, in rising order; 2.1 and 3.1 have no co-occurring enhanced form. Another one is
never ignored: a person reviews it."""

ENHANCED = frozenset({"1.5", "1.7", "2.5", "2.7", "3.5", "3.7"})
MANAGED = frozenset({"1.7", "2.7", "3.7"})


@dataclass(frozen=True, slots=True)
class Combined:
    """A level, and the conditions under which it is enough."""

    level: str
    conditions: tuple[str, ...] = ()


def combine(needs: Collection[str], *, co_occurring_attested: bool = False) -> Combined:
    """The level that meets all these needs together. Knows only codes of LEVELS; `none` asks for nothing."""
    stated = set(needs) - {"none"}
    enhanced = any(each.endswith("-COE") for each in stated)
    level = _level({each.removesuffix("-COE").removesuffix("-BIO") for each in stated}, stated, enhanced)
    if enhanced:
        return _enhanced(level, stated, co_occurring_attested)
    if level in {"2.7", "3.7"} and _biomedical(stated):
        return Combined(f"{level}-BIO")
    return Combined(level)


def _level(plain: set[str], stated: set[str], enhanced: bool) -> str:
    if "4" in plain or ("3.7-BIO" in stated and enhanced):
        return "4"
    if "4-psych" in plain:
        return "4-psych"
    if plain & MANAGED:
        return "3.7" if _any(plain, "3.") else "2.7" if _any(plain, "2.") else "1.7"
    if plain & {"3.1", "3.5"}:
        return "3.5" if plain & {"2.5", "3.5"} else "3.1"
    return next((each for each in ("2.5", "2.1", "1.5", "1.0") if each in plain), "none")


def _any(plain: set[str], family: str) -> bool:
    return any(each.startswith(family) for each in plain)


def _enhanced(level: str, stated: set[str], attested: bool) -> Combined:
    """The co-occurring enhanced overlay (domain 2.3, step 5)."""
    conditions = ("biomedically-enhanced",) if level in {"2.7", "3.7"} and _biomedical(stated) else ()
    if level in ENHANCED:
        return Combined(f"{level}-COE", conditions)
    if level == "3.1":
        return Combined("3.5-COE")
    if level == "2.1":
        return Combined("2.1", ("co-occurring-capability-attested",)) if attested else Combined("2.5-COE")
    return Combined(level)


def _biomedical(stated: set[str]) -> bool:
    return any(each.endswith("-BIO") for each in stated)


def is_below(level: str, other: str) -> bool:
    """Whether the first is less intensive than the second, in the order of LEVELS."""
    return LEVELS.index(level) < LEVELS.index(other)


def is_outpatient(level: str) -> bool:
    return level.startswith(("1.", "2."))
