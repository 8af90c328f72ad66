"""Figures in a laboratory's text, and its own limits: `> 1,000 ng/mL`, `NEG <0.5`, `0-0.5`. Pure.

What is in doubt (a decimal comma, another unit, words around it) is no figure and no limit: then a person is asked.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, NamedTuple

AtLimit = Literal["positive", "negative", "indeterminate"]

_DIGITS = r"(?:[1-9]\d{0,2}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+"
_UNIT = r"[a-zµμ]+ ?/ ?[a-zµμ]+(?:\{[a-z]+\}|\.)?|%|°?[cf]|cel|[\[{]?(?:degf|ph)[\]}]?"
_FIGURE = re.compile(rf"(<=?|>=?)?\s*({_DIGITS})\s*({_UNIT})?")
_WORDS: tuple[tuple[str, str], ...] = (
    ("≤", "<="),
    ("≥", ">="),
    ("=<", "<="),
    ("=>", ">="),
    ("–", "-"),
    ("< or =", "<="),
    ("<or=", "<="),
    ("< =", "<="),
    ("less than", "<"),
    ("greater than", ">"),
    ("more than", ">"),
)
_SCREEN_LIMIT = re.compile(
    r"\b(?:screen(?:ing)? |confirm(?:ation)? )?cut[\s-]?off\b(?: (?:is|at|value))?\s*[:=]?"
    r"|\bneg(?:ative)?\b[.:=]?|\bnormal\b[:=]?|[()]"
)
_POSITIVE_FROM = re.compile(rf"pos(?:itive)?\b[.:=]?\s*(>=?)\s*({_DIGITS})\s*({_UNIT})?")
_LIMIT = re.compile(rf"(<=?|>=?|=|0+(?:\.0+)?\s*-)?\s*({_DIGITS})\s*({_UNIT})?")
_SAME_UNIT: Mapping[str, str] = {"ug/l": "ng/ml", "mg/l": "ug/ml"}


class Figure(NamedTuple):
    """A number with the comparator before it and the unit behind it, each empty where there is none."""

    comparator: str
    number: Decimal
    unit: str


class Cutoff(NamedTuple):
    """A laboratory's own: below it is negative, above it positive, at it what `at_limit` says."""

    number: Decimal
    at_limit: AtLimit
    unit: str = ""


CONTRADICTED = "?"
"""Of two units for one figure nobody knows which is right."""
CHARACTERS_MOST = 10_000
"""Of a value in words, or a range: a longer one is not looked at, and so not understood; a person reads it."""


def figure_in(text: str) -> Figure | None:
    """The figure, where the text is nothing else (a comparator and a unit may stand with it)."""
    found = _FIGURE.fullmatch(_plain(text))
    return Figure(found[1] or "", _number(found[2]), found[3] or "") if found else None


def unit_of(stated: str, own: str) -> str:
    """Of a figure that has a unit of its own (`0.6 mg/L`) beside the stated one; CONTRADICTED where they differ."""
    known = all(re.fullmatch(_UNIT, each.casefold()) for each in (stated, own))
    return CONTRADICTED if known and plain_unit(stated) != plain_unit(own) else stated or own


def number_in(text: str) -> Decimal | None:
    """A bare number, as NM holds it, a unit behind it or not."""
    figure = figure_in(text)
    return figure.number if figure and not figure.comparator else None


def cutoff_in(reference_range: str, unit: str = "") -> Cutoff | None:
    """The laboratory's own cut-off, where its reference range states one in the unit of the figure it is for.

    `<0.5`, `NEG <0.5`, `Cutoff = 0.5` and `0.5` make a figure at the limit positive, `<= 0.5` and `0-0.5` contain it;
    the latter is often written for the former, so that nothing is read into it.
    """
    stated = _plain(reference_range)
    if from_there := _POSITIVE_FROM.fullmatch(stated):
        comparator, number, own_unit = from_there.groups()
        return _in_unit(Cutoff(_number(number), "positive" if comparator == ">=" else "negative", own_unit or ""), unit)
    named = _SCREEN_LIMIT.search(stated) is not None
    found = _LIMIT.fullmatch(_SCREEN_LIMIT.sub(" ", stated).strip())
    if found is None or (found[1] in (">", ">=") and not (named and "cut" in stated)):
        return None
    return _in_unit(Cutoff(_number(found[2]), _at_limit(found[1] or ""), found[3] or ""), unit)


def _at_limit(comparator: str) -> AtLimit:
    match comparator:
        case "<=" | ">":
            return "negative"
        case "" | "=" | "<" | ">=":
            return "positive"
        case _:
            return "indeterminate"


def _in_unit(cutoff: Cutoff, unit: str) -> Cutoff | None:
    """None where its unit is not the figure's: 600 pg/mL are not above 0.5 ng/mL."""
    if unit == CONTRADICTED:
        return None
    return cutoff if not cutoff.unit or not unit or plain_unit(cutoff.unit) == plain_unit(unit) else None


def plain_unit(unit: str) -> str:
    """One spelling for each unit of mass in a volume of urine."""
    spelled = unit.casefold().replace("mcg", "ug").replace("µ", "u").replace("μ", "u")
    spelled = re.sub(r"[\s.]", "", spelled)
    return _SAME_UNIT.get(spelled, spelled)


def looked_at(text: str) -> str:
    """The text, or nothing where it is longer than any laboratory's."""
    return text if len(text) <= CHARACTERS_MOST else ""


def _plain(text: str) -> str:
    plain = " ".join(looked_at(text).casefold().split())
    for written, meant in _WORDS:
        plain = plain.replace(written, meant)
    return plain


def _number(digits: str) -> Decimal:
    return Decimal(digits.replace(",", ""))
