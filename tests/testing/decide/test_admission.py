"""Results before and at admission; baseline and residual window."""

from shared.events.testing import DrugTestCorrected, DrugTestResulted, ResultMatched
from tests.story import only
from tests.testing.given import admitted, day, medications, report
from tests.testing.story import Story, outcomes, raised


def test_a_result_before_the_admission_is_matched_and_waits_for_its_grade() -> None:
    story = Story()
    emitted = story.then(report("early", -3, FENTANYL="positive"))
    assert [type(each) for each in emitted] == [ResultMatched]
    assert outcomes(emitted) == ["pending"]


def test_the_admission_grades_what_waited() -> None:
    story = Story(report("early", -3, FENTANYL="positive"))
    emitted = story.then(admitted())
    (resulted,) = only(emitted, DrugTestResulted)
    assert resulted.baseline
    assert outcomes(emitted) == ["baseline"]
    assert story.escalations == {"baseline-opioid-safety": 2}


def test_a_specimen_from_long_before_the_admission_is_never_graded() -> None:
    story = Story(report("old", -15, FENTANYL="positive"))
    assert story.then(admitted()) == []


def test_medications_said_before_the_admission_are_known_when_it_grades() -> None:
    story = Story(report("early", -3, BUPRENORPHINE="positive"), medications(day(-1), "351267"))
    emitted = story.then(admitted())
    assert outcomes(emitted) == ["expected-positive"]
    assert story.escalations == {}


def test_a_report_that_waited_is_matched_and_graded_at_once_in_an_open_episode() -> None:
    story = Story(admitted())
    emitted = story.then(report("waited", 0, COCAINE="negative", matched=True))
    assert [type(each) for each in emitted] == [ResultMatched, DrugTestResulted]


def test_the_first_specimen_is_the_baseline_and_raises_no_alarm() -> None:
    story = Story(admitted())
    emitted = story.then(report("first", 0, COCAINE="positive", AMPHETAMINES="negative"))
    assert outcomes(emitted) == ["baseline", "expected-negative"]
    assert story.escalations == {}


def test_a_baseline_opioid_asks_for_the_safety_contact_only() -> None:
    story = Story(admitted())
    story.then(report("first", 0, FENTANYL="positive"))
    assert story.escalations == {"baseline-opioid-safety": 2}
    (open_one,) = story.state.escalations
    assert [each.code for each in open_one.escalation.signals] == ["baseline-safety"]


def test_an_earlier_specimen_that_arrives_late_becomes_the_baseline_and_regrades_the_other() -> None:
    story = Story(admitted(), report("first", 2, COCAINE="positive"))
    emitted = story.then(report("earlier", -1, AMPHETAMINES="positive"), at=day(5))
    corrected, resulted = only(emitted, DrugTestCorrected), only(emitted, DrugTestResulted)
    assert [each.results[0].outcome for each in resulted] == ["baseline"]
    assert [each.results[0].outcome for each in corrected] == ["unexpected-positive-presumptive"]
    assert story.escalations == {"unexpected-positive-presumptive": 2}


def test_a_positive_within_its_residual_window_cannot_show_new_use() -> None:
    story = Story(admitted(), report("baseline", 0, FENTANYL="positive"))
    emitted = story.then(report("weekly", 7, FENTANYL="positive"))
    assert outcomes(emitted) == ["cannot-show-new-use"]
    assert story.escalations == {"baseline-opioid-safety": 2}
    assert raised(emitted) == {"Updated": ["baseline-opioid-safety"]}


def test_a_metabolite_counts_as_the_same_kin_in_the_residual_window() -> None:
    story = Story(admitted(), report("baseline", 0, COCAINE="positive"))
    assert outcomes(story.then(report("next", 3, COCAINE_CONFIRMED="positive"))) == ["cannot-show-new-use"]


def test_a_positive_after_the_residual_window_is_unexpected() -> None:
    story = Story(admitted(), report("baseline", 0, COCAINE="positive"))
    assert outcomes(story.then(report("weekly", 7, COCAINE="positive"))) == ["unexpected-positive-presumptive"]
