"""What comes of the contacts after a discharge: answers, corrections, attempts, and those that nobody reported."""

from datetime import timedelta
from typing import Any

import pytest

from services.aftercare.contacts import CRISIS, OVERDUE, RETURN_TO_USE, UNREAD
from services.aftercare.messages import (
    CompleteFollowUp,
    ContactAttempted,
    CorrectFollowUp,
    DeathWithdrawn,
    FollowUpCompleted,
    FollowUpFellDue,
    PatientDied,
    Reach,
    RecordAttempt,
    ResolveEscalation,
)
from shared.events.contact import Answer
from shared.events.escalation import EscalationRaised, EscalationResolved, EscalationRetracted, EscalationUpdated
from shared.events.outreach import OutreachOutcome
from shared.rules.decision import Refused
from tests.aftercare.given import DISCHARGED, SECOND_EPISODE, admitted, discharged
from tests.aftercare.story import Story, in_care, plan_contacts, raised_for
from tests.story import names, only

DAY = timedelta(days=1)
ABSTINENT, USING = Answer("abstinence", "abstinent"), Answer("abstinence", "using")
CRISIS_NOW, HOUSED = Answer("safety", "in-crisis"), Answer("housing", "housed")


def due(disposition: str = "completed", days: int = 3) -> tuple[Story, FollowUpFellDue]:
    """A patient whose latest contact of so many days waits for a person."""
    patient = in_care()
    patient.then(discharged(disposition))
    return patient, plan_contacts(patient.until(DISCHARGED + days * DAY))[-1]


def completed(contact: FollowUpFellDue, *answers: Answer, reach: Reach = "reached") -> CompleteFollowUp:
    return CompleteFollowUp(task_id=contact.follow_up_id, reach=reach, by="case-manager-1", answers=answers)


def corrected(contact: FollowUpFellDue, *answers: Answer, reach: Reach = "reached") -> CorrectFollowUp:
    return CorrectFollowUp(
        task_id=contact.follow_up_id,
        reach=reach,
        by="case-manager-1",
        due_at=contact.due_at,
        act_by=contact.act_by,
        answers=answers,
    )


def test_what_the_patient_answered_is_recorded_by_code_and_asks_nobody_where_all_is_well() -> None:
    patient, contact = due()
    (done,) = patient.then(completed(contact, ABSTINENT, HOUSED))
    assert isinstance(done, FollowUpCompleted)
    assert done.answers == (ABSTINENT, HOUSED)
    task: Any = done.write("patient")[0]
    assert [each["valueCodeableConcept"]["coding"][0]["code"] for each in task["output"]] == ["abstinent", "housed"]


@pytest.mark.parametrize(
    ("answer", "reason", "tier", "owner"),
    [
        (USING, RETURN_TO_USE, 3, "clinician"),
        (CRISIS_NOW, CRISIS, 4, "on-call-clinician"),
        (Answer("work", "uncoded"), UNREAD, 1, "case-manager"),
    ],
)
def test_an_answer_that_asks_a_person_is_escalated_with_the_task_it_stands_in(
    answer: Answer, reason: str, tier: int, owner: str
) -> None:
    patient, contact = due()
    (raised,) = only(patient.then(completed(contact, answer)), EscalationRaised)
    asked = raised.escalation
    assert (asked.reason, asked.tier, asked.owner) == (reason, tier, owner)
    assert [each.evidence for each in asked.signals] == [f"Task/{contact.follow_up_id}"]


def test_who_is_in_crisis_and_using_is_asked_for_twice_the_graver_first() -> None:
    patient, contact = due()
    raised = only(patient.then(completed(contact, USING, CRISIS_NOW)), EscalationRaised)
    assert [each.escalation.tier for each in raised] == [4, 3]


def test_an_answer_that_is_corrected_takes_back_what_it_asked_and_says_the_contact_anew() -> None:
    patient, contact = due()
    patient.then(completed(contact, USING))
    done, retracted = patient.then(corrected(contact, ABSTINENT))
    assert isinstance(done, FollowUpCompleted) and isinstance(retracted, EscalationRetracted)
    assert (done.corrects, done.answers, done.due_at, done.act_by) == (
        True,
        (ABSTINENT,),
        contact.due_at,
        contact.act_by,
    )
    assert (retracted.escalation.reason, retracted.reason) == (RETURN_TO_USE, "contact-corrected")
    assert patient.then(corrected(contact, ABSTINENT)) == []


def test_a_worse_answer_that_a_correction_brings_is_escalated() -> None:
    patient, contact = due()
    patient.then(completed(contact, ABSTINENT))
    (raised,) = only(patient.then(corrected(contact, CRISIS_NOW)), EscalationRaised)
    assert raised.escalation.tier == 4


def test_what_a_person_resolved_is_not_raised_anew_by_another_correction() -> None:
    patient, contact = due()
    (raised,) = only(patient.then(completed(contact, USING)), EscalationRaised)
    patient.then(ResolveEscalation(escalation_id=raised.escalation.id, reason="safety-plan-made"))
    assert names(patient.then(corrected(contact, USING, HOUSED))) == ["FollowUpCompleted"]


def test_of_two_contacts_that_say_the_same_one_that_is_corrected_leaves_the_other() -> None:
    patient, first = due()
    patient.then(completed(first, USING))
    (second,) = plan_contacts(patient.until(DISCHARGED + 7 * DAY))
    (both,) = only(patient.then(completed(second, USING), at=DISCHARGED + 8 * DAY), EscalationUpdated)
    assert len(both.escalation.signals) == 2
    (left,) = only(patient.then(corrected(second)), EscalationUpdated)
    assert [each.evidence for each in left.escalation.signals] == [f"Task/{first.follow_up_id}"]
    assert [each.evidence for each in left.gone] == [f"Task/{second.follow_up_id}"]


def test_a_new_stay_does_not_answer_what_the_patient_said() -> None:
    patient, contact = due()
    patient.then(completed(contact, CRISIS_NOW, USING))
    emitted = patient.then(admitted(SECOND_EPISODE))
    assert only(emitted, EscalationResolved) == []
    assert {each.escalation.reason for each in patient.state.escalations} == {CRISIS, RETURN_TO_USE}
    patient.then(discharged("deceased", SECOND_EPISODE))
    assert patient.state.escalations == ()


def test_a_contact_that_was_not_made_or_is_of_an_earlier_plan_is_not_corrected() -> None:
    patient, contact = due()
    assert isinstance(patient.refusal(corrected(contact)), Refused)
    patient.then(completed(contact), admitted(SECOND_EPISODE))
    assert names(patient.then(corrected(contact, reach="not-reached"))) == ["FollowUpCompleted"]
    patient.then(discharged("other", SECOND_EPISODE))
    assert isinstance(patient.refusal(corrected(contact)), Refused)


def test_the_last_contact_ends_the_plan_and_is_corrected_still() -> None:
    patient = in_care()
    patient.then(discharged())
    contacts = plan_contacts(patient.until(DISCHARGED + 400 * DAY))
    for each in contacts:
        patient.then(completed(each))
    assert patient.state.plan is None
    assert names(patient.then(corrected(contacts[-1], USING))) == ["FollowUpCompleted", "EscalationRaised"]


def test_a_contact_that_nobody_reports_in_its_window_asks_the_case_manager_once() -> None:
    patient, contact = due()
    assert raised_for(patient.until(contact.act_by - timedelta(seconds=1)), OVERDUE) == []
    (raised,) = only(patient.until(contact.act_by), EscalationRaised)
    asked = raised.escalation
    assert (asked.reason, asked.tier, asked.owner) == (OVERDUE, 1, "case-manager")
    assert [each.evidence for each in asked.signals] == [f"Task/{contact.follow_up_id}"]
    later = raised_for(patient.until(contact.act_by + 2 * DAY), OVERDUE)
    assert only(later, EscalationRaised) == []
    emitted = patient.then(completed(contact), at=contact.act_by + 2 * DAY)
    (resolved,) = only(emitted, EscalationResolved)
    assert (resolved.escalation.reason, resolved.reason) == (OVERDUE, "answered")


def test_a_late_contact_that_a_person_answered_for_is_not_asked_about_again() -> None:
    patient, contact = due()
    (raised,) = only(patient.until(contact.act_by), EscalationRaised)
    patient.then(ResolveEscalation(escalation_id=raised.escalation.id, reason="acted-on"), at=contact.act_by)
    (second,) = plan_contacts(patient.until(DISCHARGED + 7 * DAY))
    (later,) = only(raised_for(patient.until(second.act_by), OVERDUE), EscalationRaised)
    assert [each.evidence for each in later.escalation.signals] == [f"Task/{second.follow_up_id}"]


def test_of_two_that_are_late_the_one_that_is_reported_leaves_the_other() -> None:
    patient, first = due()
    (second,) = plan_contacts(patient.until(DISCHARGED + 7 * DAY))
    patient.until(second.act_by)
    (left,) = only(patient.then(completed(first), at=second.act_by), EscalationUpdated)
    assert [each.evidence for each in left.escalation.signals] == [f"Task/{second.follow_up_id}"]


def attempt(contact: FollowUpFellDue, outcome: OutreachOutcome = "no-answer") -> RecordAttempt:
    return RecordAttempt(
        task_id=contact.follow_up_id,
        channel="PHONE",
        outcome=outcome,
        at=contact.due_at,
        by="case-manager-1",
    )


def test_an_attempt_is_recorded_once_and_a_correction_of_it_is_the_same_attempt() -> None:
    patient, contact = due()
    (first,) = only(patient.then(attempt(contact)), ContactAttempted)
    assert (first.task_id, first.channel, first.outcome) == (contact.follow_up_id, "PHONE", "no-answer")
    assert patient.then(attempt(contact)) == []
    (again,) = only(patient.then(attempt(contact, "message")), ContactAttempted)
    assert again.attempt_id == first.attempt_id


def test_an_attempt_of_a_task_that_is_not_open_is_refused_and_of_one_that_was_made_is_not() -> None:
    patient, contact = due()
    patient.then(completed(contact))
    assert only(patient.then(attempt(contact)), ContactAttempted)
    not_due = CompleteFollowUp(task_id="8a5f3a50-7a0e-4b63-8a3b-6a3f0c1d2e01")
    unknown = RecordAttempt(task_id=not_due.task_id, channel="PHONE", outcome="reached", at=DISCHARGED)
    assert isinstance(patient.refusal(unknown), Refused)


def test_while_a_death_is_reported_a_correction_asks_nobody_and_once_withdrawn_what_was_said_asks_again() -> None:
    patient, contact = due()
    patient.then(completed(contact, CRISIS_NOW))
    patient.then(PatientDied(died_at=None, reported_at=DISCHARGED + 4 * DAY))
    assert patient.state.escalations == ()
    assert names(patient.then(corrected(contact, CRISIS_NOW, USING))) == ["FollowUpCompleted"]
    lives = patient.then(DeathWithdrawn(withdrawn_at=DISCHARGED + 5 * DAY))
    assert {each.escalation.reason for each in only(lives, EscalationRaised)} == {CRISIS, RETURN_TO_USE}
