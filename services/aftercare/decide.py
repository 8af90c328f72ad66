"""What aftercare emits to each fact and each command. Pure; a fact is never refused, a command can be."""

from typing import assert_never

from services.aftercare import plan, referrals
from services.aftercare.messages import (
    AcknowledgeEscalation,
    AskReferral,
    Commands,
    CompleteFollowUp,
    ConsentGiven,
    ConsentRevoked,
    ConsentsCurrent,
    Consumes,
    ContactKnown,
    DisclosureGaveUp,
    DisclosureMade,
    DisclosureRefused,
    DisclosureWithheld,
    EpisodeAdmitted,
    EpisodeDischarged,
    PatientIdentified,
    ResolveEscalation,
    TimePassed,
)
from services.aftercare.settings import Settings
from services.aftercare.state import InCare, State, begins, ends
from shared.events.envelope import Event
from shared.rules import escalation
from shared.rules.decision import Moment, Refused


def react(state: State, event: Consumes, moment: Moment[Settings]) -> list[Event]:
    """What is emitted to a fact. Heard again, it emits nothing new."""
    match event:
        case PatientIdentified() | ConsentsCurrent():
            return []
        case ContactKnown():
            return referrals.contact_came(state, moment)
        case EpisodeAdmitted():
            return _admitted(state, event, moment) if begins(state, event) else []
        case EpisodeDischarged():
            return _discharged(state, event, moment) if ends(state, event) else []
        case ConsentGiven(recipients=recipients):
            return referrals.try_again(state, recipients, moment)
        case ConsentRevoked():
            return []  # what was sent cannot be recalled; what is asked for later the gate withholds
        case DisclosureMade() | DisclosureWithheld() | DisclosureRefused() | DisclosureGaveUp():
            return referrals.came_of(state, event, moment)
        case TimePassed():
            return [
                *plan.fallen_due(state.plan, moment),
                *referrals.begun(state, moment),
                *escalation.emit_overdue(state.escalations, moment.now),
            ]
        case _:
            assert_never(event)


def decide(state: State, command: Commands, moment: Moment[Settings]) -> list[Event] | Refused:
    """What is emitted to a command, or why it cannot be."""
    match command:
        case AskReferral():
            return referrals.asked(state, command, moment)
        case CompleteFollowUp():
            return plan.completed(state.plan, command, moment)
        case AcknowledgeEscalation(escalation_id=identity):
            return escalation.acknowledge(state.escalations, identity, moment)
        case ResolveEscalation(escalation_id=identity, reason=reason):
            return escalation.resolve(state.escalations, identity, reason, moment)
        case _:
            assert_never(command)


def _admitted(state: State, event: EpisodeAdmitted, moment: Moment[Settings]) -> list[Event]:
    """In care, for the first time or again: what an earlier discharge began has come to its end."""
    care = InCare(event.episode_id, event.track, event.flags)
    return [
        *plan.over(state.plan, "readmitted", moment),
        *referrals.readmitted(state, moment),
        *escalation.close_all(state.escalations, "readmitted", moment.now),
        *plan.meeting_list(state, care, event.plan_id, moment, newcomer=True),
    ]


def _discharged(state: State, event: EpisodeDischarged, moment: Moment[Settings]) -> list[Event]:
    closed = [
        *plan.over(state.plan, "episode-discharged", moment),
        *escalation.close_all(state.escalations, "episode-discharged", moment.now),
    ]
    if event.disposition == "deceased":
        return [*closed, *referrals.deceased(state, moment)]
    care = state.episode if isinstance(state.episode, InCare) else None
    planned = plan.planned(event, moment)
    return [
        *closed,
        planned,
        *plan.meeting_list(state, care, planned.plan_id, moment, newcomer=False),
        *referrals.at_discharge(state, event.disposition, moment),
        *escalation.raise_or_update((), plan.asked_back(event), moment, moment.settings.escalation),
    ]
