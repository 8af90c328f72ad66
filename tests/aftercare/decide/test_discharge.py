"""What a discharge plans, refers and takes back."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from services.aftercare.messages import (
    AftercareEnded,
    AftercarePlanned,
    Consumes,
    FollowUpCompleted,
    MeetingListPrepared,
    ReferralPrepared,
    ReferralWithdrawn,
)
from shared.events.escalation import EscalationRaised, EscalationResolved
from tests.aftercare.given import (
    CONSENT,
    DISCHARGED,
    EPISODE,
    IDENTIFIED,
    SECOND_EPISODE,
    admitted,
    discharged,
    gave_up,
    made,
    refused,
    withheld,
)
from tests.aftercare.story import Story, in_care, on_hold_for_alumni, plan_contacts
from tests.story import names, only

REFERRAL = "6f0f4f63-54f8-4d3d-8a1c-3a9e0d5b7c11"


def test_discharge_plans_the_contacts_from_72_hours_to_180_days() -> None:
    (planned,) = only(in_care().then(discharged()), AftercarePlanned)
    assert planned.episode_id == EPISODE
    ahead = [due - DISCHARGED for due in planned.follow_ups]
    assert ahead == [timedelta(hours=72), *(timedelta(days=each) for each in (7, 14, 30, 60, 90, 180))]


def test_discharge_prepares_a_meeting_list_of_the_plan() -> None:
    emitted = in_care().then(discharged())
    (planned,), (prepared,) = only(emitted, AftercarePlanned), only(emitted, MeetingListPrepared)
    assert prepared.plan_id == planned.plan_id


@pytest.mark.parametrize("disposition", ["completed", "step-down"])
def test_who_completed_or_steps_down_is_referred_to_alumni_and_to_the_clinic(disposition: str) -> None:
    prepared = only(in_care().then(discharged(disposition)), ReferralPrepared)
    assert [(each.partner, each.kind, each.purpose, each.attempt) for each in prepared] == [
        ("alumni", "alumni", "alumni", 1),
        ("clinic", "step-down", "TREAT", 1),
    ]


@pytest.mark.parametrize(
    "disposition", ["ama", "lost-to-contact", "administrative", "step-up", "incarcerated", "other"]
)
def test_any_other_living_discharge_is_planned_but_refers_nobody_unasked(disposition: str) -> None:
    emitted = in_care().then(discharged(disposition))
    assert only(emitted, AftercarePlanned) and not only(emitted, ReferralPrepared)


@pytest.mark.parametrize(("disposition", "raised"), [("ama", 1), ("lost-to-contact", 1), ("administrative", 0)])
def test_who_left_early_is_asked_back_at_t3(disposition: str, raised: int) -> None:
    escalations = only(in_care().then(discharged(disposition)), EscalationRaised)
    assert [(each.escalation.tier, each.escalation.reason) for each in escalations] == [(3, "re-engagement")] * raised


def test_after_a_death_nothing_is_planned_listed_or_sent() -> None:
    assert in_care().then(discharged("deceased")) == []


def test_after_a_death_what_was_on_hold_is_taken_back() -> None:
    patient, _ = on_hold_for_alumni()
    emitted = patient.then(discharged("deceased", SECOND_EPISODE))
    assert [(each.partner, each.reason) for each in only(emitted, ReferralWithdrawn)] == [
        ("clinic", "patient-deceased"),
        ("alumni", "patient-deceased"),
    ]
    assert patient.then(CONSENT) == []


@pytest.mark.parametrize("outcome", [withheld, gave_up])
def test_what_is_taken_back_in_time_is_over_whatever_the_lane_says(
    outcome: Callable[[ReferralPrepared], Consumes],
) -> None:
    patient = in_care()
    alumni, _ = only(patient.then(discharged()), ReferralPrepared)
    patient.then(discharged("deceased", SECOND_EPISODE))
    assert patient.then(outcome(alumni)) == []
    assert alumni.referral_id not in {each.referral_id for each in patient.state.on_its_way}


def test_what_a_partner_refused_before_it_could_be_taken_back_says_that_it_was_received() -> None:
    patient = in_care()
    alumni, _ = only(patient.then(discharged()), ReferralPrepared)
    patient.then(discharged("deceased", SECOND_EPISODE))
    (withdrawn,) = only(patient.then(refused(alumni)), ReferralWithdrawn)
    assert (withdrawn.reason, withdrawn.may_have_been_received) == ("patient-deceased", True)


def test_what_was_sent_before_it_could_be_taken_back_is_said_to_be_sent() -> None:
    patient = in_care()
    alumni, _ = only(patient.then(discharged()), ReferralPrepared)
    patient.then(discharged("deceased", SECOND_EPISODE))
    assert names(patient.then(made(alumni))) == ["ReferralSent"]
    assert patient.then(made(alumni)) == []


@pytest.mark.parametrize("disposition", ["deceased", "completed"])
def test_a_later_discharge_ends_what_an_earlier_one_began(disposition: str) -> None:
    patient = in_care()
    patient.then(discharged("ama"))
    patient.until(DISCHARGED + timedelta(days=3))
    emitted = patient.then(discharged(disposition, SECOND_EPISODE), at=DISCHARGED + timedelta(days=4))
    ended = {each.outcome for each in only(emitted, FollowUpCompleted)}
    closed = {each.reason for each in only(emitted, EscalationResolved)}
    (over,) = only(emitted, AftercareEnded)
    assert ended == closed == {over.reason} == {"episode-discharged"}
    due = plan_contacts(patient.until(DISCHARGED + timedelta(days=400)))
    assert len(due) == (0 if disposition == "deceased" else 7)


def test_the_same_discharge_again_says_nothing() -> None:
    patient = in_care()
    patient.then(discharged())
    assert patient.then(discharged()) == []


def test_a_late_event_of_an_earlier_stay_ends_nothing() -> None:
    patient = Story(IDENTIFIED, admitted(SECOND_EPISODE))
    assert patient.then(discharged()) == []
    assert patient.then(discharged(episode_id=SECOND_EPISODE)) != []


def test_a_discharge_is_planned_though_its_admission_was_never_heard() -> None:
    assert only(Story(IDENTIFIED).then(discharged()), AftercarePlanned)
