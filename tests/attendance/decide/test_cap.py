"""More misses than the program's cap ask for an administrative review; nobody is discharged for them."""

from datetime import timedelta

from services.attendance.cap import OVER_CAP, PAST_MOST
from services.attendance.messages import EpisodeDischarged, ResolveEscalation
from shared.events.escalation import EscalationRaised
from tests.attendance.given import GRACE, check_in, evening
from tests.attendance.story import UNHURRIED, Story, changed, in_treatment
from tests.story import only

DAY = timedelta(days=1)
MONDAYS = [evening(week, 0) for week in range(2, 20)]
"""One miss a week: no other rule than the cap counts them together. The other sessions are attended."""
SEVENTH = MONDAYS[6]


def after(misses: int, **settings: object) -> Story:
    story = in_treatment(**UNHURRIED, **settings)
    story.missing(*MONDAYS[:misses])
    return story


def test_six_misses_in_twelve_weeks_are_within_the_cap() -> None:
    assert "misses-over-cap" not in after(6).escalations


def test_the_seventh_asks_for_a_review_at_tier_three_and_the_stay_goes_on() -> None:
    story = after(6)
    raised = only(story.missing(SEVENTH), EscalationRaised)
    (review,) = [each.escalation for each in raised if each.escalation.reason == "misses-over-cap"]
    assert (review.tier, review.owner) == (3, "primary-therapist")
    assert [each.at for each in review.signals] == [SEVENTH]
    assert only(story.all_emitted, EpisodeDischarged) == []
    assert story.state.episode is not None and story.state.episode.discharged_at is None


def test_misses_whose_sessions_are_forgotten_count_until_the_days_of_the_cap_are_over() -> None:
    story = after(6)
    story.then(*(ResolveEscalation(escalation_id=each.id, reason="reached") for each in story.still_open))
    story.attending_until(MONDAYS[11])
    assert {each.start for each in story.state.sessions}.isdisjoint(MONDAYS[:3]), "they are forgotten"
    story.missing(MONDAYS[11])
    assert story.escalations["misses-over-cap"] == 3


def test_a_miss_twelve_weeks_ago_counts_no_more() -> None:
    story = after(6)
    story.attending_until(MONDAYS[12])
    story.missing(MONDAYS[12])
    assert "misses-over-cap" not in story.escalations


def test_a_check_in_that_comes_late_takes_the_proposal_back() -> None:
    story = after(7)
    emitted = story.then(check_in(SEVENTH), at=SEVENTH + DAY)
    assert ("Retracted", "misses-over-cap", 3) in changed(emitted)


def test_once_a_person_has_answered_another_miss_asks_again() -> None:
    story = after(7)
    story.then(ResolveEscalation(escalation_id=story.open_id("misses-over-cap"), reason="care-plan-changed"))
    assert story.refused is None
    story.attending_until(MONDAYS[7])
    assert "misses-over-cap" not in story.escalations
    story.missing(MONDAYS[7])
    assert story.escalations["misses-over-cap"] == 3


def test_a_program_without_a_cap_asks_for_no_review() -> None:
    assert "misses-over-cap" not in after(9, misses_cap=0).escalations


def test_of_misses_long_ago_no_more_times_are_left_than_any_cap_counts() -> None:
    story = in_treatment(**UNHURRIED)
    story.until(evening(30, 0) + GRACE)
    assert len(story.state.past_misses) == PAST_MOST
    assert OVER_CAP in {each.kind for each in story.state.escalations}
