"""What a foreign item asks, and what its answer counts: by code, by word, by number. Never a guess."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from services.intake.edge.own_codes import MEANING, coded
from services.intake.instruments import INSTRUMENTS, STATED, Question, question, totals_with
from services.intake.placement.assessment import DELIVERY_DUE
from services.intake.table import decides_safety
from shared.edge.fhir.elements import codes_in, codings
from shared.edge.json import Json
from shared.events import codes


class Points(NamedTuple):
    """What an answer counts at least; `value` is None where nothing was answered. One that is not `readable` is read by
    a person, whatever it counts."""

    value: int | None = None
    readable: bool = True


UNREADABLE = Points(readable=False)


def asked_in(concept: Json | None) -> Question | None:
    """What a code of an Observation or a component asks for. LOINC's codes are known by their form, also where their
    system was left out or written otherwise."""
    own = next((question(each) for each in codes_in(concept, codes.FACT) if each in STATED), None)
    loinc = (question(each) for each in codes_in(concept) if each not in STATED)
    return own or next((each for each in loinc if each is not None), None)


def points(asked: Question, parent: Json, name: str = "value") -> Points:
    """What the answer in `value[x]` counts for this finding."""
    if asked.finding == DELIVERY_DUE:
        return _day(parent, name)
    found = _points(_answers(asked.answers), INSTRUMENTS.most.get(asked.finding, 1), parent, name)
    if found == UNREADABLE and asked.finding == "c-ssrs-risk":
        return _AT_LEAST_MODERATE
    declined = found == UNREADABLE and not decides_safety(asked.finding) and _is_declined(parent)
    return Points() if declined else found


_AT_LEAST_MODERATE = Points(2, readable=False)
"""A level of suicide risk that is none known as low."""
YES_OR_NO = Question("", "fact")
"""What a question that nobody knows may have asked."""


def _is_declined(parent: Json) -> bool:
    return not INSTRUMENTS.declined.isdisjoint(_words(parent))


def _words(parent: Json) -> list[str]:
    return [each.strip().lower() for each in (*_named(coded(parent)), str(parent.get("valueString", "")))]


def _answers(table: str) -> Mapping[str, int]:
    return INSTRUMENTS.answers[table].points if table in INSTRUMENTS.answers else {}


def _day(parent: Json, name: str) -> Points:
    """A date as its day number."""
    text = next((parent[f"{name}{kind}"] for kind in ("DateTime", "Date") if f"{name}{kind}" in parent), None)
    try:
        return Points() if text is None else Points(date.fromisoformat(text[:10]).toordinal())
    except ValueError:
        return UNREADABLE


def item_points(item: str, parent: Json) -> Points:
    """The points of an item of a total: LOINC's code or the hub's own."""
    of = INSTRUMENTS.sum[totals_with(item)[0]]
    most = of.most[of.items.index(item)]
    found = _points(_answers(of.answers), most, parent, "value")
    if found.value is None or item not in of.reversed:
        return found
    return Points(most - found.value) if found.readable else UNREADABLE


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
            return _measured(value, most) if "value" in value else Points()
        case "String":
            known = answers.get(str(value).strip().lower())
            return _counted(value, most) if known is None else Points(known)
        case "CodeableConcept":
            return _coded(answers, most, value)
        case "Coding":
            return _coded(answers, most, {"coding": [value]})
        case _:
            return UNREADABLE


def _coded(answers: Mapping[str, int], most: int, concept: Json) -> Points:
    """The gravest of its codes and words that the table knows, and of the points that a map says they count."""
    given = _named(concept)
    known = [answers[each.strip().lower()] for each in given if each.strip().lower() in answers]
    mapped = (_counted(each, most).value for each in codes_in(concept, MEANING) if each.lower() not in answers)
    known += [each for each in mapped if each is not None]
    if known:
        return Points(max(known))
    return UNREADABLE if given else Points()


def _named(concept: Json) -> list[str]:
    """Its codes and its words."""
    given = [str(each[part]) for each in codings(concept) for part in ("code", "display") if part in each]
    return [*given, str(concept["text"])] if "text" in concept else given


def _measured(quantity: Json, most: int) -> Points:
    """One above a number counts as the least that it can be, and a person reads it; one below a number says nothing
    sure."""
    counted, comparator = _counted(quantity["value"], most), quantity.get("comparator")
    if comparator is None or counted.value is None:
        return counted
    if comparator not in (">", ">="):
        return UNREADABLE
    return Points(min(counted.value + (comparator == ">"), most), readable=False)


def _counted(value: object, most: int) -> Points:
    """A number within the bounds of the score. One that is not whole counts as the whole one below it, and a person
    reads it."""
    try:
        number = Decimal(str(value).strip())
        if 0 <= number <= most and (number == int(number) or number > 1):
            return Points(int(number), readable=number == int(number))
    except InvalidOperation:
        pass
    return UNREADABLE
