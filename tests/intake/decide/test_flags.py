"""Attendance grades a miss by the flags of its day: during a stay they are emitted when they change, by age too."""

from datetime import date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.attendance import state as attendance
from services.intake import messages as w
from services.intake.listed import codes_listed
from services.intake.placement import schedule
from services.intake.placement.assessment import Assessment
from services.intake.placement.needs import latest
from shared.events.envelope import Command
from tests.intake.given import DIRECTOR, IOP_NEEDS, MONDAY, assessment, found, referral, sign
from tests.intake.story import Story, admitted, referred
from tests.intake.test_laws import commands
from tests.laws import examples
from tests.story import only

SCREEN_DAYS = timedelta(days=30)
"""How long an answer of C-SSRS speaks for the present (domain 2.7)."""


def screened(*facts: str, at: datetime = MONDAY) -> tuple[w.ReportFindings, w.RecordAssessment]:
    """A suicide screen as the edge reads it: safety first, then the whole."""
    stated = tuple(each for each in found(*facts, at=at) if each.code != "under-18")
    return w.ReportFindings(findings=stated), w.RecordAssessment(findings=stated)


def believed(story: Story) -> set[str]:
    """The flags as attendance has them after all that intake emitted."""
    state = attendance.State()
    for event in story.all_emitted:
        state = attendance.evolve(state, event)
    return set(state.episode.flags) if state.episode is not None else set()


def of_today(story: Story) -> set[str]:
    """Intake's flags of now, those that attendance grades by."""
    state, zone = story.state, story.settings.timezone
    listed = codes_listed(state.medications or (), story.now, zone)
    known = Assessment(latest(state.needs), state.evidence, story.now, listed)
    return set(schedule.flags(known)) & attendance.FLAGS


def test_a_flag_that_comes_up_during_the_stay_is_emitted_with_the_others() -> None:
    (changed,) = only(admitted().then(assessment(IOP_NEEDS, "primary-opioid")), w.FlagsChanged)
    assert "opioid-history" in changed.flags and changed.ended == ()


def test_a_screen_whose_danger_was_reported_first_still_changes_the_flags() -> None:
    (changed,) = only(admitted().then(*screened("c-ssrs-q4")), w.FlagsChanged)
    assert "suicide-risk" in changed.flags


def test_a_risk_that_nobody_confirmed_again_ends_with_its_window_and_attendance_is_told() -> None:
    story = admitted()
    story.then(*screened("c-ssrs-q4"))
    assert only(story.until(MONDAY + SCREEN_DAYS), w.FlagsChanged) == []
    (changed,) = only(story.until(MONDAY + SCREEN_DAYS + timedelta(minutes=1)), w.FlagsChanged)
    assert changed.ended == ("suicide-risk",) and "suicide-risk" not in changed.flags


def test_a_newer_screen_holds_the_flag_up_beyond_the_window_of_the_older_one() -> None:
    story = admitted()
    story.then(*screened("c-ssrs-q4"))
    story.until(MONDAY + timedelta(days=20))
    later = w.ReportedFinding("c-ssrs-q4", 1, story.now, "Observation/another")
    story.then(w.ReportFindings(findings=(later,)), w.RecordAssessment(findings=(later,)))
    assert only(story.until(MONDAY + SCREEN_DAYS + timedelta(days=5)), w.FlagsChanged) == []
    assert len(only(story.until(MONDAY + SCREEN_DAYS + timedelta(days=21)), w.FlagsChanged)) == 1


def test_a_risk_known_at_the_admission_ends_with_its_window_too() -> None:
    story = Story(assessment(IOP_NEEDS, "safe-housing", "phq-9-item-9=2"), referral())
    story.then(sign(story.state, reason="clinical-judgment", second=DIRECTOR))
    (begun,) = only(story.emitted, w.EpisodeAdmitted)
    assert "suicide-risk" in begun.flags
    changed = only(story.until(MONDAY + timedelta(days=31)), w.FlagsChanged)
    assert changed[-1].ended == ("suicide-risk",)


def test_a_medication_that_ends_on_a_day_ends_its_flag_on_the_next() -> None:
    story = admitted()
    last_day = date(2026, 2, 1)
    story.then(w.RecordMedications(medications=(w.Prescribed("MedicationRequest/1", "1819", None, last_day, "oral"),)))
    (begun,) = only(story.all_emitted, w.FlagsChanged)
    assert "moud" in begun.flags
    (changed,) = only(story.until(MONDAY + timedelta(days=60)), w.FlagsChanged)
    assert set(changed.ended) == {"moud", "opioid-history"}
    assert (changed.changed_at - timedelta(hours=6)).date() == last_day


def test_the_same_again_emits_no_flags() -> None:
    story = admitted()
    story.then(assessment(IOP_NEEDS, "primary-opioid"))
    assert only(story.then(assessment(IOP_NEEDS, "primary-opioid")), w.FlagsChanged) == []


def test_before_the_admission_and_without_a_change_no_flags_are_emitted() -> None:
    assert only(referred().then(assessment(IOP_NEEDS, "primary-opioid")), w.FlagsChanged) == []
    assert only(admitted().then(assessment(IOP_NEEDS)), w.FlagsChanged) == []


@pytest.mark.parametrize("days", [10, 40])
def test_a_stay_from_before_flags_were_remembered_is_looked_at_once(days: int) -> None:
    """Ten days on the flag stands, and is stated again for certain; forty days on its end is told."""
    story = admitted()
    story.then(*screened("c-ssrs-q4"))
    assert story.state.episode is not None
    forgotten = msgspec.structs.replace(story.state.episode, flags=None, flags_change_at=MONDAY)
    story.state = msgspec.structs.replace(story.state, episode=forgotten)
    story.all_emitted.clear()
    changed = only(story.then(w.TimePassed(), at=MONDAY + timedelta(days=days)), w.FlagsChanged)
    assert [each.ended for each in changed] == ([()] if days == 10 else [("suicide-risk",)])
    assert changed[-1].flags == (("suicide-risk",) if days == 10 else ())
    assert story.then(w.TimePassed()) == []


RISKS = some.sampled_from(["c-ssrs-q4", "c-ssrs-behavior", "phq-9-item-9=2", "recent-overdose", "opioid-use-disorder"])
STEPS = some.lists(
    some.tuples(some.integers(0, 60 * 24), some.one_of(RISKS, RISKS, commands, some.none())), min_size=1, max_size=8
)


@settings(max_examples=examples(150))
@given(some.sets(RISKS), STEPS)
def test_the_flags_at_attendance_are_those_of_intake_at_any_time(
    at_admission: set[str], steps: list[tuple[int, str | Command | None]]
) -> None:
    story = Story(assessment(IOP_NEEDS, "safe-housing", *sorted(at_admission)), referral())
    story.then(sign(story.state, reason="clinical-judgment", second=DIRECTOR))
    assert believed(story) == of_today(story)
    for hours, step in steps:
        story.until(story.now + timedelta(hours=hours))
        assert believed(story) == of_today(story)
        if step is not None:
            story.then(*(screened(step, at=story.now) if isinstance(step, str) else (step,)))
        assert believed(story) == of_today(story)
