"""Nobody has heard of a patient since a miss: a person looks at it, in time and once; nobody is discharged."""

from datetime import datetime, timedelta

from services.attendance.messages import EpisodePaused, RecordOutreach, ResolveEscalation
from shared.events.escalation import EscalationRaised
from shared.events.outreach import OutreachOutcome
from tests.attendance.given import EPISODE, GRACE, SETTLED, check_in, evening
from tests.attendance.story import Story, changed, in_treatment
from tests.story import only

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WEDNESDAY = SETTLED[1]
LATEST = evening(2, 0) + 14 * DAY
"""Two weeks after the Monday that is attended last."""


def silent_since_wednesday(until: datetime) -> Story:
    """Monday is attended; of Wednesday on nobody reports anything."""
    story = in_treatment()
    story.missing(WEDNESDAY)
    story.until(until)
    return story


def reach(story: Story, outcome: OutreachOutcome, at: datetime | None = None) -> RecordOutreach:
    asked = story.open_id("missed-session")
    return RecordOutreach(escalation_id=asked, channel="PHONE", outcome=outcome, at=at or story.now)


def test_without_contact_for_three_days_after_a_miss_a_person_is_asked_at_tier_three() -> None:
    story = silent_since_wednesday(WEDNESDAY + 3 * DAY - timedelta(seconds=1))
    assert "no-contact-after-miss" not in story.escalations
    (raised,) = [
        each.escalation
        for each in only(story.until(WEDNESDAY + 3 * DAY), EscalationRaised)
        if each.escalation.reason == "no-contact-after-miss"
    ]
    assert (raised.tier, raised.owner) == (3, "primary-therapist")
    assert raised.raised_at == WEDNESDAY + 3 * DAY
    assert raised.signals[0].at == WEDNESDAY


def test_who_was_reached_in_time_is_in_contact() -> None:
    story = silent_since_wednesday(WEDNESDAY + DAY)
    story.then(reach(story, "reached"))
    story.until(WEDNESDAY + 3 * DAY)
    assert "no-contact-after-miss" not in story.escalations


def test_a_message_or_a_wrong_number_reaches_nobody() -> None:
    story = silent_since_wednesday(WEDNESDAY + DAY)
    story.then(reach(story, "message"), reach(story, "wrong-number", story.now - HOUR))
    story.until(WEDNESDAY + 3 * DAY)
    assert "no-contact-after-miss" in story.escalations


def test_who_resolves_the_outreach_as_reached_has_reached_them() -> None:
    story = silent_since_wednesday(WEDNESDAY + DAY)
    story.then(ResolveEscalation(escalation_id=story.open_id("missed-session"), reason="patient-reached"))
    story.until(WEDNESDAY + 3 * DAY)
    assert "no-contact-after-miss" not in story.escalations


def test_who_missed_friday_and_comes_on_monday_is_waited_for_until_monday_is_decided() -> None:
    """Monday evening is three days after Friday evening."""
    friday, monday = SETTLED[2], SETTLED[3]
    story = in_treatment()
    story.missing(friday)
    story.until(monday + GRACE - timedelta(minutes=1))
    assert "no-contact-after-miss" not in story.escalations
    story.then(check_in(monday))
    story.until(monday + DAY)
    assert "no-contact-after-miss" not in story.escalations


def test_a_contact_that_becomes_known_late_takes_it_back_and_one_that_came_late_ends_it() -> None:
    early = silent_since_wednesday(WEDNESDAY + 4 * DAY)
    assert ("Retracted", "no-contact-after-miss", 3) in changed(early.then(reach(early, "reached", WEDNESDAY + DAY)))
    late = silent_since_wednesday(WEDNESDAY + 4 * DAY)
    assert ("Resolved", "no-contact-after-miss", 3) in changed(late.then(reach(late, "reached")))


def test_what_a_person_answered_is_asked_again_of_later_misses_only() -> None:
    story = silent_since_wednesday(WEDNESDAY + 3 * DAY)
    story.then(ResolveEscalation(escalation_id=story.open_id("no-contact-after-miss"), reason="not-reached"))
    monday = SETTLED[3]
    story.until(monday + 3 * DAY - HOUR)
    assert "no-contact-after-miss" not in story.escalations
    story.until(monday + 3 * DAY)
    (asked,) = [each for each in story.still_open if each.reason == "no-contact-after-miss"]
    assert asked.signals[0].at == monday


def test_without_attendance_for_two_weeks_a_person_looks_at_it_though_the_patient_was_reached() -> None:
    story = silent_since_wednesday(WEDNESDAY + DAY)
    story.then(reach(story, "reached"))
    story.until(LATEST + GRACE - timedelta(seconds=1))
    assert "no-attendance" not in story.escalations
    story.until(LATEST + GRACE)
    assert story.escalations["no-attendance"] == 3
    assert story.state.episode is not None and story.state.episode.discharged_at is None


def test_who_comes_again_needs_no_review() -> None:
    story = silent_since_wednesday(LATEST + DAY)
    wednesday = WEDNESDAY + 14 * DAY
    story.until(wednesday)
    assert ("Resolved", "no-attendance", 3) in changed(story.then(check_in(wednesday)))


def test_who_is_treated_elsewhere_is_not_waited_for() -> None:
    story = silent_since_wednesday(WEDNESDAY + DAY)
    paused = EpisodePaused(episode_id=EPISODE, level="2.1", referral_id="", admitted_at=story.now, at=WEDNESDAY + DAY)
    story.then(paused)
    story.until(LATEST + DAY)
    assert not {"no-contact-after-miss", "no-attendance"} & story.escalations.keys()
