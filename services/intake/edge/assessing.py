"""Needs, facts and scores in Observations and QuestionnaireResponses, and diagnoses in Conditions."""

import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from services.intake.messages import ReportedFinding, StatedNeed
from services.intake.table import TABLE
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, codes_in, happened
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.events import codes

ICD10 = ("http://hl7.org/fhir/sid/icd-10-cm", "http://hl7.org/fhir/sid/icd-10")
_MISTAKEN = frozenset({"entered-in-error", "cancelled"})
_STANDING = frozenset({"final", "amended", "corrected", "preliminary", "completed"})
_MISTAKEN_NEED = "entered-in-error"
"""No level of any edition: the rules ask a person about this dimension again."""


class Instruments(msgspec.Struct, frozen=True):
    finding: Mapping[str, str]
    answer: Mapping[str, int]
    route: Mapping[str, str]


def _load() -> Instruments:
    with (Path(__file__).parents[1] / "data" / "instruments.toml").open("rb") as file:
        return msgspec.convert(tomllib.load(file), type=Instruments)


INSTRUMENTS = _load()
STATED = TABLE.facts() | set(TABLE.evidence.scores)


def need(entry: BundleEntry, context: Context) -> StatedNeed | None:
    """A need of the hub's own CodeSystem. A level without its edition is refused: the code alone can mean another."""
    dimension = code_in(entry.resource["code"], codes.NEED)
    if dimension is None:
        return None
    if dimension not in TABLE.dimensions:
        raise refuse(422, "code-invalid", f"{entry.place}.code", "Must be an assessment dimension of this edition.")
    if entry.resource["status"] in _MISTAKEN:
        return StatedNeed(dimension, _MISTAKEN_NEED, _when(entry, context))
    level = code_in(entry.resource.get("valueCodeableConcept"), codes.LEVEL)
    if level is None:
        place = f"{entry.place}.value"
        raise refuse(422, "code-invalid", place, "Must be a level of care with the CodeSystem of its edition.")
    return StatedNeed(dimension, level, _when(entry, context))


def findings(entry: BundleEntry, context: Context) -> Iterator[ReportedFinding]:
    """The facts and scores in an Observation or a QuestionnaireResponse; others are stored and decide nothing."""
    match entry.type:
        case "Observation":
            yield from _observed(entry, context)
        case "QuestionnaireResponse":
            yield from _answered(entry, context)
        case _:
            yield from _diagnosed(entry, context)


def _observed(entry: BundleEntry, context: Context) -> Iterator[ReportedFinding]:
    code = _finding_code(entry)
    if code is None:
        return
    if entry.resource["status"] in _STANDING:
        value = _value(entry.resource, "value", f"{entry.place}.value")
        if value is not None:
            yield ReportedFinding(code, value, _when(entry, context), f"Observation/{entry.id}")


def _finding_code(entry: BundleEntry) -> str | None:
    own = code_in(entry.resource["code"], codes.FACT)
    if own is None:
        return INSTRUMENTS.finding.get(code_in(entry.resource["code"], codes.LOINC) or "")
    if own not in STATED:
        raise refuse(
            422, "code-invalid", f"{entry.place}.code", "Must be an assessment fact or score of the hub's CodeSystem."
        )
    return own


def _answered(entry: BundleEntry, context: Context) -> Iterator[ReportedFinding]:
    response = entry.resource
    if response["status"] not in _STANDING:
        return
    for item, place in _items(response, entry.place):
        code = INSTRUMENTS.finding.get(str(item.get("linkId", "")).rpartition("/")[2])
        answer = next(iter(item.get("answer", ())), None)
        if code is None or answer is None:
            continue
        value = _value(answer, "value", f"{place}.answer[0].value")
        if value is not None:
            at = happened(response.get("authored"), f"{entry.place}.authored", context.time)
            yield ReportedFinding(code, value, at, f"QuestionnaireResponse/{entry.id}")


def _items(parent: Json, place: str) -> Iterator[tuple[Json, str]]:
    """Every item, groups and follow-up questions included."""
    for number, item in enumerate(parent.get("item", ())):
        here = f"{place}.item[{number}]"
        yield item, here
        yield from _items(item, here)
        for ordinal, answer in enumerate(item.get("answer", ())):
            yield from _items(answer, f"{here}.answer[{ordinal}]")


def _value(parent: Json, name: str, place: str) -> int | None:
    """A count of points, or 1 for yes and 0 for no; None where nothing was answered. Never a guess."""
    if f"{name}Boolean" in parent:
        return int(parent[f"{name}Boolean"])
    for kind in ("Integer", "Decimal", "String"):
        if f"{name}{kind}" in parent:
            return _whole(parent[f"{name}{kind}"], place)
    if f"{name}Quantity" in parent:
        quantity = parent[f"{name}Quantity"]
        return _whole(quantity["value"], place) if "value" in quantity else None
    concept = parent.get(f"{name}CodeableConcept") or {"coding": [parent.get(f"{name}Coding", {})]}
    return _coded(concept, place)


def _coded(concept: Json, place: str) -> int | None:
    stated = list(codes_in(concept))
    known = next((INSTRUMENTS.answer[code] for code in stated if code in INSTRUMENTS.answer), None)
    if stated and known is None:
        raise refuse(422, "code-invalid", place, "Must be an answer code of this instrument.")
    return known


def _whole(value: object, place: str) -> int:
    try:
        number = Decimal(str(value))
        if number >= 0 and number == number.to_integral_value():
            return int(number)
    except InvalidOperation:
        pass
    raise refuse(422, "value", place, "A score must be a whole number, 0 or more.")


def _diagnosed(entry: BundleEntry, context: Context) -> Iterator[ReportedFinding]:
    """The first ICD-10-CM code that the table knows, by its longest prefix there."""
    condition = entry.resource
    refuted = code_in(condition.get("verificationStatus"), _VERIFICATION) in {"refuted", "entered-in-error"}
    for code in codes_in(condition.get("code"), *ICD10):
        known = max((prefix for prefix in TABLE.diagnoses if code.startswith(prefix)), key=len, default=None)
        if known is not None:
            yield ReportedFinding(TABLE.diagnoses[known], int(not refuted), context.now, f"Condition/{entry.id}")
            return


_VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"


def _when(entry: BundleEntry, context: Context) -> datetime:
    """The clinical time: without one nobody can say whether the assessment is recent."""
    observation, bounds = entry.resource, entry.resource.get("effectivePeriod", {})
    stated = (
        observation.get("effectiveDateTime"),
        observation.get("effectiveInstant"),
        bounds.get("end"),
        bounds.get("start"),
    )
    text = next((each for each in stated if each is not None), None)
    return happened(text, f"{entry.place}.effective", context.time)
