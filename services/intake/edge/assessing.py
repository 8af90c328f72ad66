"""The needs of an assessment, by the hub's own codes or by those that mean them by a map: in Observations of their own,
in components, in the items of a form.

A level that nobody can read refuses nothing and is never passed over: its dimension is missing (R0), a person places.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from services.intake.edge.asked import Asked
from services.intake.edge.own_codes import MEANING, coded, meanings, own_codes, understood
from services.intake.edge.times import PERSON_ASKED, TAKEN_BACK, TOO_OLD, clinical_time
from services.intake.messages import StatedNeed
from services.intake.placement.levels import LEVELS
from services.intake.placement.needs import MISTAKEN, UNREADABLE
from services.intake.table import TABLE
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import codes_in
from shared.edge.json import Json
from shared.edge.outcome import HttpRefusal
from shared.events import codes

_MISTAKEN = frozenset({"entered-in-error", "cancelled"})


def is_need(entry: BundleEntry, context: Context) -> bool:
    return _dimension(entry, context) is not None


def _dimension(entry: BundleEntry, context: Context) -> str | None:
    """By the hub's own code, or by one that a map says to mean a dimension."""
    named = (*codes_in(entry.resource["code"], codes.NEED), *meanings(entry.resource["code"], own_codes(context)))
    return next((each for each in named if each in TABLE.dimensions), None)


def need(entry: BundleEntry, context: Context) -> StatedNeed:
    """The need that an Observation states. Raises HttpRefusal without its time."""
    dimension, source = str(_dimension(entry, context)), f"Observation/{entry.id}"
    if entry.resource["status"] in _MISTAKEN:
        return StatedNeed(dimension, MISTAKEN, _withdrawn_at(entry, context), source)
    level = _level(understood(entry.resource, own_codes(context)))
    return StatedNeed(dimension, level, clinical_time(entry, context), source)


def needs_of_items(entry: BundleEntry, asked: Sequence[Asked], context: Context) -> tuple[StatedNeed, ...]:
    """The needs that components or the items of a form state, where they are answered. Raises HttpRefusal without its
    time."""
    stated = [each for each in asked if each.dimension and any(name.startswith("value") for name in each.answer)]
    source = f"{entry.type}/{entry.id}"
    return tuple(
        StatedNeed(str(each.dimension), _level(each.answer), clinical_time(entry, context), source) for each in stated
    )


def lines(stated: StatedNeed, context: Context) -> Iterator[str]:
    """What the outcome says of it: never the level."""
    if stated.level == MISTAKEN:
        yield TAKEN_BACK
        return
    if stated.level == UNREADABLE:
        yield f"not read: level of {stated.dimension} unknown; {PERSON_ASKED}"
        return
    yield f"read as {stated.dimension}"
    if stated.at < context.now - timedelta(days=context.settings.assessment_days):
        yield f"{stated.dimension}: {TOO_OLD}"


def _level(answer: Json) -> str:
    """The gravest of its levels, where all are of this edition: without its system a code may mean another level."""
    stated = tuple(codes_in(coded(answer), codes.LEVEL, MEANING))
    return max(stated, key=LEVELS.index) if stated and set(stated) <= set(LEVELS) else UNREADABLE


def _withdrawn_at(entry: BundleEntry, context: Context) -> datetime:
    """What is taken back by its source needs no time; one that no release stored with its source is found by it."""
    try:
        return clinical_time(entry, context)
    except HttpRefusal:
        return context.now
