"""What is planned beside the contacts: called for by the discharge, agreed with the patient."""

from datetime import timedelta

from msgspec.structs import replace

from services.aftercare.activities import called_for, with_choices
from services.aftercare.messages import AftercareRevised, AgreePlan, Emits, EpisodeDischarged
from services.aftercare.record import Discharged, InCare, Plan
from services.aftercare.settings import Settings
from services.aftercare.state import State
from shared.events.aftercare_plan import Activities, PlanActivity
from shared.rules.decision import Moment, Refused


def of_discharge(state: State, event: EpisodeDischarged, moment: Moment[Settings], before: Activities) -> Activities:
    """What this discharge calls for, with what the patient chose of the plan as it stood before."""
    stay = state.episode if state.episode is not None and state.episode.episode_id == event.episode_id else None
    care: InCare | None = stay.care if isinstance(stay, Discharged) else stay
    step_down_by = event.discharged_at + timedelta(days=moment.settings.step_down_days)
    return with_choices(called_for(event.disposition, event.level, care, step_down_by), before)


def corrected(state: State, event: EpisodeDischarged, moment: Moment[Settings]) -> list[Emits]:
    """Of the plan that goes on, where the discharge as it is known now calls for something else."""
    plan = state.plan
    if plan is None:
        return []
    now = of_discharge(state, event, moment, plan.activities)
    return [_revised(plan, now, moment)] if now != plan.activities else []


def agreed(state: State, command: AgreePlan, moment: Moment[Settings]) -> list[Emits] | Refused:
    """As the patient and the case manager have it now: all that is planned, with what was added to it."""
    plan = state.plan
    if plan is None or plan.plan_id != command.plan_id or state.died:
        return Refused("conflict", "This plan is over, or rests: nothing of it is agreed any more.", "CarePlan.status")
    named = {each.code for each in command.activities}
    if missing := [each.code for each in plan.activities if each.code not in named]:
        return Refused("business-rule", _WHOLE.format(", ".join(missing)), "CarePlan.activity")
    dues = {each.code: each.due_at for each in plan.activities}
    now = tuple(replace(each, due_at=dues.get(each.code)) for each in command.activities)
    ordered = _in_order(now, plan.activities)
    return [_revised(plan, ordered, moment, command.by)] if ordered != plan.activities else []


_WHOLE = (
    "Must hold each planned activity, as read: one the patient does not want is cancelled, patient-declined."
    " Missing: {}."
)


def _in_order(now: Activities, before: Activities) -> Activities:
    places = {each.code: place for place, each in enumerate(before)}
    return tuple(sorted(now, key=lambda each: places.get(each.code, len(places))))


def _revised(plan: Plan, now: tuple[PlanActivity, ...], moment: Moment[Settings], by: str | None = None) -> Emits:
    return AftercareRevised(
        plan_id=plan.plan_id,
        episode_id=plan.episode_id,
        planned_at=plan.planned_at,
        made=plan.made,
        left=plan.left,
        activities=now,
        revised_at=moment.now,
        by=by or "",
        client="" if by is None else moment.by,
    )
