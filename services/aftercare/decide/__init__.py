"""Every decision of aftercare: an event is never refused, a command can be. Pure; the `match` is the contents."""

from collections.abc import Sequence
from typing import assert_never

from services.aftercare.decide import candidates, outcomes, plan, referrals
from services.aftercare.decide.episode import admitted, died, discharged, lives, resumed
from services.aftercare.messages import (
    AcknowledgeEscalation,
    AskReferral,
    Commands,
    CompleteFollowUp,
    ConsentDenied,
    ConsentGiven,
    ConsentRevoked,
    ConsentsCurrent,
    Consumes,
    ContactKnown,
    DeathWithdrawn,
    DischargeWithdrawn,
    DisclosureGaveUp,
    DisclosureMade,
    DisclosureRefused,
    DisclosureWithheld,
    Emits,
    EpisodeAdmitted,
    EpisodeDischarged,
    PatientDied,
    PatientIdentified,
    ResolveEscalation,
    TimePassed,
    WithdrawReferral,
)
from services.aftercare.settings import Settings
from services.aftercare.state import State
from shared.rules import escalation
from shared.rules.decision import Moment, Refused

__all__ = ["decide", "react"]


def react(state: State, event: Consumes, moment: Moment[Settings]) -> Sequence[Emits]:
    """What aftercare emits after an event. Consumed again, it emits nothing new."""
    match event:
        case PatientIdentified() | ConsentsCurrent():
            return []
        case PatientDied():
            return died(state, moment)
        case DeathWithdrawn():
            return lives(state, moment)
        case ContactKnown():
            return referrals.contact_came(state, moment)
        case EpisodeAdmitted():
            return admitted(state, event, moment)
        case EpisodeDischarged():
            return discharged(state, event, moment)
        case DischargeWithdrawn():
            return resumed(state, event, moment)
        case ConsentGiven():
            return candidates.consented(state, event, moment)
        case ConsentDenied() | ConsentRevoked():
            return []  # what was sent cannot be recalled; what is asked for later the gate withholds
        case DisclosureMade() | DisclosureWithheld() | DisclosureRefused() | DisclosureGaveUp():
            return outcomes.came_of(state, event, moment)
        case TimePassed():
            return [
                *plan.fallen_due(state, moment),
                *referrals.time_passed(state, moment),
                *escalation.emit_overdue(state.escalations, moment.now),
            ]
        case _:
            assert_never(event)


def decide(state: State, command: Commands, moment: Moment[Settings]) -> Sequence[Emits] | Refused:
    """What aftercare emits on a command, or why it cannot be."""
    match command:
        case AskReferral():
            return referrals.asked(state, command, moment)
        case WithdrawReferral():
            return referrals.taken_back(state, command, moment)
        case CompleteFollowUp():
            return plan.completed(state.plan, command, moment)
        case AcknowledgeEscalation() | ResolveEscalation():
            return escalation.decide_escalation(state.escalations, command, moment)
        case _:
            assert_never(command)
