"""Expected results in a row, which are to be praised (domain 4.1, 5.2): nobody is asked anything. Pure.

An ordered test that was refused or missed is no result, and ends the row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from services.testing.grading import UNREMARKABLE, Graded
from services.testing.orders.ordered import Orders
from services.testing.specimens import VOID

EXPECTED = ("expected-negative", "expected-positive")


@dataclass(frozen=True)
class Run:
    """The specimens of it in order of collection, by their ids, and when its first and its last were collected
    (seconds)."""

    specimens: tuple[str, ...]
    since: int
    until: int


def runs(grading: Mapping[str, Graded], orders: Orders, in_a_row: int) -> dict[str, Run]:
    """By the specimen that completes it: with the ones just before it, so many show nothing but what was expected. From
    the first run on, each further specimen completes one."""
    return {each.specimens[-1]: each for each in _runs(grading, not_given(orders), in_a_row)}


def not_given(orders: Orders) -> tuple[int, ...]:
    """When a specimen that was asked for was not given (seconds)."""
    return tuple(sorted(each.not_given_at for each in orders.tests if each.not_given_at))


def _runs(grading: Mapping[str, Graded], missing: Sequence[int], in_a_row: int) -> Iterator[Run]:
    standing = [each for each in grading.values() if each.graded and not each.baseline and not each.specimen.voided]
    standing.sort(key=lambda each: (each.specimen.collected_at, each.specimen.id))
    row: list[Graded] = []
    for each in standing:
        row = [*row, each][-in_a_row:] if _is_expected(each) else []
        if len(row) == in_a_row and not _is_interrupted(row, missing):
            first, last = row[0].specimen, row[-1].specimen
            yield Run(tuple(each.specimen.id for each in row), first.collected_at, last.collected_at)


def _is_interrupted(row: Sequence[Graded], missing: Sequence[int]) -> bool:
    """Whether one was missing between two that follow each other; what comes after a miss may begin another row."""
    collected = [each.specimen.collected_at for each in row]
    return any(before <= at < after for before, after in pairwise(collected) for at in missing)


def _is_expected(graded: Graded) -> bool:
    """Whether all that was looked for has its final result, the specimen is valid, and nothing else was found."""
    rows = zip(graded.specimen.rows, graded.outcomes, strict=True)
    outcomes = {outcome for row, (outcome, _) in rows if row.status not in VOID}
    whole = graded.specimen.status in ("final", "corrected") and graded.specimen.condition == "valid"
    return whole and outcomes <= set(UNREMARKABLE) and bool(outcomes & set(EXPECTED))
