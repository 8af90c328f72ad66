"""A stay is placed again: its level stays, steps, or leads to a discharge that a person makes."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from services.intake import messages as w
from shared.events.envelope import Event
from shared.events.intake import SELECT_LEVEL
from tests.intake.given import DIRECTOR, IOP_NEEDS, MONDAY, PATIENT, SETTINGS, assessment, found, referral, sign
from tests.intake.story import Story, given
from tests.story import names, only

FRIDAY = MONDAY + timedelta(days=4)
DISCHARGE = "8b1f5a0e-6666-4c5a-9e0e-3f0c5a0e5a0e"
WORSE = IOP_NEEDS | {"psychiatric-cognitive": "2.5"}
WORST = IOP_NEEDS | {"recovery-environment": "3.5"}
BETTER = IOP_NEEDS | {"substance-use-risk": "1.5"}
FULL_DAYS = {"group_weekdays": (0, 1, 2, 3, 4), "group_blocks": 3, "individual_weekdays": (), "family_weekdays": ()}
STAGES = {**SETTINGS.stages, "full-days": replace(SETTINGS.stages["engagement"], level="2.5", **FULL_DAYS)}


def stay(offers: tuple[str, ...] = ("1.5", "2.1", "2.5")) -> Story:
    """In a program that gives these levels, a stay at 2.1."""
    story = given(assessment(IOP_NEEDS, "safe-housing"), referral(), offers=offers, stages=STAGES)
    return story.and_then(sign(story.state)).at(FRIDAY)


def again(needs: dict[str, str], *facts: str) -> w.RecordAssessment:
    return assessment(needs, "safe-housing", *facts, at=FRIDAY)


def task_of(event: Event) -> Any:
    return next(each for each in event.write(PATIENT) if each["resourceType"] == "Task")


def test_a_whole_reassessment_that_finds_another_level_is_recommended_on_the_stay_and_its_referral() -> None:
    story = stay().and_then(again(WORSE))
    assert story.names() == ["LevelOfCareRecommended"]
    (made,) = only(story.emitted, w.LevelOfCareRecommended)
    request: Any = made.write(PATIENT)[0]
    assert story.state.episode is not None
    assert request["basedOn"] == [{"reference": f"ServiceRequest/{story.state.episode.referral_id}"}]
    assert f"EpisodeOfCare/{story.state.episode.id}" in [each["reference"] for each in request["supportingInfo"]]
    assert (made.recommendation.level, made.recommendation.sign_by) == ("2.5", FRIDAY + timedelta(hours=24))
    assert story.and_then(again(WORSE)).emitted == []


def test_the_level_that_the_stay_has_recommends_nothing_and_takes_back_another_one() -> None:
    story = stay().and_then(again(WORSE))
    story.at(FRIDAY + timedelta(hours=1)).and_then(assessment({"psychiatric-cognitive": "1.5"}, at=story.now))
    assert names(story.emitted)[-1] == "RecommendationWithdrawn" and story.state.recommended is None
    assert only(stay().and_then(again(IOP_NEEDS)).emitted, w.LevelOfCareRecommended) == []


def test_half_a_reassessment_recommends_nothing_and_asks_nobody_for_the_rest() -> None:
    story = stay().and_then(again({"recovery-environment": "3.5"}))
    assert story.names() == ["PlacementReviewRequested"]
    assert [each.reason for each in story.state.reviews] == ["new-needs"]


def test_new_danger_places_again_at_once_and_what_was_known_at_the_signature_does_not() -> None:
    story = stay().and_then(again({}, "c-ssrs-q4"))
    (made,) = only(story.emitted, w.LevelOfCareRecommended)
    assert made.recommendation.level == "4-psych"
    known = given(assessment(IOP_NEEDS, "safe-housing", "c-ssrs-q4"), referral())
    known.and_then(sign(known.state, "2.1", "safety-plan-made", DIRECTOR))
    assert known.state.episode is not None and known.at(FRIDAY).and_then(again({})).emitted == []


@pytest.mark.parametrize(("needs", "level", "direction"), [(WORSE, "2.5", "step-up"), (BETTER, "1.5", "step-down")])
def test_a_signed_level_that_the_program_gives_is_a_step_of_the_same_stay(
    needs: dict[str, str], level: str, direction: str
) -> None:
    story = stay().and_then(again(needs))
    before = story.state.episode
    story.and_then(sign(story.state, level))
    (stepped,) = only(story.emitted, w.EpisodeStepped)
    episode, plan, _ = stepped.write(PATIENT)
    now: Any = episode
    assert before is not None and (now["id"], stepped.direction) == (before.id, direction)
    assert [each["coding"][0]["code"] for each in now["type"]] == [level, "2.1"]
    assert now["type"][1]["extension"][0]["valuePeriod"] == {"start": MONDAY, "end": FRIDAY}
    assert plan["activity"] and stepped.template != before.template
    assert story.state.episode is not None and story.state.episode.level == level
    assert (story.state.recommended, story.state.needs) == (None, ())


def test_a_level_that_the_program_does_not_give_is_a_discharge_that_waits_for_its_encounter() -> None:
    story = stay(offers=("2.1",)).and_then(again(WORST))
    story.and_then(sign(story.state, "3.5"))
    (asked,) = only(story.emitted, w.PlacementReviewRequested)
    task = task_of(asked)
    assert (task["code"]["coding"][0]["code"], task["reasonCode"]["coding"][0]["code"]) == (
        "prepare-discharge",
        "step-up",
    )
    kinds = [each["type"]["coding"][0]["code"] for each in task["input"]]
    assert kinds[0] == "level" and set(kinds[1:]) <= {"offered-by"}
    assert story.refusal(w.CompleteReview(task_id=asked.review.id, by="clinician-1")).code == "business-rule"
    assert story.state.episode is not None
    story.and_then(
        w.Discharge(episode_id=story.state.episode.id, encounter_id=DISCHARGE, disposition="step-up", at=FRIDAY)
    )
    (done,) = only(story.emitted, w.PlacementReviewCompleted)
    written = task_of(done)
    assert (written["id"], written["status"]) == (task["id"], "completed")
    assert written["input"] == task["input"] and story.state.reviews == ()


def test_who_stays_after_all_is_discharged_by_nobody() -> None:
    story = stay(offers=("2.1",)).and_then(again(WORST))
    story.and_then(sign(story.state, "3.5"))
    (asked,) = only(story.emitted, w.PlacementReviewRequested)
    story.and_then(w.CompleteReview(task_id=asked.review.id, by="clinician-1", outcome="stays"))
    assert story.state.reviews == () and story.state.episode is not None


def test_to_stay_against_what_is_recommended_needs_a_reason_and_against_danger_a_second_person() -> None:
    story = stay().and_then(again(WORSE))
    assert story.refusal(sign(story.state, "2.1")).expression == "Task.output"
    story.and_then(sign(story.state, "2.1", "clinical-judgment"))
    assert names(story.emitted) == ["PlacementSigned"] and story.state.recommended is None
    danger = stay().and_then(again({}, "c-ssrs-q4"))
    alone = sign(danger.state, "2.1", "safety-plan-made")
    assert danger.refusal(alone).expression == "Task.input"
    assert danger.and_then(replace(alone, second=DIRECTOR)).refused is None


def test_a_stay_steps_at_once_and_has_no_start() -> None:
    story = stay().and_then(again(WORSE))
    assert story.refusal(replace(sign(story.state, "2.5"), waits=True)).code == "business-rule"


def test_needs_that_nobody_signed_by_before_they_grew_old_ask_a_person() -> None:
    story = stay().and_then(again(WORSE))
    story.until(FRIDAY + timedelta(days=8))
    assert story.state.recommended is None
    assert story.state.review_of("new-needs") is not None and story.state.review_of("R0") is None


def test_a_review_of_the_level_is_answered_and_a_step_asks_a_licensed_clinician_for_the_level() -> None:
    story = stay().and_then(again({"recovery-environment": "3.5"}))
    (review,) = story.state.reviews
    assert story.refusal(w.CompleteReview(task_id=review.id, by="primary-therapist-1")).code == "required"
    story.and_then(w.CompleteReview(task_id=review.id, by="primary-therapist-1", outcome="step-up"))
    (select,) = story.state.reviews
    assert (select.reason, select.owner) == (SELECT_LEVEL, "licensed-clinician")
    answer = w.CompleteReview(task_id=select.id, by="clinician-1", outcome="step-up")
    assert story.refusal(answer).expression == "Task.output"
    level = w.SignPlacement(task_id=select.id, level="2.5", reason="clinical-judgment", by="clinician-1")
    story.and_then(level)
    assert names(story.emitted)[:3] == ["PlacementReviewCompleted", "PlacementSigned", "EpisodeStepped"]
    (signed,) = only(story.emitted, w.PlacementSigned)
    assert "ServiceRequest" not in [each["resourceType"] for each in signed.write(PATIENT)]


def test_a_discharge_that_is_found_right_is_prepared_once() -> None:
    story = stay().and_then(again({"recovery-environment": "3.5"}))
    (review,) = story.state.reviews
    story.and_then(w.CompleteReview(task_id=review.id, by="clinician-1", outcome="discharge"))
    assert [(each.reason, each.prepares_discharge) for each in story.state.reviews] == [("discharge", True)]


def test_the_end_of_the_stay_takes_back_what_was_recommended_and_taken_back_it_is_recommended_again() -> None:
    story = stay().and_then(again(WORSE))
    assert story.state.episode is not None
    ends = w.Discharge(episode_id=story.state.episode.id, encounter_id=DISCHARGE, disposition="ama", at=FRIDAY)
    story.and_then(ends)
    assert "RecommendationWithdrawn" in story.names() and story.state.recommended is None
    story.and_then(w.WithdrawDischarge())
    assert story.state.recommended is not None and story.state.recommended.level == "2.5"


def test_evidence_of_danger_that_was_ended_takes_back_what_it_asked_for() -> None:
    story = stay().and_then(w.RecordAssessment(findings=found("c-ssrs-q4", at=FRIDAY)))
    (raised,) = story.state.escalations
    ended = w.EndEvidence(
        escalation_id=raised.escalation.id, finding=raised.escalation.reason, reason="mistaken", by="clinician-1"
    )
    assert "RecommendationWithdrawn" in names(story.and_then(ended).emitted)


def test_a_stay_that_an_older_release_admitted_steps_from_the_level_that_the_program_offers() -> None:
    story = stay(offers=("2.1", "2.5"))
    assert story.state.episode is not None
    story.state = replace(story.state, episode=replace(story.state.episode, level="", referral_id="", plan_id=""))
    assert story.and_then(again(IOP_NEEDS)).names() == ["PlacementReviewRequested"]
    story.at(FRIDAY + timedelta(hours=1)).and_then(assessment({"psychiatric-cognitive": "2.5"}, at=story.now))
    story.and_then(sign(story.state, "2.5"))
    (stepped,) = only(story.emitted, w.EpisodeStepped)
    assert (stepped.direction, stepped.history.levels) == ("step-up", ())
