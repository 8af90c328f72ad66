"""The need for a stay is certified anew as often as who pays asks: in good time, once, and never silently late."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.intake import messages as w
from services.intake.record import RECERTIFICATION_OVERDUE
from services.intake.state import due
from tests.intake.given import IOP_NEEDS, MONDAY, PATIENT, SETTINGS, assessment, referral, sign
from tests.intake.story import Story
from tests.intake.story import given as given_story
from tests.laws import examples
from tests.story import only

DAY = timedelta(days=1)
FIRST, SECOND = (f"{each}b1f5a0e-5555-4c5a-9e0e-3f0c5a0e5a0e" for each in "12")
DUE = MONDAY + 60 * DAY
ASKED = DUE - 14 * DAY


def covered(payer: str = "medicare", identity: str = FIRST, **more: Any) -> w.RecordCoverage:
    return w.RecordCoverage(coverage_id=identity, payer=payer, **more)


def admitted(*coverages: w.RecordCoverage) -> Story:
    """Nobody is asked for anything else each week."""
    story = given_story(assessment(IOP_NEEDS, "safe-housing"), referral(), *coverages, weekly_review_days=0)
    return story.and_then(sign(story.state))


def asked(story: Story) -> list[datetime | None]:
    return [each.act_by for each in story.state.reviews if each.reason == "recertify"]


def escalated(story: Story) -> list[tuple[str, int]]:
    found = (each.escalation for each in story.state.escalations)
    return [(each.reason, each.tier) for each in found if each.reason == RECERTIFICATION_OVERDUE]


def answer(story: Story, outcome: w.ReviewOutcome = "stays", by: str = "clinician-1") -> Story:
    (review,) = [each for each in story.state.reviews if each.reason == "recertify"]
    return story.and_then(w.CompleteReview(task_id=review.id, by=by, outcome=outcome))


def at(story: Story, moment: datetime) -> Story:
    story.until(moment)
    return story


def test_a_licensed_clinician_is_asked_a_fortnight_before_it_is_due() -> None:
    story = admitted(covered())
    assert asked(at(story, ASKED - DAY)) == []
    (requested,) = only(at(story, ASKED).emitted, w.PlacementReviewRequested)
    assert asked(story) == [DUE]
    task: Any = requested.write(PATIENT)[0]
    assert task["code"]["coding"][0]["code"] == "recertify"
    assert task["owner"]["identifier"]["value"] == "licensed-clinician"
    assert task["focus"]["reference"].startswith("EpisodeOfCare/") and task["restriction"]["period"]["end"] == DUE


def test_where_nobody_asks_for_it_nobody_is_asked() -> None:
    for story in (admitted(), admitted(covered("self-pay"))):
        assert asked(at(story, DUE + DAY)) == [] and escalated(story) == []


def test_answered_in_good_time_the_next_days_begin_with_the_answer() -> None:
    story = answer(at(admitted(covered()), ASKED + DAY))
    assert asked(story) == []
    assert asked(at(story, ASKED + 46 * DAY)) == []
    assert asked(at(story, ASKED + 47 * DAY)) == [ASKED + 61 * DAY]


def test_answered_late_they_begin_when_it_was_due() -> None:
    story = answer(at(admitted(covered()), DUE + 5 * DAY))
    assert asked(at(story, DUE + 46 * DAY)) == [DUE + 60 * DAY]


def test_unanswered_it_is_escalated_once_and_the_answer_ends_that() -> None:
    story = at(admitted(covered()), DUE - timedelta(seconds=1))
    assert escalated(story) == []
    assert escalated(at(story, DUE)) == [(RECERTIFICATION_OVERDUE, 1)]
    assert asked(at(story, DUE + DAY)) == [DUE]
    assert escalated(answer(story)) == []


@pytest.mark.parametrize(("outcome", "by"), [(None, "clinician-1"), ("stays", "case-manager-1"), ("stays", "nobody")])
def test_it_says_what_is_right_and_only_who_may_discharge_says_it(outcome: Any, by: str) -> None:
    story = at(admitted(covered()), ASKED)
    assert asked(answer(story, outcome, by)) == [DUE] and story.refused is not None


def test_a_clinician_who_finds_a_discharge_right_has_it_prepared() -> None:
    story = answer(at(admitted(covered()), ASKED), "discharge")
    assert asked(story) == [] and "discharge" in [each.reason for each in story.state.reviews]


def test_the_days_begin_where_who_pays_now_began_to() -> None:
    """Nobody asks for the first thirty days, then Medicare pays."""
    since = MONDAY + 30 * DAY
    story = admitted(covered("self-pay", until=since), covered("medicare", SECOND, since=since))
    assert asked(at(story, DUE)) == []
    assert asked(at(story, since + 46 * DAY)) == [since + 60 * DAY]


def test_when_it_becomes_known_late_who_pays_it_is_asked_at_once_with_time_to_answer() -> None:
    story = at(admitted(), DUE + 10 * DAY)
    story.then(covered())
    assert asked(story) == [story.now + timedelta(hours=SETTINGS.review_hours)]


def test_who_pays_no_more_is_not_certified_to() -> None:
    story = at(admitted(covered()), DUE)
    assert escalated(story) != []
    story.then(covered("self-pay"))
    assert asked(story) == [] and escalated(story) == []


def test_the_end_of_the_stay_ends_it_and_a_stay_that_goes_on_is_asked_again() -> None:
    story = at(admitted(covered()), ASKED)
    episode = story.state.episode
    assert episode is not None
    encounter = "9b1f5a0e-5555-4c5a-9e0e-3f0c5a0e5a0e"
    story.then(
        w.Discharge(episode_id=episode.id, encounter_id=encounter, disposition="completed", at=story.now),
    )
    assert asked(story) == []
    story.then(w.WithdrawDischarge(episode_id=episode.id))
    assert asked(story) == [DUE]


def test_after_a_death_nobody_certifies() -> None:
    story = at(admitted(covered()), ASKED)
    story.then(w.ReportDeath(died_at=None))
    assert asked(story) == []


ANSWERS = some.lists(some.integers(1, 90), max_size=6)


@settings(max_examples=examples(25))
@given(ANSWERS, some.sampled_from(["medicare", "medicaid"]))
def test_from_one_certification_to_the_next_that_is_due_are_never_more_days_than_asked_for(
    pauses: list[int], payer: str
) -> None:
    """Answered early, late or not at all; what is due and unanswered is escalated. Whoever is asked late has a day."""
    story, last = admitted(covered(payer)), MONDAY
    for days in pauses:
        at(story, story.now + days * DAY)
        if asked(story):
            (review,) = [each for each in story.state.reviews if each.reason == "recertify"]
            due_at, requested_at = review.act_by, review.requested_at
            assert due_at is not None and requested_at is not None
            assert due_at <= max(last + 60 * DAY, requested_at + timedelta(hours=SETTINGS.review_hours))
            assert (escalated(story) != []) == (due_at <= story.now)
            answer(story)
            last = min(due_at, story.now)
        else:
            assert story.now < last + 46 * DAY
        following = due(story.state)
        assert following is None or following > story.now
