"""Nothing waits without a clock or a person, and what no longer holds can't be signed."""

from datetime import timedelta

import pytest

from services.intake import messages as w
from tests.intake.given import A_WEEK_LATER, IOP_NEEDS, MONDAY, TUESDAY, assessment, escalated, referral, sign
from tests.intake.story import Story, admitted, given, referred
from tests.story import names, only

ANOTHER = "8b1f5a0e-3333-4c5a-9e0e-3f0c5a0e5a0e"


def reasons(story: Story) -> list[str]:
    return [each.escalation.reason for each in story.state.escalations]


def test_what_nobody_signs_in_time_is_escalated_and_rises_one_tier_when_nobody_takes_that_on() -> None:
    story = referred()
    (raised,) = only(story.until(TUESDAY), w.EscalationRaised)
    assert (raised.escalation.reason, raised.escalation.category, raised.escalation.tier) == (
        "placement-unsigned",
        "placement",
        2,
    )
    assert raised.escalation.owner == "licensed-clinician", "who may sign is asked"
    (overdue,) = only(story.until(TUESDAY + timedelta(days=1)), w.EscalationEvent)
    assert overdue.escalation.tier == 3
    assert names(story.and_then(sign(story.state)).emitted)[-1] == "EscalationResolved"
    assert reasons(story) == []


def test_what_is_signed_in_time_is_never_escalated() -> None:
    story = referred()
    story.and_then(sign(story.state))
    assert story.until(MONDAY + timedelta(days=13)) == []
    story.until(MONDAY + timedelta(days=60))
    assert reasons(story) == ["stage-unanswered"]


def test_an_escalation_that_is_answered_without_a_signature_comes_again() -> None:
    story = referred()
    story.until(TUESDAY)
    (known,) = story.state.escalations
    story.and_then(w.ResolveEscalation(escalation_id=known.escalation.id, reason="acted-on"))
    assert reasons(story) == []
    story.until(TUESDAY + timedelta(days=1))
    assert reasons(story) == ["placement-unsigned"]


def test_a_review_that_nobody_answers_is_escalated_until_somebody_does() -> None:
    story = given(referral())
    story.until(TUESDAY)
    assert [(each.escalation.reason, each.escalation.owner) for each in story.state.escalations] == [
        ("review-unanswered", "licensed-clinician")
    ]
    assert "EscalationResolved" in names(story.and_then(assessment(IOP_NEEDS, "safe-housing", at=TUESDAY)).emitted)


def test_the_review_of_missing_data_is_not_ended_by_looking_alone() -> None:
    story = given(referral())
    (review,) = story.state.reviews
    refused = story.refusal(w.CompleteReview(task_id=review.id, by="clinician-1"))
    assert refused.code == "required"
    declined = w.CompleteReview(task_id=review.id, by="clinician-1", outcome="referral-declined")
    assert story.and_then(declined).names() == ["PlacementReviewCompleted", "EpisodeDeclined"]
    assert story.state.referral is None


def test_more_information_is_asked_with_a_new_due_time_which_is_a_clock_again() -> None:
    story = given(referral())
    (review,) = story.state.reviews
    ask = w.CompleteReview(task_id=review.id, by="clinician-1", outcome="more-information-asked")
    assert story.refusal(ask).expression == "Task.restriction.period"
    later = w.CompleteReview(task_id=review.id, by="clinician-1", outcome="more-information-asked", act_by=A_WEEK_LATER)
    assert story.and_then(later).names() == ["PlacementReviewRequested"]
    assert story.refusal(later).code == "conflict"
    assert story.until(A_WEEK_LATER - timedelta(seconds=1)) == []
    story.until(A_WEEK_LATER)
    assert reasons(story) == ["review-unanswered"]


@pytest.mark.parametrize("begun", [referred, admitted])
def test_a_second_referral_is_looked_at_by_a_person(begun: type[Story]) -> None:
    story = begun().and_then(referral(ANOTHER))
    assert story.names() == ["ReferralReceived", "PlacementReviewRequested"]
    (asked,) = only(story.emitted, w.PlacementReviewRequested)
    assert (asked.review.reason, asked.review.focus) == ("second-referral", f"ServiceRequest/{ANOTHER}")


def test_new_needs_during_a_stay_are_looked_at_once_and_the_old_ones_again_are_not() -> None:
    assert admitted().and_then(assessment(IOP_NEEDS, "safe-housing")).names() == []
    story, later = admitted(), assessment({"psychiatric-cognitive": "2.5"}, "safe-housing", at=TUESDAY)
    (asked,) = only(story.at(TUESDAY).and_then(later).emitted, w.PlacementReviewRequested)
    assert asked.review.reason == "new-needs"
    assert story.and_then(later).emitted == []


def test_a_newer_assessment_withdraws_the_recommendation_and_its_task_cannot_be_signed() -> None:
    story = referred()
    old = sign(story.state)
    story.and_then(assessment({"substance-use-risk": "3.1"}, at=TUESDAY))
    assert story.names() == ["RecommendationWithdrawn", "LevelOfCareRecommended"]
    withdrawn = only(story.emitted, w.RecommendationWithdrawn)[0]
    assert (withdrawn.recommendation.task_id, withdrawn.reason) == (old.task_id, "newer-assessment")
    assert story.refusal(old).code == "conflict"


def test_needs_that_grow_too_old_withdraw_the_recommendation_and_a_person_is_asked() -> None:
    story = referred()
    old, emitted = sign(story.state), story.until(A_WEEK_LATER + timedelta(minutes=1))
    withdrawn = only(emitted, w.RecommendationWithdrawn)[0]
    assert withdrawn.reason == "needs-too-old"
    assert [each.review.missing for each in only(emitted, w.PlacementReviewRequested)] == [("recent-assessment",)]
    assert story.refusal(old).code == "conflict"


def test_a_recommendation_that_rests_on_newer_needs_by_now_stands_on_under_its_task_and_expires_by_them() -> None:
    story = referred()
    task, explained = sign(story.state), story.state.recommended
    story.and_then(assessment(IOP_NEEDS, "safe-housing", at=TUESDAY))
    assert story.emitted == []
    emitted = story.until(A_WEEK_LATER + timedelta(minutes=1))
    (renewed,) = only(emitted, w.LevelOfCareRecommended)
    again = renewed.recommendation
    assert explained is not None and again.recommendation_id == explained.recommendation_id
    assert again.expires_at == TUESDAY + timedelta(days=7, seconds=1)
    assert names(emitted).count("EscalationRaised") == 1
    assert story.and_then(task).state.episode is not None


@pytest.mark.parametrize("reason", ["referral-revoked", "referral-in-error"])
def test_a_referral_that_is_taken_back_withdraws_what_was_recommended(reason: str) -> None:
    story = referred()
    old = sign(story.state)
    story.and_then(
        w.RevokeReferral(referral_id=story.state.referral.id if story.state.referral else "", reason=reason, at=MONDAY)
    )
    assert story.names() == ["RecommendationWithdrawn", "ReferralConcluded"]
    assert (story.state.referral, story.state.recommended) == (None, None)
    assert story.refusal(old).code == "conflict"


def test_a_death_withdraws_the_recommendation_and_its_withdrawal_recommends_again() -> None:
    story = referred().and_then(w.ReportDeath())
    assert story.names() == ["PatientDied", "RecommendationWithdrawn", "EscalationRaised"]
    assert story.and_then(assessment(IOP_NEEDS, at=TUESDAY)).emitted == []
    assert story.and_then(w.WithdrawDeath()).names() == [
        "DeathWithdrawn",
        "LevelOfCareRecommended",
        "EscalationRetracted",
    ]


def test_the_same_assessment_again_leaves_the_recommendation_as_it_is() -> None:
    story = referred()
    assert story.and_then(assessment(IOP_NEEDS, "safe-housing")).emitted == []


def _answer(story: Story, task_id: str) -> w.ReviewOutcome | None:
    """Of the level of the stay it has to be one."""
    asked = story.state.review_of("miss-and-positive")
    return "stays" if asked is not None and asked.id == task_id else None


def test_of_more_reviews_than_an_escalation_shows_none_is_left_without_a_clock() -> None:
    """Five wait, four are shown; once those are answered the fifth is what the escalation is about."""
    story = admitted()
    story.and_then(*(referral(f"8b1f5a0e-{number}333-4c5a-9e0e-3f0c5a0e5a0e") for number in range(4)))
    story.and_then(*(escalated(each, each, MONDAY) for each in ("missed-session", "unexpected-positive")))
    story.until(MONDAY + timedelta(days=3))
    unanswered = story.state.escalation_of("review-unanswered")
    assert unanswered is not None
    waiting = {f"Task/{each.id}" for each in story.state.reviews}
    shown = [each.evidence.removeprefix("Task/") for each in unanswered.escalation.signals]

    for task_id in shown:
        story.and_then(w.CompleteReview(task_id=task_id, by="clinician-1", outcome=_answer(story, task_id)))

    left = story.state.escalation_of("review-unanswered")
    assert left is not None and len(waiting) == 5
    assert {each.evidence for each in left.escalation.signals} == waiting - {f"Task/{each}" for each in shown}
