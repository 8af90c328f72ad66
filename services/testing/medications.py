"""What a patient takes, as far as a drug test can show it: ingredients and days, reconciled list by list. Bounded."""

from datetime import date

import msgspec

from services.testing import tables
from shared.events.intake import Medication

MEDICATIONS_MOST = 12
UNMAPPED_MOST = 2
REMEMBERED_DAYS = 60
"""How long an ended medication still explains a specimen that is reported late."""


class IngredientPeriod(msgspec.Struct, frozen=True, array_like=True):
    """An ingredient and the days it is taken, both inclusive, as ordinals; None is open."""

    ingredient: str
    start_on: int | None = None
    end_on: int | None = None

    def covers(self, day: date) -> bool:
        ordinal = day.toordinal()
        return (self.start_on is None or self.start_on <= ordinal) and (self.end_on is None or ordinal <= self.end_on)


def reconciled(
    listed: tuple[Medication, ...],
    known: tuple[IngredientPeriod, ...],
    unmapped: tuple[IngredientPeriod, ...],
    on: date,
) -> tuple[tuple[IngredientPeriod, ...], tuple[IngredientPeriod, ...]]:
    """The ingredients, and the days with a medication that no table knows, after the whole list of this day.

    What is no longer in it was taken until that day. More than fits counts as unmapped, so that a person is asked.
    """
    now, strange = _taken(listed)
    day = on.toordinal()
    remaining = (now + _until(known, now, day))[:MEDICATIONS_MOST]
    overflow = (IngredientPeriod("", each.start_on, each.end_on) for each in now[MEDICATIONS_MOST:])
    strange = _merged((*strange, *overflow))
    return remaining, strange + _merged(_until(unmapped, strange, day))


def _taken(medications: tuple[Medication, ...]) -> tuple[tuple[IngredientPeriod, ...], tuple[IngredientPeriod, ...]]:
    mapped: dict[IngredientPeriod, None] = {}
    unmapped: dict[IngredientPeriod, None] = {}
    for medication in medications:
        start = medication.start_on.toordinal() if medication.start_on else None
        end = medication.end_on.toordinal() if medication.end_on else None
        ingredients = tables.ingredients_of(medication.rxnorm)
        explaining = [ingredient for ingredient in ingredients if tables.INGREDIENTS[ingredient].explains]
        mapped |= dict.fromkeys(IngredientPeriod(ingredient, start, end) for ingredient in explaining)
        if not ingredients:
            unmapped[IngredientPeriod("", start, end)] = None
    return tuple(mapped), tuple(unmapped)


def _until(
    before: tuple[IngredientPeriod, ...], now: tuple[IngredientPeriod, ...], day: int
) -> tuple[IngredientPeriod, ...]:
    """What an earlier list held and this one doesn't, ended on the day of this one; forgotten when long past."""
    starts = {(each.ingredient, each.start_on) for each in now}
    ended = (
        IngredientPeriod(each.ingredient, each.start_on, day if each.end_on is None else min(each.end_on, day))
        for each in before
        if (each.ingredient, each.start_on) not in starts
    )
    return tuple(each for each in ended if each.end_on is not None and each.end_on >= day - REMEMBERED_DAYS)


def _merged(intervals: tuple[IngredientPeriod, ...]) -> tuple[IngredientPeriod, ...]:
    """At most two intervals: the earliest become their hull, which errs towards asking a person."""
    merged = sorted(dict.fromkeys(intervals), key=lambda each: (each.start_on or 0, each.end_on or 0))
    while len(merged) > UNMAPPED_MOST:
        first, second, *later = merged
        ends = [each.end_on for each in (first, second)]
        start = None if None in (first.start_on, second.start_on) else min(first.start_on or 0, second.start_on or 0)
        end = None if None in ends else max(each or 0 for each in ends)
        merged = [IngredientPeriod("", start, end), *later]
    return tuple(merged)
