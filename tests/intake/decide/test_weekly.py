"""The weekly review of a stay: asked in time, one at a time, and the team hears of those that nobody does."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from services.intake import messages as w
from services.intake.state import due
from tests.intake.given import IOP_NEEDS, MONDAY, PATIENT, SETTINGS, assessment, referral, sign
from tests.intake.story import Story
from tests.intake.story import given as given_story
from tests.laws import examples
from tests.story import names, only

ASKED, DUE = MONDAY + timedelta(days=5), MONDAY + timedelta(days=7)
WEEK = timedelta(days=7)
WARD = "8b1f5a0e-5555-4c5a-9e0e-3f0c5a0e5a0e"


def admitted(weekly_review_days: int = 7) -> Story:
    story = given_story(assessment(IOP_NEEDS, "safe-housing"), referral(), weekly_review_days=weekly_review_days)
    return story.and_then(sign(story.state))


def done(story: Story) -> w.CompleteReview:
    review = story.state.review_of("weekly-review")
    assert review is not None
    return w.CompleteReview(task_id=review.id, by="primary-therapist-1")


def asked(story: Story) -> list[Any]:
    return [each.act_by for each in story.state.reviews if each.reason == "weekly-review"]


def escalated(story: Story) -> list[str]:
    return [each.escalation.reason for each in story.state.escalations]


def test_the_therapist_is_asked_in_the_first_week_and_once_a_week_from_then_on() -> None:
    story = admitted()
    assert asked(story) == []
    story.until(ASKED)
    assert asked(story) == [DUE]
    story.and_then(done(story))
    assert asked(story) == []
    story.until(ASKED + WEEK)
    assert asked(story) == [DUE + WEEK]


def test_its_task_says_whose_it_is_and_by_when() -> None:
    story = admitted()
    (requested,) = only(story.until(ASKED), w.PlacementReviewRequested)
    task: Any = requested.write(PATIENT)[0]
    assert task["code"]["coding"][0]["code"] == "weekly-review"
    assert task["owner"]["identifier"]["value"] == "primary-therapist"
    assert task["restriction"]["period"]["end"] == DUE


def test_what_the_therapist_finds_right_stands_with_it() -> None:
    story = admitted()
    story.until(ASKED)
    review = story.state.review_of("weekly-review")
    assert review is not None
    story.and_then(w.CompleteReview(task_id=review.id, by="primary-therapist-1", outcome="stays"))
    (completed,) = only(story.emitted, w.PlacementReviewCompleted)
    assert completed.answer == "stays"


def test_a_program_that_asks_for_none_has_none() -> None:
    story = admitted(weekly_review_days=0)
    story.until(DUE + WEEK)
    assert asked(story) == []


def test_a_stay_that_an_older_release_admitted_is_reviewed_too() -> None:
    story = admitted(weekly_review_days=0)
    story.settings = replace(story.settings, weekly_review_days=7)
    story.and_then(w.RecordTeam(source=PATIENT, members=())).until(ASKED)
    assert asked(story) == [DUE]


def test_a_case_manager_does_no_review() -> None:
    story = admitted()
    story.until(ASKED)
    review = story.state.review_of("weekly-review")
    assert review is not None
    refused = story.refusal(w.CompleteReview(task_id=review.id, by="case-manager-1"))
    assert refused.code == "forbidden"


def test_one_that_is_missed_ends_and_the_next_is_asked_for() -> None:
    story = admitted()
    story.until(DUE)
    assert (asked(story), escalated(story)) == ([], [])
    (ended,) = only(story.emitted, w.PlacementReviewWithdrawn)
    assert ended.reason == "review-missed"
    story.until(ASKED + WEEK)
    assert asked(story) == [DUE + WEEK]


def test_two_in_a_row_are_escalated_until_one_is_done() -> None:
    story = admitted()
    story.until(DUE + WEEK)
    assert escalated(story) == ["weekly-reviews-missed"]
    (raised,) = only(story.all_emitted, w.EscalationRaised)
    assert (raised.escalation.tier, raised.escalation.owner) == (1, "primary-therapist")
    story.until(ASKED + 2 * WEEK)
    story.and_then(done(story))
    assert escalated(story) == []


def test_one_that_is_done_between_two_missed_ones_escalates_nothing() -> None:
    story = admitted()
    story.until(ASKED + WEEK)
    story.and_then(done(story)).until(DUE + 2 * WEEK)
    assert "weekly-reviews-missed" not in escalated(story)


def test_one_that_nobody_could_do_while_the_hub_was_away_is_not_missed() -> None:
    story = admitted()
    story.until(ASKED)
    back = DUE + timedelta(days=1)
    story.listening_since = back
    story.at(back).and_then(w.TimePassed())
    assert asked(story) == [back + timedelta(hours=SETTINGS.review_hours)]
    assert story.state.episode is not None and story.state.episode.missed == 0


def nights(kind: w.CareKind = "inpatient") -> w.ReportCareElsewhere:
    return w.ReportCareElsewhere(encounter_id=WARD, kind=kind, started_at=ASKED)


def test_nobody_reviews_a_stay_that_is_paused_and_it_has_a_week_when_it_goes_on() -> None:
    story = admitted()
    story.until(ASKED)
    story.and_then(nights())
    assert asked(story) == []
    story.until(DUE + 2 * WEEK)
    assert "weekly-reviews-missed" not in escalated(story)
    back = DUE + 2 * WEEK
    story.and_then(w.EndCareElsewhere(encounter_id=WARD, ended_at=back)).until(back + timedelta(days=5))
    assert asked(story) == [back + WEEK]


def test_a_discharge_ends_it_and_a_stay_that_goes_on_is_reviewed_again() -> None:
    story = admitted()
    story.until(ASKED)
    episode = story.state.episode
    assert episode is not None
    story.and_then(w.Discharge(episode_id=episode.id, encounter_id=WARD, disposition="ama", at=ASKED))
    assert asked(story) == []
    story.and_then(w.WithdrawDischarge(episode_id=episode.id)).until(ASKED + timedelta(days=5))
    assert asked(story) == [ASKED + WEEK]


def test_after_a_death_nobody_is_asked_until_it_was_wrong() -> None:
    story = admitted()
    story.until(ASKED)
    story.and_then(w.ReportDeath())
    assert asked(story) == [] and "weekly-review" not in names(story.until(DUE + WEEK))
    story.and_then(w.WithdrawDeath()).until(DUE + WEEK + timedelta(days=5))
    assert asked(story) == [DUE + 2 * WEEK]


steps = some.lists(
    some.sampled_from(["done", "nights", "back", "discharge", "goes on", "dead", "alive", "a day", "a week"]),
    max_size=30,
)


@settings(max_examples=examples(100))
@given(steps)
def test_whatever_happens_one_review_is_owed_during_a_stay_and_none_otherwise(taken: list[str]) -> None:
    story = admitted()
    assert story.state.episode is not None
    identity = story.state.episode.id
    for each in taken:
        story.and_then(*_happens(story, each, identity))
        state = story.state
        owed = state.episode is not None and not state.episode.elsewhere and state.death is None
        assert len(asked(story)) <= int(owed)
        deadline = due(state)
        assert not owed or (deadline is not None and deadline <= story.now + WEEK)


def _happens(story: Story, step: str, identity: str) -> list[Any]:
    match step:
        case "done":
            return [done(story)] if asked(story) else []
        case "nights":
            return [nights()]
        case "back":
            return [w.EndCareElsewhere(encounter_id=WARD, ended_at=max(story.now, ASKED))]
        case "discharge":
            return [w.Discharge(episode_id=identity, encounter_id=WARD, disposition="ama", at=story.now)]
        case "goes on":
            return [w.WithdrawDischarge(episode_id=identity)]
        case "dead":
            return [w.ReportDeath()]
        case "alive":
            return [w.WithdrawDeath()]
        case _:
            story.until(story.now + (timedelta(days=1) if step == "a day" else WEEK))
            return []
