"""Who left early, or was not reached twice in a row, is asked back for 30 days, on days and by Tasks of its own."""

from datetime import datetime, timedelta

import pytest

from services.aftercare.contacts import RE_ENGAGED
from services.aftercare.messages import (
    CompleteFollowUp,
    CorrectFollowUp,
    FollowUpCompleted,
    FollowUpFellDue,
    Reach,
    RecordAttempt,
    ReEngagementEnded,
    ResolveEscalation,
)
from shared.events.aftercare import RE_ENGAGEMENT
from shared.events.envelope import Event
from shared.events.escalation import EscalationRaised, EscalationResolved, EscalationRetracted
from tests.aftercare.given import DISCHARGED, EPISODE, SECOND_EPISODE, admitted, discharged
from tests.aftercare.story import Story, in_care, plan_contacts, raised_for
from tests.story import only

DAY = timedelta(days=1)


def asking_back(emitted: list[Event]) -> list[FollowUpFellDue]:
    return [each for each in only(emitted, FollowUpFellDue) if each.kind == RE_ENGAGEMENT]


def left(disposition: str = "ama") -> Story:
    patient = in_care()
    patient.then(discharged(disposition))
    return patient


def report(patient: Story, contact: FollowUpFellDue, reach: Reach, at: datetime | None = None) -> list[Event]:
    command = CompleteFollowUp(task_id=contact.follow_up_id, reach=reach, by="case-manager-1", made_at=at)
    return patient.then(command, at=at or contact.due_at)


@pytest.mark.parametrize("disposition", ["ama", "lost-to-contact"])
def test_who_left_early_is_asked_back_on_days_of_its_own_until_thirty_days_are_over(disposition: str) -> None:
    patient = left(disposition)
    emitted = patient.until(DISCHARGED + 29 * DAY)
    found = asking_back(emitted)
    assert [each.due_at - DISCHARGED for each in found] == [each * DAY for each in (1, 2, 5, 10, 18, 25)]
    assert {(each.episode_id, each.act_by - each.due_at) for each in found} == {(EPISODE, DAY)}
    overtaken = [each for each in only(emitted, FollowUpCompleted) if each.kind == RE_ENGAGEMENT]
    assert [each.outcome for each in overtaken] == ["overtaken"] * 5
    over = patient.until(DISCHARGED + 30 * DAY)
    (resolved,) = only(raised_for(over, RE_ENGAGED), EscalationResolved)
    assert resolved.reason == "re-engagement-over"
    assert [each.outcome for each in only(over, FollowUpCompleted)] == ["re-engagement-over"]
    assert asking_back(patient.until(DISCHARGED + 400 * DAY)) == []


def test_who_completed_and_is_reached_is_not_asked_back() -> None:
    patient = left("completed")
    assert asking_back(patient.until(DISCHARGED + 400 * DAY)) == []


def test_two_not_reached_in_a_row_begin_it_with_both_as_its_signals() -> None:
    patient = left("completed")
    first, second = plan_contacts(patient.until(DISCHARGED + 7 * DAY))
    assert raised_for(report(patient, first, "not-reached"), RE_ENGAGED) == []
    (raised,) = only(report(patient, second, "not-reached"), EscalationRaised)
    assert (raised.escalation.reason, raised.escalation.tier) == (RE_ENGAGED, 3)
    assert [each.code for each in raised.escalation.signals] == ["contact-not-reached"] * 2
    (due, *_) = asking_back(patient.until(second.due_at + 1 * DAY))
    assert due.due_at == second.due_at + DAY


def test_one_reached_between_two_that_were_not_begins_nothing() -> None:
    patient = left("completed")
    contacts = plan_contacts(patient.until(DISCHARGED + 14 * DAY))
    reaches: tuple[Reach, ...] = ("not-reached", "reached", "not-reached")
    for contact, reach in zip(contacts, reaches, strict=True):
        assert raised_for(report(patient, contact, reach), RE_ENGAGED) == []


def test_it_ends_when_the_patient_is_reached_by_whichever_contact() -> None:
    patient = left()
    (back,) = asking_back(patient.until(DISCHARGED + DAY))
    emitted = report(patient, back, "reached")
    (resolved,) = only(emitted, EscalationResolved)
    assert (resolved.escalation.reason, resolved.reason) == (RE_ENGAGED, "reached")
    assert only(emitted, ReEngagementEnded)
    patient = left()
    (contact,) = plan_contacts(patient.until(DISCHARGED + 3 * DAY))
    (of_plan, back_again) = only(report(patient, contact, "reached"), FollowUpCompleted)
    assert (of_plan.outcome, back_again.kind, back_again.outcome) == ("reached", RE_ENGAGEMENT, "re-engaged")
    assert asking_back(patient.until(DISCHARGED + 400 * DAY)) == []


def test_an_attempt_or_an_answer_of_the_escalation_that_reached_the_patient_ends_it() -> None:
    patient = in_care()
    (raised,) = only(patient.then(discharged("ama")), EscalationRaised)
    identity = raised.escalation.id
    at = DISCHARGED + timedelta(hours=2)
    reached = RecordAttempt(task_id=identity, channel="PHONE", outcome="reached", at=at, by="case-manager-1")
    assert only(patient.then(reached, at=at), ReEngagementEnded)
    patient = in_care()
    (raised,) = only(patient.then(discharged("ama")), EscalationRaised)
    resolve = ResolveEscalation(escalation_id=raised.escalation.id, reason="patient-reached")
    assert only(patient.then(resolve, at=at), ReEngagementEnded)


def test_resolved_otherwise_the_contacts_go_on_and_nobody_is_escalated_to_again() -> None:
    patient = in_care()
    (raised,) = only(patient.then(discharged("ama")), EscalationRaised)
    patient.then(ResolveEscalation(escalation_id=raised.escalation.id, reason="acted-on"), at=DISCHARGED)
    emitted = patient.until(DISCHARGED + 29 * DAY)
    assert len(asking_back(emitted)) == 6
    assert raised_for(emitted, RE_ENGAGED) == []


def test_a_readmission_ends_it_and_the_next_stay_begins_anew() -> None:
    patient = left()
    patient.until(DISCHARGED + DAY)
    patient.then(admitted(SECOND_EPISODE), at=DISCHARGED + 2 * DAY)
    assert patient.state.contacts.re_engagement is None
    assert asking_back(patient.until(DISCHARGED + 400 * DAY)) == []
    patient.then(discharged("ama", SECOND_EPISODE))
    assert patient.state.contacts.re_engagement is not None


def test_a_contact_corrected_to_reached_ends_it_and_one_corrected_to_not_reached_begins_it() -> None:
    patient = left("completed")
    first, second = plan_contacts(patient.until(DISCHARGED + 7 * DAY))
    report(patient, first, "not-reached")
    report(patient, second, "reached")

    def correct(reach: Reach) -> list[Event]:
        return patient.then(
            CorrectFollowUp(
                task_id=second.follow_up_id, reach=reach, by="x", due_at=second.due_at, act_by=second.act_by
            )
        )

    assert only(correct("not-reached"), EscalationRaised)
    assert only(correct("reached"), EscalationResolved)


def test_a_discharge_that_was_none_against_advice_takes_it_back() -> None:
    patient = left()
    (retracted,) = only(patient.then(discharged("other")), EscalationRetracted)
    assert (retracted.escalation.reason, retracted.reason) == (RE_ENGAGED, "discharge-corrected")
    assert patient.state.contacts.re_engagement is None


def test_after_it_is_over_two_more_that_are_not_reached_begin_another_with_tasks_of_its_own() -> None:
    patient = left()
    before = asking_back(patient.until(DISCHARGED + 31 * DAY))
    for days in (60, 90):
        contact = plan_contacts(patient.until(DISCHARGED + days * DAY))[-1]
        emitted = report(patient, contact, "not-reached")
    assert only(emitted, EscalationRaised)
    after = asking_back(patient.until(DISCHARGED + 92 * DAY))
    assert after and not {each.follow_up_id for each in before} & {each.follow_up_id for each in after}
