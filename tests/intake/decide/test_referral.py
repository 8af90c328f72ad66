"""A referral and the level recommended."""

from datetime import date, timedelta

from services.intake import messages as w
from services.intake.table import TABLE
from tests.intake.given import IOP_NEEDS, MONDAY, REFERRAL, TUESDAY, assessment, escalated, referral, stated
from tests.intake.story import given, referred

BUPRENORPHINE = w.Prescribed("aaaaaaaa-0000-4000-8000-000000000001", "1819", date(2026, 1, 1), route="sublingual")
ATORVASTATIN = w.Prescribed("bbbbbbbb-0000-4000-8000-000000000002", "83367", date(2025, 1, 1))

MISS = escalated("a miss", "missed-session", MONDAY)
POSITIVE = escalated("a positive", "unexpected-positive", MONDAY + timedelta(days=7))


def test_a_referral_with_its_assessment_is_recommended_with_every_rule() -> None:
    story = given(assessment(IOP_NEEDS, "safe-housing"), referral())
    received, made = story.emitted
    assert isinstance(received, w.ReferralReceived)
    assert isinstance(made, w.LevelOfCareRecommended)
    recommended = made.recommendation
    assert (recommended.level, recommended.rules, recommended.track) == ("2.1", ("R14",), "general")
    assert recommended.referral_id == REFERRAL
    assert recommended.sign_by == MONDAY + timedelta(hours=24)
    assert {each.dimension: each.level for each in recommended.needs} == IOP_NEEDS


def test_an_assessment_after_its_referral_is_recommended_too() -> None:
    story = given(referral(), assessment(IOP_NEEDS))
    assert "LevelOfCareRecommended" in story.names()


def test_a_referral_without_needs_asks_a_person_and_places_nobody() -> None:
    story = given(referral())
    asked = story.emitted[1]
    assert isinstance(asked, w.PlacementReviewRequested)
    assert asked.review.reason == "R0"
    assert asked.review.missing == (*TABLE.dimensions, "age")
    assert asked.review.act_by == MONDAY + timedelta(hours=24)
    assert "LevelOfCareRecommended" not in story.names()


def test_each_need_that_arrives_shortens_the_review() -> None:
    story = given(referral(), assessment({"withdrawal": "none"}))
    (asked,) = story.emitted
    assert isinstance(asked, w.PlacementReviewRequested)
    assert asked.review.missing == TABLE.dimensions[1:]


def test_when_the_last_need_arrives_the_review_is_withdrawn_and_the_level_recommended() -> None:
    story = given(referral(), assessment({"withdrawal": "none"})).and_then(assessment(IOP_NEEDS))
    assert story.names() == ["PlacementReviewWithdrawn", "LevelOfCareRecommended"]
    assert story.state.reviews == ()


def test_the_same_assessment_again_says_nothing_new() -> None:
    story = given(assessment(IOP_NEEDS), referral(), assessment(IOP_NEEDS))
    assert story.emitted == []


def test_the_same_referral_again_says_nothing_new() -> None:
    assert given(assessment(IOP_NEEDS), referral(), referral()).emitted == []


def test_a_newer_need_leads_to_another_recommendation_with_a_task_of_its_own() -> None:
    before = given(assessment(IOP_NEEDS), referral())
    after = before.at(TUESDAY).and_then(w.RecordAssessment(needs=stated({"substance-use-risk": "2.5"}, TUESDAY)))
    made = (each for each in after.all_emitted if isinstance(each, w.LevelOfCareRecommended))
    first, second = (each.recommendation for each in made)
    assert (first.level, second.level) == ("2.1", "2.5")
    assert first.task_id != second.task_id
    assert after.names() == ["RecommendationWithdrawn", "LevelOfCareRecommended"]


def test_an_older_need_that_arrives_late_changes_nothing() -> None:
    story = given(assessment(IOP_NEEDS), referral())
    story.and_then(w.RecordAssessment(needs=stated({"substance-use-risk": "2.5"}, MONDAY - timedelta(days=1))))
    assert story.emitted == []


def test_a_second_referral_meanwhile_is_tracked_beside_the_first() -> None:
    story = referred().and_then(referral("99999999-1111-4c5a-9e0e-3f0c5a0e5a0e"))
    assert story.names() == ["ReferralReceived", "PlacementReviewRequested"]
    assert story.state.referral is not None
    assert story.state.referral.id == REFERRAL


def test_pregnancy_with_active_use_asks_for_a_review_once() -> None:
    story = given(assessment(IOP_NEEDS, "pregnant", "active-use"), referral())
    assert story.names() == ["ReferralReceived", "LevelOfCareRecommended", "PlacementReviewRequested"]
    assert story.and_then(assessment(IOP_NEEDS, "pregnant", "active-use", at=TUESDAY)).emitted == []


def test_what_has_grown_old_asks_to_be_confirmed_and_once_confirmed_no_more() -> None:
    old = assessment({}, "daily-support-needed", at=MONDAY - timedelta(days=8))
    story = given(old, assessment(IOP_NEEDS, "safe-housing"), referral())
    made, asked = story.emitted[-2:]
    assert isinstance(made, w.LevelOfCareRecommended) and isinstance(asked, w.PlacementReviewRequested)
    assert (made.recommendation.level, made.recommendation.conditions) == ("2.5", ("confirm-older-answers",))
    assert (asked.review.reason, asked.review.confirm) == ("older-answers", ("daily-support-needed",))
    story.and_then(assessment({}, "daily-support-needed"))
    assert story.names() == ["RecommendationWithdrawn", "LevelOfCareRecommended", "PlacementReviewWithdrawn"]
