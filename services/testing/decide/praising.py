"""Runs of expected results that are new, otherwise than they were, or none any more: nobody is asked anything. Pure."""

from collections.abc import Mapping, Sequence
from functools import reduce

from services.testing.grading import Graded, grade
from services.testing.grading.expected import Run, not_given, runs
from services.testing.messages import (
    Commands,
    Consumes,
    Emits,
    EpisodeAdmitted,
    ExpectedResultsContinued,
    OrdersChanged,
    SpecimenReported,
)
from services.testing.orders.ordered import Orders
from services.testing.settings import Settings
from services.testing.state import State, evolve, put
from shared.events.envelope import name_id
from shared.rules.decision import Moment
from shared.rules.packing import instant, unpack_id

Grading = Mapping[str, Graded]


def praised(
    old: tuple[Grading, Orders], new: tuple[Grading, Orders], moment: Moment[Settings], *, new_stay: bool
) -> list[ExpectedResultsContinued]:
    """The difference of two gradings, each with what was ordered then. What a new stay no longer looks at was not
    wrong."""
    before, after = (runs(*each, moment.settings.expected_in_a_row) for each in (old, new))
    gone = [] if new_stay else [run for last, run in before.items() if last not in after]
    fresh = [run for last, run in after.items() if run != before.get(last)]
    return [_continued(run, moment, wrong=run in gone) for run in (*gone, *fresh)]


def with_interruptions(
    before: State, cause: Consumes | Commands, emitted: Sequence[Emits], moment: Moment[Settings]
) -> Sequence[Emits]:
    """What was emitted, the runs in it as they are once it is known which ordered tests were refused or missed.

    Specimens that leave the state with it count: what has to leave was not wrong.
    """
    orders = next((each.orders for each in reversed(emitted) if isinstance(each, OrdersChanged)), before.orders)
    if not_given(orders) == not_given(before.orders):
        return emitted
    reported = (each for each in emitted if isinstance(each, SpecimenReported))
    after = reduce(lambda state, each: put(state, each.specimen, each.gone), reported, evolve(before, cause))
    old, new = ((grade(state, moment.settings), each) for state, each in ((before, before.orders), (after, orders)))
    others = [each for each in emitted if not isinstance(each, ExpectedResultsContinued)]
    return [*others, *praised(old, new, moment, new_stay=isinstance(cause, EpisodeAdmitted))]


def _continued(run: Run, moment: Moment[Settings], *, wrong: bool) -> ExpectedResultsContinued:
    report_ids = tuple(unpack_id(each) for each in run.specimens)
    return ExpectedResultsContinued(
        observation_id=name_id(report_ids[-1], "expected-results"),
        report_ids=report_ids,
        in_a_row=len(report_ids),
        since=instant(run.since),
        until=instant(run.until),
        counted_at=moment.now,
        wrong=wrong,
    )
