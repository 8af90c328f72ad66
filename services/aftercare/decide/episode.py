"""What an admission and a discharge bring: the plan, the meeting list, referrals, and the end of what came before."""

from collections.abc import Sequence

from msgspec.structs import replace

from services.aftercare.contacts import RE_ENGAGED, REASONS
from services.aftercare.decide import (
    answers,
    closed_loop,
    contacts,
    emergencies,
    lists,
    plan,
    re_engagement,
    readmission,
    referrals,
)
from services.aftercare.decide.candidates import REFERRED
from services.aftercare.messages import (
    DischargeWithdrawn,
    Emits,
    EpisodeAdmitted,
    EpisodeDischarged,
    EscalationRetracted,
    ReopenEscalation,
)
from services.aftercare.record import CORRECTED, Discharged, InCare
from services.aftercare.settings import Settings
from services.aftercare.state import State, begins, ends
from shared.events.escalation import Escalation, Signal
from shared.rules import escalation
from shared.rules.decision import Moment, Refused


def admitted(state: State, event: EpisodeAdmitted, moment: Moment[Settings]) -> list[Emits]:
    """In care, for the first time or again: what an earlier discharge began comes to its end."""
    if not begins(state, event):
        return []
    care = InCare.of(event)
    return [
        *plan.over(state.plan, "readmitted", moment),
        *referrals.readmitted(state, "readmitted", moment),
        *_no_longer_called_for(state, "readmitted", moment),
        *escalation.close_all(answers.others(state.escalations), "readmitted", moment.now),
        *readmission.found(state, event, moment),
        lists.asked(state, care, event.plan_id, moment, newcomer=True),
    ]


def discharged(state: State, event: EpisodeDischarged, moment: Moment[Settings]) -> list[Emits]:
    """A new plan, with what this disposition calls for. For a patient who has died everything ends."""
    before = state.episode
    if not ends(state, event):
        return []
    if isinstance(before, Discharged) and before.episode_id == event.episode_id and not before.deceased:
        return _corrected(state, before, event, moment)
    closed: list[Emits] = [
        *plan.over(state.plan, "episode-discharged", moment),
        *escalation.close_all(
            answers.others(state.escalations, dead=event.disposition == "deceased"), "episode-discharged", moment.now
        ),
    ]
    if event.disposition == "deceased":
        return [*closed, *referrals.deceased(state, moment), *closed_loop.taken_back(state, DECEASED, moment)]
    withdrawn = referrals.not_called_for(state, event.disposition, moment)
    planned = plan.planned(state, event, moment.new_id("plan"), moment)
    if state.died:
        return [*closed, *withdrawn, *planned]
    care = _care(before, event)
    return [
        *closed,
        *withdrawn,
        *planned,
        *(lists.asked(state, care, each.plan_id, moment, newcomer=False) for each in planned),
        *referrals.at_discharge(state, event.disposition, moment, event.admitted_at),
    ]


def _care(before: InCare | Discharged | None, event: EpisodeDischarged) -> InCare | None:
    if isinstance(before, Discharged):
        return before.care if before.episode_id == event.episode_id else None
    return before


def _corrected(state: State, before: Discharged, event: EpisodeDischarged, moment: Moment[Settings]) -> list[Emits]:
    """The same stay ended otherwise than was known: only what differs follows. The list stays, for what it is chosen
    by is of the care."""
    if event.disposition == "deceased":
        return [
            *plan.over(state.plan, CORRECTED, moment),
            *escalation.close_all(answers.others(state.escalations, dead=True), CORRECTED, moment.now),
            *referrals.deceased(state, moment),
            *closed_loop.taken_back(state, DECEASED, moment),
        ]
    changed = [*plan.moved(state, before, event, moment), *referrals.not_called_for(state, event.disposition, moment)]
    if state.died:
        return changed
    return [*changed, *referrals.newly_called_for(state, before, event, moment)]


def resumed(state: State, event: DischargeWithdrawn, moment: Moment[Settings]) -> list[Emits]:
    """The discharge was wrong: nothing of what it called for is asked for any more, and the list is one of care."""
    ended = state.episode
    if not isinstance(ended, Discharged) or ended.episode_id != event.episode_id:
        return []
    emitted: list[Emits] = [
        *plan.over(state.plan, WITHDRAWN, moment),
        *referrals.readmitted(state, WITHDRAWN, moment),
        *_no_longer_called_for(state, WITHDRAWN, moment),
        *(
            EscalationRetracted(escalation=each.escalation, at=moment.now, reason=WITHDRAWN)
            for each in answers.others(state.escalations)
        ),
    ]
    if state.died:
        return emitted
    return [*emitted, lists.asked(state, ended.care, event.plan_id, moment, newcomer=False)]


WITHDRAWN, DECEASED = "discharge-withdrawn", "patient-deceased"


def _no_longer_called_for(state: State, reason: str, moment: Moment[Settings]) -> list[Emits]:
    """What partners have and only a discharge calls for: in care again nobody waits for their answer."""
    ended = isinstance(state.episode, Discharged)
    return closed_loop.taken_back(state, reason, moment, tuple(REFERRED)) if ended else []


def died(state: State, moment: Moment[Settings]) -> list[Emits]:
    """Reported, not confirmed: nobody is called and nothing is sent any more, at once."""
    if state.died:
        return []
    return [
        *plan.paused(state.plan, moment),
        *referrals.deceased(state, moment),
        *escalation.close_all(state.escalations, "death-reported", moment.now),
    ]


def lives(state: State, moment: Moment[Settings]) -> list[Emits]:
    """It was wrong: the contacts go on, those that were missed as one, and what the discharge calls for is prepared
    and asked."""
    if not state.died:
        return []
    alive = replace(state, died=False)
    due = [*plan.fallen_due(alive, moment), *contacts.asked_again(state, moment)]
    if not isinstance(state.episode, Discharged):
        return due
    ended = state.episode
    return [*due, *referrals.at_discharge(alive, ended.disposition, moment, ended.began_at)]


def reopened(state: State, command: ReopenEscalation, moment: Moment[Settings]) -> Sequence[Emits] | Refused:
    """Where what it asked for still waits: a referral's answer, whoever left, a list for a plan that goes on."""
    return escalation.reopen(state.escalations, command, _still_asked(state, command.escalation, moment), moment)


def _still_asked(state: State, asked: Escalation, moment: Moment[Settings]) -> list[Signal]:
    if asked.reason == emergencies.REASON:
        return list(asked.signals)
    if state.died:
        return []
    if asked.reason in answers.REASONS:
        waiting = answers.tasks_waiting(state, asked.reason)
        return [each for each in asked.signals if each.evidence in waiting]
    if asked.reason == RE_ENGAGED:
        return [each for each in re_engagement.wanted(state, moment) if each in asked.signals]
    if asked.reason in REASONS:
        return contacts.standing(state, asked)
    return [each for each in asked.signals if lists.is_wanted(state, each.evidence)]
