"""A person asks for a referral; people are asked back."""

from datetime import timedelta

import pytest

from services.aftercare.messages import (
    AcknowledgeEscalation,
    AskReferral,
    ConsentsCurrent,
    ReferralPrepared,
    ResolveEscalation,
)
from shared.events.escalation import EscalationOverdue, EscalationRaised
from shared.rules.decision import Refused
from tests.aftercare.given import DISCHARGED, IDENTIFIED, NEXT_DAY, admitted, discharged
from tests.aftercare.story import Story, in_care, on_hold_for_alumni
from tests.story import names, only

REFERRAL = "6f0f4f63-54f8-4d3d-8a1c-3a9e0d5b7c11"


def test_a_case_manager_asks_for_a_referral_during_care() -> None:
    patient = in_care()
    command = AskReferral(referral_id=REFERRAL, partner="riverbend-house", kind="recovery-residence")
    (prepared,) = only(patient.then(command), ReferralPrepared)
    assert (prepared.referral_id, prepared.partner, prepared.purpose) == (REFERRAL, "house", "recovery-residence")
    assert patient.then(command) == [] and patient.refused is None


@pytest.mark.parametrize(
    ("partner", "kind", "code", "place"),
    [
        ("alcoholics-anonymous", "alumni", "business-rule", "ServiceRequest.performer"),
        ("nobody", "alumni", "not-found", "ServiceRequest.performer"),
        ("alumni", "alumni", "not-found", "ServiceRequest.performer"),
        ("riverbend-alumni", "step-down", "business-rule", "ServiceRequest.code"),
    ],
)
def test_a_referral_that_cannot_be_is_refused_at_its_place(partner: str, kind: str, code: str, place: str) -> None:
    answer = in_care().refusal(AskReferral(referral_id=REFERRAL, partner=partner, kind=kind))
    assert isinstance(answer, Refused)
    assert (answer.code, answer.expression) == (code, place)
    assert partner not in answer.reason


def test_a_referral_of_a_patient_never_heard_of_is_refused() -> None:
    answer = Story().refusal(AskReferral(referral_id=REFERRAL, partner="riverbend-alumni", kind="alumni"))
    assert isinstance(answer, Refused) and answer.expression == "ServiceRequest.subject"


def test_a_referral_of_a_patient_who_died_is_refused() -> None:
    patient = Story(IDENTIFIED, admitted(), discharged("deceased"))
    answer = patient.refusal(AskReferral(referral_id=REFERRAL, partner="riverbend-alumni", kind="alumni"))
    assert isinstance(answer, Refused) and answer.code == "business-rule"


def test_a_second_open_referral_to_the_same_partner_is_a_duplicate() -> None:
    patient, _ = on_hold_for_alumni()
    answer = patient.refusal(AskReferral(referral_id=REFERRAL, partner="riverbend-alumni", kind="alumni"))
    assert isinstance(answer, Refused) and answer.code == "duplicate"


def test_discharge_prepares_no_second_referral_where_one_is_open() -> None:
    patient = in_care()
    patient.then(AskReferral(referral_id=REFERRAL, partner="riverbend-alumni", kind="alumni"))
    assert [each.partner for each in only(patient.then(discharged()), ReferralPrepared)] == ["clinic"]


def test_re_engagement_nobody_acknowledges_is_overdue_once() -> None:
    patient = in_care()
    patient.then(discharged("ama"))
    assert len(only(patient.until(DISCHARGED + timedelta(days=2)), EscalationOverdue)) == 1


def test_re_engagement_is_acknowledged_and_resolved_by_a_person() -> None:
    patient = in_care()
    (raised,) = only(patient.then(discharged("ama")), EscalationRaised)
    identity = raised.escalation.id
    assert names(patient.then(AcknowledgeEscalation(escalation_id=identity))) == ["EscalationAcknowledged"]
    assert patient.until(raised.escalation.act_by - timedelta(seconds=1)) == []
    (overdue,) = only(patient.until(DISCHARGED + timedelta(days=2)), EscalationOverdue)
    assert overdue.accepted
    resolve = ResolveEscalation(escalation_id=identity, reason="patient-reached")
    assert names(patient.then(resolve)) == ["EscalationResolved", "FollowUpCompleted", "ReEngagementEnded"]
    assert patient.refusal(resolve)


def test_the_ledgers_heartbeat_is_nothing_to_decide() -> None:
    assert in_care().then(ConsentsCurrent(), at=NEXT_DAY) == []
