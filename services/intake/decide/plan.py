"""Who looks after the patient, and what is planned: what an EHR says of it, and what a person is asked to read."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from services.intake import messages
from services.intake.care import Plan, Team, people, person_of, second_ones, team_after
from services.intake.decide.course import Course
from services.intake.decide.placing import about, ask_for_review, withdraw
from services.intake.placement import schedule
from services.intake.record import Episode
from services.intake.settings import Settings
from services.intake.stages import first_of
from services.intake.state import State
from shared.events.intake import READ_PLAN
from shared.rules import assigning
from shared.rules.decision import Moment, Refused

UNREAD_MOST = 4
"""Of what nobody could read, so many places are asked about: a state stays small."""
ENTERED_IN_ERROR = "entered-in-error"


def of_sender(
    state: State, command: messages.RecordTeam | messages.RevisePlan, moment: Moment[Settings]
) -> list[messages.Emits] | Refused:
    """What a sender's CareTeam, Goal or CarePlan says; that the plan is revised follows (`stated`)."""
    if isinstance(command, messages.RecordTeam):
        return recorded(state, command, moment)
    if command.is_own and (state.episode is None or state.episode.plan_id != command.source):
        return NOT_OPEN
    return _asked(
        state, f"{'Goal' if command.is_goal else 'CarePlan'}/{command.source}", _unread(state, command), moment
    )


NOT_OPEN = Refused(
    "conflict",
    "This plan is of no stay that is open. What is planned for the next one is sent as a CarePlan of its own.",
    "CarePlan.status",
)


def recorded(state: State, command: messages.RecordTeam, moment: Moment[Settings]) -> list[messages.Emits]:
    """Of each role one person: another one is asked about, and the first stays."""
    before, now = people(state.team), people(team_after(state.team, command))
    changed = messages.CareTeamChanged(members=now, changed_at=moment.now)
    resource = f"CareTeam/{command.source}"
    second = (messages.Unread(f"second-{each.role}", resource, each.place) for each in second_ones(state.team, command))
    asked = _asked(state, resource, (*command.unread, *second), moment)
    return [changed, *asked] if now != before else asked


def _unread(state: State, command: messages.RevisePlan) -> tuple[messages.Unread, ...]:
    beyond = _plan(state).leaves_out(command)
    kind, place = ("Goal", "description") if command.is_goal else ("CarePlan", "activity")
    more = (messages.Unread(beyond, f"{kind}/{command.source}", place),) if beyond else ()
    return (*command.unread, *more)


def _plan(state: State) -> Plan:
    return state.plan if state.episode is None else state.episode.plan


def _asked(
    state: State, resource: str, unread: Sequence[messages.Unread], moment: Moment[Settings]
) -> list[messages.Emits]:
    """One question for all that nobody could read, with the time of the first; none once all of it can be read."""
    known = state.review_of(READ_PLAN)
    others = [each for each in known.unread if each.resource != resource] if known is not None else []
    now = _asked_about((*others, *unread))
    if now == (known.unread if known is not None else ()):
        return []
    if not now:
        return withdraw(known, "read-now", moment)
    review_id = known.id if known is not None else moment.new_id("review:read-plan")
    asked = ask_for_review(review_id, READ_PLAN, now[-1].resource, moment, moment.settings.review_hours)
    act_by = (known.act_by if known is not None else None) or asked.review.act_by
    return [about(asked, unread=now, act_by=act_by)]


def _asked_about(unread: Sequence[messages.Unread]) -> tuple[messages.Unread, ...]:
    """Of each resource one before a second of any, the newest first: a long one makes no other forgotten."""
    newest, counted = list(reversed(unread)), Counter[str]()
    turns: list[tuple[int, int]] = []
    for number, each in enumerate(newest):
        turns.append((counted[each.resource], number))
        counted[each.resource] += 1
    return tuple(newest[number] for number in sorted((each for _, each in sorted(turns)[:UNREAD_MOST]), reverse=True))


def assigned(
    state: State, cause: messages.Cause | messages.OfSignals | None, emitted: Sequence[messages.Emits]
) -> list[messages.Emits]:
    """With who of the team has the role that owns what is asked: of escalations, and of reviews."""
    team = team_after(state.team, cause) if isinstance(cause, messages.RecordTeam) else state.team
    if not team:
        return [*emitted]
    return [_asked_of(team, each) for each in assigning.assigned(emitted, people(team))]


def _asked_of(team: Team, event: messages.Emits) -> messages.Emits:
    asked = messages.PlacementReviewRequested | messages.PlacementReviewWithdrawn
    person = person_of(team, event.review.owner) if isinstance(event, asked) else ""
    return msgspec.structs.replace(event, assigned=person) if person else event


def stated(course: Course) -> list[messages.Emits]:
    """During a stay the plan is emitted whole whenever it is another one than before; a stay begins, or goes on, with
    what was planned before."""
    begins = course.emits(messages.EpisodeAdmitted | messages.DischargeWithdrawn)
    if not begins and not isinstance(course.cause, messages.RevisePlan):
        return []
    state, after = course.before, course.after
    if after.episode is None:
        return []
    earlier = state.episode or (state.ended.episode if state.ended is not None else None)
    known = earlier.plan if earlier is not None and earlier.id == after.episode.id else Plan()
    return [] if _shown(known) == _shown(after.episode.plan) else [_revised(after.episode, known, course.moment)]


def _shown(plan: Plan) -> tuple[Sequence[messages.PlannedGoal], Sequence[messages.PlannedActivity]]:
    return plan.planned_goals, plan.planned_activities


def _revised(episode: Episode, before: Plan, moment: Moment[Settings]) -> messages.PlanRevised:
    goals, ids = episode.plan.planned_goals, {each.goal_id for each in episode.plan.planned_goals}
    gone = (each for each in before.planned_goals if each.goal_id not in ids)
    return messages.PlanRevised(
        plan_id=episode.plan_id,
        started_at=episode.admitted_at,
        template=_template(episode, moment.settings),
        goals=(*goals, *(msgspec.structs.replace(each, status=ENTERED_IN_ERROR) for each in gone)),
        activities=episode.plan.planned_activities,
    )


def _template(episode: Episode, settings: Settings) -> tuple[messages.TemplateSlot, ...]:
    """The sessions of the week; of a stay that an older release admitted, as it would begin today."""
    first = first_of(settings.stages, episode.level)
    if episode.template is not None or not first:
        return episode.template or ()
    return schedule.template(settings.stages[first], "", episode.flags or (), settings.sessions)
