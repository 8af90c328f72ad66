"""Intake's decisions as stories: given what happened, when this is told or heard, then that is said."""

from datetime import date, timedelta

import pytest

from services.intake import messages as w
from services.intake.state import MEDICATIONS_MOST, State, due
from shared.events.escalation import Signal
from tests.intake.given import (
    A_WEEK_LATER,
    IOP_NEEDS,
    MONDAY,
    REFERRAL,
    TUESDAY,
    Story,
    admitted,
    assessment,
    escalated,
    found,
    given,
    referral,
    referred,
    retracted,
    sign,
    stated,
    updated,
)

BUPRENORPHINE = w.Prescribed("aaaaaaaa-0000-4000-8000-000000000001", "1819", date(2026, 1, 1), route="sublingual")
ATORVASTATIN = w.Prescribed("bbbbbbbb-0000-4000-8000-000000000002", "83367", date(2025, 1, 1))

MISS = escalated("a miss", "missed-session", MONDAY)
POSITIVE = escalated("a positive", "unexpected-positive", MONDAY + timedelta(days=7))


# Referral and recommendation


def test_a_referral_with_its_assessment_is_recommended_with_every_rule() -> None:
    story = given(assessment(IOP_NEEDS, "safe-housing"), referral())
    received, recommended = story.emitted
    assert isinstance(received, w.ReferralReceived)
    assert isinstance(recommended, w.LevelOfCareRecommended)
    assert (recommended.level, recommended.rules, recommended.track) == ("2.1", ("R14",), "general")
    assert recommended.referral_id == REFERRAL
    assert recommended.sign_by == MONDAY + timedelta(hours=24)
    assert {each.dimension: each.level for each in recommended.needs} == IOP_NEEDS


def test_an_assessment_after_its_referral_is_recommended_too() -> None:
    story = given(referral(), assessment(IOP_NEEDS))
    assert "LevelOfCareRecommended" in story.names()


def test_a_referral_without_needs_asks_a_person_and_places_nobody() -> None:
    story = given(referral())
    review = story.emitted[1]
    assert isinstance(review, w.PlacementReviewRequested)
    assert review.reason == "R0"
    assert review.missing == ("withdrawal", "biomedical", "psychiatric-cognitive", "recovery-environment", "age")
    assert review.act_by == MONDAY + timedelta(hours=24)
    assert "LevelOfCareRecommended" not in story.names()


def test_each_need_that_arrives_shortens_the_review() -> None:
    story = given(referral(), assessment({"withdrawal": "none"}))
    (review,) = story.emitted
    assert isinstance(review, w.PlacementReviewRequested)
    assert review.missing == ("biomedical", "psychiatric-cognitive", "recovery-environment")


def test_when_the_last_need_arrives_the_review_is_withdrawn_and_the_level_recommended() -> None:
    story = given(referral(), assessment({"withdrawal": "none"})).told(assessment(IOP_NEEDS))
    assert story.names() == ["PlacementReviewWithdrawn", "LevelOfCareRecommended"]
    assert story.state.reviews == ()


def test_the_same_assessment_again_says_nothing_new() -> None:
    story = given(assessment(IOP_NEEDS), referral(), assessment(IOP_NEEDS))
    assert story.emitted == []


def test_the_same_referral_again_says_nothing_new() -> None:
    assert given(assessment(IOP_NEEDS), referral(), referral()).emitted == []


def test_a_newer_need_changes_the_recommendation_in_place() -> None:
    before = given(assessment(IOP_NEEDS), referral())
    after = before.at(TUESDAY).told(w.RecordAssessment(needs=stated({"substance-use-risk": "2.5"}, TUESDAY)))
    first, second = (each for each in after.all_said if isinstance(each, w.LevelOfCareRecommended))
    assert (first.level, second.level) == ("2.1", "2.5")
    assert first.task_id == second.task_id


def test_an_older_need_that_arrives_late_changes_nothing() -> None:
    story = given(assessment(IOP_NEEDS), referral())
    story.told(w.RecordAssessment(needs=stated({"substance-use-risk": "2.5"}, MONDAY - timedelta(days=1))))
    assert story.emitted == []


def test_a_second_referral_meanwhile_is_tracked_beside_the_first() -> None:
    story = referred().told(referral("99999999-1111-4c5a-9e0e-3f0c5a0e5a0e"))
    assert story.names() == ["ReferralReceived"]
    assert story.state.referral is not None
    assert story.state.referral.id == REFERRAL


def test_pregnancy_with_active_use_asks_for_a_review_once() -> None:
    story = given(assessment(IOP_NEEDS, "pregnant", "active-use"), referral())
    assert story.names() == ["ReferralReceived", "LevelOfCareRecommended", "PlacementReviewRequested"]
    assert story.told(assessment(IOP_NEEDS, "pregnant", "active-use", at=TUESDAY)).emitted == []


# Safety


def test_a_suicidal_finding_is_told_at_once_as_t4() -> None:
    story = given(w.ReportFindings(findings=found("c-ssrs-q4")))
    (raised,) = story.emitted
    assert isinstance(raised, w.EscalationRaised)
    escalation = raised.escalation
    assert (escalation.category, escalation.reason, escalation.tier) == ("safety", "suicide-risk", 4)
    assert escalation.acknowledge_by == MONDAY + timedelta(minutes=15)
    assert escalation.signals == (Signal("suicide-risk", MONDAY, "Observation/c-ssrs-q4"),)


def test_the_assessment_that_follows_does_not_say_it_again() -> None:
    story = given(w.ReportFindings(findings=found("c-ssrs-q4")), assessment(IOP_NEEDS, "c-ssrs-q4"))
    assert story.emitted == []


def test_after_a_person_resolved_it_the_same_finding_sent_again_is_silent() -> None:
    story = given(w.ReportFindings(findings=found("c-ssrs-q4")))
    (raised,) = story.emitted
    assert isinstance(raised, w.EscalationRaised)
    story.told(w.ResolveEscalation(escalation_id=raised.escalation.id, reason="safety-plan"))
    assert story.names() == ["EscalationResolved"]
    assert story.told(w.ReportFindings(findings=found("c-ssrs-q4"))).emitted == []
    assert story.at(TUESDAY).told(w.ReportFindings(findings=found("c-ssrs-q4", at=TUESDAY))).names() == [
        "EscalationRaised"
    ]


def test_an_old_answer_out_of_the_chart_alarms_nobody() -> None:
    years_ago = MONDAY - timedelta(days=900)
    assert given(w.ReportFindings(findings=found("c-ssrs-q4", "phq-9-item-9=3", at=years_ago))).emitted == []


@pytest.mark.parametrize(
    ("facts", "reason", "tier"),
    [
        (("current-overdose",), "medical-emergency", 4),
        (("ciwa-ar=19",), "severe-withdrawal", 4),
        (("withdrawal-seizure-history", "daily-heavy-use"), "complicated-withdrawal-risk", 3),
        (("ciwa-ar=12",), "same-day-medical-evaluation", 3),
        (("cows=25",), "same-day-medical-evaluation", 3),
        (("phq-9-item-9=1",), "suicide-screen", 3),
        (("c-ssrs-q3",), "suicide-screen", 3),
    ],
)
def test_what_a_person_must_hear_of(facts: tuple[str, ...], reason: str, tier: int) -> None:
    (raised,) = given(w.ReportFindings(findings=found(*facts))).emitted
    assert isinstance(raised, w.EscalationRaised)
    assert (raised.escalation.reason, raised.escalation.tier) == (reason, tier)


def test_the_graver_reason_stands_alone() -> None:
    story = given(w.ReportFindings(findings=found("c-ssrs-q3", "c-ssrs-q4")))
    assert [each.escalation.reason for each in story.emitted if isinstance(each, w.EscalationRaised)] == [
        "suicide-risk"
    ]


def test_a_history_meets_what_is_told_later() -> None:
    story = given(assessment({}, "withdrawal-seizure-history"), assessment({}, "daily-heavy-use"))
    assert story.names() == ["EscalationRaised"]


def test_an_escalation_nobody_acknowledged_is_overdue_once() -> None:
    story = given(w.ReportFindings(findings=found("phq-9-item-9")))
    deadline = due(story.state)
    assert deadline == MONDAY + timedelta(hours=1)
    assert story.at(deadline).named_signals(w.TimePassed()).names() == ["EscalationOverdue"]
    assert due(story.state) is None


def test_an_escalation_is_acknowledged_by_a_person() -> None:
    story = given(w.ReportFindings(findings=found("phq-9-item-9")))
    (raised,) = story.emitted
    assert isinstance(raised, w.EscalationRaised)
    story.told(w.AcknowledgeEscalation(escalation_id=raised.escalation.id))
    assert story.names() == ["EscalationAcknowledged"]
    assert due(story.state) is None


def test_an_unknown_escalation_cannot_be_resolved() -> None:
    story = given().told(w.ResolveEscalation(escalation_id=REFERRAL, reason="done"))
    assert story.refused is not None
    assert story.refused.code == "conflict"


def test_a_corrected_answer_retracts_what_it_raised() -> None:
    story = given(assessment(IOP_NEEDS, "c-ssrs-q4"), referral())
    story.told(assessment({}, "not c-ssrs-q4"))
    assert story.names() == ["EscalationRetracted", "LevelOfCareRecommended"]
    assert story.state.open == ()


def test_a_corrected_answer_leaves_what_another_one_still_supports() -> None:
    story = given(assessment(IOP_NEEDS, "c-ssrs-q4", "c-ssrs-q5"))
    assert story.told(assessment({}, "not c-ssrs-q4")).names() == ["EscalationUpdated"]
    assert [each.evidence for each in story.state.open[0].escalation.signals] == ["Observation/c-ssrs-q5"]


def test_a_corrected_score_retracts_what_it_raised() -> None:
    story = given(assessment(IOP_NEEDS, "ciwa-ar=19"))
    assert story.told(assessment({}, "ciwa-ar=9")).names() == ["EscalationRetracted"]


def test_half_of_a_reason_is_no_reason() -> None:
    story = given(assessment(IOP_NEEDS, "withdrawal-seizure-history", "daily-heavy-use"))
    assert story.told(assessment({}, "not daily-heavy-use")).names() == ["EscalationRetracted"]


# The signature


def test_a_signed_iop_admits_with_track_flags_and_template() -> None:
    story = given(assessment(IOP_NEEDS, "moud-continue", "works-days", "opioid-use-disorder"), referral())
    story.told(sign(story.state))
    assert story.names() == ["PlacementSigned", "MedicationsRecorded", "EpisodeAdmitted"]
    admission = story.emitted[-1]
    assert isinstance(admission, w.EpisodeAdmitted)
    assert admission.flags == ("moud", "opioid-history", "evening")
    assert admission.track == "opioid"
    assert {each.start for each in admission.template} == {"17:30"}


def test_medications_are_always_known_before_the_admission() -> None:
    story = given(w.RecordMedications(medications=(BUPRENORPHINE,)), assessment(IOP_NEEDS), referral())
    story.told(sign(story.state))
    names = [type(each).__name__ for each in story.all_said]
    assert names.count("MedicationsRecorded") == 1
    assert names.index("MedicationsRecorded") < names.index("EpisodeAdmitted")


def test_another_level_needs_a_reason() -> None:
    story = referred()
    story.told(sign(story.state, "3.5"))
    assert story.refused is not None
    assert (story.refused.code, story.refused.expression) == ("required", "Task.output")
    story.told(sign(story.state, "3.5", "clinical-judgment"))
    assert story.names() == ["PlacementSigned", "EpisodeDeclined"]


def test_who_needs_another_level_is_declined_with_the_level_and_the_rules() -> None:
    story = given(assessment(IOP_NEEDS, "c-ssrs-q5"), referral())
    story.told(sign(story.state, "4-psych"))
    declined = story.emitted[-1]
    assert isinstance(declined, w.EpisodeDeclined)
    assert (declined.level, declined.rules) == ("4-psych", ("R1", "R14"))
    assert story.state.referral is None


def test_a_level_of_no_edition_cannot_be_signed() -> None:
    story = referred()
    assert story.told(sign(story.state, "iop", "clinical-judgment")).refused is not None


def test_a_hold_is_signed_only_with_a_reason() -> None:
    story = given(assessment(IOP_NEEDS, "cows=25"), referral())
    assert story.told(sign(story.state)).refused is not None
    assert story.told(sign(story.state, "2.1", "medically-cleared")).names()[-1] == "EpisodeAdmitted"


def test_a_patient_who_declines_the_level_is_looked_at_again_in_a_week() -> None:
    story = referred()
    story.told(sign(story.state, "1.5", "patient-declined"))
    review = story.emitted[-1]
    assert isinstance(review, w.PlacementReviewRequested)
    assert (review.reason, review.act_by) == ("R18", A_WEEK_LATER)


def test_who_declines_the_level_and_is_admitted_to_another_is_looked_at_again_too() -> None:
    story = given(assessment(IOP_NEEDS | {"substance-use-risk": "2.5"}, "safe-housing"), referral())
    story.told(sign(story.state, "2.1", "patient-declined"))
    assert story.names()[-2:] == ["EpisodeAdmitted", "PlacementReviewRequested"]
    assert [each.reason for each in story.state.reviews] == ["R18"]


def test_nothing_is_signed_twice() -> None:
    story = referred()
    command = sign(story.state)
    assert story.told(command).refused is None
    assert story.told(command).refused is not None


def test_a_person_places_by_the_review_what_the_rules_could_not() -> None:
    story = given(referral())
    assert story.state.referral is not None
    command = w.SignPlacement(task_id=story.state.referral.review_id, level="2.1", reason="clinical-judgment")
    story.told(command)
    assert story.names() == [
        "PlacementReviewCompleted",
        "PlacementSigned",
        "MedicationsRecorded",
        "EpisodeAdmitted",
    ]


def test_a_review_is_completed_once() -> None:
    story = given(referral())
    assert story.state.referral is not None
    review_id = story.state.referral.review_id
    assert story.told(w.CompleteReview(task_id=review_id)).names() == ["PlacementReviewCompleted"]
    assert story.told(w.CompleteReview(task_id=review_id)).refused is not None


# Medications, consents


def test_the_list_of_medications_is_said_whole_each_time() -> None:
    story = given(w.RecordMedications(medications=(BUPRENORPHINE,)))
    story.told(w.RecordMedications(medications=(ATORVASTATIN,)))
    (emitted,) = story.emitted
    assert isinstance(emitted, w.MedicationsRecorded)
    assert [each.rxnorm for each in emitted.medications] == ["1819", "83367"]
    assert emitted.medications[0].route == "sublingual"


def test_the_same_list_again_is_silent_but_an_empty_first_one_is_said() -> None:
    story = given(w.RecordMedications(medications=()))
    assert story.names() == ["MedicationsRecorded"]
    assert story.told(w.RecordMedications(medications=())).emitted == []


def test_a_medication_recorded_in_error_leaves_the_list_and_an_ended_one_stays_a_while() -> None:
    ended = w.Prescribed(ATORVASTATIN.source, "83367", date(2025, 1, 1), date(2026, 1, 4))
    wrong = w.Prescribed(BUPRENORPHINE.source, "1819", taken=False)
    story = given(w.RecordMedications(medications=(BUPRENORPHINE, ATORVASTATIN)))
    story.told(w.RecordMedications(medications=(ended, wrong)))
    (emitted,) = story.emitted
    assert isinstance(emitted, w.MedicationsRecorded)
    assert [(each.rxnorm, each.end_on) for each in emitted.medications] == [("83367", date(2026, 1, 4))]
    later = story.at(MONDAY + timedelta(days=91)).told(w.RecordMedications(medications=(BUPRENORPHINE,)))
    (emitted,) = later.emitted
    assert isinstance(emitted, w.MedicationsRecorded)
    assert [each.rxnorm for each in emitted.medications] == ["1819"]


def test_a_medication_is_never_dropped_silently() -> None:
    many = tuple(w.Prescribed(f"{number:08d}-0", "1819") for number in range(MEDICATIONS_MOST + 1))
    assert given(w.RecordMedications(medications=many)).refused is not None


def test_a_consent_is_said_from_the_command_alone() -> None:
    consent = w.RecordConsent(
        consent_id=REFERRAL,
        recipients=("alumni-1",),
        purposes=("alumni",),
        fields=("name",),
        given_at=MONDAY,
    )
    (emitted,) = given(consent).emitted
    assert isinstance(emitted, w.ConsentGiven)
    assert (emitted.recipients, emitted.fields) == (("alumni-1",), ("name",))
    assert given(w.RevokeConsent(consent_id=REFERRAL)).names() == ["ConsentRevoked"]


# Discharge


def leave(story: Story, days: int = 80) -> Story:
    assert story.state.episode is not None
    at = MONDAY + timedelta(days=days)
    command = w.Discharge(episode_id=story.state.episode.id, encounter_id=REFERRAL, disposition="completed", at=at)
    return story.at(at).told(command)


def test_a_discharge_says_the_disposition_and_closes_what_is_open() -> None:
    story = leave(admitted().named_signals(MISS, POSITIVE))
    assert story.names() == ["EpisodeDischarged", "PlacementReviewWithdrawn", "EscalationResolved"]
    assert due(story.state) == MONDAY + timedelta(days=110)


def test_only_the_open_episode_can_be_discharged() -> None:
    story = admitted()
    wrong = w.Discharge(episode_id=REFERRAL, encounter_id=REFERRAL, disposition="completed", at=TUESDAY)
    assert story.told(wrong).refused is not None
    leave(story)
    assert story.state.episode is None


def test_nobody_is_discharged_before_being_admitted() -> None:
    assert leave(admitted(), days=-1).refused is not None


def test_a_closed_placement_leaves_after_thirty_days_but_the_medications_stay() -> None:
    story = leave(admitted())
    story.at(MONDAY + timedelta(days=110)).named_signals(w.TimePassed())
    assert story.state == State(medications=())
    assert due(story.state) is None


def test_a_new_referral_after_the_discharge_is_placed_anew() -> None:
    story = leave(admitted())
    story.told(referral("99999999-1111-4c5a-9e0e-3f0c5a0e5a0e"))
    review = story.emitted[-1]
    assert isinstance(review, w.PlacementReviewRequested)
    assert "withdrawal" in review.missing


# Signals that meet


def test_a_miss_and_a_positive_within_seven_days_ask_for_another_look() -> None:
    story = admitted().named_signals(MISS, POSITIVE)
    raised, review = story.emitted
    assert isinstance(raised, w.EscalationRaised)
    assert isinstance(review, w.PlacementReviewRequested)
    escalation = raised.escalation
    assert (escalation.category, escalation.reason, escalation.tier) == ("combined", "miss-and-positive", 3)
    assert escalation.subsumes == (MISS.escalation.id, POSITIVE.escalation.id)
    assert review.escalations == (escalation.id, *escalation.subsumes)
    assert review.act_by == MONDAY + timedelta(hours=72)


def test_one_minute_more_than_seven_days_apart_does_not() -> None:
    later = escalated("late", "unexpected-positive", MONDAY + timedelta(days=7, minutes=1))
    assert admitted().named_signals(MISS, later).emitted == []


def test_it_is_the_clinical_time_that_counts_not_the_arrival() -> None:
    story = admitted().named_signals(MISS).at(MONDAY + timedelta(days=20)).named_signals(POSITIVE)
    assert story.names() == ["EscalationRaised", "PlacementReviewRequested"]


def test_two_misses_do_not_combine() -> None:
    assert admitted().named_signals(MISS, escalated("another", "missed-session", TUESDAY)).emitted == []


def test_a_baseline_positive_does_not_combine() -> None:
    assert admitted().named_signals(MISS, escalated("baseline", "overdose-safety", TUESDAY)).emitted == []


@pytest.mark.parametrize("part", [MISS, POSITIVE])
def test_when_a_part_is_retracted_the_combination_and_its_review_are_withdrawn(part: w.EscalationRaised) -> None:
    story = admitted().named_signals(MISS, POSITIVE, retracted(part))
    assert story.names() == ["EscalationRetracted", "PlacementReviewWithdrawn"]
    assert (story.state.open, story.state.reviews) == ((), ())


def test_a_signal_that_leaves_its_escalation_withdraws_the_combination_too() -> None:
    two = escalated("two misses", "missed-session", MONDAY, ("missed-session", MONDAY - timedelta(days=6)))
    story = admitted().named_signals(two, POSITIVE)
    only_the_older = updated(two, two.escalation.signals[1])
    assert story.named_signals(only_the_older).names() == ["EscalationRetracted", "PlacementReviewWithdrawn"]


def test_while_another_miss_still_meets_the_positive_the_combination_stands() -> None:
    another = escalated("another", "missed-session", MONDAY + timedelta(days=2))
    story = admitted().named_signals(MISS, another, POSITIVE, retracted(MISS))
    assert story.names() == ["EscalationUpdated", "PlacementReviewRequested"]
    (left,) = story.state.open
    assert left.escalation.subsumes == (another.escalation.id, POSITIVE.escalation.id)
    assert isinstance(story.emitted[0], w.EscalationUpdated)
    assert story.emitted[0].gone == MISS.escalation.signals


def test_the_same_signal_again_is_silent() -> None:
    assert admitted().named_signals(MISS, POSITIVE, POSITIVE, MISS).emitted == []


def test_what_a_person_resolved_is_not_raised_again_by_the_same_signals() -> None:
    story = admitted().named_signals(MISS, POSITIVE)
    (known,) = story.state.open
    story.told(w.ResolveEscalation(escalation_id=known.escalation.id, reason="step-up-considered"))
    assert story.named_signals(POSITIVE).emitted == []
    another = escalated("another", "missed-session", MONDAY + timedelta(days=8))
    assert story.named_signals(another).names()[0] == "EscalationRaised"


def test_resolving_a_part_takes_nothing_back() -> None:
    resolved = w.EscalationResolved(escalation=MISS.escalation, at=TUESDAY, reason="contacted")
    story = admitted().named_signals(MISS, resolved, POSITIVE)
    assert story.names() == ["EscalationRaised", "PlacementReviewRequested"]


def test_a_run_of_misses_does_not_push_out_the_positive_they_meet() -> None:
    """Every miss stands under three escalations; the positive was collected before all of them."""
    misses = [("missed-session", MONDAY + timedelta(days=day)) for day in range(1, 5)]
    (code, at), *more = misses
    story = admitted().named_signals(*(escalated(f"run {number}", code, at, *more) for number in range(3)))
    story.named_signals(escalated("collected before", "unexpected-positive", MONDAY))
    assert story.names() == ["EscalationRaised", "PlacementReviewRequested"]


def test_outside_an_episode_signals_decide_nothing() -> None:
    assert given().named_signals(MISS, POSITIVE).all_said == []
