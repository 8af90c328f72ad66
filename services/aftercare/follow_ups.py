"""How a plan's contacts move: ahead, fallen due, made. Pure."""

from collections.abc import Collection
from datetime import datetime
from typing import assert_never

from msgspec.structs import replace

from services.aftercare.messages import AftercarePlanned, FollowUpCompleted, FollowUpFellDue
from services.aftercare.record import Ahead, FollowUp, LastContact, Plan
from shared.events.aftercare import BY_A_PERSON


def planned(event: AftercarePlanned, last: LastContact | None, before: Plan | None = None) -> Plan:
    """A plan with its contacts ahead. In one that is moved (`before`) what fell due or was made stays as it was, and
    what was overtaken by that stays behind it."""
    plan = before or Plan(event.plan_id, episode_id=event.episode_id)
    waiting = [each.number for each in plan.fallen_due]
    numbered = enumerate(event.follow_ups, first_number(last, event.planned_at))
    ahead = tuple(
        Ahead(number, due_at)
        for number, due_at in numbered
        if number not in waiting and number > min(waiting, default=0)
    )
    return replace(plan, ahead=ahead, planned_at=event.planned_at, activities=event.activities)


def first_number(last: LastContact | None, discharged_at: datetime) -> int:
    """Of the contacts still to be made after this discharge."""
    return last.number + 1 if last is not None and last.counts_for(discharged_at) else 1


def last_contact(
    last: LastContact | None, plan: Plan, event: FollowUpFellDue | FollowUpCompleted
) -> LastContact | None:
    """The latest contact that a person made, after this event."""
    if not isinstance(event, FollowUpCompleted) or event.outcome not in BY_A_PERSON:
        return last
    number = next((each.number for each in plan.fallen_due if _is(plan, each, event)), 0)
    return LastContact(number, event.completed_at) if number > (last.number if last else 0) else last


def after_follow_up(plan: Plan, event: FollowUpFellDue | FollowUpCompleted) -> Plan:
    """The plan after a contact fell due, was made, or ended unmade; one that a reported death ended is ahead again."""
    ahead = tuple(each for each in plan.ahead if plan.follow_up_id(each.number) != event.follow_up_id)
    fallen_due = tuple(each for each in plan.fallen_due if plan.follow_up_id(each.number) != event.follow_up_id)
    match event:
        case FollowUpFellDue():
            fallen_due = (*fallen_due, FollowUp(event.number, event.due_at, event.act_by))
            return replace(plan, ahead=ahead, fallen_due=fallen_due)
        case FollowUpCompleted(outcome=outcome) if outcome in BY_A_PERSON:
            return replace(plan, ahead=ahead, fallen_due=fallen_due, made=(*plan.made, event.due_at))
        case FollowUpCompleted(outcome="death-reported"):
            waits = (Ahead(each.number, each.due_at) for each in plan.fallen_due if _is(plan, each, event))
            return replace(plan, ahead=(*waits, *ahead), fallen_due=fallen_due)
        case FollowUpCompleted():
            return replace(plan, ahead=ahead, fallen_due=fallen_due)
        case _:
            assert_never(event)


def with_escalated(plan: Plan, task_ids: Collection[str]) -> Plan:
    """Of these nobody reported in time, and that was emitted."""
    late = (
        replace(each, escalated=True) if plan.follow_up_id(each.number) in task_ids else each
        for each in plan.fallen_due
    )
    return replace(plan, fallen_due=tuple(late))


def _is(plan: Plan, contact: FollowUp, event: FollowUpCompleted) -> bool:
    return plan.follow_up_id(contact.number) == event.follow_up_id
