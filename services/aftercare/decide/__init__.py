"""Every decision of aftercare: an event is never refused, a command can be. Pure; the `match` is the contents."""

from collections.abc import Sequence
from functools import reduce
from typing import assert_never

import msgspec

from services.aftercare.decide import (
    activities,
    answers,
    candidates,
    closed_loop,
    contacts,
    emergencies,
    letters,
    lists,
    outcomes,
    plan,
    re_engagement,
    referrals,
    referrer_answers,
)
from services.aftercare.decide.episode import admitted, died, discharged, lives, reopened, resumed
from services.aftercare.messages import (
    AcknowledgeEscalation,
    ActOnEscalation,
    AgreePlan,
    AnswerReferral,
    AskMeetings,
    AskReferral,
    CareTeamChanged,
    Commands,
    CompleteFollowUp,
    ConsentDenied,
    ConsentGiven,
    ConsentRevoked,
    ConsentsCurrent,
    Consumes,
    ContactKnown,
    CorrectFollowUp,
    CountWrongLink,
    DeathWithdrawn,
    DischargeWithdrawn,
    DisclosureGaveUp,
    DisclosureMade,
    DisclosureParked,
    DisclosureRefused,
    DisclosureWithheld,
    Emits,
    EngagedDaysCounted,
    EpisodeAdmitted,
    EpisodeDischarged,
    EpisodeStepped,
    FlagsChanged,
    FollowUpCompleted,
    FollowUpFellDue,
    HandOverEscalation,
    MarkEmergency,
    MeetingsMatched,
    PartnerReferralChanged,
    PatientDied,
    PatientIdentified,
    RecordAttempt,
    RecordEmergency,
    ReopenEscalation,
    ResolveEscalation,
    TimePassed,
    WithdrawReferral,
)
from services.aftercare.settings import Settings
from services.aftercare.state import State, evolve
from shared.events.aftercare import CASE_MANAGER
from shared.events.envelope import Event
from shared.rules import escalation
from shared.rules.assigning import assigned, person_of
from shared.rules.decision import Moment, Refused

__all__ = ["decide", "react"]


def react(state: State, event: Consumes, moment: Moment[Settings]) -> Sequence[Emits]:
    """What aftercare emits after an event. Consumed again, it emits nothing new."""
    return _followed(state, [event], _react(state, event, moment), moment)


def _followed(state: State, events: Sequence[Event], emitted: Sequence[Emits], moment: Moment[Settings]) -> list[Emits]:
    """With what it changes for whoever is asked about referrals and contacts, and with the letter."""
    news = [*emitted, *answers.answered(state, [*events, *emitted], moment)]
    named = _named(state, [*news, *contacts.followed(state, [*events, *news], moment)])
    return [*named, *letters.listed(named, moment)]


def _named(state: State, emitted: Sequence[Emits]) -> list[Emits]:
    """With who of the team is asked: to answer an escalation, and to follow up."""
    return [_follow_up(each, person_of(state.team, CASE_MANAGER)) for each in assigned(emitted, state.team)]


def _follow_up(event: Emits, person: str) -> Emits:
    if person and isinstance(event, FollowUpFellDue | FollowUpCompleted):
        return msgspec.structs.replace(event, assigned=person)
    return event


def _react(state: State, event: Consumes, moment: Moment[Settings]) -> list[Emits]:
    match event:
        case PatientIdentified() | CareTeamChanged() | ConsentsCurrent() | EngagedDaysCounted():
            return []
        case EpisodeStepped() | FlagsChanged():
            return []  # what the plan and the lists are chosen by, once they are
        case PatientDied():
            return [*died(state, moment), *referrer_answers.died(state, moment)]
        case DeathWithdrawn():
            return [*lives(state, moment), *referrer_answers.lives(state, event, moment)]
        case ContactKnown():
            return referrals.contact_came(state, moment)
        case EpisodeAdmitted():
            return admitted(state, event, moment)
        case EpisodeDischarged():
            dead = referrer_answers.died(state, moment) if event.disposition == "deceased" else []
            return [*discharged(state, event, moment), *referrer_answers.discharged(state, event, moment), *dead]
        case DischargeWithdrawn():
            answered = referrer_answers.resumed(state, event, moment)
            return [*resumed(state, event, moment), *referrer_answers.lives(state, event, moment), *answered]
        case PartnerReferralChanged():
            return referrer_answers.changed(state, event, moment)
        case ConsentGiven():
            return [*candidates.consented(state, event, moment), *referrer_answers.consented(state, event, moment)]
        case ConsentDenied() | ConsentRevoked():
            return []  # what was sent cannot be recalled; what is asked for later the gate withholds
        case DisclosureMade() | DisclosureWithheld() | DisclosureRefused() | DisclosureGaveUp():
            return [*outcomes.came_of(state, event, moment), *referrer_answers.came_of(state, event, moment)]
        case DisclosureParked():
            return [*outcomes.parked(state, event, moment), *referrer_answers.parked(state, event, moment)]
        case MeetingsMatched():
            return lists.matched(state, event, moment)
        case TimePassed():
            return _time_passed(state, moment)
        case _:
            assert_never(event)


def _time_passed(state: State, moment: Moment[Settings]) -> list[Emits]:
    """Each after the other: what goes to the gate again is no longer on hold, and what ends asks nobody."""
    emitted: list[Emits] = [
        *plan.fallen_due(state, moment),
        *escalation.emit_overdue(state.escalations, moment.now),
        *referrals.begun(state, moment),
        *referrer_answers.begun(state, moment),
    ]
    steps = (
        referrals.hold_ended,
        closed_loop.waited_long,
        closed_loop.unanswered,
        answers.unanswered,
        re_engagement.time_passed,
        contacts.overdue,
    )
    for step in steps:
        emitted += step(reduce(evolve, emitted, state), moment)
    return emitted


def decide(state: State, command: Commands, moment: Moment[Settings]) -> Sequence[Emits] | Refused:
    """What aftercare emits on a command, or why it cannot be."""
    decided = _decide(state, command, moment)
    if isinstance(decided, Refused):
        return decided
    return _followed(state, [], decided, moment)


def _decide(state: State, command: Commands, moment: Moment[Settings]) -> Sequence[Emits] | Refused:
    match command:
        case AskMeetings():
            return lists.requested(state, command, moment)
        case AskReferral():
            return referrals.asked(state, command, moment)
        case WithdrawReferral():
            return referrer_answers.taken_back(state, command, moment) or referrals.taken_back(state, command, moment)
        case AnswerReferral():
            return closed_loop.answered(state, command, moment)
        case CountWrongLink():
            return []  # the state counts it
        case AgreePlan():
            return activities.agreed(state, command, moment)
        case CompleteFollowUp():
            return re_engagement.completed(state, command, moment) or plan.completed(state.plan, command, moment)
        case CorrectFollowUp():
            return contacts.corrected(state, command, moment)
        case RecordAttempt():
            return contacts.attempted(state, command, moment)
        case MarkEmergency():
            return emergencies.mistaken(state, command, moment)
        case RecordEmergency():
            return emergencies.recorded(state, command, moment)
        case AcknowledgeEscalation() | ActOnEscalation() | HandOverEscalation() | ResolveEscalation():
            return escalation.decide_escalation(state.escalations, command, moment)
        case ReopenEscalation():
            return reopened(state, command, moment)
        case _:
            assert_never(command)
