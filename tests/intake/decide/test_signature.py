"""A signature places the patient."""

from datetime import date, timedelta
from typing import Any

import pytest

from services.intake import messages as w
from tests.intake.given import A_WEEK_LATER, IOP_NEEDS, MONDAY, PATIENT, assessment, escalated, referral, sign
from tests.intake.story import given, referred
from tests.story import only

BUPRENORPHINE = w.Prescribed("aaaaaaaa-0000-4000-8000-000000000001", "1819", date(2026, 1, 1), route="sublingual")
ATORVASTATIN = w.Prescribed("bbbbbbbb-0000-4000-8000-000000000002", "83367", date(2025, 1, 1))

MISS = escalated("a miss", "missed-session", MONDAY)
POSITIVE = escalated("a positive", "unexpected-positive", MONDAY + timedelta(days=7))


def test_a_signed_iop_admits_with_track_flags_and_template() -> None:
    story = given(assessment(IOP_NEEDS, "moud-continue", "works-days", "opioid-use-disorder"), referral())
    story.and_then(sign(story.state))
    assert story.names()[:3] == ["PlacementSigned", "MedicationsRecorded", "EpisodeAdmitted"]
    admission = story.emitted[2]
    assert isinstance(admission, w.EpisodeAdmitted)
    assert admission.flags == ("moud", "opioid-history", "evening")
    assert admission.track == "opioid"
    assert {each.start for each in admission.template} == {"17:30"}


def test_medications_are_always_known_before_the_admission() -> None:
    story = given(w.RecordMedications(medications=(BUPRENORPHINE,)), assessment(IOP_NEEDS), referral())
    story.and_then(sign(story.state))
    names = [type(each).__name__ for each in story.all_emitted]
    assert names.count("MedicationsRecorded") == 1
    assert names.index("MedicationsRecorded") < names.index("EpisodeAdmitted")


def test_another_level_needs_a_reason() -> None:
    story = referred()
    story.and_then(sign(story.state, "3.5"))
    assert story.refused is not None
    assert (story.refused.code, story.refused.expression) == ("required", "Task.output")
    story.and_then(sign(story.state, "3.5", "clinical-judgment"))
    assert story.names() == ["PlacementSigned", "EpisodeDeclined"]


def test_who_needs_another_level_is_declined_with_the_level_and_the_rules() -> None:
    story = given(assessment(IOP_NEEDS, "c-ssrs-q5"), referral())
    story.and_then(sign(story.state, "4-psych"))
    declined = story.emitted[-1]
    assert isinstance(declined, w.EpisodeDeclined)
    assert (declined.level, declined.rules) == ("4-psych", ("R1", "R14"))
    assert story.state.referral is None


def test_a_level_of_no_edition_cannot_be_signed() -> None:
    story = referred()
    assert story.and_then(sign(story.state, "iop", "clinical-judgment")).refused is not None


def test_a_hold_is_signed_only_with_a_reason() -> None:
    story = given(assessment(IOP_NEEDS, "cows=25"), referral())
    assert story.and_then(sign(story.state)).refused is not None
    assert story.and_then(sign(story.state, "2.1", "medically-cleared")).names()[-2:] == [
        "EpisodeAdmitted",
        "StageLookedAt",
    ]


def test_a_patient_who_declines_the_level_is_looked_at_again_in_a_week() -> None:
    story = referred()
    story.and_then(sign(story.state, "1.5", "patient-declined"))
    asked = story.emitted[-1]
    assert isinstance(asked, w.PlacementReviewRequested)
    assert (asked.review.reason, asked.review.act_by) == ("R18", A_WEEK_LATER)


def test_who_declines_the_level_and_is_admitted_to_another_is_looked_at_again_too() -> None:
    story = given(assessment(IOP_NEEDS | {"substance-use-risk": "2.5"}, "safe-housing"), referral())
    story.and_then(sign(story.state, "2.1", "patient-declined"))
    assert story.names()[-3:] == ["EpisodeAdmitted", "PlacementReviewRequested", "StageLookedAt"]
    assert [each.reason for each in story.state.reviews] == ["R18"]


def test_nothing_is_signed_twice() -> None:
    story = referred()
    command = sign(story.state)
    assert story.and_then(command).refused is None
    assert story.and_then(command).refused is not None


def test_a_person_places_by_the_review_what_the_rules_could_not() -> None:
    story = given(referral())
    assert story.state.referral is not None
    command = w.SignPlacement(
        task_id=story.state.referral.review_id, level="2.1", reason="clinical-judgment", by="clinician-1"
    )
    story.and_then(command)
    assert story.names() == [
        "PlacementReviewCompleted",
        "PlacementSigned",
        "MedicationsRecorded",
        "EpisodeAdmitted",
        "StageLookedAt",
    ]


@pytest.mark.parametrize("answer", ["stays", "step-up", "step-down", "discharge"])
def test_a_review_of_the_placement_is_completed_with_what_was_found_right(answer: w.ReviewOutcome) -> None:
    story = given(assessment(IOP_NEEDS, "pregnant", "active-use"), referral())
    (review,) = story.state.reviews
    story.and_then(w.CompleteReview(task_id=review.id, by="clinician-1", outcome=answer))
    (completed,) = only(story.emitted, w.PlacementReviewCompleted)
    task: Any = completed.write(PATIENT)[0]
    assert task["statusReason"]["coding"][0]["code"] == answer


def test_an_answer_about_a_referral_completes_no_review_of_a_stay_and_the_other_way_round() -> None:
    story = given(assessment(IOP_NEEDS, "pregnant", "active-use"), referral())
    (review,) = story.state.reviews
    wrong = w.CompleteReview(task_id=review.id, by="clinician-1", outcome="referral-declined")
    assert story.refusal(wrong).code == "code-invalid" and story.state.reviews == (review,)
    missing = given(referral())
    (r0,) = missing.state.reviews
    assert missing.refusal(w.CompleteReview(task_id=r0.id, by="clinician-1", outcome="stays")).code == "code-invalid"


def test_a_review_is_completed_once() -> None:
    story = given(assessment(IOP_NEEDS, "pregnant", "active-use"), referral())
    (review_id,) = [each.id for each in story.state.reviews]
    assert story.and_then(w.CompleteReview(task_id=review_id, by="clinician-1")).names() == ["PlacementReviewCompleted"]
    assert story.and_then(w.CompleteReview(task_id=review_id, by="clinician-1")).refused is not None
