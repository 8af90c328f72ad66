"""Every decision of intake: an event is never refused, a command can be. Pure; the `match` is the contents."""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never, cast

from services.intake import messages
from services.intake.decide import (
    answering,
    care_elsewhere,
    clocks,
    covering,
    days,
    deceased,
    discharge,
    flags,
    plan,
    planning,
    priority,
    recertifying,
    referrals,
    referrers,
    seating,
    stages,
    weekly,
)
from services.intake.decide.course import Course
from services.intake.decide.placing import place
from services.intake.decide.recording import (
    end_evidence,
    identified,
    of_consent,
    record_assessment,
    record_medications,
    report_findings,
)
from services.intake.decide.reopening import reopened
from services.intake.decide.signals import signals_changed
from services.intake.decide.signing import complete_review, sign_placement
from services.intake.settings import Settings
from services.intake.state import State
from shared.rules import escalation
from shared.rules.decision import Moment, Refused

__all__ = ["decide", "react"]


def react(state: State, event: messages.Consumes, moment: Moment[Settings]) -> Sequence[messages.Emits]:
    """What intake emits after an event. Consumed again, it emits nothing new."""
    match event:
        case (
            messages.EscalationRaised()
            | messages.EscalationUpdated()
            | messages.EscalationRetracted()
            | messages.EscalationResolved()
            | messages.EscalationReopened()
            | messages.SignalsCorrected()
        ):
            return plan.assigned(state, event, signals_changed(state, event, moment))
        case messages.SeatGiven() | messages.SeatsFull():
            return _whole(state, event, seating.answered(state, event, moment), moment)
        case messages.TimePassed():
            return _time_passed(state, moment)
        case _:
            assert_never(event)


def _time_passed(state: State, moment: Moment[Settings]) -> list[messages.Emits]:
    recommended = state.recommended
    expired = recommended is not None and recommended.expires_at is not None and recommended.expires_at <= moment.now
    emitted: list[messages.Emits] = [
        *escalation.emit_overdue(state.escalations, moment.now),
        *clocks.fallen_due(state, moment),
        *weekly.missed(state, moment),
        *(place(state, moment) if expired else []),
    ]
    return _whole(state, messages.TimePassed(), emitted, moment)


def decide(state: State, command: messages.Commands, moment: Moment[Settings]) -> Sequence[messages.Emits] | Refused:
    """What intake emits on a command, or why it cannot be; what it answers is escalated no more."""
    decided = _decide(state, command, moment)
    if isinstance(decided, Refused):
        course = Course(state, None, cast(Sequence[messages.Emits], decided.asks), moment)
        for follows in ANSWERING:
            course.emit(follows(course))
        return replace(decided, asks=tuple(plan.assigned(state, None, course.emitted)))
    return _whole(state, command, decided, moment)


def _whole(
    state: State,
    cause: messages.Cause,
    decided: Sequence[messages.Emits],
    moment: Moment[Settings],
) -> list[messages.Emits]:
    """What was decided, and whatever follows from it."""
    course = Course(state, cause, decided, moment)
    for follows in FOLLOWING:
        course.emit(follows(course))
    return plan.assigned(state, cause, days.counted(course))


ANSWERING = (answering.of_referrals, referrers.changed, priority.followed, clocks.answered)
"""What follows for the referrals, their senders, and whoever is asked about them."""
FOLLOWING = (
    planning.followed,
    care_elsewhere.followed,
    stages.followed,
    recertifying.followed,
    *ANSWERING,
    flags.stated,
    plan.stated,
    weekly.followed,
    seating.followed,
)
"""What follows from every decision, in this order."""


def _decide(state: State, command: messages.Commands, moment: Moment[Settings]) -> Sequence[messages.Emits] | Refused:
    match command:
        case messages.RecordPatient():
            return [identified(command, moment)]
        case messages.ReportDeath() | messages.WithdrawDeath():
            return deceased.of_patient(state, command, moment)
        case messages.RecordConsent() | messages.DenyConsent() | messages.RevokeConsent():
            return [of_consent(command, moment)]
        case messages.RecordCoverage():
            return covering.recorded(state, command, moment)
        case messages.RecordCareDays():
            return []
        case messages.ReportFindings():
            return report_findings(state, command, moment)
        case messages.RecordMedications():
            return record_medications(state, command, moment)
        case messages.RecordAssessment() | messages.RecordConditions():
            return record_assessment(state, command, moment)
        case messages.EndEvidence():
            return end_evidence(state, command, moment)
        case messages.ReceiveReferral() | messages.CorrectReferral() | messages.RevokeReferral():
            return referrals.of_sender(state, command, moment)
        case messages.SignPlacement() | messages.SetPlan() | messages.CompleteReview() | messages.AdvanceStage():
            return _of_clinic(state, command, moment)
        case messages.Discharge() | messages.CorrectDischarge() | messages.WithdrawDischarge():
            return discharge.of_stay(state, command, moment)
        case messages.RecordTeam() | messages.RevisePlan():
            return plan.of_sender(state, command, moment)
        case messages.ReportCareElsewhere() | messages.EndCareElsewhere() | messages.WithdrawCareElsewhere():
            return care_elsewhere.of_care(state, command, moment)
        case messages.AcknowledgeEscalation() | messages.ActOnEscalation() | messages.HandOverEscalation():
            return escalation.decide_escalation(state.escalations, command, moment)
        case messages.ReopenEscalation():
            return reopened(state, command, moment)
        case messages.ResolveEscalation():
            return deceased.resolved(state, command, moment)
        case _:
            assert_never(command)


def _of_clinic(
    state: State,
    command: messages.SignPlacement | messages.SetPlan | messages.CompleteReview | messages.AdvanceStage,
    moment: Moment[Settings],
) -> Sequence[messages.Emits] | Refused:
    """What a person of the staff decides about the placement or the stay."""
    match command:
        case messages.SignPlacement():
            return sign_placement(state, command, moment)
        case messages.SetPlan():
            return planning.set_plan(state, command, moment)
        case messages.CompleteReview():
            return complete_review(state, command, moment)
        case messages.AdvanceStage():
            return stages.advanced(state, command, moment)
        case _:
            assert_never(command)
