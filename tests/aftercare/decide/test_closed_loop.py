"""A partner answers its referral: how far it is, who is next after a no, whom silence asks, and what is refused."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from services.aftercare.answers.closed_loop import RECEIVED_MOST, Received, with_sent
from services.aftercare.decide.closed_loop import APPOINTMENT_DAYS_MOST, UNANSWERED
from services.aftercare.messages import (
    AskReferral,
    PartnerAnswered,
    ReferralPrepared,
    ReferralSent,
    ReferralWithdrawn,
    WithdrawReferral,
)
from shared.events.aftercare import ANSWERED_DAYS_MOST, AnswerStep
from shared.events.escalation import EscalationRaised, EscalationResolved
from tests.aftercare.decide.test_candidates import SEVERAL
from tests.aftercare.decide.test_referrer_answers import DIED
from tests.aftercare.given import DISCHARGED, IDENTIFIED, SECOND_EPISODE, accepted, admitted, answer, discharged, made
from tests.aftercare.story import Story, in_care, raised_for
from tests.laws import examples
from tests.story import names, only

FIVE_DAYS, HOUR = DISCHARGED + timedelta(days=5), timedelta(hours=1)
LATER = DISCHARGED + timedelta(days=2)
HOUSE_ASKED = AskReferral(
    referral_id="6f0f4f63-54f8-4d3d-8a1c-3a9e0d5b7c13", partner="riverbend-house", kind="recovery-residence"
)


def sent() -> tuple[Story, ReferralPrepared, ReferralPrepared]:
    """Discharged; the alumni group and the clinic have a referral each, and a second alumni group waits for a turn."""
    patient = Story(IDENTIFIED, admitted(), settings=SEVERAL)
    alumni, clinic = only(patient.then(discharged()), ReferralPrepared)
    patient.then(made(alumni), made(clinic))
    return patient, alumni, clinic


def standing(patient: Story, referral: ReferralPrepared) -> Received:
    return next(each for each in patient.state.received if each.referral_id == referral.referral_id)


def reasons(patient: Story) -> list[str]:
    return [each.escalation.reason for each in patient.state.escalations]


def test_each_step_of_a_referral_is_emitted_and_stands() -> None:
    patient, alumni, _ = sent()
    steps: list[AnswerStep] = ["received", "accepted", "scheduled", "unattended", "scheduled", "attended"]
    for hours, step in enumerate(steps, 1):
        at = DISCHARGED + timedelta(hours=hours)
        (answered,) = only(patient.then(answer(alumni, step, at), at=at), PartnerAnswered)
        assert (answered.step, answered.answered_at, answered.client) == (step, at, "case-manager")
        assert standing(patient, alumni).step == step
    assert names(patient.then(answer(alumni, "completed", LATER), at=LATER)) == ["PartnerAnswered"]


def test_who_declines_makes_room_for_the_next_candidate_once() -> None:
    patient, alumni, _ = sent()
    no = answer(alumni, "declined", LATER, reason="no-capacity")
    answered, following = patient.then(no, at=LATER)
    assert isinstance(answered, PartnerAnswered)
    assert isinstance(following, ReferralPrepared)
    assert (answered.reason, following.partner) == ("no-capacity", "alumni-2")
    assert patient.then(no, at=LATER) == []
    assert reasons(patient) == []
    patient.then(made(following))
    assert names(patient.then(answer(following, "attended", LATER), at=LATER)) == ["PartnerAnswered"]


def test_where_nobody_is_next_a_no_asks_the_case_manager() -> None:
    patient, _, clinic = sent()
    emitted = patient.then(answer(clinic, "declined", LATER, reason="not-eligible"), at=LATER)
    (raised,) = only(emitted, EscalationRaised)
    assert (raised.escalation.reason, raised.escalation.owner) == ("partner-declined", "case-manager")
    assert [each.evidence for each in raised.escalation.signals] == [f"Task/{clinic.task_id}"]


def test_of_what_a_person_asked_for_a_no_asks_a_person() -> None:
    patient = in_care()
    (house,) = only(patient.then(HOUSE_ASKED), ReferralPrepared)
    patient.then(made(house))
    patient.then(answer(house, "declined", LATER, reason="no-capacity"), at=LATER)
    assert reasons(patient) == ["partner-declined"]


def test_silence_of_five_days_asks_the_case_manager_once_until_the_partner_answers() -> None:
    patient, alumni, clinic = sent()
    assert raised_for(patient.until(FIVE_DAYS - timedelta(seconds=1)), UNANSWERED) == []
    (raised,) = only(raised_for(patient.until(FIVE_DAYS), UNANSWERED), EscalationRaised)
    assert {each.evidence for each in raised.escalation.signals} == {
        f"Task/{each.task_id}" for each in (alumni, clinic)
    }
    at = FIVE_DAYS + HOUR
    assert "EscalationUpdated" in names(patient.then(accepted(alumni, at), at=at))
    (resolved,) = only(patient.then(accepted(clinic, at), at=at), EscalationResolved)
    assert resolved.reason == "answered"
    assert only(raised_for(patient.until(FIVE_DAYS + timedelta(days=30)), UNANSWERED), EscalationRaised) == []


def test_a_partner_of_other_days_is_waited_for_so_long() -> None:
    slow = replace(SEVERAL, partners=tuple(replace(each, answer_days=20) for each in SEVERAL.partners))
    patient = Story(IDENTIFIED, admitted(), settings=slow)
    alumni, clinic = only(patient.then(discharged()), ReferralPrepared)
    patient.then(made(alumni), made(clinic))
    assert raised_for(patient.until(DISCHARGED + timedelta(days=19)), UNANSWERED) == []
    assert raised_for(patient.until(DISCHARGED + timedelta(days=20)), UNANSWERED) != []


def test_where_the_patient_did_not_come_the_case_manager_is_asked_until_they_have_another_time() -> None:
    patient, alumni, _ = sent()
    patient.then(answer(alumni, "unattended", LATER), at=LATER)
    assert reasons(patient) == ["partner-unattended"]
    emitted = patient.then(answer(alumni, "scheduled", LATER + HOUR), at=LATER + HOUR)
    assert names(emitted) == ["PartnerAnswered", "EscalationResolved"]


def test_what_is_not_brought_to_an_end_in_ninety_days_is_waited_for_no_more() -> None:
    patient, alumni, clinic = sent()
    patient.then(accepted(alumni, LATER), answer(clinic, "attended", LATER), at=LATER)
    withdrawn = only(patient.until(DISCHARGED + timedelta(days=ANSWERED_DAYS_MOST)), ReferralWithdrawn)
    assert [(each.partner, each.reason) for each in withdrawn] == [("alumni", "not-answered")]
    assert patient.refusal(accepted(alumni, patient.now), at=patient.now).code == "conflict"


@pytest.mark.parametrize("kind", ["by-staff", "readmitted", "deceased"])
def test_an_answer_after_the_referral_was_taken_back_is_refused(kind: str) -> None:
    patient, alumni, _ = sent()
    if kind == "by-staff":
        patient.then(WithdrawReferral(task_id=alumni.task_id), at=LATER)
    elif kind == "readmitted":
        patient.then(admitted(SECOND_EPISODE), at=LATER)
    else:
        patient.then(discharged("deceased"), at=LATER)
    assert all(each.referral_id != alumni.referral_id for each in patient.state.received)
    assert patient.refusal(accepted(alumni, LATER), at=LATER).expression == "Task.status"
    raised = only(patient.until(DISCHARGED + timedelta(days=60)), EscalationRaised)
    assert all(f"Task/{alumni.task_id}" != signal.evidence for each in raised for signal in each.escalation.signals)


def test_of_a_patient_reported_dead_nobody_is_asked_and_answers_are_still_taken() -> None:
    patient, alumni, clinic = sent()
    patient.then(DIED, at=LATER)
    patient.then(answer(alumni, "unattended", LATER), at=LATER)
    patient.then(answer(clinic, "declined", LATER, reason="not-reached"), at=LATER)
    assert standing(patient, alumni).step == "unattended"
    assert only(patient.until(FIVE_DAYS), EscalationRaised) == []


def test_another_partner_answers_nothing_of_it() -> None:
    patient, alumni, _ = sent()
    assert patient.refusal(replace(accepted(alumni, LATER), partner="clinic"), at=LATER).code == "conflict"
    assert standing(patient, alumni).step == "sent"


def test_after_a_no_nothing_is_planned_any_more_and_that_the_patient_came_stands_over_it() -> None:
    patient, alumni, _ = sent()
    patient.then(answer(alumni, "declined", LATER, reason="other"), at=LATER)
    assert patient.refusal(accepted(alumni, LATER + HOUR), at=LATER + HOUR).expression == "Task.businessStatus"
    patient.then(answer(alumni, "attended", LATER - HOUR), at=LATER + HOUR)
    assert standing(patient, alumni).step == "attended"


def test_an_older_answer_than_the_one_that_stands_is_refused_and_not_lost_in_silence() -> None:
    patient, alumni, _ = sent()
    patient.then(answer(alumni, "scheduled", LATER), at=LATER)
    assert patient.then(answer(alumni, "scheduled", LATER), at=LATER) == []
    assert patient.refused is None
    assert patient.refusal(accepted(alumni, LATER - HOUR), at=LATER).expression == "Task.lastModified"
    assert standing(patient, alumni).step == "scheduled"


def test_a_time_before_the_referral_or_years_ahead_is_refused() -> None:
    patient, alumni, _ = sent()
    early = accepted(alumni, DISCHARGED - timedelta(days=1))
    assert patient.refusal(early, at=LATER).expression == "Task.lastModified"
    for appointment in (DISCHARGED - timedelta(days=2), LATER + timedelta(days=APPOINTMENT_DAYS_MOST + 1)):
        wrong = replace(answer(alumni, "scheduled", LATER), appointment_at=appointment)
        assert patient.refusal(wrong, at=LATER).expression == "Task.output"


def test_of_too_many_the_oldest_that_is_over_is_forgotten() -> None:
    known: tuple[Received, ...] = ()
    for number in range(RECEIVED_MOST + 1):
        known = with_sent(known, _sent(number))
        if number == 3:
            known = (*known[:3], replace(known[3], step="completed"))
    assert [each.partner for each in known] == [str(each) for each in range(RECEIVED_MOST + 1) if each != 3]


def _sent(number: int) -> ReferralSent:
    at = DISCHARGED + timedelta(hours=number)
    return ReferralSent(
        referral_id=str(number),
        task_id="task",
        partner=str(number),
        kind="alumni",
        purpose="alumni",
        attempt=1,
        asked_at=at,
        at=at,
        consent_id=None,
    )


GivenAnswer = tuple[AnswerStep, datetime, datetime | None, str]
moments = some.integers(0, 40).map(lambda hours: DISCHARGED + timedelta(hours=hours))


@some.composite
def given_answers(draw: some.DrawFn) -> list[GivenAnswer]:
    steps: some.SearchStrategy[AnswerStep] = some.sampled_from(get_args(AnswerStep))
    reason = some.sampled_from(["no-capacity", "other"])
    return draw(some.lists(some.tuples(steps, moments, some.none() | moments, reason), min_size=1, max_size=7))


def outcome(answers: Sequence[GivenAnswer], writers: Sequence[str]) -> tuple[object, ...]:
    """Of these answers, each by its writer: empty for the partner itself, else who of the staff wrote it down."""
    patient, alumni, _ = sent()
    for (step, at, appointment, reason), by in zip(answers, writers, strict=True):
        command = replace(
            answer(alumni, step, at), appointment_at=appointment, reason=reason if step == "declined" else "", by=by
        )
        patient.then(command, at=LATER)
    stands = standing(patient, alumni)
    newest = [each for each in patient.all_emitted if isinstance(each, PartnerAnswered)][-1]
    assert (newest.step, newest.answered_at) == (stands.step, stands.answered_at)
    return (stands.step, stands.answered_at, stands.appointment_at, stands.reason)


@given(given_answers(), some.randoms())
@settings(max_examples=examples(100))
def test_any_order_and_any_repetition_of_answers_by_anybody_come_to_one_state(
    answers: list[GivenAnswer], chance: Random
) -> None:
    again = [*answers, *answers]
    chance.shuffle(again)
    writers = [chance.choice(("", "case-manager-1")) for _ in again]
    assert outcome(again, writers) == outcome(answers, [""] * len(answers))


def test_what_the_staff_wrote_down_names_who_of_them() -> None:
    patient, alumni, _ = sent()
    written = replace(accepted(alumni, LATER), by="case-manager-1")
    (answered,) = only(patient.then(written, at=LATER), PartnerAnswered)
    assert (answered.partner, answered.by) == ("alumni", "case-manager-1")
    assert patient.then(accepted(alumni, LATER), at=LATER) == []
