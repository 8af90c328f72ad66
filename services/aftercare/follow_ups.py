"""How a plan's contacts move: ahead, fallen due, made. Pure."""

from typing import assert_never

from msgspec.structs import replace

from services.aftercare.messages import AftercarePlanned, FollowUpCompleted, FollowUpFellDue
from services.aftercare.record import Ahead, FollowUp, Plan
from shared.events.aftercare import BY_A_PERSON


def planned(event: AftercarePlanned) -> Plan:
    """A new plan, its contacts all ahead."""
    ahead = tuple(Ahead(*numbered) for numbered in enumerate(event.follow_ups, 1))
    return Plan(event.plan_id, ahead, episode_id=event.episode_id, planned_at=event.planned_at)


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


def _is(plan: Plan, contact: FollowUp, event: FollowUpCompleted) -> bool:
    return plan.follow_up_id(contact.number) == event.follow_up_id
