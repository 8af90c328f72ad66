"""Three expected results in a row are an event, so that somebody may praise them; nobody is asked anything."""

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as some

from services.testing.grading import grade
from services.testing.grading.expected import runs
from services.testing.messages import ExpectedResultsContinued, OrderDrugTest, ReportCollection, ReportResult
from services.testing.orders.ordered import Kind
from shared.events.envelope import Command, Event, name_id
from shared.rules.packing import seconds
from tests.laws import examples
from tests.story import only
from tests.testing.given import NAMES, PATIENT, SETTINGS, admitted, day, discharged, medications, report
from tests.testing.story import Story, in_treatment


def clean(name: str, when: float) -> ReportResult:
    return report(name, when, COCAINE="negative", PH="valid")


FIRST, SECOND, THIRD, FOURTH = clean("first", 7), clean("second", 14), clean("third", 21), clean("fourth", 28)


def praised(emitted: Sequence[Event]) -> list[tuple[list[str], bool]]:
    """The names of the reports of each run, and whether it stands."""
    names = {name_id(name_id(NAMES, name), PATIENT): name for name in ("first", "second", "third", "fourth", "between")}
    found = only(emitted, ExpectedResultsContinued)
    return [([names[report_id] for report_id in each.report_ids], not each.wrong) for each in found]


def test_the_third_in_a_row_is_said_and_each_one_after_it() -> None:
    story = in_treatment()
    assert praised(story.then(FIRST, SECOND)) == []
    assert praised(story.then(THIRD)) == [(["first", "second", "third"], True)]
    assert praised(story.then(FOURTH)) == [(["second", "third", "fourth"], True)]
    assert story.escalations == {}


def test_it_names_the_time_of_its_first_and_its_last() -> None:
    (run,) = only(in_treatment().then(FIRST, SECOND, THIRD), ExpectedResultsContinued)
    assert (run.since, run.until) == (day(7), day(21))


def test_a_prescribed_medication_that_is_found_is_expected_too() -> None:
    story = Story(medications(day(-1), "1819"), admitted(), report("baseline", 0, BUPRENORPHINE="positive"))
    taken = (report(each, when, BUPRENORPHINE="positive") for each, when in (("first", 7), ("second", 14)))
    assert praised(story.then(*taken, THIRD)) == [(["first", "second", "third"], True)]
    altered = report("fourth", 28, condition="dilute", BUPRENORPHINE="positive")
    assert praised(story.then(altered)) == []


def test_one_that_is_anything_else_ends_the_row() -> None:
    others = {
        "a positive": report("second", 14, COCAINE="positive"),
        "a residual positive": report("second", 8, FENTANYL="positive"),
        "dilute": report("second", 14, condition="dilute", COCAINE="negative"),
        "unclear": report("second", 14, COCAINE="indeterminate"),
        "a code that no table knows": report("second", 14, COCAINE="negative", unmapped="X"),
        "preliminary": report("second", 14, status="preliminary", COCAINE="negative"),
        "without any drug": report("second", 14, PH="valid"),
    }
    for name, other in others.items():
        assert praised(in_treatment().then(FIRST, other, THIRD, FOURTH)) == [], name


def test_the_baseline_and_what_was_taken_back_are_none_of_the_row() -> None:
    story = in_treatment()
    taken_back = report("between", 10, status="entered-in-error", COCAINE="negative")
    assert praised(story.then(FIRST, SECOND)) == []
    assert praised(story.then(clean("between", 10), taken_back))[-1] == (["first", "between", "second"], False)
    assert praised(story.then(THIRD)) == [(["first", "second", "third"], True)]


def test_a_correction_takes_it_back_visibly() -> None:
    story = in_treatment()
    story.then(FIRST, SECOND, THIRD)
    emitted = story.then(report("second", 14, issued=22, status="corrected", COCAINE="positive"))
    assert praised(emitted) == [(["first", "second", "third"], False)]
    (run,) = only(emitted, ExpectedResultsContinued)
    (observation,) = run.write("patient")
    assert observation["status"] == "entered-in-error"


def test_one_that_is_reported_late_may_complete_two() -> None:
    story = in_treatment()
    assert praised(story.then(FIRST, THIRD, FOURTH)) == [(["first", "third", "fourth"], True)]
    late = [(["first", "second", "third"], True), (["second", "third", "fourth"], True)]
    assert sorted(praised(story.then(SECOND))) == late


def test_a_new_stay_takes_back_nothing() -> None:
    story = in_treatment()
    story.then(FIRST, SECOND, THIRD, discharged(day(30)))
    assert praised(story.then(admitted(day(60), name_id(NAMES, "second stay")))) == []


SOME = some.sampled_from(("first", "second", "third", "fourth"))
REPORTS = some.builds(
    lambda name, found, status, issued: report(
        name, {"first": 7, "second": 14, "third": 21, "fourth": 28}[name], issued=issued, status=status, COCAINE=found
    ),
    SOME,
    some.sampled_from(("negative", "negative", "positive", "indeterminate")),
    some.sampled_from(("final", "corrected", "preliminary", "entered-in-error")),
    some.integers(30, 60),
)


@settings(max_examples=examples(200))
@given(some.lists(REPORTS, max_size=12))
def test_what_was_said_last_of_each_row_is_what_stands(happened: list[ReportResult]) -> None:
    story = in_treatment()
    emitted = story.then(*happened)
    last = {each.report_ids[-1]: each for each in only(emitted, ExpectedResultsContinued)}
    stands = {each.until for each in last.values() if not each.wrong}
    standing = runs(grade(story.state, SETTINGS), story.state.orders, SETTINGS.expected_in_a_row)
    assert {seconds(each) for each in stands} == {run.until for run in standing.values()}


def ordered(when: float) -> OrderDrugTest:
    """A test of that day."""
    return OrderDrugTest(order_id=name_id(NAMES, f"order {when}"), opens_at=day(when), closes_at=day(when + 1))


def collection(when: float, kind: Kind | None, at: float | None = None) -> ReportCollection:
    """What became of it."""
    order_id = name_id(NAMES, f"order {when}")
    return ReportCollection(
        order_id=order_id, collection_id=name_id(order_id, "its specimen"), kind=kind, at=day(at or when + 0.5)
    )


NOT_GIVEN: tuple[Kind, ...] = ("refused", "missed")


def test_an_ordered_test_that_was_refused_or_missed_ends_the_row_whichever_came_first() -> None:
    for kind in NOT_GIVEN:
        story = in_treatment()
        story.then(ordered(9), at=day(8))
        assert praised(story.then(FIRST, collection(9, kind), SECOND, THIRD)) == [], kind
        assert praised(story.then(FOURTH)) == [(["second", "third", "fourth"], True)], kind
        late = in_treatment()
        late.then(ordered(9), at=day(8))
        assert praised(late.then(FIRST, SECOND, THIRD)) == [(["first", "second", "third"], True)], kind
        assert praised(late.then(collection(9, kind), at=day(22))) == [(["first", "second", "third"], False)], kind


def test_silence_that_is_a_miss_takes_back_what_was_said_across_it() -> None:
    story = in_treatment()
    story.then(ordered(9), at=day(8))
    story.then(FIRST, SECOND, THIRD)
    assert praised(story.until(day(22))) == [(["first", "second", "third"], False)]


def test_a_miss_that_was_none_lets_the_row_stand_again() -> None:
    story = in_treatment()
    story.then(ordered(9), at=day(8))
    story.then(FIRST, SECOND, THIRD, collection(9, "missed"))
    assert praised(story.then(collection(9, None), at=day(22))) == [(["first", "second", "third"], True)]


def test_the_missed_specimen_that_turns_up_is_one_of_the_row_and_nothing_else_is_said_meanwhile() -> None:
    story = in_treatment()
    story.then(ordered(9), at=day(8))
    story.then(collection(9, "missed"), FIRST, SECOND)
    assert praised(story.then(clean("between", 9.5))) == [(["first", "between", "second"], True)]
    taken_back = report("between", 9.5, issued=30, status="entered-in-error", COCAINE="negative")
    assert praised(story.then(taken_back)) == [(["first", "between", "second"], False)]


def test_a_miss_ends_the_row_however_long_ago_it_was() -> None:
    """Where tests are far apart, the next ones come after everything else of that order is forgotten."""
    apart = SETTINGS.schedule.remembered_days + 5
    story = in_treatment()
    story.then(ordered(9), at=day(8))
    story.then(FIRST, collection(9, "missed"))
    for number, name in enumerate(("second", "third"), 1):
        assert praised(story.then(clean(name, 7 + number * apart))) == [], name
    assert len(story.state.orders.tests) == 1
    assert praised(story.then(clean("fourth", 7 + 3 * apart))) == [(["second", "third", "fourth"], True)]


COLLECTED = some.builds(
    collection, some.sampled_from((3.0, 9.0, 17.0, 24.0)), some.sampled_from((*NOT_GIVEN, "collected", None))
)


@settings(max_examples=examples(200))
@given(some.permutations([FIRST, SECOND, THIRD, FOURTH]), some.lists(some.one_of(REPORTS, COLLECTED), max_size=10))
def test_across_what_was_not_given_nothing_stands_in_any_order(
    reports: list[ReportResult], others: list[Command]
) -> None:
    story = in_treatment()
    for when in (3.0, 9.0, 17.0, 24.0):
        story.then(ordered(when), at=day(2))
    emitted: list[Event] = []
    for hour, happened in enumerate((*others[:5], *reports, *others[5:])):
        emitted += story.then(happened, at=day(29) + timedelta(hours=hour))
    last = {each.report_ids[-1]: each for each in only(emitted, ExpectedResultsContinued)}
    stands = [each for each in last.values() if not each.wrong]
    missing = [each.not_given_at for each in story.state.orders.tests if each.not_given_at]
    assert not [(each, at) for each in stands for at in missing if seconds(each.since) <= at < seconds(each.until)]
    standing = runs(grade(story.state, SETTINGS), story.state.orders, SETTINGS.expected_in_a_row)
    assert {seconds(each.until) for each in stands} == {run.until for run in standing.values()}
