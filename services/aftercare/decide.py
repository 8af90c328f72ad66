"""What aftercare says to each fact and each command. Pure; a fact is never refused, a command can be."""

from typing import assert_never

from services.aftercare import plan, referrals
from services.aftercare.settings import Settings
from services.aftercare.state import InCare, State, begins, ends
from services.aftercare.words import (
    AcknowledgeEscalation,
    AskReferral,
    Commands,
    CompleteFollowUp,
    ConsentGiven,
    ConsentRevoked,
    ConsentsCurrent,
    ContactKnown,
    DisclosureGaveUp,
    DisclosureMade,
    DisclosureRefused,
    DisclosureWithheld,
    EpisodeAdmitted,
    EpisodeDischarged,
    Hears,
    PatientIdentified,
    ResolveEscalation,
    TimePassed,
)
from shared.rules import escalation
from shared.rules.decision import Moment, Refused
from shared.words.envelope import Word


def hear(state: State, word: Hears, moment: Moment[Settings]) -> list[Word]:
    """What is said to a fact. Heard again, it says nothing new."""
    match word:
        case PatientIdentified() | ConsentsCurrent():
            return []
        case ContactKnown():
            return referrals.contact_came(state, moment)
        case EpisodeAdmitted():
            return _admitted(state, word, moment) if begins(state, word) else []
        case EpisodeDischarged():
            return _discharged(state, word, moment) if ends(state, word) else []
        case ConsentGiven(recipients=recipients):
            return referrals.try_again(state, recipients, moment)
        case ConsentRevoked():
            return []  # what was sent cannot be recalled; what is asked for later the gate withholds
        case DisclosureMade() | DisclosureWithheld() | DisclosureRefused() | DisclosureGaveUp():
            return referrals.came_of(state, word, moment)
        case TimePassed():
            return [
                *plan.fallen_due(state.plan, moment),
                *referrals.begun(state, moment),
                *escalation.say_overdue(state.escalations, moment.now),
            ]
        case _:
            assert_never(word)


def tell(state: State, command: Commands, moment: Moment[Settings]) -> list[Word] | Refused:
    """What is said to a command, or why it cannot be."""
    match command:
        case AskReferral():
            return referrals.asked(state, command, moment)
        case CompleteFollowUp():
            return plan.completed(state.plan, command, moment)
        case AcknowledgeEscalation(escalation_id=identity):
            return escalation.acknowledge(state.escalations, identity, moment)
        case ResolveEscalation(escalation_id=identity, because=because):
            return escalation.resolve(state.escalations, identity, because, moment)
        case _:
            assert_never(command)


def _admitted(state: State, word: EpisodeAdmitted, moment: Moment[Settings]) -> list[Word]:
    """In care, for the first time or again: what an earlier discharge began has come to its end."""
    care = InCare(word.episode_id, word.track, word.flags)
    return [
        *plan.over(state.plan, "readmitted", moment),
        *referrals.readmitted(state, moment),
        *escalation.close_all(state.escalations, "readmitted", moment.now),
        *plan.meeting_list(state, care, word.plan_id, moment, newcomer=True),
    ]


def _discharged(state: State, word: EpisodeDischarged, moment: Moment[Settings]) -> list[Word]:
    closed = [
        *plan.over(state.plan, "episode-discharged", moment),
        *escalation.close_all(state.escalations, "episode-discharged", moment.now),
    ]
    if word.disposition == "deceased":
        return [*closed, *referrals.deceased(state, moment)]
    care = state.episode if isinstance(state.episode, InCare) else None
    planned = plan.planned(word, moment)
    return [
        *closed,
        planned,
        *plan.meeting_list(state, care, planned.plan_id, moment, newcomer=False),
        *referrals.at_discharge(state, word.disposition, moment),
        *escalation.raise_or_update((), plan.asked_back(word), moment, moment.settings.escalation),
    ]
