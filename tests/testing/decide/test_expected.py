"""Three expected results in a row are an event, so that somebody may praise them; nobody is asked anything."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as some

from services.testing.expected import runs
from services.testing.grading import grade
from services.testing.messages import ExpectedResultsContinued, ReportResult
from shared.events.envelope import Event, name_id
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
    standing = runs(grade(story.state, SETTINGS), SETTINGS.expected_in_a_row)
    assert {int(each.timestamp()) for each in stands} == {run.until for run in standing.values()}
