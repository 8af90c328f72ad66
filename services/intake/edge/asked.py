"""What a screen asks: each question with its codes and the finding it is about, and what holds its answer."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from services.intake.edge import answers
from services.intake.edge.own_codes import OwnCodes, asked_by_form, meanings, own_codes, understood
from services.intake.instruments import INSTRUMENTS, Question, question, totals_with
from services.intake.table import TABLE
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import codes_in
from shared.edge.json import Json
from shared.events import codes

_SUICIDE = re.compile(
    r"suicid|c-?ssrs|self[- ]?harm|(kill|hurt|harm)(ing)? (yourself|himself|herself|themsel\w+|myself)"
    r"|wish(ed)? (you|i) w(ere|as) dead|wish to (be dead|die)|better off dead|end (your|my) life"
    r"|intention of acting on",
    re.I,
)
_LOINC = re.compile(r"(?<![0-9])[0-9]{4,6}-[0-9](?![0-9])")


class Asked(NamedTuple):
    """An item of a screen: the items of totals that it is, what it asks for, where known, and what holds its
    `value[x]`; the dimension of which it states the need, where it does."""

    items: tuple[str, ...]
    question: Question | None
    answer: Json
    place: str
    dimension: str | None = None

    @property
    def finding(self) -> str | None:
        return self.question.finding if self.question else None


def asked_by(entry: BundleEntry, context: Context) -> list[Asked]:
    """Every question of an Observation or a QuestionnaireResponse that has an answer to look for."""
    own = own_codes(context)
    if entry.type == "Observation":
        return list(_observed(entry, own))
    return list(_answered(entry, own, asked_by_form(entry.resource, own, context)))


def is_suicide_screen(resource: Json) -> bool:
    """By its names and questions, whatever its codes are."""
    return _SUICIDE.search(_text_of(resource)) is not None


def _observed(entry: BundleEntry, own: OwnCodes) -> Iterator[Asked]:
    """The Observation itself, then each of its components."""
    for parent, place in (
        (entry.resource, entry.place),
        *((each, f"{entry.place}.component[{n}]") for n, each in enumerate(entry.resource.get("component", ()))),
    ):
        mapped = meanings(parent["code"], own)
        asked = _first_question(mapped) or answers.asked_in(parent["code"])
        named = (*mapped, *codes_in(parent["code"]))
        dimension = _dimension((*mapped, *codes_in(parent["code"], codes.NEED)))
        yield Asked(_of_totals(named), asked, understood(parent, own), f"{place}.value", dimension)


def _answered(entry: BundleEntry, own: OwnCodes, by_form: Mapping[str, str]) -> Iterator[Asked]:
    """Each answer of each item: by the program's table, its form, its link id, its definition, or the wording of a
    suicide screen."""
    asks_of_suicide = is_suicide_screen(entry.resource)
    form = str(entry.resource.get("questionnaire", "")).partition("|")[0]
    for item, place in _items(entry.resource, entry.place):
        link = str(item.get("linkId", ""))
        mapped = tuple(each[name] for each, name in ((own, f"{form}|{link}"), (by_form, link)) if name in each)
        named = (*mapped, *_LOINC.findall(f"{link} {item.get('definition', '')}"), link.rpartition("/")[2])
        asked = _first_question(named)
        if asked is None and asks_of_suicide:
            asked = _by_wording(str(item.get("text", "")))
        for number, answer in enumerate(item.get("answer", ())):
            here = f"{place}.answer[{number}].value"
            yield Asked(_of_totals(named), asked, understood(answer, own), here, _dimension(mapped))


def _of_totals(named: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each for each in named if totals_with(each)))


def _dimension(named: Sequence[str]) -> str | None:
    return next((each for each in named if each in TABLE.dimensions), None)


def _first_question(named: Sequence[str]) -> Question | None:
    return next((found for each in named if (found := question(each)) is not None), None)


def _by_wording(text: str) -> Question | None:
    plain = " ".join(text.lower().split())
    return next((question(code) for wording, code in INSTRUMENTS.wording.items() if wording in plain), None)


def _items(parent: Json, place: str) -> Iterator[tuple[Json, str]]:
    """Every item, groups and follow-up questions included."""
    for number, item in enumerate(parent.get("item", ())):
        here = f"{place}.item[{number}]"
        yield item, here
        yield from _items(item, here)
        for ordinal, answer in enumerate(item.get("answer", ())):
            yield from _items(answer, f"{here}.answer[{ordinal}]")


def _text_of(resource: Json) -> str:
    """What a form or an Observation says that it asks: its names and questions, not its answers."""
    if resource["resourceType"] == "QuestionnaireResponse":
        items = (f"{each.get('linkId', '')} {each.get('text', '')}" for each, _ in _items(resource, ""))
        return " ".join((str(resource.get("questionnaire", "")), *items))
    concepts = [resource["code"], *(each["code"] for each in resource.get("component", ()))]
    return " ".join(
        str(text)
        for each in concepts
        for text in (each.get("text", ""), *(c.get("display", "") for c in each.get("coding", ())))
    )
