"""Figures in a laboratory's text, and its own limits: `> 1,000 ng/mL`, `NEG <0.5`, `0-0.5`. Pure.

What is in doubt (a decimal comma, another unit, words around it) is no figure and no limit: then a person is asked.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from services.testing import tables
from services.testing.tables import AtLimit

_DIGITS = r"(?:[1-9]\d{0,2}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+"
_UNIT = r"[a-zµμ]+ ?/ ?[a-zµμ]+(?:\{[a-z]+\}|\.)?|%|°?[cf]|cel|[\[{]?(?:degf|ph)[\]}]?"
_DIGIT = re.compile(r"\d")
"""Most values and ranges are words, or nothing: they are no figure, and need no closer look."""
_FIGURE = re.compile(rf"(?:({_UNIT})\s*)?(<=?|>=?)?\s*(?:({_UNIT})\s+)?({_DIGITS})\s*({_UNIT})?")
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
_RANGE_TERMS = (
    (re.compile(r"\bcut[\s-]?off\b"), "cutoff"),
    (re.compile(r"\b(?:neg(?:ative)?|normal)\b"), "neg"),
    (re.compile(r"\bpos(?:itive)?\b"), "pos"),
    (re.compile(r"\b(?:screen(?:ing)?|confirm(?:ation)?) (?=cutoff)|(?<=cutoff) (?:is|at|value)\b"), ""),
)
_RANGE_FIGURE = re.compile(rf"(?<![\d.,])({_DIGITS})(?![\d,]|\.\d)\s*(?:({_UNIT})(?![a-z]))?")
_PASSED_OVER = re.compile(r"[\s()\[\].,;:]|(?<![<>])=")
_NUMBER = re.compile(rf"[+-]?(?:{_DIGITS})\.?")
_SAME_UNIT: Mapping[str, str] = {"ug/l": "ng/ml", "mg/l": "ug/ml"}
IN_NG_ML: Mapping[str, int] = {"ng/ml": 1, "ug/ml": 1_000, "mg/dl": 10_000}
"""Units of mass in a volume, as `plain_unit` spells them. Between any others nothing is converted."""


class Figure(NamedTuple):
    """A number with the comparator before it and the unit behind it, each empty where there is none."""

    comparator: str
    number: Decimal
    unit: str


class Cutoff(NamedTuple):
    """A laboratory's own: below it is negative, above it positive, at it what `at_limit` says."""

    number: Decimal
    at_limit: AtLimit


_RANGES: Mapping[str, AtLimit] = {form.replace(" ", ""): at_limit for form, at_limit in tables.RANGES.items()}
CONTRADICTED = "?"
"""Of two units for one figure nobody knows which is right."""
CHARACTERS_MOST = 10_000
"""Of a value in words, or a range: a longer one is not looked at, and so not understood; a person reads it."""


def figure_in(text: str) -> Figure | None:
    """The figure, where the text is nothing else: a comparator before it, a unit before or behind either.

    A comparator behind the figure (`50 <`) can be read both ways, a comma before decimals like one of thousands: none.
    """
    if not _DIGIT.search(text):
        return None
    found = _FIGURE.fullmatch(_plain(text))
    units = [each for each in (found[1], found[3], found[5]) if each] if found else []
    return Figure(found[2] or "", _number(found[4]), "".join(units)) if found and len(units) < 2 else None


def unit_of(stated: str, own: str) -> str:
    """Of a figure that has a unit of its own (`0.6 mg/L`) beside the stated one; CONTRADICTED where they differ."""
    known = all(re.fullmatch(_UNIT, each.casefold()) for each in (stated, own))
    return CONTRADICTED if known and plain_unit(stated) != plain_unit(own) else stated or own


def number_in(text: str) -> Decimal | None:
    """A number as NM holds it, signed or not, or a figure without a comparator."""
    if _NUMBER.fullmatch(plain := _plain(text)):
        return _number(plain.rstrip("."))
    figure = figure_in(text)
    return figure.number if figure and not figure.comparator else None


def cutoff_in(reference_range: str, unit: str = "") -> Cutoff | None:
    """The laboratory's own cut-off, in the unit of the figure it is for, where its reference range has a form of
    data/ranges.csv and its unit is the same or can be converted.

    `<0.5`, `NEG <0.5`, `Cutoff = 0.5` and `0.5` make a figure at the limit positive, `<= 0.5` and `0-0.5` contain it;
    the latter is often written for the former, so that nothing is read into it.
    """
    if not _DIGIT.search(reference_range):
        return None
    stated = _plain(reference_range)
    for term, meant in _RANGE_TERMS:
        stated = term.sub(meant, stated)
    figures = [(_number(each[1]), each[2] or "") for each in _RANGE_FIGURE.finditer(stated)]
    form = _RANGE_FIGURE.sub(lambda each: "#" if _number(each[1]) else "0", stated)
    at_limit = _RANGES.get(_PASSED_OVER.sub("", form))
    limits, units = {number for number, _ in figures if number}, {plain_unit(own) for _, own in figures if own}
    if at_limit is None or len(limits) != 1 or len(units) > 1:
        return None
    number = in_unit(limits.pop(), "".join(units) or unit, unit or "".join(units))
    return None if number is None else Cutoff(number, at_limit)


def in_unit(number: Decimal, stated: str, wanted: str) -> Decimal | None:
    """A figure of this unit in another; None where it can't be converted: 600 pg/mL are not above 0.5 ng/mL."""
    known, asked = plain_unit(stated), plain_unit(wanted)
    if CONTRADICTED in (known, asked):
        return None
    if known == asked:
        return number
    return number * IN_NG_ML[known] / IN_NG_ML[asked] if {known, asked} <= IN_NG_ML.keys() else None


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
