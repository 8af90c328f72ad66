"""The needs of an assessment, in Observations with the hub's own codes, or with those that mean them by a map."""

from datetime import datetime, timedelta

from services.intake.edge.own_codes import meanings, own_codes
from services.intake.edge.times import TAKEN_BACK, TOO_OLD, clinical_time
from services.intake.levels import LEVELS
from services.intake.messages import StatedNeed
from services.intake.needs import MISTAKEN
from services.intake.table import TABLE
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in
from shared.edge.outcome import HttpRefusal, refuse
from shared.events import codes

_MISTAKEN = frozenset({"entered-in-error", "cancelled"})


def is_need(entry: BundleEntry, context: Context) -> bool:
    return _dimension(entry, context) is not None


def _dimension(entry: BundleEntry, context: Context) -> str | None:
    """By the hub's own code, or by one that a map says to mean a dimension."""
    mapped = (each for each in meanings(entry.resource["code"], own_codes(context)) if each in TABLE.dimensions)
    return code_in(entry.resource["code"], codes.NEED) or next(mapped, None)


def _level(entry: BundleEntry, context: Context) -> str | None:
    value = entry.resource.get("valueCodeableConcept")
    mapped = (each for each in meanings(value, own_codes(context)) if each in LEVELS)
    return code_in(value, codes.LEVEL) or next(mapped, None)


def read_as(entry: BundleEntry, context: Context) -> list[str]:
    """What the outcome says of it."""
    stated = need(entry, context)
    if stated.level == MISTAKEN:
        return [TAKEN_BACK]
    old = stated.at < context.now - timedelta(days=context.settings.assessment_days)
    return [f"read as {stated.dimension}", *([f"{stated.dimension}: {TOO_OLD}"] if old else [])]


def need(entry: BundleEntry, context: Context) -> StatedNeed:
    """A need of the hub's own CodeSystem. A level without its edition is refused: the code alone can mean another."""
    dimension = _dimension(entry, context)
    if dimension not in TABLE.dimensions:
        raise refuse(422, "code-invalid", f"{entry.place}.code", "Must be an assessment dimension of this edition.")
    source = f"Observation/{entry.id}"
    if entry.resource["status"] in _MISTAKEN:
        return StatedNeed(dimension, MISTAKEN, _withdrawn_at(entry, context), source)
    level = _level(entry, context)
    if level is None:
        place = f"{entry.place}.value"
        raise refuse(422, "code-invalid", place, "Must be a level of care with the CodeSystem of its edition.")
    return StatedNeed(dimension, level, clinical_time(entry, context), source)


def _withdrawn_at(entry: BundleEntry, context: Context) -> datetime:
    """What is taken back by its source needs no time; one that no release stored with its source is found by it."""
    try:
        return clinical_time(entry, context)
    except HttpRefusal:
        return context.now
