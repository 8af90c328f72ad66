"""What a person reports of reaching out to a patient who did not come."""

from datetime import datetime, timedelta

from services.attendance.messages import RecordOutreach, ResolveEscalation
from shared.events.outreach import OutreachAttempted, OutreachOutcome
from shared.rules.outreach import OUTREACH_MOST
from tests.attendance.given import SETTLED
from tests.attendance.story import Story, in_treatment, refusal
from tests.story import only

HOUR = timedelta(hours=1)


def outreach(story: Story, at: datetime, outcome: OutreachOutcome, reason: str = "missed-session") -> RecordOutreach:
    return RecordOutreach(
        escalation_id=story.open_id(reason), channel="PHONE", outcome=outcome, at=at, by="case-manager-1"
    )


def missed() -> Story:
    story = in_treatment()
    story.missing(SETTLED[0])
    return story


def test_an_attempt_is_emitted_with_its_channel_time_and_outcome() -> None:
    story = missed()
    (attempt,) = only(story.then(outreach(story, story.now, "no-answer")), OutreachAttempted)
    assert (attempt.channel, attempt.outcome, attempt.attempted_at) == ("PHONE", "no-answer", story.now)
    assert (attempt.escalation_id, attempt.by) == (story.open_id("missed-session"), "case-manager-1")


def test_two_attempts_at_different_times_are_two() -> None:
    story = missed()
    first, second = (outreach(story, story.now - each, "no-answer") for each in (HOUR, 2 * HOUR))
    emitted = only(story.then(first, second), OutreachAttempted)
    assert len({each.attempt_id for each in emitted}) == 2


def test_a_corrected_outcome_is_the_same_attempt() -> None:
    story = missed()
    emitted = only(
        story.then(*(outreach(story, story.now, each) for each in ("reached", "wrong-number"))), OutreachAttempted
    )
    assert [each.outcome for each in emitted] == ["reached", "wrong-number"]
    assert emitted[0].attempt_id == emitted[1].attempt_id
    assert [each.outcome for each in story.state.outreach] == ["wrong-number"]


def test_one_call_about_two_misses_is_one_attempt() -> None:
    story = missed()
    story.missing(SETTLED[1])
    at = story.now
    story.then(outreach(story, at, "message"))
    assert story.then(outreach(story, at, "message", "two-misses-in-7-days")) == []


def test_an_attempt_about_what_is_answered_already_is_refused() -> None:
    story = missed()
    late = outreach(story, story.now, "reached")
    story.then(ResolveEscalation(escalation_id=late.escalation_id, reason="patient-reached"))
    story.then(late)
    assert refusal(story) == ("conflict", "Task.status")


def test_of_very_many_attempts_those_that_reached_the_patient_stay() -> None:
    story = missed()
    first = story.now
    story.then(outreach(story, first, "reached"))
    for minute in range(OUTREACH_MOST + 5):
        story.then(outreach(story, first + timedelta(minutes=minute + 1), "no-answer"))
    assert len(story.state.outreach) == OUTREACH_MOST
    assert [each.at for each in story.state.outreach if each.reached] == [int(first.timestamp())]
