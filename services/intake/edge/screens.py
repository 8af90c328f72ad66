"""Screens as an EHR sends them: an Observation with a value or components, a QuestionnaireResponse with its items.

What can't be read is stored and said: in the entry's outcome, and to a person where it was an answer to an instrument.
It never refuses the rest.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from services.intake.edge import answers
from services.intake.edge.times import clinical_time
from services.intake.messages import ReportedFinding
from services.intake.table import SAFETY_CODES, window_of
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import codes_in, happened
from shared.edge.json import Json
from shared.edge.outcome import HttpRefusal, Issue

STANDING = frozenset({"final", "amended", "corrected", "preliminary", "completed", "in-progress", "stopped", "unknown"})
"""What was answered counts, though more may come: the next version of the source replaces it."""
UNREADABLE = "screen-unreadable"
_SUICIDE = re.compile(r"suicid|c-?ssrs|kill(ing)? yourself|wished you were dead|better off dead|end your life", re.I)
_LOINC = re.compile(r"(?<![0-9])[0-9]{4,6}-[0-9](?![0-9])")


class Asked(NamedTuple):
    """An item of a screen: its codes (LOINC), the finding it asks for, where known, and what holds its `value[x]`."""

    loinc: tuple[str, ...]
    finding: str | None
    answer: Json
    place: str


@dataclass(frozen=True)
class ScreenReading:
    """What was read of a screen, and what its entry's outcome says of it: never a value."""

    findings: tuple[ReportedFinding, ...] = ()
    issues: tuple[Issue, ...] = ()


def read(entry: BundleEntry, context: Context) -> ScreenReading:
    """The facts and scores of an Observation or a QuestionnaireResponse. Raises HttpRefusal without its time, unless it
    is a screen of safety: then a person is asked."""
    if entry.resource["status"] not in STANDING:
        return ScreenReading(issues=(remark("not read: status", f"{entry.place}.status"),))
    asked = _asked(entry)
    counted = [(each, answers.points(each.finding, each.answer)) for each in asked if each.finding]
    values = {each.finding: points.value for each, points in counted if each.finding and points.value is not None}
    summed = dict(answers.totals(_items_of_totals(asked)))
    found = [
        *((str(each.finding), points.value, each.place) for each, points in counted if points.value is not None),
        *((total, value, entry.place) for total, value in summed.items() if total not in values),
    ]
    unreadable = [each.place for each, points in counted if not points.readable]
    if _SUICIDE.search(_text_of(entry.resource)):
        unreadable += _unknown_answers(asked, nothing_read=not found)
    if not found and not unreadable:
        return ScreenReading(issues=(remark(_why_nothing(counted), entry.place),))
    if time_asks_a_person(entry, context):
        return _untimed(entry, context)
    return _reading(entry, context, found, unreadable)


def time_asks_a_person(entry: BundleEntry, context: Context) -> bool:
    """A screen of safety whose time is missing, or is none: nobody can say whether it is recent, so a person looks at
    it the same day. A time that lies ahead is refused as everywhere."""
    if entry.type not in ("Observation", "QuestionnaireResponse") or not _is_of_safety(entry):
        return False
    try:
        _when(entry, context)
    except HttpRefusal as refused:
        return refused.issues[0].code != "business-rule"
    return False


def _is_of_safety(entry: BundleEntry) -> bool:
    codes = {each.finding for each in _asked(entry) if each.finding}
    return any(_decides_safety(each) for each in codes) or _SUICIDE.search(_text_of(entry.resource)) is not None


def _decides_safety(code: str) -> bool:
    return code in SAFETY_CODES or bool(window_of(code).instrument)


def _untimed(entry: BundleEntry, context: Context) -> ScreenReading:
    asks = ReportedFinding(UNREADABLE, 1, context.now, f"{entry.type}/{entry.id}")
    place = f"{entry.place}.{'effective' if entry.type == 'Observation' else 'authored'}"
    return ScreenReading((asks,), (remark("not read: time missing or unreadable; a person is asked", place),))


def _asked(entry: BundleEntry) -> list[Asked]:
    return list(_observed(entry) if entry.type == "Observation" else _answered(entry))


def _reading(
    entry: BundleEntry, context: Context, found: Sequence[tuple[str, int, str]], unreadable: Sequence[str]
) -> ScreenReading:
    source, at = f"{entry.type}/{entry.id}", _when(entry, context)
    findings = [ReportedFinding(code, value, at, source) for code, value, _ in found]
    if unreadable:
        findings.append(ReportedFinding(UNREADABLE, 1, at, source))
    return ScreenReading(
        tuple(findings),
        (
            *(remark(f"read as {code}", place) for code, _, place in found),
            *(
                remark(f"{code}: older than its window", place)
                for code, _, place in found
                if _is_old(code, at, context)
            ),
            *(remark("not read: answer unknown; a person is asked", place) for place in unreadable),
        ),
    )


def _is_old(code: str, at: datetime, context: Context) -> bool:
    days = window_of(code).days
    return days is not None and at < context.now - timedelta(days=days)


def _why_nothing(counted: Sequence[tuple[Asked, answers.Points]]) -> str:
    return "not read: no answer" if counted else "not read: code unknown"


def remark(diagnostics: str, place: str) -> Issue:
    """What an entry's outcome says of how it was read: codes only, never a value."""
    severity = "information" if diagnostics.startswith("read as") else "warning"
    return Issue(severity, "informational", (place,), diagnostics)  # type: ignore[arg-type]


def _items_of_totals(asked: Sequence[Asked]) -> dict[str, int]:
    points = {item: answers.item_points(item, each.answer) for each in asked for item in each.loinc}
    return {item: value for item, value in points.items() if value is not None}


def _observed(entry: BundleEntry) -> Iterator[Asked]:
    """The Observation itself, then each of its components."""
    for parent, place in (
        (entry.resource, entry.place),
        *((each, f"{entry.place}.component[{n}]") for n, each in enumerate(entry.resource.get("component", ()))),
    ):
        loinc = tuple(codes_in(parent["code"]))
        yield Asked(loinc, answers.asked_in(parent["code"]), parent, f"{place}.value")


def _answered(entry: BundleEntry) -> Iterator[Asked]:
    """Each answer of each item: by its link id, its definition, or the wording of a suicide screen."""
    is_suicide_screen = _SUICIDE.search(_text_of(entry.resource)) is not None
    for item, place in _items(entry.resource, entry.place):
        loinc = tuple(_LOINC.findall(f"{item.get('linkId', '')} {item.get('definition', '')}"))
        own = str(item.get("linkId", "")).rpartition("/")[2]
        named = (answers.finding_code(each) for each in (*loinc, own))
        finding = next((each for each in named if each is not None), None)
        if finding is None and is_suicide_screen:
            finding = _by_wording(str(item.get("text", "")))
        for number, answer in enumerate(item.get("answer", ())):
            yield Asked(loinc, finding, answer, f"{place}.answer[{number}].value")


def _by_wording(text: str) -> str | None:
    plain = " ".join(text.lower().split())
    return next((code for wording, code in answers.INSTRUMENTS.wording.items() if wording in plain), None)


def _items(parent: Json, place: str) -> Iterator[tuple[Json, str]]:
    """Every item, groups and follow-up questions included."""
    for number, item in enumerate(parent.get("item", ())):
        here = f"{place}.item[{number}]"
        yield item, here
        yield from _items(item, here)
        for ordinal, answer in enumerate(item.get("answer", ())):
            yield from _items(answer, f"{here}.answer[{ordinal}]")


def _unknown_answers(asked: Sequence[Asked], *, nothing_read: bool) -> list[str]:
    """Of a suicide screen, the answers to questions that nobody knows: every yes; all of them, where nothing else was
    read."""
    unknown = [each for each in asked if each.finding is None and any(name.startswith("value") for name in each.answer)]
    return [each.place for each in unknown if nothing_read or answers.points("", each.answer).value]


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


def _when(entry: BundleEntry, context: Context) -> datetime:
    if entry.type == "Observation":
        return clinical_time(entry, context)
    return happened(entry.resource.get("authored"), f"{entry.place}.authored", context.time)
