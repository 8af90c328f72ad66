"""A referral on hold that nobody answers in time is escalated, once, until it is answered."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from services.aftercare.decide.answers import REASON
from services.aftercare.messages import (
    AcknowledgeEscalation,
    AskReferral,
    EscalationResolved,
    ReferralPrepared,
    WithdrawReferral,
)
from shared.events.escalation import EscalationOverdue, EscalationRaised, EscalationUpdated
from tests.aftercare.decide.test_candidates import SEVERAL
from tests.aftercare.decide.test_one_at_a_time import Course, courses, step
from tests.aftercare.given import (
    CONSENT,
    DISCHARGED,
    IDENTIFIED,
    SECOND_EPISODE,
    admitted,
    discharged,
    made,
    withheld,
)
from tests.aftercare.story import Story, in_care, on_hold_for_alumni, raised_for
from tests.laws import examples
from tests.story import names, only

THIRD_DAY, SECOND = DISCHARGED + timedelta(hours=72), timedelta(seconds=1)
LATE = DISCHARGED + timedelta(days=10)


def escalated() -> tuple[Story, ReferralPrepared]:
    patient, alumni = on_hold_for_alumni()
    patient.until(THIRD_DAY)
    return patient, alumni


def test_a_referral_on_hold_is_escalated_after_72_hours_to_the_case_manager() -> None:
    patient, alumni = on_hold_for_alumni()
    assert only(patient.until(THIRD_DAY - SECOND), EscalationRaised) == []
    (raised,) = only(patient.until(THIRD_DAY), EscalationRaised)
    asked = raised.escalation
    assert (asked.reason, asked.tier, asked.owner) == ("referral-on-hold", 1, "case-manager")
    assert [each.evidence for each in asked.signals] == [f"Task/{alumni.task_id}"]


def test_it_becomes_overdue_once_when_nobody_takes_that_on() -> None:
    patient, _ = escalated()
    emitted = patient.until(DISCHARGED + timedelta(days=59))
    (overdue,) = only(raised_for(emitted, REASON), EscalationOverdue)
    assert overdue.escalation.tier == 2
    assert only(raised_for(emitted, REASON), EscalationRaised) == []


def test_what_goes_to_the_gate_and_comes_back_is_not_escalated_a_second_time() -> None:
    patient, _ = escalated()
    for days in (10, 20):
        at = DISCHARGED + timedelta(days=days)
        consent = replace(CONSENT, consent_id=f"consent-{days}")
        (again,) = only(patient.then(consent, at=at), ReferralPrepared)
        patient.then(withheld(again, 999, reason="consent-lacks-a-field"), at=at)
    assert only(raised_for(patient.until(DISCHARGED + timedelta(days=59)), REASON), EscalationRaised) == []


def test_looking_at_the_gate_anew_gives_nobody_more_time() -> None:
    patient, _ = on_hold_for_alumni()
    at = THIRD_DAY - timedelta(hours=1)
    (again,) = only(patient.then(CONSENT, at=at), ReferralPrepared)
    patient.then(withheld(again, 999, reason="consent-lacks-a-field"), at=at)
    assert only(patient.until(THIRD_DAY), EscalationRaised)


@pytest.mark.parametrize("reason", ["consent-revoked", "consent-denied"])
def test_a_patients_no_asks_nobody_and_is_escalated_to_nobody(reason: str) -> None:
    patient = in_care()
    alumni, clinic = only(patient.then(discharged()), ReferralPrepared)
    patient.then(withheld(alumni, reason=reason), made(clinic))
    assert only(raised_for(patient.until(DISCHARGED + timedelta(days=59)), REASON), EscalationRaised) == []


def test_a_consent_that_begins_later_is_not_asked_for_before_that() -> None:
    patient = in_care()
    alumni, clinic = only(patient.then(discharged()), ReferralPrepared)
    begins = DISCHARGED + timedelta(days=9)
    patient.then(withheld(alumni, 999, "consent-not-yet-in-force", begins), made(clinic))
    assert raised_for(patient.until(begins), REASON) == []


def test_the_escalation_ends_when_the_partner_has_it_or_a_person_takes_it_back() -> None:
    patient, _ = escalated()
    (again,) = only(patient.then(CONSENT, at=THIRD_DAY), ReferralPrepared)
    (resolved,) = only(patient.then(made(again), at=THIRD_DAY), EscalationResolved)
    assert resolved.reason == "answered"
    patient, alumni = escalated()
    emitted = patient.then(WithdrawReferral(task_id=alumni.task_id), at=THIRD_DAY)
    assert names(emitted) == ["ReferralWithdrawn", "EscalationResolved"]
    patient, _ = escalated()
    (again,) = only(patient.then(CONSENT, at=THIRD_DAY), ReferralPrepared)
    (resolved,) = only(patient.then(withheld(again, 999, "consent-denied"), at=THIRD_DAY), EscalationResolved)
    assert resolved.reason == "answered"


def test_of_two_the_one_that_is_answered_leaves_the_escalation_to_the_other() -> None:
    patient = in_care()
    alumni, clinic = only(patient.then(discharged()), ReferralPrepared)
    patient.then(withheld(alumni), withheld(clinic))
    patient.until(THIRD_DAY)
    (updated,) = only(patient.then(WithdrawReferral(task_id=alumni.task_id), at=THIRD_DAY), EscalationUpdated)
    assert [each.evidence for each in updated.escalation.signals] == [f"Task/{clinic.task_id}"]


def test_of_two_that_nobody_took_on_in_time_the_one_that_is_left_is_still_overdue() -> None:
    patient = in_care()
    alumni, clinic = only(patient.then(discharged()), ReferralPrepared)
    patient.then(withheld(alumni), withheld(clinic))
    (overdue,) = only(raised_for(patient.until(LATE), REASON), EscalationOverdue)
    (updated,) = only(patient.then(WithdrawReferral(task_id=alumni.task_id), at=LATE), EscalationUpdated)
    assert (updated.overdue, updated.escalation.tier) == (True, overdue.escalation.tier)


def test_a_residence_on_hold_is_still_escalated_when_the_stay_ends_or_another_begins() -> None:
    patient = in_care()
    ask = AskReferral(
        referral_id="6f0f4f63-54f8-4d3d-8a1c-3a9e0d5b7c13", partner="riverbend-house", kind="recovery-residence"
    )
    (house,) = only(patient.then(ask, at=DISCHARGED), ReferralPrepared)
    patient.then(withheld(house))
    (raised,) = only(patient.until(THIRD_DAY), EscalationRaised)
    patient.then(AcknowledgeEscalation(escalation_id=raised.escalation.id, by="case-manager-1"), at=THIRD_DAY)
    emitted = patient.then(discharged("ama"), at=THIRD_DAY)
    emitted += patient.then(admitted(SECOND_EPISODE), at=THIRD_DAY)
    assert all(each.escalation.id != raised.escalation.id for each in only(emitted, EscalationResolved))


@settings(max_examples=examples(200))
@given(courses)
def test_of_any_course_a_referral_is_escalated_at_most_once(course: Course) -> None:
    patient, now, seen = Story(IDENTIFIED, admitted(), discharged(), settings=SEVERAL), DISCHARGED, set[str]()
    for what, passed, chosen in course:
        now += passed
        patient.until(now)
        step(patient, what, chosen, now)
        patient.until(now)
    for each in only(patient.all_emitted, EscalationRaised):
        if each.escalation.reason == "referral-on-hold":
            tasks = evidence(each)
            assert not tasks & seen
            seen |= tasks


def evidence(event: EscalationRaised) -> set[str]:
    return {each.evidence for each in event.escalation.signals}
