"""The clinic's rules of continuing care (domain 6): contacts after discharge."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from services.aftercare.decide import activities
from services.aftercare.follow_ups import first_number
from services.aftercare.messages import (
    AftercareEnded,
    AftercarePlanned,
    CompleteFollowUp,
    Emits,
    EpisodeDischarged,
    FollowUpCompleted,
    FollowUpFellDue,
)
from services.aftercare.record import CORRECTED, Ahead, Discharged, FollowUp, Plan
from services.aftercare.settings import Settings
from services.aftercare.state import State, contact_of
from shared.rules.decision import Moment, Refused


def planned(state: State, event: EpisodeDischarged, plan_id: str, moment: Moment[Settings]) -> list[AftercarePlanned]:
    """Contacts fall due whole days after the discharge, 3 days being the 72 hours of domain 6.2. None where a person
    has made the last one of this stay."""
    first = first_number(contact_of(state, event), event.discharged_at)
    days = moment.settings.follow_up_days[first - 1 :]
    follow_ups = tuple(event.discharged_at + timedelta(days=each) for each in days)
    before = state.plan.activities if state.plan is not None and state.plan.plan_id == plan_id else ()
    plan = AftercarePlanned(
        plan_id=plan_id,
        episode_id=event.episode_id,
        planned_at=event.discharged_at,
        follow_ups=follow_ups,
        activities=activities.of_discharge(state, event, moment, before),
    )
    return [plan] if follow_ups else []


def moved(state: State, before: Discharged, event: EpisodeDischarged, moment: Moment[Settings]) -> list[Emits]:
    """Another day of discharge moves the contacts that nobody has made. One that waits for a person goes on waiting,
    unless its day is ahead again, or it is none any more."""
    plan = state.plan
    if plan is None and before.discharged_at != event.discharged_at:
        return [*planned(state, event, moment.new_id("plan"), moment)]
    if plan is None or plan.planned_at == event.discharged_at:
        return activities.corrected(state, event, moment)
    anew = planned(state, event, plan.plan_id, moment)
    if not anew:
        return over(plan, CORRECTED, moment)
    first = first_number(state.last_contact, event.discharged_at)
    due = {number for number, due_at in enumerate(anew[0].follow_ups, first) if due_at <= moment.now}
    ended = [each for each in plan.fallen_due if each.number not in due]
    return [*(_ended(plan, each, CORRECTED, moment) for each in ended), *anew]


def fallen_due(state: State, moment: Moment[Settings]) -> list[Emits]:
    """The contact whose day has come. Several that are past, as after a late discharge, become the latest one."""
    plan = state.plan
    if plan is None or state.died:
        return []
    past = [each for each in plan.ahead if each.due_at <= moment.now]
    passed = [FollowUp(each.number, each.due_at, each.due_at) for each in past[:-1]]
    return [
        *(_ended(plan, each, "overtaken", moment) for each in passed),
        *(_due(plan, each, moment) for each in past[-1:]),
    ]


def _due(plan: Plan, contact: Ahead, moment: Moment[Settings]) -> FollowUpFellDue:
    windows = moment.settings.follow_up_window_days
    window = timedelta(days=windows[min(contact.number, len(windows)) - 1])
    return FollowUpFellDue(
        follow_up_id=plan.follow_up_id(contact.number),
        plan_id=plan.plan_id,
        number=contact.number,
        due_at=contact.due_at,
        act_by=max(contact.due_at, moment.now) + window,
        engaged_days=plan.engaged_days,
    )


def paused(plan: Plan | None, moment: Moment[Settings]) -> list[Emits]:
    """A death is reported: nobody reaches out until that is confirmed or withdrawn."""
    open_ones = plan.fallen_due if plan else ()
    return [_ended(plan, each, "death-reported", moment) for each in open_ones if plan]


def completed(plan: Plan | None, command: CompleteFollowUp, moment: Moment[Settings]) -> list[Emits] | Refused:
    """A person reached out, or tried to: it is recorded as they report it. The last contact ends the plan."""
    open_ones = plan.fallen_due if plan else ()
    done = next((each for each in open_ones if plan and plan.follow_up_id(each.number) == command.task_id), None)
    if plan is None or done is None:
        return Refused("conflict", "This follow-up is not open: it is completed, ended or not due yet.", "Task.status")
    made = _ended(plan, done, command.reach, moment, command.by)
    emitted: list[Emits] = [replace(made, answers=command.answers, made_at=command.made_at)]
    if plan.left == (done.due_at,):
        emitted.append(_over(plan, "contacts-made", (*plan.made, done.due_at), (), moment.now))
    return emitted


def over(plan: Plan | None, reason: str, moment: Moment[Settings]) -> list[Emits]:
    """Nobody needs to reach out any more: the patient is back in care, has died, or has another plan."""
    if plan is None:
        return []
    contacts = [_ended(plan, each, reason, moment) for each in plan.fallen_due]
    return [*contacts, _over(plan, reason, plan.made, plan.left, moment.now)]


def _ended(
    plan: Plan, contact: FollowUp, outcome: str, moment: Moment[Settings], by: str | None = None
) -> FollowUpCompleted:
    """Of a person it says who they are, and which client sent it."""
    return FollowUpCompleted(
        follow_up_id=plan.follow_up_id(contact.number),
        plan_id=plan.plan_id,
        due_at=contact.due_at,
        act_by=contact.act_by,
        by="aftercare" if by is None else by or moment.by,
        client="" if by is None else moment.by,
        completed_at=moment.now,
        outcome=outcome,
        engaged_days=plan.engaged_days,
    )


def _over(
    plan: Plan, reason: str, made: tuple[datetime, ...], left: tuple[datetime, ...], now: datetime
) -> AftercareEnded:
    return AftercareEnded(
        plan_id=plan.plan_id,
        episode_id=plan.episode_id,
        planned_at=plan.planned_at,
        ended_at=now,
        reason=reason,
        made=made,
        left=left,
        activities=plan.activities,
    )
