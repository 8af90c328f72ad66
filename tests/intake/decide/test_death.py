"""A reported death is emitted at once, asked about, and withdrawn again."""

from datetime import timedelta

from services.intake import messages as w
from tests.intake.given import MONDAY, REFERRAL, TUESDAY, assessment, referral
from tests.intake.story import Story, admitted, given, referred
from tests.story import only

DIED = w.ReportDeath(died_at=MONDAY)
LIVES = w.WithdrawDeath()
ANOTHER = "99999999-1111-4c5a-9e0e-3f0c5a0e5a0e"
ENCOUNTER = "8b1f5a0e-6666-4c5a-9e0e-3f0c5a0e5a0e"


def test_a_death_is_emitted_and_a_person_is_asked_the_same_day_whether_it_is_true() -> None:
    story = admitted().and_then(DIED)
    died, asked = story.emitted
    assert died == w.PatientDied(died_at=MONDAY, reported_at=story.now)
    assert isinstance(asked, w.EscalationRaised)
    assert (asked.escalation.reason, asked.escalation.owner) == ("death-reported", "case-manager")
    assert asked.escalation.act_by - story.now <= timedelta(hours=24)


def test_a_death_that_was_wrong_is_withdrawn_and_nobody_is_asked_any_more() -> None:
    story = admitted().and_then(DIED, LIVES)
    assert story.names() == ["DeathWithdrawn", "EscalationRetracted"]
    assert (story.state.death, story.state.escalations) == (None, ())


def answer(story: Story, reason: str) -> Story:
    (asked,) = story.state.escalations
    return story.and_then(w.ResolveEscalation(escalation_id=asked.escalation.id, reason=reason, by="clinician-1"))


def test_the_person_who_was_asked_finds_a_death_to_be_mistaken_and_it_is_withdrawn() -> None:
    story = answer(admitted().and_then(DIED), "mistaken")
    assert story.names() == ["EscalationResolved", "DeathWithdrawn"]
    assert (story.state.death, story.state.escalations) == (None, ())
    assert story.and_then(DIED).names() == ["PatientDied", "EscalationRaised"]


def test_a_death_that_a_person_confirmed_ends_the_stay_when_the_patient_died() -> None:
    story = answer(admitted().at(TUESDAY).and_then(DIED), "confirmed")
    (discharged,) = only(story.emitted, w.EpisodeDischarged)
    assert (discharged.disposition, discharged.discharged_at) == ("deceased", MONDAY)
    assert story.state.death is not None and story.state.episode is None
    assert answer(referred().and_then(DIED), "confirmed").names() == ["EscalationResolved", "ReferralConcluded"]


def test_of_a_confirmed_death_that_was_wrong_the_stay_goes_on() -> None:
    story = answer(admitted().and_then(DIED), "confirmed").and_then(LIVES)
    assert story.names() == ["DeathWithdrawn", "DischargeWithdrawn"]
    assert story.state.death is None and story.state.episode is not None


def test_of_a_confirmed_death_that_was_wrong_a_person_looks_at_each_referral_that_it_ended() -> None:
    story = answer(referred().and_then(referral(ANOTHER), DIED), "confirmed").and_then(DIED, LIVES)
    assert story.names() == ["DeathWithdrawn", "PlacementReviewRequested", "PlacementReviewRequested"]
    asked = [each.review for each in only(story.emitted, w.PlacementReviewRequested)]
    assert {(each.reason, each.focus) for each in asked} == {
        ("death-withdrawn", f"ServiceRequest/{REFERRAL}"),
        ("death-withdrawn", f"ServiceRequest/{ANOTHER}"),
    }
    done = [w.CompleteReview(task_id=each.id, by="clinician-1") for each in asked]
    assert story.and_then(*done).state.reviews == () and story.and_then(DIED, LIVES).state.reviews == ()


def test_of_a_referral_that_its_sender_set_active_again_nobody_is_asked_twice_when_the_patient_lives() -> None:
    story = answer(referred().and_then(DIED), "confirmed").and_then(referral(REFERRAL), LIVES)
    assert [each.id for each in story.state.referrals] == [REFERRAL]
    assert "death-withdrawn" not in [each.reason for each in story.state.reviews]


def test_the_question_about_one_referral_outlasts_the_end_of_another() -> None:
    story = answer(referred().and_then(DIED), "confirmed").and_then(LIVES, referral(ANOTHER))
    revoked = w.RevokeReferral(referral_id=ANOTHER, reason="referral-revoked", at=MONDAY)
    assert [each.reason for each in story.and_then(revoked).state.reviews] == ["death-withdrawn"]


def test_a_discharge_that_somebody_else_gave_stays_when_the_patient_lives() -> None:
    story = admitted()
    assert story.state.episode is not None
    over = w.Discharge(episode_id=story.state.episode.id, encounter_id=ENCOUNTER, disposition="ama", at=MONDAY)
    assert story.and_then(over, DIED, LIVES).names() == ["DeathWithdrawn", "EscalationRetracted"]


def test_a_death_that_is_asked_about_stands_beside_another_mistaken_escalation() -> None:
    danger = admitted().and_then(assessment({}, "c-ssrs-q4"), DIED)
    (safety, _) = danger.state.escalations
    answered = danger.and_then(w.ResolveEscalation(escalation_id=safety.escalation.id, reason="mistaken"))
    assert answered.names() == ["EscalationResolved"] and answered.state.death is not None


def test_a_referral_whose_patient_lives_after_all_is_recommended_anew() -> None:
    story = answer(referred().and_then(DIED), "mistaken")
    assert story.names() == ["EscalationResolved", "DeathWithdrawn", "LevelOfCareRecommended"]


def test_the_same_death_again_is_emitted_once_and_a_time_that_came_later_once_more() -> None:
    story = admitted().and_then(w.ReportDeath(), w.ReportDeath())
    assert story.emitted == []
    assert story.and_then(DIED).names() == ["PatientDied"]
    assert story.and_then(DIED).emitted == []
    assert story.and_then(w.ReportDeath()).emitted == []
    assert story.and_then(w.ReportDeath(died_at=TUESDAY)).names() == ["PatientDied"]


def test_a_patient_who_lives_is_no_event() -> None:
    assert given(LIVES).emitted == []
    assert admitted().and_then(DIED, LIVES, LIVES).emitted == []


def test_a_death_is_remembered_when_the_placement_has_left_the_state() -> None:
    story = admitted()
    assert story.state.episode is not None
    discharge = w.Discharge(episode_id=story.state.episode.id, encounter_id="e", disposition="deceased", at=MONDAY)
    story.and_then(DIED, discharge).until(MONDAY + timedelta(days=400))
    assert story.state.episode is None
    assert story.and_then(DIED).emitted == []
