"""A discharge that is taken back: contacts, referrals and lists follow."""

from datetime import timedelta

import pytest

from services.aftercare.messages import (
    AftercareEnded,
    AftercarePlanned,
    DischargeWithdrawn,
    EscalationRetracted,
    FollowUpCompleted,
    FollowUpFellDue,
    MeetingListPrepared,
    PatientDied,
    ReferralPrepared,
    ReferralWithdrawn,
)
from services.aftercare.record import InCare
from tests.aftercare.given import (
    ADMITTED,
    DISCHARGED,
    EPISODE,
    IDENTIFIED,
    PLAN,
    SECOND_EPISODE,
    admitted,
    discharged,
    made,
)
from tests.aftercare.story import Story, in_care
from tests.story import only

DAY = timedelta(days=1)


def taken_back(episode_id: str = EPISODE) -> DischargeWithdrawn:
    return DischargeWithdrawn(
        episode_id=episode_id,
        encounter_id="encounter",
        plan_id=PLAN,
        admitted_at=ADMITTED,
        withdrawn_at=DISCHARGED + 4 * DAY,
        client="ehr",
    )


def test_contacts_end_and_what_only_the_discharge_called_for_is_taken_back() -> None:
    patient = in_care()
    patient.then(discharged())
    patient.until(DISCHARGED + 3 * DAY)
    emitted = patient.then(taken_back(), at=DISCHARGED + 4 * DAY)
    (contact,), (ended,) = only(emitted, FollowUpCompleted), only(emitted, AftercareEnded)
    assert contact.outcome == ended.reason == "discharge-withdrawn"
    assert {each.reason for each in only(emitted, ReferralWithdrawn)} == {"discharge-withdrawn"}
    assert only(patient.until(DISCHARGED + 400 * DAY), FollowUpFellDue) == []


@pytest.mark.parametrize("disposition", ["ama", "lost-to-contact"])
def test_a_patient_who_never_left_is_not_asked_back(disposition: str) -> None:
    patient = in_care()
    patient.then(discharged(disposition))
    (retracted,) = only(patient.then(taken_back()), EscalationRetracted)
    assert (retracted.escalation.reason, retracted.reason) == ("re-engagement", "discharge-withdrawn")
    assert patient.state.escalations == ()


def test_the_list_is_one_of_care_again_chosen_as_before() -> None:
    patient = Story(IDENTIFIED, admitted(track="dual-diagnosis", flags=("evening",)))
    patient.then(discharged())
    (listed,) = only(patient.then(taken_back()), MeetingListPrepared)
    assert listed.plan_id == PLAN
    assert patient.state.episode == InCare(EPISODE, "dual-diagnosis", ("evening",))


def test_the_stay_may_end_again_and_what_a_partner_has_is_not_sent_twice() -> None:
    patient = in_care()
    first, *_ = only(patient.then(discharged()), ReferralPrepared)
    patient.then(made(first))
    patient.then(taken_back())
    emitted = patient.then(discharged("step-down"))
    assert only(emitted, AftercarePlanned)
    assert first.partner not in {each.partner for each in only(emitted, ReferralPrepared)}


def test_taken_back_for_another_stay_or_one_that_is_open_nothing_changes() -> None:
    patient = in_care()
    assert patient.then(taken_back()) == []
    patient.then(discharged())
    assert patient.then(taken_back(SECOND_EPISODE)) == []
    patient.then(taken_back())
    assert patient.then(taken_back()) == []


def test_of_a_patient_who_is_reported_dead_no_list_is_made() -> None:
    patient = in_care()
    patient.then(discharged(), PatientDied(died_at=None, reported_at=DISCHARGED))
    assert only(patient.then(taken_back()), MeetingListPrepared) == []
