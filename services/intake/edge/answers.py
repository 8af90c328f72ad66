"""What a foreign item asks, and what its answer counts: by code, by word, by number. Never a guess."""

import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple

import msgspec

from services.intake.assessment import DELIVERY_DUE
from services.intake.table import TABLE
from shared.edge.fhir.elements import codes_in, codings
from shared.edge.json import Json
from shared.events import codes


class Sum(msgspec.Struct, frozen=True):
    """A total is the sum of these items, each up to `most` points."""

    items: tuple[str, ...]
    answers: str
    most: int


class Instruments(msgspec.Struct, frozen=True):
    finding: Mapping[str, str]
    wording: Mapping[str, str]
    answers: Mapping[str, Mapping[str, int]]
    sum: Mapping[str, Sum]
    most: Mapping[str, int]
    route: Mapping[str, str]


def _load() -> Instruments:
    with (Path(__file__).parents[1] / "data" / "instruments.toml").open("rb") as file:
        return msgspec.convert(tomllib.load(file), type=Instruments)


INSTRUMENTS = _load()
STATED = TABLE.facts() | set(TABLE.evidence.scores)
"""The hub's own codes of facts and scores."""
_ANSWERS = {"phq-9-item-9": "frequency", "c-ssrs-risk": "risk"}
_SUMMED = {item: each for each in INSTRUMENTS.sum.values() for item in each.items}


class Points(NamedTuple):
    """What an answer counts; `value` is None where nothing was answered, or where it is not `readable`."""

    value: int | None = None
    readable: bool = True


UNREADABLE = Points(readable=False)


def finding_code(code: str) -> str | None:
    """The finding that this code asks for, LOINC's or the hub's own."""
    return INSTRUMENTS.finding.get(code) or (code if code in STATED else None)


def asked_in(concept: Json | None) -> str | None:
    """The finding that a code of an Observation or a component asks for. LOINC's codes are known by their form, also
    where their system was left out or written otherwise."""
    own = next((each for each in codes_in(concept, codes.FACT) if each in STATED), None)
    loinc = (INSTRUMENTS.finding.get(each) for each in codes_in(concept))
    return own or next((each for each in loinc if each is not None), None)


def points(asked: str, parent: Json, name: str = "value") -> Points:
    """What the answer in `value[x]` counts for this finding."""
    if asked == DELIVERY_DUE:
        return _day(parent, name)
    most = INSTRUMENTS.most.get(asked, 1)
    if asked in INSTRUMENTS.most:
        return _points(INSTRUMENTS.answers.get(_ANSWERS.get(asked, ""), {}), most, parent, name)
    return _points(INSTRUMENTS.answers["fact"], most, parent, name)


def _day(parent: Json, name: str) -> Points:
    """A date as its day number."""
    text = next((parent[f"{name}{kind}"] for kind in ("DateTime", "Date") if f"{name}{kind}" in parent), None)
    try:
        return Points() if text is None else Points(date.fromisoformat(text[:10]).toordinal())
    except ValueError:
        return UNREADABLE


def item_points(item: str, parent: Json) -> int | None:
    """The points of an item (LOINC) of a total; None of any other, and where they can't be read."""
    known = _SUMMED.get(item)
    return _points(INSTRUMENTS.answers[known.answers], known.most, parent, "value").value if known else None


def totals(points_by_item: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """The totals of which every item is there."""
    for total, each in INSTRUMENTS.sum.items():
        if all(item in points_by_item for item in each.items):
            yield total, sum(points_by_item[item] for item in each.items)


def _points(answers: Mapping[str, int], most: int, parent: Json, name: str) -> Points:
    named = next((kind for kind in parent if kind.startswith(name) and kind != name), None)
    if named is None:
        return Points()
    value = parent[named]
    match named.removeprefix(name):
        case "Boolean":
            known = answers.get(str(value).lower())
            return UNREADABLE if known is None else Points(known)
        case "Integer" | "Decimal":
            return _counted(value, most)
        case "Quantity":
            return _counted(value["value"], most) if "value" in value else Points()
        case "String":
            known = answers.get(str(value).strip().lower())
            return _counted(value, most) if known is None else Points(known)
        case "CodeableConcept":
            return _coded(answers, value)
        case "Coding":
            return _coded(answers, {"coding": [value]})
        case _:
            return UNREADABLE


def _coded(answers: Mapping[str, int], concept: Json) -> Points:
    """The gravest of its codes and words that the table knows."""
    given = [str(each[part]) for each in codings(concept) for part in ("code", "display") if part in each]
    given += [str(concept["text"])] if "text" in concept else []
    known = [answers[each.strip().lower()] for each in given if each.strip().lower() in answers]
    if known:
        return Points(max(known))
    return UNREADABLE if given else Points()


def _counted(value: object, most: int) -> Points:
    """A whole number within the bounds of the score."""
    try:
        number = Decimal(str(value).strip())
        if 0 <= number <= most and number == number.to_integral_value():
            return Points(int(number))
    except InvalidOperation:
        pass
    return UNREADABLE
