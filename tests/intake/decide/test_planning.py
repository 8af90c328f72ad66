"""What follows a signature: a planned start, or a seat that is waited for, until the stay begins or does not."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.intake import messages as w
from services.intake.decide import planning
from services.intake.decide.answering import position
from services.intake.placement.planned import episode_id
from services.intake.state import due
from tests.intake.decide.test_referral_life import answers, came, discharge, named, placed
from tests.intake.given import DIRECTOR, IOP_NEEDS, MONDAY, assessment, found, sign
from tests.intake.story import Story, given, referred
from tests.reopening import reopening
from tests.story import names, only

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FRIDAY = MONDAY + 4 * DAY
NEEDED = assessment(IOP_NEEDS, "safe-housing")


def planned(start: datetime = FRIDAY, **changed: Any) -> Story:
    """Referred, assessed and signed on Monday, to begin on Friday."""
    story = given(NEEDED, came(1), **changed)
    return story.and_then(sign(story.state, start=start))


def wait_listed(**changed: Any) -> Story:
    story = given(NEEDED, came(1), **changed)
    return story.and_then(sign(story.state, waits=True))


def set_plan(story: Story, status: Any, start: datetime | None = None, reason: str = "") -> w.SetPlan:
    assert story.state.referral is not None
    identity = episode_id(story.state.referral.id)
    return w.SetPlan(episode_id=identity, status=status, start=start, reason=reason, by="case-manager-1")


def waits_for(story: Story, reason: str) -> w.Review:
    review = story.state.review_of(reason)
    assert review is not None
    return review


def completed(story: Story, reason: str, by: str = "clinician-1", outcome: Any = None) -> w.CompleteReview:
    return w.CompleteReview(task_id=waits_for(story, reason).id, by=by, outcome=outcome)


def still_true(story: Story) -> w.CompleteReview:
    return completed(story, "confirm-needs", outcome="still-true")


def passed(story: Story, until: datetime) -> Story:
    """Time goes by, deadline after deadline."""
    story.until(until)
    return story


def test_a_named_start_plans_the_stay_and_admits_nobody_yet() -> None:
    story = planned()
    (plan,) = only(story.emitted, w.EpisodePlanned)
    (signed,) = only(story.emitted, w.PlacementSigned)
    assert (plan.level, plan.starts_at, plan.signed, plan.by) == ("2.1", FRIDAY, signed.task_id, "clinician-1")
    assert only(story.emitted, w.EpisodeAdmitted) == []
    assert (story.state.episode, placed(story), due(story.state)) == (None, named(1), FRIDAY)
    assert answers(story, 1)[-1] == ("planned", "start-planned")
    assert (story.answers[-1].owner, story.answers[-1].act_by) == ("case-manager", FRIDAY)


def test_at_the_start_the_same_episode_begins_with_what_is_known_then() -> None:
    story = planned().at(MONDAY + DAY).and_then(w.RecordAssessment(findings=found("works-days", at=MONDAY + DAY)))
    assert only(story.emitted, w.EpisodeCancelled) == []
    story.at(FRIDAY).and_then(w.TimePassed())
    (admission,) = only(story.emitted, w.EpisodeAdmitted)
    (plan,) = only(story.all_emitted, w.EpisodePlanned)
    assert (admission.episode_id, admission.level, admission.admitted_at) == (plan.episode_id, "2.1", FRIDAY)
    assert "evening" in admission.flags
    assert admission.earlier == (w.EarlierStatus("planned", MONDAY),)
    assert (story.state.planned, story.state.referral, story.state.needs) == (None, None, ())
    assert answers(story, 1)[-1] == ("admitted", "placement-signed")


def test_without_a_start_the_stay_begins_with_the_signature_as_ever() -> None:
    story = referred()
    story.and_then(sign(story.state))
    assert only(story.emitted, w.EpisodeAdmitted) != [] and story.state.planned is None


def test_a_start_within_the_clocks_tolerance_is_now() -> None:
    story = planned(MONDAY - timedelta(minutes=1))
    assert story.state.episode is not None and story.state.planned is None


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"start": MONDAY - 2 * HOUR}, "business-rule"),
        ({"start": MONDAY + 61 * DAY}, "business-rule"),
        ({"start": FRIDAY, "waits": True}, "business-rule"),
        ({"start": FRIDAY, "level": "2.5", "reason": "clinical-judgment"}, "business-rule"),
        ({"waits": True, "level": "3.5", "reason": "clinical-judgment"}, "business-rule"),
    ],
    ids=["past", "too-far", "both", "not-offered", "waits-not-offered"],
)
def test_a_start_that_can_not_be_is_refused(changed: dict[str, Any], code: str) -> None:
    story = referred()
    assert story.refusal(sign(story.state, **changed)).code == code


def test_who_waits_for_a_seat_is_called_every_week_by_one_task_at_a_time() -> None:
    story = wait_listed()
    assert len(only(story.emitted, w.EpisodeWaitlisted)) == 1
    assert answers(story, 1)[-1] == ("wait-listed", "seat-awaited")
    assert story.answers[-1].act_by == waits_for(story, "contact").act_by == MONDAY + 7 * DAY
    story.at(MONDAY + 3 * DAY).and_then(completed(story, "contact", by="case-manager-1"))
    assert waits_for(story, "contact").act_by == MONDAY + 10 * DAY == story.answers[-1].act_by
    assert len([each for each in story.state.reviews if each.reason == "contact"]) == 1


def test_a_contact_that_nobody_makes_is_escalated_to_the_case_manager() -> None:
    story = passed(wait_listed(), MONDAY + 7 * DAY)
    late = story.state.escalation_of("contact-overdue")
    assert late is not None and (late.escalation.tier, late.escalation.owner) == (1, "case-manager")
    story.and_then(completed(story, "contact", by="case-manager-1"))
    assert story.state.escalation_of("contact-overdue") is None


@pytest.mark.parametrize(("tier", "at_half"), [(1, None), (2, 1)])
def test_half_of_the_time_to_call_warns_where_its_end_is_more_than_a_warning(tier: int, at_half: int | None) -> None:
    story = passed(wait_listed(waiting_contact_tier=tier), MONDAY + 3.5 * DAY - timedelta(seconds=1))
    assert story.state.escalation_of("contact-overdue") is None
    warned = passed(story, MONDAY + 3.5 * DAY).state.escalation_of("contact-overdue")
    assert (warned and (warned.escalation.tier, warned.escalation.owner)) == (at_half and (at_half, "case-manager"))
    story.and_then(completed(story, "contact", by="case-manager-1"))
    assert story.state.escalation_of("contact-overdue") is None


def test_half_of_the_time_to_confirm_the_needs_warns_who_may_and_its_end_escalates() -> None:
    story = passed(wait_listed(), MONDAY + 7 * DAY + timedelta(seconds=1))
    half = story.now.replace(microsecond=0) + DAY / 2
    assert passed(story, half - timedelta(seconds=1)).state.escalation_of("review-unanswered") is None
    warned = passed(story, half).state.escalation_of("review-unanswered")
    assert warned is not None and (warned.escalation.tier, warned.escalation.owner) == (1, "licensed-clinician")
    late = passed(story, half + DAY / 2).state.escalation_of("review-unanswered")
    assert late is not None and late.escalation.tier >= 2
    story.and_then(still_true(story))
    assert story.state.escalation_of("review-unanswered") is None


def test_needs_that_grow_old_on_the_wait_list_are_confirmed_in_one_step() -> None:
    story = passed(wait_listed(), MONDAY + 7 * DAY + timedelta(seconds=1))
    asked = waits_for(story, "confirm-needs")
    assert asked.owner == "licensed-clinician" and asked.act_by == story.now.replace(microsecond=0) + DAY
    story.and_then(still_true(story))
    assert story.state.review_of("confirm-needs") is None
    story.and_then(set_plan(story, "active"))
    (admission,) = only(story.emitted, w.EpisodeAdmitted)
    assert admission.earlier == (w.EarlierStatus("waitlist", MONDAY),)
    assert story.state.reviews == ()


def test_a_seat_that_is_given_while_the_needs_are_old_is_refused_and_asks_to_confirm_them() -> None:
    story = wait_listed().at(MONDAY + 8 * DAY)
    answer = story.refusal(set_plan(story, "active"))
    assert answer.code == "conflict" and names(list(answer.asks))[0] == "PlacementReviewRequested"


def test_a_seat_given_by_the_program_waits_for_the_confirmation_and_then_begins_at_once() -> None:
    story = passed(wait_listed(), MONDAY + 8 * DAY)
    given_now = planning.admit_now(story.state, story._moment())
    assert names(given_now) == ["EpisodePlanned"]
    story = passed(wait_listed(), MONDAY + 6 * DAY)
    assert "EpisodeAdmitted" in names(planning.admit_now(story.state, story._moment()))


def test_a_start_far_ahead_asks_to_confirm_the_needs_as_late_as_the_answer_still_holds() -> None:
    start = MONDAY + 20 * DAY
    story = planned(start)
    assert due(story.state) == start - 7 * DAY
    passed(story, start - 7 * DAY)
    assert waits_for(story, "confirm-needs").act_by == start
    story.and_then(still_true(story))
    passed(story, start)
    assert story.state.episode is not None and story.state.episode.admitted_at == start


def test_without_a_confirmation_the_start_does_not_happen_and_somebody_hears_of_it() -> None:
    start = MONDAY + 20 * DAY
    story = passed(planned(start), start)
    assert story.state.episode is None
    assert story.state.escalation_of("review-unanswered") is not None
    assert answers(story, 1)[-1] == ("planned", "needs-unconfirmed")
    assert story.answers[-1].owner == "licensed-clinician"
    story.at(start + 2 * DAY).and_then(still_true(story))
    assert story.state.episode is not None and story.state.episode.admitted_at == start + 2 * DAY


def test_newer_needs_answer_the_question_as_well() -> None:
    story = passed(planned(MONDAY + 20 * DAY), MONDAY + 15 * DAY)
    story.and_then(assessment(IOP_NEEDS, "safe-housing", at=story.now))
    assert story.state.review_of("confirm-needs") is None
    assert passed(story, MONDAY + 20 * DAY).state.episode is not None


@pytest.mark.parametrize(("by", "outcome", "code"), [
    ("case-manager-1", "still-true", "forbidden"), ("clinician-1", None, "required"),
    ("clinician-1", "stays", "required"),
])  # fmt: skip
def test_only_a_licensed_clinician_finds_the_needs_still_true(by: str, outcome: Any, code: str) -> None:
    story = passed(planned(MONDAY + 20 * DAY), MONDAY + 14 * DAY)
    assert story.refusal(completed(story, "confirm-needs", by, outcome)).code == code


def test_needs_of_a_higher_level_take_the_plan_back_and_a_person_hears_of_it() -> None:
    story = planned().at(MONDAY + DAY)
    story.and_then(assessment({**IOP_NEEDS, "psychiatric-cognitive": "3.7"}, at=story.now))
    (over,) = only(story.emitted, w.EpisodeCancelled)
    assert over.reason == "another-level-needed" and story.state.planned is None
    assert story.state.recommended is not None and story.state.recommended.level == "3.7"
    called = story.state.escalation_of("plan-taken-back")
    assert called is not None and called.escalation.tier == 2
    assert answers(story, 1)[-1] == ("recommended", "level-recommended")
    assert passed(story.and_then(came(2)), FRIDAY).state.episode is None
    assert story.state.escalation_of("plan-taken-back") is not None


def test_whoever_was_called_is_needed_no_more_once_it_is_signed_anew_and_by_mistake_resolved_is_called_again() -> None:
    story = planned().at(MONDAY + DAY).and_then(came(2, "stat"))
    story.and_then(assessment({**IOP_NEEDS, "psychiatric-cognitive": "3.7"}, at=story.now))
    called = story.state.escalation_of("plan-taken-back")
    assert called is not None
    answer = w.ResolveEscalation(escalation_id=called.escalation.id, reason="placement-reviewed", by="clinician-1")
    story.and_then(answer)
    again = reopening(only(story.emitted, w.EscalationResolved)[0])
    story.and_then(again)
    assert story.state.escalation_of("plan-taken-back") is not None, story.refused
    story.and_then(sign(story.state, "3.7"))
    assert story.state.escalation_of("plan-taken-back") is None
    assert story.refusal(again).code == "conflict"


def test_a_higher_need_is_not_hidden_by_another_that_has_grown_old() -> None:
    story = passed(planned(MONDAY + 20 * DAY), MONDAY + 10 * DAY)
    story.and_then(assessment({"psychiatric-cognitive": "3.7"}, at=story.now))
    assert len(only(story.emitted, w.EpisodeCancelled)) == 1 and story.state.planned is None


def test_danger_takes_the_plan_back_and_rings_by_its_own_rule_alone() -> None:
    story = planned().at(MONDAY + DAY)
    danger = found("c-ssrs-q4", at=story.now)
    story.and_then(w.ReportFindings(findings=danger)).and_then(w.RecordAssessment(findings=danger))
    assert len(only(story.emitted, w.EpisodeCancelled)) == 1
    assert {each.escalation.category for each in story.state.escalations} == {"safety"}


def test_a_lower_or_an_equal_level_leaves_the_plan_as_it_is() -> None:
    for need in ("1.0", "1.5"):
        story = planned().at(MONDAY + DAY)
        story.and_then(assessment({**IOP_NEEDS, "substance-use-risk": need}, "safe-housing", at=story.now))
        assert story.state.planned is not None and only(story.emitted, w.LevelOfCareRecommended) == []
        assert passed(story, FRIDAY).state.episode is not None


def test_evidence_that_is_withdrawn_does_not_bring_the_plan_back() -> None:
    story = planned().at(MONDAY + DAY)
    story.and_then(assessment({"psychiatric-cognitive": "3.7"}, at=story.now))
    story.and_then(w.RecordAssessment(sources=(f"Observation/psychiatric-cognitive-{story.now:%d%H%M}",)))
    assert story.state.planned is None and story.state.recommended is not None
    assert story.state.recommended.level == "2.1"


def test_what_was_known_when_it_was_signed_against_takes_nothing_back_and_what_is_new_does() -> None:
    story = given(NEEDED, came(1), w.RecordAssessment(findings=found("c-ssrs-q4")))
    story.and_then(sign(story.state, reason="safety-plan-made", second=DIRECTOR, start=FRIDAY))
    assert story.state.planned is not None
    story.at(MONDAY + DAY).and_then(w.RecordAssessment(findings=found("not c-ssrs-q5", at=MONDAY + DAY)))
    assert story.state.planned is not None
    story.and_then(w.RecordAssessment(findings=found("c-ssrs-q5", at=MONDAY + DAY)))
    assert story.state.planned is None


def test_a_need_that_nobody_can_read_asks_a_person_before_the_start() -> None:
    story = planned().at(MONDAY + DAY)
    story.and_then(assessment({"psychiatric-cognitive": "unreadable"}, at=story.now))
    assert waits_for(story, "confirm-needs").missing == ("psychiatric-cognitive",)
    assert passed(story, FRIDAY).state.episode is None
    story.and_then(still_true(story))
    assert story.state.episode is not None


def test_a_death_or_a_revoked_referral_takes_the_plan_back() -> None:
    dead = planned().and_then(w.ReportDeath(died_at=MONDAY))
    (over,) = only(dead.emitted, w.EpisodeCancelled)
    assert (over.reason, dead.state.planned, answers(dead, 1)[-1][0]) == ("patient-died", None, "received")
    lives = dead.and_then(w.WithdrawDeath())
    assert lives.state.planned is None and answers(lives, 1)[-1] == ("recommended", "level-recommended")
    revoked = wait_listed()
    revoked.and_then(w.RevokeReferral(referral_id=named(1), reason="referral-revoked", at=MONDAY))
    assert names(revoked.emitted)[0] == "EpisodeCancelled" and revoked.state.reviews == ()
    assert answers(revoked, 1)[-1] == ("withdrawn", "referral-revoked")


def test_a_status_that_lasted_no_time_was_none() -> None:
    story = planned()
    story.and_then(set_plan(story, "waitlist"))
    (waits,) = only(story.emitted, w.EpisodeWaitlisted)
    assert waits.earlier == ()


def test_an_ehr_moves_brings_forward_waits_and_plans_again() -> None:
    story = planned().at(MONDAY + HOUR / 2)
    story.and_then(set_plan(story, "planned", FRIDAY + DAY))
    (moved,) = only(story.emitted, w.EpisodePlanned)
    assert (moved.starts_at, moved.earlier) == (FRIDAY + DAY, (w.EarlierStatus("planned", MONDAY),))
    assert story.and_then(set_plan(story, "planned", FRIDAY + DAY)).emitted == []
    story.at(MONDAY + HOUR).and_then(set_plan(story, "waitlist"))
    assert waits_for(story, "contact") and answers(story, 1)[-1] == ("wait-listed", "seat-awaited")
    story.at(MONDAY + 2 * HOUR).and_then(set_plan(story, "planned", FRIDAY))
    assert story.state.review_of("contact") is None
    story.at(MONDAY + 3 * HOUR).and_then(set_plan(story, "active"))
    (admission,) = only(story.emitted, w.EpisodeAdmitted)
    assert [each.status for each in admission.earlier] == ["planned", "planned", "waitlist", "planned"]
    assert [each.since for each in admission.earlier] == [MONDAY, MONDAY + HOUR / 2, MONDAY + HOUR, MONDAY + 2 * HOUR]
    active = w.SetPlan(episode_id=admission.episode_id, status="active")
    assert story.and_then(active).emitted == []


def test_a_cancelled_start_with_a_reason_ends_the_referral_and_the_next_is_placed() -> None:
    story = planned().and_then(came(2))
    assert placed(story) == named(1)
    story.and_then(set_plan(story, "cancelled", reason="patient-declined"))
    assert answers(story, 1)[-1] == ("withdrawn", "patient-declined")
    assert placed(story) == named(2)
    other = planned()
    other.and_then(set_plan(other, "cancelled", reason="not-available"))
    assert answers(other, 1)[-1] == ("declined", "not-available")
    assert other.state.review_of("R18") is None


def test_who_declines_a_start_is_looked_at_again_in_a_week() -> None:
    story = planned()
    story.and_then(set_plan(story, "cancelled", reason="patient-declined"))
    (asked,) = only(story.emitted, w.PlacementReviewRequested)
    assert (asked.review.reason, asked.review.focus) == ("R18", f"ServiceRequest/{named(1)}")
    assert asked.review.act_by == story.now + timedelta(days=7)
    assert story.state.review_of("R18") is not None and story.state.referral is None


def test_a_cancelled_start_without_a_reason_leaves_the_referral_to_a_person() -> None:
    story = planned()
    story.and_then(set_plan(story, "cancelled"))
    assert story.state.planned is None and answers(story, 1)[-1] == ("recommended", "level-recommended")
    assert story.refusal(set_plan(story, "active")).code == "conflict"


def test_another_referral_waits_beside_it_and_joins_the_stay_once_that_begins() -> None:
    story = planned().and_then(came(2, level="2.1"), came(3, "stat", level="3.7"))
    assert placed(story) == named(1)
    assert answers(story, 2)[-1] == ("received", "second-referral")
    story.at(FRIDAY).and_then(w.TimePassed())
    assert answers(story, 2)[-1] == ("admitted", "joined-stay")
    assert answers(story, 3)[-1] == ("received", "second-referral")


def test_the_discharge_of_the_stay_before_that_was_wrong_takes_the_plan_back() -> None:
    story = given(NEEDED, came(1))
    story.and_then(sign(story.state))
    stay = story.state.episode
    assert stay is not None
    story.and_then(discharge(story), NEEDED, came(2))
    story.and_then(sign(story.state, start=FRIDAY))
    assert story.state.planned is not None
    story.and_then(w.WithdrawDischarge(episode_id=stay.id))
    assert story.state.planned is None and story.state.episode == stay
    assert answers(story, 2)[-1] == ("received", "second-referral")


def test_a_level_that_the_program_does_not_offer_any_more_is_placed_anew_at_the_start() -> None:
    story = planned()
    story.settings = given(offers=()).settings
    story.at(FRIDAY).and_then(w.TimePassed())
    (over,) = only(story.emitted, w.EpisodeCancelled)
    assert over.reason == "not-offered" and story.state.recommended is not None


def test_whoever_signs_without_a_recommendation_vouches_for_the_needs() -> None:
    story = given(assessment(IOP_NEEDS, at=MONDAY - 10 * DAY), came(1))
    start = MONDAY + 3 * DAY
    story.and_then(
        w.SignPlacement(
            task_id=waits_for(story, "R0").id, level="2.1", reason="clinical-judgment", by="clinician-1", start=start
        )
    )
    assert passed(story, start).state.episode is not None


def test_a_start_too_long_after_nights_elsewhere_is_looked_at_by_its_last_day() -> None:
    story = given(w.RecordConditions(findings=found("step-down", at=MONDAY - DAY)), NEEDED, came(1))
    story.and_then(sign(story.state, start=MONDAY + 7 * DAY))
    assert waits_for(story, "step-down-late").act_by == MONDAY + 6 * DAY
    passed(story, MONDAY + 6 * DAY)
    late = story.state.escalation_of("review-unanswered")
    assert late is not None and late.escalation.tier == 2
    story.and_then(completed(story, "step-down-late"))
    story.and_then(set_plan(story, "planned", MONDAY + 8 * DAY))
    assert story.state.review_of("step-down-late") is None


def test_a_start_soon_enough_after_nights_elsewhere_asks_nobody_and_one_that_is_moved_to_it_no_more() -> None:
    story = given(w.RecordConditions(findings=found("step-down")), NEEDED, came(1))
    story.and_then(sign(story.state, waits=True))
    assert waits_for(story, "step-down-late").act_by == MONDAY + 7 * DAY
    story.and_then(set_plan(story, "planned", MONDAY + 7 * DAY))
    assert story.state.review_of("step-down-late") is None
    assert planned().state.review_of("step-down-late") is None


def test_an_open_plan_always_has_an_owner_and_a_time() -> None:
    story = planned()
    assert story.state.referral is not None
    assert position(story.state, story.state.referral).act_by == FRIDAY
