"""A reported death stops contacts and referrals at once; withdrawn, they go on. A late or corrected discharge."""

from datetime import timedelta

from services.aftercare.messages import (
    AftercarePlanned,
    AskReferral,
    CompleteFollowUp,
    DeathWithdrawn,
    FollowUpCompleted,
    FollowUpFellDue,
    PatientDied,
    ReferralPrepared,
    ReferralWithdrawn,
    TimePassed,
)
from shared.events.escalation import EscalationRaised, EscalationResolved
from shared.rules.decision import Refused
from tests.aftercare.given import DISCHARGED, discharged, withheld
from tests.aftercare.story import in_care, on_hold_for_alumni, plan_contacts
from tests.story import only

DAY = timedelta(days=1)
DIED = PatientDied(died_at=None, reported_at=DISCHARGED + 4 * DAY)
LIVES = DeathWithdrawn(withdrawn_at=DISCHARGED + 20 * DAY)


def test_a_reported_death_ends_open_contacts_referrals_and_escalations_at_once() -> None:
    patient = in_care()
    patient.then(discharged("ama"))
    patient.until(DISCHARGED + 3 * DAY)
    emitted = patient.then(DIED, at=DISCHARGED + 4 * DAY)
    of_plan, asking_back = only(emitted, FollowUpCompleted)
    assert of_plan.outcome == asking_back.outcome == "death-reported"
    assert {each.reason for each in only(emitted, EscalationResolved)} == {"death-reported"}
    assert patient.until(DISCHARGED + 400 * DAY) == []
    assert patient.then(TimePassed(), at=DISCHARGED + 30 * DAY) == []
    assert patient.then(DIED) == []


def test_what_waits_for_a_partner_is_taken_back_and_nothing_more_is_asked_for() -> None:
    patient, _ = on_hold_for_alumni()
    withdrawn = only(patient.then(DIED), ReferralWithdrawn)
    assert {each.reason for each in withdrawn} == {"patient-deceased"}
    asked = AskReferral(referral_id="6f0f4f63-54f8-4d3d-8a1c-3a9e0d5b7c11", partner="riverbend-house", kind="x")
    assert isinstance(patient.refusal(asked), Refused)


def test_withdrawn_again_the_contacts_go_on_and_the_missed_ones_are_one() -> None:
    patient = in_care()
    prepared = only(patient.then(discharged()), ReferralPrepared)
    patient.until(DISCHARGED + 3 * DAY)
    patient.then(DIED, at=DISCHARGED + 4 * DAY)
    patient.then(*(withheld(each, reason="referral-withdrawn") for each in prepared), at=DISCHARGED + 4 * DAY)
    emitted = patient.then(LIVES, at=DISCHARGED + 20 * DAY)
    (due,) = only(emitted, FollowUpFellDue)
    assert (due.number, due.act_by) == (3, DISCHARGED + 23 * DAY)
    assert [each.outcome for each in only(emitted, FollowUpCompleted)] == ["overtaken", "overtaken"]
    assert [each.number for each in only(patient.until(DISCHARGED + 400 * DAY), FollowUpFellDue)] == [4, 5, 6, 7]
    assert {each.partner for each in only(emitted, ReferralPrepared)} == {"alumni", "clinic"}


def test_who_left_early_and_is_not_dead_is_asked_back_again() -> None:
    patient = in_care()
    patient.then(discharged("ama"), DIED)
    assert patient.state.escalations == ()
    (raised,) = only(patient.then(LIVES, at=DISCHARGED + 20 * DAY), EscalationRaised)
    assert (raised.escalation.reason, raised.escalation.tier) == ("re-engagement", 3)
    assert patient.then(LIVES, at=DISCHARGED + 20 * DAY) == []


def test_who_was_reached_before_the_mistaken_death_is_not_asked_back_again() -> None:
    patient = in_care()
    patient.then(discharged("ama"))
    (due,) = plan_contacts(patient.until(DISCHARGED + 3 * DAY))
    patient.then(CompleteFollowUp(task_id=due.follow_up_id), DIED, at=DISCHARGED + 4 * DAY)
    assert only(patient.then(LIVES, at=DISCHARGED + 20 * DAY), EscalationRaised) == []


def test_a_discharge_told_while_a_death_is_reported_is_planned_and_rests_until_that_is_withdrawn() -> None:
    patient = in_care()
    patient.then(DIED)
    emitted = patient.then(discharged("ama"))
    assert only(emitted, AftercarePlanned)
    assert not only(emitted, ReferralPrepared) and not only(emitted, EscalationRaised)
    assert patient.until(DISCHARGED + 10 * DAY) == []
    assert only(patient.then(LIVES, at=DISCHARGED + 10 * DAY), FollowUpFellDue)


def test_of_a_late_discharge_the_contacts_that_are_past_become_one() -> None:
    patient = in_care()
    patient.then(discharged(), at=DISCHARGED + 31 * DAY)
    (due,) = only(patient.until(DISCHARGED + 31 * DAY), FollowUpFellDue)
    assert (due.number, due.due_at, due.act_by) == (4, DISCHARGED + 30 * DAY, DISCHARGED + 38 * DAY)
    patient.then(CompleteFollowUp(task_id=due.follow_up_id))
    assert [each.number for each in only(patient.until(DISCHARGED + 400 * DAY), FollowUpFellDue)] == [5, 6, 7]
