"""Intake's decisions: what is emitted when a fact is consumed or a command told. Pure; the `match` is the contents."""

from typing import assert_never

from services.intake import messages as w
from services.intake.decide.recording import (
    consent_given,
    receive_referral,
    record_assessment,
    record_medications,
    report_findings,
)
from services.intake.decide.signals import signals_changed
from services.intake.decide.signing import complete_review, discharge, sign_placement
from services.intake.settings import Settings
from services.intake.state import State
from shared.events.envelope import Event
from shared.rules import escalation
from shared.rules.decision import Moment, Refused

__all__ = ["hear", "tell"]


def react(state: State, event: w.Consumes, moment: Moment[Settings]) -> list[Event]:
    match event:
        case w.EscalationRaised() | w.EscalationUpdated() | w.EscalationRetracted() | w.EscalationResolved():
            return signals_changed(state, event, moment)
        case w.TimePassed():
            return [*escalation.emit_overdue(state.open, moment.now)]
        case _:
            assert_never(event)


def decide(state: State, command: w.Commands, moment: Moment[Settings]) -> list[Event] | Refused:
    match command:
        case w.RecordPatient():
            return [w.PatientIdentified(digests=command.digests, sealed=command.sealed, identified_at=moment.now)]
        case w.RecordConsent():
            return [consent_given(command)]
        case w.RevokeConsent():
            return [w.ConsentRevoked(consent_id=command.consent_id, revoked_at=moment.now)]
        case w.RecordMedications():
            return record_medications(state, command, moment)
        case w.RecordCoverage():
            return []
        case w.ReportFindings():
            return report_findings(state, command, moment)
        case w.RecordAssessment() | w.RecordConditions():
            return record_assessment(state, command, moment)
        case w.ReceiveReferral():
            return receive_referral(state, command, moment)
        case w.SignPlacement():
            return sign_placement(state, command, moment)
        case w.CompleteReview():
            return complete_review(state, command, moment)
        case w.Discharge():
            return discharge(state, command, moment)
        case w.AcknowledgeEscalation():
            return escalation.acknowledge(state.open, command.escalation_id, moment)
        case w.ResolveEscalation():
            return escalation.resolve(state.open, command.escalation_id, command.reason, moment)
        case _:
            assert_never(command)
