"""The law of one patient's whole story: results of any status, corrections, orders, collections and codes that are
mapped late, in whatever order they come."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.testing.messages import CancelDrugTest, Observed, ReportResult
from services.testing.reading.laboratory import Status
from services.testing.state import State
from shared.events.codes import LOINC
from shared.events.envelope import Command
from shared.events.testing import Condition, DrugTestEvent, ResultFinding
from tests.laws import examples
from tests.story import only
from tests.testing.decide.test_ordering import CLOSES, HOUR, OPENS, ORDER, collection, order
from tests.testing.given import COCAINE, FENTANYL, day, observed, report
from tests.testing.story import Story, in_treatment

LAST = day(30)
NUMBERS = ("F1", "F2", "F3")
CODES = (FENTANYL, COCAINE, "T17")
"""The last is the laboratory's own: nobody knows it until it is mapped."""


def row(code: str, finding: ResultFinding, *, mapped: bool = False) -> Observed:
    if code != "T17":
        return observed(code, finding)
    return Observed(code, "", "fentanyl" if mapped else "unmapped", finding, False)


def sent(
    number: str, code: str, finding: ResultFinding, status: Status, condition: Condition, hours: int
) -> ReportResult:
    """A message about one row of the report of this number; each has a specimen of its own, some days apart."""
    collected = 10.0 + 4 * NUMBERS.index(number)
    found = report(number, collected, status=status, condition=condition, extent="message")
    issued_at = found.collected_at + hours * HOUR
    return replace(found, results=(row(code, finding),), stated=condition, issued_at=issued_at)


RESULTS = st.builds(
    sent,
    st.sampled_from(NUMBERS),
    st.sampled_from(CODES),
    st.sampled_from(["positive", "negative", "indeterminate"]),
    st.sampled_from(["preliminary", "final", "final", "corrected", "cancelled", "entered-in-error"]),
    st.sampled_from(["valid", "valid", "valid", "dilute", "adulterated"]),
    st.sampled_from([24, 25, 26]),
)
MAPPED = st.builds(
    lambda number, finding, hours: replace(
        sent(number, "T17", finding, "final", "valid", hours),
        results=(row("T17", finding, mapped=True),),
        extent="component",
        again=True,
    ),
    st.sampled_from(NUMBERS),
    st.sampled_from(["positive", "negative"]),
    st.sampled_from([24, 25, 26]),
)
CANCELLED = CancelDrugTest(order_id=ORDER)
OF_ORDERS = st.sampled_from(
    [
        CANCELLED,
        order(),
        order(OPENS + 48 * HOUR, CLOSES + 48 * HOUR),
        collection("collected", OPENS + HOUR),
        collection("refused", OPENS + HOUR),
        collection("missed", CLOSES),
        collection(None, OPENS),
    ]
)
STORIES = st.lists(RESULTS | MAPPED | OF_ORDERS, min_size=1, max_size=9)


def lived(steps: list[Command]) -> Story:
    story = in_treatment()
    story.then(order(), *steps, at=LAST)
    return story


def highest_tier(steps: list[Command]) -> int:
    story, highest = in_treatment(), 0
    for each in (order(), *steps):
        story.then(each, at=LAST)
        highest = max(highest, *story.escalations.values(), 0)
    return highest


def taken_back(number: str, steps: list[Command]) -> ReportResult:
    """The whole report, entered in error."""
    rows = {row.code: row for each in steps if isinstance(each, ReportResult) for row in each.results}
    void = replace(sent(number, FENTANYL, "negative", "entered-in-error", "valid", 48), extent="report")
    return replace(void, results=tuple(rows.values()))


def worse(step: Command) -> Command:
    """The same message, where its row was found."""
    if not isinstance(step, ReportResult):
        return step
    return replace(step, results=tuple(replace(each, finding="positive") for each in step.results))


@settings(max_examples=examples(40))
@given(STORIES)
def test_once_all_of_it_is_taken_back_nobody_is_asked_anything(steps: list[Command]) -> None:
    story = lived(steps)
    story.then(*(taken_back(each, steps) for each in NUMBERS), CANCELLED, at=LAST)
    assert story.escalations == {}


@settings(max_examples=examples(40))
@given(STORIES, st.data())
def test_what_was_found_never_asks_for_less_than_what_was_not(steps: list[Command], data: st.DataObject) -> None:
    """The highest tier that is reached, of one message among them all: one that is open falls no more."""
    place = data.draw(st.integers(0, len(steps) - 1))
    graver = [worse(each) if at == place else each for at, each in enumerate(steps)]
    assert highest_tier(graver) >= highest_tier(steps)


@settings(max_examples=examples(40))
@given(STORIES)
def test_each_row_stands_with_an_outcome_and_the_same_again_is_the_same_to_the_letter(steps: list[Command]) -> None:
    """What is final; of what was provisional a later final message of its report leaves it behind (4.7)."""
    story, again = lived(steps), lived(steps)
    assert (again.all_emitted, again.state) == (story.all_emitted, story.state)
    stored = msgspec.json.encode(story.state)
    assert msgspec.json.encode(msgspec.json.decode(stored, type=State)) == stored
    reports = [each for each in steps if isinstance(each, ReportResult) and each.status in ("final", "corrected")]
    sent_of = {(each.collected_at, row.code) for each in reports for row in each.results}
    held = {
        (each.collected_at, result.code)
        for each in only(story.all_emitted, DrugTestEvent)
        for result in each.results
        if result.outcome
    }
    assert sent_of <= held


def test_the_codes_of_the_law_are_read_as_they_are_meant() -> None:
    assert (row(FENTANYL, "positive").code_system, row("T17", "positive", mapped=True).analyte) == (LOINC, "fentanyl")
