"""Specimens; people and time."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.testing.decide.reports import LIES_TOO_FAR_BACK
from services.testing.messages import AcknowledgeEscalation, ReportResult, ResolveEscalation
from services.testing.reading.laboratory import Status
from services.testing.specimens.checks import GRAVITY
from services.testing.state import State, due
from shared.events.escalation import EscalationOverdue, EscalationRaised, EscalationResolved
from shared.events.testing import Condition
from shared.rules.packing import seconds
from tests.laws import examples
from tests.story import PatientStory, only
from tests.testing.given import TIME_PASSED, admitted, day, discharged, medications, report
from tests.testing.story import BASELINE, Story, in_treatment, outcomes


@pytest.mark.parametrize(
    ("condition", "reason", "tier"),
    [
        ("substituted", "specimen-substituted-or-adulterated", 3),
        ("adulterated", "specimen-substituted-or-adulterated", 3),
        ("dilute", "recollection-needed", 1),
        ("invalid", "recollection-needed", 1),
        ("temperature-out-of-range", "recollection-needed", 1),
        ("rejected-unsatisfactory", "recollection-needed", 1),
    ],
)
def test_a_specimen_that_is_not_valid_asks_for_a_person(condition: str, reason: str, tier: int) -> None:
    story = in_treatment()
    emitted = story.then(report("weekly", 7, condition=condition, COCAINE="negative"))  # type: ignore[arg-type]
    assert outcomes(emitted) == [condition]
    assert story.escalations == {reason: tier}


@pytest.mark.parametrize(
    ("condition", "signal"), [("adulterated", "specimen-altered"), ("dilute", "specimen-not-valid")]
)
def test_only_an_altered_specimen_says_so_to_whoever_combines_signals(condition: Condition, signal: str) -> None:
    story = in_treatment()
    (escalated,) = only(story.then(report("weekly", 7, condition=condition, COCAINE="negative")), EscalationRaised)
    assert [each.code for each in escalated.escalation.signals] == [signal]


def test_a_second_specimen_in_a_row_that_must_be_collected_again_is_tier_two() -> None:
    story = in_treatment()
    story.then(report("second week", 7, condition="dilute", COCAINE="negative"))
    story.then(report("third week", 14, condition="dilute", COCAINE="negative"))
    assert story.escalations == {"recollection-needed": 2}


def test_another_report_of_the_specimen_before_does_not_hide_that_it_had_to_be_collected_again() -> None:
    story = in_treatment()
    for name, condition in (("screen", "dilute"), ("another", "valid"), ("a third", "valid")):
        story.then(report(name, 7, specimen="first", condition=condition, COCAINE="negative"))  # type: ignore[arg-type]
    story.then(report("weekly", 14, condition="dilute", COCAINE="negative"))
    assert story.escalations == {"recollection-needed": 2}


def test_a_substituted_specimen_cannot_be_the_baseline() -> None:
    story = Story(admitted(), report("first", 0, condition="substituted", COCAINE="negative"))
    assert outcomes(story.then(report("second", 2, COCAINE="positive"))) == ["baseline"]


def test_an_unmapped_code_is_stored_and_asks_nothing_of_the_patients_own_team() -> None:
    story = in_treatment()
    emitted = story.then(report("weekly", 7, unmapped="LOCAL7", COCAINE="negative"))
    assert outcomes(emitted) == ["expected-negative", "pending"]
    assert story.escalations == {}


def test_a_row_that_shows_nothing_is_looked_up_by_a_person_the_same_day_where_it_is_an_opioid() -> None:
    story = in_treatment()
    assert outcomes(story.then(report("weekly", 7, COCAINE="indeterminate"))) == ["indeterminate"]
    assert story.escalations == {"result-unclear": 1}
    story.then(report("next", 8, FENTANYL="indeterminate"))
    assert story.escalations == {"result-unclear": 3}


def test_a_row_made_final_that_was_never_sent_asks_a_person_until_it_comes() -> None:
    story = in_treatment()
    promoted = report("weekly", 7, extent="message", COCAINE="negative", FENTANYL="pending")
    rows = tuple(replace(each, stands=each.analyte == "fentanyl") for each in promoted.results)
    story.then(replace(promoted, results=rows))
    assert story.escalations == {"result-unclear": 3}
    story.then(report("weekly", 7, status="preliminary", extent="message", FENTANYL="positive"), at=day(9))
    assert story.escalations == {"unexpected-positive-opioid": 3}


@pytest.mark.parametrize("announced_first", [True, False])
def test_a_row_made_final_that_was_only_announced_asks_a_person_until_it_comes(announced_first: bool) -> None:
    """Most laboratories announce each row as they receive the specimen."""
    story = in_treatment()
    announced = report("weekly", 7, status="registered", extent="message", FENTANYL="pending")
    promoted = report("weekly", 7, issued=9, status="promoted", extent="message", FENTANYL="pending")
    promoted = replace(promoted, results=tuple(replace(each, stands=True) for each in promoted.results))
    for each in (announced, promoted) if announced_first else (promoted, announced):
        story.then(each, at=day(9))
    assert story.escalations == {"result-unclear": 3}
    (row,) = story.state.specimens[-1].rows
    assert row.status == "final", "and nothing of it is awaited beside"
    story.then(report("weekly", 7, issued=10, FENTANYL="positive"), at=day(10))
    assert story.escalations == {"unexpected-positive-opioid": 3}


def test_an_opioid_that_cannot_be_read_never_has_the_milder_clock() -> None:
    unclear, found = in_treatment(), in_treatment()
    unclear.then(report("weekly", 7, FENTANYL_CONFIRMED="indeterminate"))
    found.then(report("weekly", 7, FENTANYL_CONFIRMED="positive"))
    (asked,), (escalated,) = unclear.state.escalations, found.state.escalations
    assert asked.escalation.acknowledge_by <= escalated.escalation.acknowledge_by
    assert asked.escalation.act_by <= escalated.escalation.act_by


def test_a_confirmation_settles_what_the_screen_left_unclear() -> None:
    story = in_treatment()
    story.then(report("screen", 7, COCAINE="indeterminate"))
    story.then(report("confirmation", 7, specimen="screen", issued=9, COCAINE_CONFIRMED="negative"))
    assert story.escalations == {}


def test_what_is_only_preliminary_asks_nobody_to_look_it_up() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, status="preliminary", FENTANYL="indeterminate"))
    assert story.escalations == {}


def test_an_escalation_is_acknowledged_once_and_resolved() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, FENTANYL="positive"))
    (identity,) = [each.escalation.id for each in story.state.escalations]
    assert story.then(AcknowledgeEscalation(escalation_id=identity), at=day(8))
    assert story.then(AcknowledgeEscalation(escalation_id=identity), at=day(8)) == []
    story.then(ResolveEscalation(escalation_id=identity, reason="talked-to-patient"), at=day(9))
    assert story.escalations == {}


def test_a_resolved_escalation_is_not_raised_again_by_the_same_evidence() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, FENTANYL="positive"))
    (identity,) = [each.escalation.id for each in story.state.escalations]
    story.then(ResolveEscalation(escalation_id=identity, reason="talked-to-patient"), at=day(9))
    story.then(medications(day(10), "29046"))
    story.then(report("next week", 14, COCAINE="negative"))
    assert story.escalations == {}


def test_nobody_acknowledged_in_time_is_said_once_one_tier_up() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, COCAINE="positive"))
    at = due(story.state)
    assert at == day(8) + timedelta(minutes=1440)
    (overdue,) = only(story.then(TIME_PASSED, at=at), EscalationOverdue)
    assert overdue.escalation.tier == 3
    assert due(story.state) is None


def test_discharge_closes_what_is_open_with_a_reason() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, FENTANYL="positive"))
    (closed,) = only(story.then(discharged(day(84))), EscalationResolved)
    assert closed.reason == "episode-discharged"
    assert story.escalations == {}


def test_an_ended_episode_leaves_the_state_after_thirty_days() -> None:
    story = in_treatment()
    story.then(discharged(day(84)))
    assert due(story.state) == day(114)
    story.then(TIME_PASSED, at=day(114))
    assert story.state == State()


def test_a_report_that_comes_after_the_discharge_about_the_stay_is_still_graded() -> None:
    story = in_treatment()
    story.then(discharged(day(84)))
    assert outcomes(story.then(report("last", 83, FENTANYL="positive", issued=86))) == [
        "unexpected-positive-presumptive"
    ]
    assert story.escalations == {"unexpected-positive-opioid": 3}


def test_a_medication_started_on_the_day_of_the_collection_need_not_show_yet() -> None:
    story = Story(admitted(), BASELINE, medications(day(7), "351267", since=date(2025, 3, 10)))
    assert outcomes(story.then(report("weekly", 7, BUPRENORPHINE="negative"))) == ["expected-negative"]


ALTERED = report("ph", 7, specimen="one", condition="adulterated", extent="message", PH="unsatisfactory")
PASSES = report("creatinine", 7, specimen="one", issued=9, extent="message", CREATININE="valid")
MENDED = report("ph", 7, specimen="one", issued=10, status="corrected", extent="message", PH="valid")


@pytest.mark.parametrize("reports", [*permutations((ALTERED, PASSES))])
def test_a_check_that_passes_takes_away_nothing_that_another_one_found(reports: Sequence[ReportResult]) -> None:
    story = in_treatment()
    story.then(*reports, at=day(11))
    assert story.escalations == {"specimen-substituted-or-adulterated": 3}


@pytest.mark.parametrize("reports", [*permutations((ALTERED, PASSES, MENDED))])
def test_the_check_itself_corrected_makes_the_specimen_valid(reports: Sequence[ReportResult]) -> None:
    story = in_treatment()
    story.then(*reports, at=day(11))
    assert (story.escalations, story.state.specimens[-1].condition) == ({}, "valid")


def stated(name: str, condition: Condition, status: Status, issued: float) -> ReportResult:
    """What a drug's row says of the specimen, in a message of its own."""
    found = report(name, 7, specimen="one", status=status, condition=condition, issued=issued, extent="message")
    return replace(found, results=report(name, 7, COCAINE="negative").results, stated=condition)


WORDS = st.lists(
    st.builds(
        stated,
        st.sampled_from(["F1", "F2"]),
        st.sampled_from(["valid", "dilute", "invalid", "adulterated"]),
        st.sampled_from(["preliminary", "final", "corrected"]),
        st.sampled_from([8.0, 8.5, 9.0]),
    ),
    min_size=1,
    max_size=5,
)


def condition_after(words: Sequence[ReportResult]) -> Condition:
    story = in_treatment()
    story.then(*words, at=day(10))
    return story.state.specimens[-1].condition


@pytest.mark.parametrize(
    ("first", "then", "stands"),
    [
        (("F1", "adulterated", "final", 8), ("F2", "dilute", "final", 8), "adulterated"),
        (("F1", "adulterated", "preliminary", 8), ("F2", "dilute", "final", 8), "dilute"),
        (("F1", "adulterated", "corrected", 8), ("F2", "dilute", "cancelled", 8), "adulterated"),
        (("F1", "adulterated", "preliminary", 8), ("F1", "dilute", "final", 8), "dilute"),
        (("F1", "adulterated", "final", 8), ("F2", "dilute", "corrected", 8), "dilute"),
        (("F1", "adulterated", "final", 8), ("F2", "dilute", "final", 9), "dilute"),
        (("F1", "adulterated", "final", 8), ("F2", "dilute", "preliminary", 9), "adulterated"),
    ],
)
def test_a_milder_word_unsays_a_worse_one_only_as_a_later_one_or_a_correction(
    first: tuple[str, Condition, Status, float], then: tuple[str, Condition, Status, float], stands: Condition
) -> None:
    """What is final stands for what was said provisionally, as of each row."""
    words = [stated(*first), stated(*then)]
    assert condition_after(words) == condition_after(words[::-1]) == stands


@settings(max_examples=examples(100))
@given(WORDS, st.data())
def test_in_whatever_order_words_come_the_same_stands_and_none_of_its_time_hides_a_graver(
    words: list[ReportResult], data: st.DataObject
) -> None:
    found = condition_after(words)
    assert condition_after(data.draw(st.permutations(words * 2))) == found
    last = max(each.issued_at for each in words)
    grave = [each.stated for each in words if each.issued_at == last and each.status == "final"]
    corrects = any(each.status == "corrected" for each in words if each.issued_at == last)
    assert corrects or all(GRAVITY.index(each) <= GRAVITY.index(found) for each in grave)


def test_a_row_read_again_of_a_specimen_that_has_left_the_state_is_a_persons_to_read() -> None:
    """Alone it would stand for the whole report, and accuse of what was settled long ago."""
    left = Story(admitted())
    left.state = replace(left.state, first_evicted_at=seconds(day(3)))
    again = replace(report("old", 7, FENTANYL="positive"), extent="component", again=True)
    PatientStory.then(left, again, at=day(90))
    assert (left.refused, left.emitted) == (LIES_TOO_FAR_BACK, [])
    story = in_treatment()
    story.then(again, at=day(90))
    assert story.escalations == {"unexpected-positive-opioid": 3}, "where none has left, nothing of it was decided"


LATER = report("later", 20, FENTANYL="negative")


@pytest.mark.parametrize("status", ["corrected", "entered-in-error"])
def test_a_correction_of_a_specimen_that_has_left_the_state_is_a_persons_to_read(status: Status) -> None:
    """Else it would be a second specimen of one cup, or a positive that was taken back would stand unheard."""
    left = Story(admitted(), LATER)
    left.state = replace(left.state, first_evicted_at=seconds(day(3)))
    corrected = replace(report("old", 7, FENTANYL="positive"), status=status)
    PatientStory.then(left, corrected, at=day(90))
    assert left.refused == LIES_TOO_FAR_BACK
    assert [each.collected_at for each in left.state.specimens] == [seconds(day(20))]


def test_a_corrected_row_beside_others_speaks_of_an_earlier_report_too() -> None:
    left = Story(admitted(), LATER)
    left.state = replace(left.state, first_evicted_at=seconds(day(3)))
    whole = report("old", 7, FENTANYL="positive", COCAINE="negative")
    first, *others = whole.results
    PatientStory.then(left, replace(whole, results=(replace(first, status="corrected"), *others)), at=day(90))
    assert left.refused == LIES_TOO_FAR_BACK


@pytest.mark.parametrize(
    ("evicted_at", "collected", "status"),
    [(None, 7, "corrected"), (3, 21, "corrected"), (9, 7, "corrected"), (3, 7, "final")],
)
def test_what_cannot_have_left_the_state_is_graded_whatever_its_status(
    evicted_at: float | None, collected: float, status: Status
) -> None:
    """Nothing has left, or nothing so late, or nothing so early; and a first report may come late."""
    story = Story(admitted(), LATER)
    story.state = replace(story.state, first_evicted_at=None if evicted_at is None else seconds(day(evicted_at)))
    PatientStory.then(story, replace(report("old", collected, FENTANYL="positive"), status=status), at=day(90))
    assert story.refused is None
    assert seconds(day(collected)) in {each.collected_at for each in story.state.specimens}
