"""A patient who left early, or was not reached twice in a row, is asked back for a while: warmly, never a reproach
(domain 5.2). It ends when they are reached, come back or have died, and when its time is over."""

from collections.abc import Sequence
from datetime import timedelta
from functools import reduce

from msgspec.structs import replace

from services.aftercare.contacts import RE_ENGAGED, Contacts, ReEngagement
from services.aftercare.messages import (
    CompleteFollowUp,
    CorrectFollowUp,
    DischargeWithdrawn,
    Emits,
    EpisodeAdmitted,
    EpisodeDischarged,
    EscalationResolved,
    EscalationRetracted,
    FollowUpCompleted,
    FollowUpFellDue,
    PatientDied,
    ReEngagementBegan,
    ReEngagementEnded,
)
from services.aftercare.record import CORRECTED, Discharged, FollowUp
from services.aftercare.settings import Settings
from services.aftercare.state import State, evolve
from shared.events.aftercare import RE_ENGAGEMENT
from shared.events.envelope import Command, Event
from shared.events.escalation import EscalationEvent, Signal
from shared.rules import escalation
from shared.rules.decision import Moment
from shared.rules.escalation import Open, Trigger, rule_version
from shared.rules.packing import instant, seconds

ASKED_BACK = frozenset({"ama", "lost-to-contact"})
"""Dispositions of who left early."""
TIER = 3
OVER = "re-engagement-over"
RULES_VERSION = "2"


def wanted(state: State, moment: Moment[Settings]) -> tuple[Signal, ...]:
    """Why the patient is asked back now, in whatever order it became known; empty where they are not: nothing counts
    that lies before they were reached, or before they were asked back to the end."""
    ended = state.episode
    if not isinstance(ended, Discharged) or ended.deceased or state.died or ended.discharged_at is None:
        return ()
    contacts = state.contacts if state.contacts.episode_id == ended.episode_id else Contacts()
    since = max(contacts.reached_at, contacts.asked_until)
    left = Signal(f"discharged-{ended.disposition}", ended.discharged_at, f"EpisodeOfCare/{ended.episode_id}")
    missed = [
        Signal("contact-not-reached", instant(each.at), f"Task/{task_id}")
        for task_id, each in contacts.by_task.items()
        if not each.reached and each.at > since
    ]
    has_left = ended.disposition in ASKED_BACK and seconds(ended.discharged_at) > since
    too_many = len(missed) >= moment.settings.re_engagement_not_reached
    return ((left,) if has_left else ()) + (tuple(missed) if too_many else ())


def followed(state: State, events: Sequence[Event | Command], moment: Moment[Settings]) -> list[Emits]:
    """What these events, which the state knows, change: asking back begins, ends, or has other reasons."""
    asking, signals = state.contacts.re_engagement, wanted(state, moment)
    of_another_stay = asking is not None and (state.episode is None or asking.episode_id != state.episode.episode_id)
    ended: list[Emits] = []
    if asking is not None and (not signals or of_another_stay):
        ended = _ended(state, asking, _why(state, events), moment)
    if not signals:
        return [*ended, *_closed(state, _why(state, events), moment)] if ended else []
    if asking is None or ended:
        return [*ended, *_begun(reduce(evolve, ended, state), signals, moment)]
    return _with_signals(state, signals, moment)


def _begun(state: State, signals: tuple[Signal, ...], moment: Moment[Settings]) -> list[Emits]:
    settings, stay = moment.settings, state.episode
    if stay is None:
        return []
    due = tuple(moment.now + timedelta(days=each) for each in settings.re_engagement_days)
    ends_at = moment.now + timedelta(days=settings.re_engagement_ends_days)
    trigger = Trigger(
        category="placement",
        reason=RE_ENGAGED,
        tier=TIER,
        owner="case-manager",
        rule=rule_version("aftercare", RE_ENGAGED, RULES_VERSION),
        signals=signals,
    )
    raised = escalation.raise_or_update(state.escalations, [trigger], moment, settings.escalation)
    return [*raised, ReEngagementBegan(episode_id=stay.episode_id, ends_at=ends_at, due=due)]


def _with_signals(state: State, signals: tuple[Signal, ...], moment: Moment[Settings]) -> list[Emits]:
    """The open escalation with why it is asked now; one that a person has resolved is not raised anew."""
    known = asked_of(state)
    if known is None:
        return []
    after = escalation.shown(replace(known.escalation, signals=signals))
    gone = tuple(each for each in known.escalation.signals if each not in signals)
    if {*after.signals} == {*known.escalation.signals}:
        return []
    return [escalation.updated(known, after, moment.now, gone)]


def _why(state: State, events: Sequence[Event | Command]) -> str:
    """Why the patient is asked back no more."""
    for each in events:
        match each:
            case EpisodeAdmitted():
                return "readmitted"
            case DischargeWithdrawn():
                return "discharge-withdrawn"
            case PatientDied():
                return "death-reported"
            case EpisodeDischarged() if _deceased_or_other(state):
                return "episode-discharged"
            case FollowUpCompleted(corrects=True, outcome="not-reached"):
                return "contact-corrected"
            case _:
                pass
    return "reached" if state.contacts.reached_at else CORRECTED


def _deceased_or_other(state: State) -> bool:
    """Whether a discharge ends it for good: of a patient who has died, or of another stay."""
    ended, asking = state.episode, state.contacts.re_engagement
    deceased = isinstance(ended, Discharged) and ended.deceased
    return deceased or (ended is not None and asking is not None and asking.episode_id != ended.episode_id)


def _ended(state: State, asking: ReEngagement, reason: str, moment: Moment[Settings]) -> list[Emits]:
    """Its contact that waits is asked for no more."""
    left = [_cancelled(state, asking, asking.waiting, reason, moment)] if asking.waiting else []
    return [*left, ReEngagementEnded(over_at=asking.ends_at if reason == OVER else None)]


def _closed(state: State, reason: str, moment: Moment[Settings]) -> list[EscalationEvent]:
    known = asked_of(state)
    if known is None:
        return []
    if reason in ("reached", OVER):
        return [EscalationResolved(escalation=escalation.shown(known.escalation), at=moment.now, reason=reason)]
    return [EscalationRetracted(escalation=known.escalation, at=moment.now, reason=reason)]


def asked_of(state: State) -> Open | None:
    """The open escalation that asks the patient back."""
    return next((each for each in state.escalations if each.escalation.reason == RE_ENGAGED), None)


def time_passed(state: State, moment: Moment[Settings]) -> list[Emits]:
    """The next contact falls due, in the place of one that nobody made; or the time for it is over."""
    asking = state.contacts.re_engagement
    if asking is None or state.died:
        return []
    if asking.ends_at <= moment.now:
        return [*_ended(state, asking, OVER, moment), *_closed(state, OVER, moment)]
    past = [each for each in asking.ahead if each.due_at <= moment.now]
    if not past:
        return []
    overtaken = [_cancelled(state, asking, asking.waiting, "overtaken", moment)] if asking.waiting else []
    window = timedelta(days=moment.settings.re_engagement_window_days)
    due = FollowUpFellDue(
        follow_up_id=asking.task_id(past[-1].number),
        plan_id="",
        number=past[-1].number,
        due_at=past[-1].due_at,
        act_by=max(past[-1].due_at, moment.now) + window,
        engaged_days=engaged_days(state, asking.episode_id),
        kind=RE_ENGAGEMENT,
        episode_id=asking.episode_id,
    )
    return [*overtaken, due]


def completed(state: State, command: CompleteFollowUp, moment: Moment[Settings]) -> list[Emits] | None:
    """A person tried to reach the patient by the contact that waits; None where it is another one."""
    asking = state.contacts.re_engagement
    if asking is None or asking.waiting is None or asking.task_id(asking.waiting.number) != command.task_id:
        return None
    made = _of(state, asking, asking.waiting, moment)
    return [
        replace(
            made,
            outcome=command.reach,
            by=command.by or moment.by,
            client=moment.by,
            answers=command.answers,
            made_at=command.made_at,
        )
    ]


def corrected(state: State, command: CorrectFollowUp, moment: Moment[Settings]) -> FollowUpCompleted:
    """A contact by which the patient was asked back, as it is reported now."""
    return FollowUpCompleted(
        follow_up_id=command.task_id,
        plan_id="",
        due_at=command.due_at,
        act_by=command.act_by,
        by=command.by or moment.by,
        client=moment.by,
        completed_at=moment.now,
        outcome=command.reach,
        engaged_days=engaged_days(state, state.contacts.episode_id),
        kind=RE_ENGAGEMENT,
        episode_id=state.contacts.episode_id,
        answers=command.answers,
        made_at=command.made_at,
        corrects=True,
    )


def engaged_days(state: State, episode_id: str) -> int | None:
    """Days in care up to the end of this stay, as intake counted them last."""
    engaged = state.engaged
    return engaged.days if engaged is not None and engaged.episode_id == episode_id else None


def _cancelled(
    state: State, asking: ReEngagement, contact: FollowUp, reason: str, moment: Moment[Settings]
) -> FollowUpCompleted:
    outcome = "re-engaged" if reason == "reached" else reason
    return replace(_of(state, asking, contact, moment), outcome=outcome)


def _of(state: State, asking: ReEngagement, contact: FollowUp, moment: Moment[Settings]) -> FollowUpCompleted:
    return FollowUpCompleted(
        follow_up_id=asking.task_id(contact.number),
        plan_id="",
        due_at=contact.due_at,
        act_by=contact.act_by,
        by="aftercare",
        completed_at=moment.now,
        engaged_days=engaged_days(state, asking.episode_id),
        kind=RE_ENGAGEMENT,
        episode_id=asking.episode_id,
    )
