"""Contacts after the discharge, and what readmission ends."""

from datetime import timedelta

import msgspec
import pytest

from services.aftercare.messages import (
    AftercareEnded,
    AftercarePlanned,
    AskReferral,
    CompleteFollowUp,
    FollowUpCompleted,
    FollowUpFellDue,
    Reach,
    ReferralPrepared,
    ReferralWithdrawn,
    TimePassed,
)
from shared.events.escalation import EscalationResolved
from shared.rules.decision import Refused
from tests.aftercare.given import (
    CONSENT,
    DISCHARGED,
    EPISODE,
    IDENTIFIED,
    SECOND_EPISODE,
    SETTINGS,
    admitted,
    discharged,
    withheld,
)
from tests.aftercare.story import Story, in_care, on_hold_for_alumni, plan_contacts
from tests.story import only

REFERRAL = "6f0f4f63-54f8-4d3d-8a1c-3a9e0d5b7c11"


def test_each_contact_falls_due_once_at_its_moment_with_the_time_to_act() -> None:
    patient = in_care()
    patient.then(discharged())
    assert patient.until(DISCHARGED + timedelta(hours=71)) == []
    (first,) = only(patient.until(DISCHARGED + timedelta(hours=72)), FollowUpFellDue)
    assert (first.number, first.due_at) == (1, DISCHARGED + timedelta(hours=72))
    assert first.act_by == DISCHARGED + timedelta(days=4)
    assert patient.then(TimePassed(), at=DISCHARGED + timedelta(hours=72)) == []
    rest = only(patient.until(DISCHARGED + timedelta(days=400)), FollowUpFellDue)
    assert [each.number for each in rest] == [2, 3, 4, 5, 6, 7]


def test_contacts_missed_while_the_hub_was_down_become_one() -> None:
    patient = in_care()
    patient.then(discharged())
    emitted = patient.then(TimePassed(), at=DISCHARGED + timedelta(days=14))
    (late,) = only(emitted, FollowUpFellDue)
    assert (late.number, late.act_by) == (3, DISCHARGED + timedelta(days=17))
    assert [each.outcome for each in only(emitted, FollowUpCompleted)] == ["overtaken", "overtaken"]


def test_a_contact_planned_when_there_were_more_of_them_has_the_last_window() -> None:
    patient = in_care()
    patient.then(discharged())
    patient.settings = msgspec.structs.replace(SETTINGS, follow_up_days=(3,), follow_up_window_days=(2,))
    due = only(patient.until(DISCHARGED + timedelta(days=400)), FollowUpFellDue)
    assert [each.act_by - each.due_at for each in due] == [timedelta(days=2)] * 7


@pytest.mark.parametrize("reach", ["reached", "not-reached"])
def test_a_case_manager_completes_a_contact_with_what_came_of_it(reach: Reach) -> None:
    patient = in_care()
    patient.then(discharged())
    (fell_due,) = only(patient.until(DISCHARGED + timedelta(days=3)), FollowUpFellDue)
    command = CompleteFollowUp(task_id=fell_due.follow_up_id, reach=reach)
    (done,) = only(patient.then(command), FollowUpCompleted)
    assert (done.outcome, done.by, done.due_at) == (reach, "case-manager", fell_due.due_at)
    assert patient.refusal(command)


def test_once_every_contact_is_made_the_plan_is_completed() -> None:
    patient = in_care()
    patient.then(discharged())
    *first, last = only(patient.until(DISCHARGED + timedelta(days=400)), FollowUpFellDue)
    for each in first:
        assert only(patient.then(CompleteFollowUp(task_id=each.follow_up_id)), AftercareEnded) == []
        assert patient.refused is None
        assert patient.state.plan is not None
    (over,) = only(patient.then(CompleteFollowUp(task_id=last.follow_up_id)), AftercareEnded)
    assert (over.reason, len(over.made), over.left) == ("contacts-made", 7, ())
    assert patient.state.plan is None


def test_a_contact_that_is_not_due_cannot_be_completed() -> None:
    patient = in_care()
    patient.then(discharged())
    assert patient.state.plan is not None
    not_due = patient.state.plan.follow_up_id(1)
    answer = patient.refusal(CompleteFollowUp(task_id=not_due))
    assert isinstance(answer, Refused) and answer.code == "conflict"


def test_readmission_ends_the_contacts_and_the_asking_back() -> None:
    patient = in_care()
    patient.then(discharged("ama"))
    (fell_due,) = plan_contacts(patient.until(DISCHARGED + timedelta(days=3)))
    emitted = patient.then(admitted(SECOND_EPISODE), at=DISCHARGED + timedelta(days=4))
    ended, asking_back = only(emitted, FollowUpCompleted)
    assert ended.follow_up_id == fell_due.follow_up_id
    assert ended.outcome == asking_back.outcome == "readmitted"
    assert {each.reason for each in only(emitted, EscalationResolved)} == {"readmitted"}
    assert patient.until(DISCHARGED + timedelta(days=400)) == []


def test_readmission_ends_the_plan_with_what_was_made_and_what_is_left() -> None:
    patient = in_care()
    (planned,) = only(patient.then(discharged()), AftercarePlanned)
    first, _ = only(patient.until(DISCHARGED + timedelta(days=7)), FollowUpFellDue)
    patient.then(CompleteFollowUp(task_id=first.follow_up_id))
    at = DISCHARGED + timedelta(days=8)
    (over,) = only(patient.then(admitted(SECOND_EPISODE), at=at), AftercareEnded)
    assert (over.plan_id, over.episode_id, over.ended_at) == (planned.plan_id, EPISODE, at)
    assert (over.planned_at, over.reason) == (DISCHARGED, "readmitted")
    assert (over.made, over.left) == (planned.follow_ups[:1], planned.follow_ups[1:])


def test_readmission_takes_back_what_only_a_discharge_calls_for() -> None:
    patient, _ = on_hold_for_alumni()
    ask = AskReferral(referral_id=REFERRAL, partner="riverbend-house", kind="recovery-residence")
    patient.then(ask)
    emitted = patient.then(admitted(SECOND_EPISODE))
    assert [(each.partner, each.reason) for each in only(emitted, ReferralWithdrawn)] == [
        ("clinic", "readmitted"),
        ("alumni", "readmitted"),
    ]
    assert [each.partner for each in patient.state.referrals] == ["house"]
    assert patient.then(CONSENT) == []
    emitted = patient.then(discharged(episode_id=SECOND_EPISODE))
    assert [each.partner for each in only(emitted, ReferralPrepared)] == ["alumni"]
    (taken_back,) = [each for each in patient.state.on_its_way if each.taken_back]
    (anew,) = only(patient.then(withheld(taken_back, reason="referral-withdrawn")), ReferralPrepared)
    assert (anew.partner, anew.attempt) == ("clinic", 1) and anew.referral_id != taken_back.referral_id


def test_a_first_admission_takes_no_referral_back() -> None:
    patient = Story(IDENTIFIED)
    patient.then(AskReferral(referral_id=REFERRAL, partner="riverbend-alumni", kind="alumni"))
    assert only(patient.then(admitted()), ReferralWithdrawn) == []


def test_the_same_admission_again_ends_nothing() -> None:
    patient = in_care()
    assert patient.then(admitted()) == []
    patient.then(discharged())
    assert patient.then(admitted()) == []
    assert only(patient.until(DISCHARGED + timedelta(days=3)), FollowUpFellDue)
