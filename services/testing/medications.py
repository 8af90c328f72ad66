"""What a patient takes, as far as a drug test can show it: ingredients and days, reconciled list by list. Bounded."""

from datetime import date

import msgspec

from services.testing import tables
from shared.events.intake import Medication

MEDICATIONS_MOST = 12
TO_REVIEW_MOST = 12
UNCODED = ""
"""A medication that nobody coded."""
CODE_CHARACTERS_MOST = 12
REMEMBERED_DAYS = 60
"""How long an ended medication still explains a specimen that is reported late."""
DEPOT_REMEMBERED_DAYS = 800
"""The same of a depot, which shows for long after its end: more than a program sets (`depot_days`, 730 at most)."""


class IngredientPeriod(msgspec.Struct, frozen=True, array_like=True):
    """An ingredient and the days it is taken, both inclusive, as ordinals; None is open.

    One that no table knows is named by the RxNorm code that came.
    """

    ingredient: str
    start_on: int | None = None
    end_on: int | None = None
    depot: bool = False
    """Whether somebody gave it for weeks: what a test shows of it says nothing of whether it is taken."""

    def covers(self, day: date) -> bool:
        return self.may_show(day, 0)

    def may_show(self, day: date, depot_days: int) -> bool:
        """Whether it is taken on that day, or was a depot whose end is no longer ago."""
        ordinal, longer = day.toordinal(), depot_days if self.depot else 0
        begun = self.start_on is None or self.start_on <= ordinal
        return begun and (self.end_on is None or ordinal <= self.end_on + longer)


def reconciled(
    listed: tuple[Medication, ...],
    known: tuple[IngredientPeriod, ...],
    to_review: tuple[IngredientPeriod, ...],
    on: date,
) -> tuple[tuple[IngredientPeriod, ...], tuple[IngredientPeriod, ...]]:
    """What explains results, and what asks for a review beside them, after the whole list of this day.

    What is no longer in it was taken until that day. More than fits counts as uncoded, so that a person is asked; what
    a maintenance medication's absence is known by goes last.
    """
    now, in_question = _taken(listed)
    now = tuple(sorted(now, key=lambda each: each.ingredient not in tables.MAINTENANCE))
    day = on.toordinal()
    remaining = (now + _until(known, now, day))[:MEDICATIONS_MOST]
    overflow = (IngredientPeriod(UNCODED, each.start_on, each.end_on) for each in now[MEDICATIONS_MOST:])
    in_question = _merged((*in_question, *overflow))
    return remaining, in_question + _merged(_until(to_review, in_question, day))


def _taken(medications: tuple[Medication, ...]) -> tuple[tuple[IngredientPeriod, ...], tuple[IngredientPeriod, ...]]:
    explaining: dict[IngredientPeriod, None] = {}
    in_question: dict[IngredientPeriod, None] = {}
    for medication in medications:
        ingredients = tables.ingredients_of(medication.rxnorm) or (medication.rxnorm,)
        explaining |= dict.fromkeys(_period(each, medication) for each in ingredients if each in tables.INGREDIENTS)
        in_question |= dict.fromkeys(_period(each, medication) for each in ingredients if not tables.is_known(each))
    return tuple(explaining), tuple(in_question)


def _period(ingredient: str, medication: Medication) -> IngredientPeriod:
    start = medication.start_on.toordinal() if medication.start_on else None
    end = medication.end_on.toordinal() if medication.end_on else None
    depot = ingredient == tables.BUPRENORPHINE and tables.is_depot(medication.rxnorm, medication.route)
    return IngredientPeriod(ingredient[:CODE_CHARACTERS_MOST], start, end, depot)


def _until(
    before: tuple[IngredientPeriod, ...], now: tuple[IngredientPeriod, ...], day: int
) -> tuple[IngredientPeriod, ...]:
    """What an earlier list held and this one doesn't, ended on the day of this one; forgotten when long past."""
    starts = {(each.ingredient, each.start_on) for each in now}
    ended = (
        msgspec.structs.replace(each, end_on=day if each.end_on is None else min(each.end_on, day))
        for each in before
        if (each.ingredient, each.start_on) not in starts
    )
    return tuple(each for each in ended if each.end_on is not None and each.end_on >= day - _remembered(each))


def _remembered(ended: IngredientPeriod) -> int:
    return DEPOT_REMEMBERED_DAYS if ended.depot else REMEMBERED_DAYS


def _merged(intervals: tuple[IngredientPeriod, ...]) -> tuple[IngredientPeriod, ...]:
    """At most so many: those on no published list become one uncoded hull first, which errs towards asking."""
    merged = sorted(dict.fromkeys(intervals), key=_worth)
    while len(merged) > TO_REVIEW_MOST:
        first, second, *later = merged
        ends = [each.end_on for each in (first, second)]
        start = None if None in (first.start_on, second.start_on) else min(first.start_on or 0, second.start_on or 0)
        end = None if None in ends else max(each or 0 for each in ends)
        merged = [IngredientPeriod(UNCODED, start, end), *later]
    return tuple(merged)


def _worth(period: IngredientPeriod) -> tuple[bool, int, int, str]:
    return period.ingredient in tables.TAKEN_FOR_OTHERS, period.start_on or 0, period.end_on or 0, period.ingredient
