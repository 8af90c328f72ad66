"""The bench says of a goal that it is met, or by how much it is missed and why."""

from datetime import UTC, datetime

import pytest

from bench import accepting, answering, consuming, reading, relaying, reporting, table
from bench.goals import Goal
from bench.results import Figure, Result, Run

REASON = "The floor only sends."
RATE, RATIO, SECONDS = (
    Goal(30_000, reason=REASON),
    Goal(0.5, is_ratio=True, reason=REASON),
    Goal(20, at_most=True, reason=REASON),
)
GOALS = (
    *(each.goal for each in accepting.KINDS),
    accepting.TOGETHER,
    answering.QUIET,
    *answering.BACKLOG.values(),
    consuming.OF_THE_FLOOR,
    *consuming.OF_SIGNALS,
    reading.P99,
    relaying.GOAL,
    reporting.OF_THE_FLOOR,
    reporting.P99,
)


@pytest.mark.parametrize(
    ("goal", "reached", "ratio", "verdict"),
    [
        (RATE, 24_000, None, "≥ 30,000: missed by 20%"),
        (RATIO, 1, 0.4, "≥ 0.5 of the floor: missed by 20%"),
        (SECONDS, 25, 2.0, "≤ 20.0: missed by 25%"),
    ],
)
def test_a_goal_that_is_missed_says_by_how_much_and_why(
    goal: Goal, reached: float, ratio: float | None, verdict: str
) -> None:
    assert (goal.verdict(reached, ratio), goal.why(reached, ratio)) == (verdict, REASON)


@pytest.mark.parametrize(("goal", "reached", "ratio"), [(RATE, 30_000, None), (RATIO, 1, 0.5), (SECONDS, 20, None)])
def test_a_goal_that_is_met_needs_no_reason(goal: Goal, reached: float, ratio: float | None) -> None:
    assert goal.verdict(reached, ratio).endswith(": met")
    assert goal.why(reached, ratio) == ""


def test_of_a_ratio_without_a_floor_nothing_is_said() -> None:
    assert (RATIO.verdict(1, None), RATIO.why(1, None)) == ("", "")


def test_the_table_has_the_reason_beside_what_is_missed_alone() -> None:
    figures = Figure("a topic lane", 24_000, goals=(RATE,)), Figure("  at most", 19, goals=(SECONDS,))
    run = Run(datetime(2026, 1, 5, tzinfo=UTC), 2, 0.0, 0.0, results=[Result("lane", "a row", figures, ())])
    *_, missed, met = table.lines(run)
    assert missed == f"| a topic lane | 24,000 |  |  | ≥ 30,000: **missed** by 20% | {REASON} |\n"
    assert met == "| a topic lane: at most | 19.0 |  |  | ≤ 20.0: met |  |\n"


@pytest.mark.parametrize("goal", GOALS, ids=str)
def test_each_goal_of_the_table_has_its_reason_a_sentence(goal: Goal) -> None:
    assert goal.reason.endswith(".") and len(goal.reason) < 200
