"""Who looks after the patient and what is planned, as a state remembers it: small, whatever a sender plans."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from services.intake import messages
from shared.events.intake import (
    ACTIVITIES,
    ACTIVITY_STATES,
    GOAL_AIMS,
    GOAL_STATUSES,
    TOPICS,
    PlannedActivity,
    PlannedGoal,
    TeamMember,
)
from shared.rules.packing import pack_id, unpack_id

GOALS_MOST = 10
ACTIVITIES_MOST = 40
"""Of one patient: a state stays small."""
SOURCES_MOST = 8
"""CarePlans of an EHR's whose activities count, of one patient."""
_PLACES = "0123456789abcdefghijklmnopqrstuvwxyz"


class Plan(msgspec.Struct, frozen=True, array_like=True):
    """`goals` by the packed id of the EHR's Goal: the places of aim and status. `activities` by the packed id of the
    CarePlan that plans them: the places of code, topic and state of each, three signs."""

    goals: Mapping[str, str] = {}
    activities: Mapping[str, str] = {}

    @property
    def planned_goals(self) -> tuple[PlannedGoal, ...]:
        """In the order of their ids, in whatever order they came."""
        return tuple(_goal(source, signs) for source, signs in sorted(self.goals.items()))

    @property
    def planned_activities(self) -> tuple[PlannedActivity, ...]:
        """In the order of the CarePlans' ids, and as each of them has them."""
        return tuple(each for _, signs in sorted(self.activities.items()) for each in _activities(signs))

    def after(self, command: messages.RevisePlan) -> "Plan":
        """With what this resource says now, in the place of what it said before, as far as there is room."""
        source, goal = pack_id(command.source), command.goal
        if command.is_goal:
            goals = _without(self.goals, source)
            if goal is not None and len(goals) < GOALS_MOST:
                goals[source] = _PLACES[GOAL_AIMS.index(goal.aim)] + _PLACES[GOAL_STATUSES.index(goal.status)]
            return Plan(goals, self.activities)
        others = {} if command.is_own else _without(self.activities, source)
        room = ACTIVITIES_MOST - sum(map(len, others.values())) // 3 if len(others) < SOURCES_MOST else 0
        signs = "".join(map(_signs, command.activities[:room]))
        return Plan(self.goals, {**others, source: signs} if signs else others)

    def leaves_out(self, command: messages.RevisePlan) -> str:
        """What of it there was no room for, by code; empty where all of it stands."""
        after, source = self.after(command), pack_id(command.source)
        if command.is_goal:
            return "too-many-goals" if command.goal is not None and source not in after.goals else ""
        stands = len(after.activities.get(source, "")) // 3
        return "too-many-activities" if stands < len(command.activities) else ""

    def with_later(self, later: "Plan") -> "Plan":
        """With what came while no stay was open, as far as there is room."""
        goals = dict(list({**self.goals, **later.goals}.items())[:GOALS_MOST])
        merged, room = dict[str, str](), ACTIVITIES_MOST
        for source, signs in list({**self.activities, **later.activities}.items())[:SOURCES_MOST]:
            merged[source] = signs[: 3 * room]
            room -= len(merged[source]) // 3
        return Plan(goals, {source: signs for source, signs in merged.items() if signs})


def _without(known: Mapping[str, str], source: str) -> dict[str, str]:
    return {name: each for name, each in known.items() if name != source}


def _goal(source: str, signs: str) -> PlannedGoal:
    aim, status = map(_PLACES.index, signs)
    return PlannedGoal(unpack_id(source), GOAL_AIMS[aim], GOAL_STATUSES[status])


def _signs(activity: PlannedActivity) -> str:
    places = (
        ACTIVITIES.index(activity.code),
        TOPICS.index(activity.topic),
        ACTIVITY_STATES.index(activity.state),
    )
    return "".join(_PLACES[each] for each in places)


def _activities(signs: str) -> Iterable[PlannedActivity]:
    for place in range(0, len(signs), 3):
        code, topic, state = map(_PLACES.index, signs[place : place + 3])
        yield PlannedActivity(ACTIVITIES[code], ACTIVITY_STATES[state], TOPICS[topic])


class Member(msgspec.Struct, frozen=True, array_like=True):
    """Who has a role, and the CareTeam (packed id) that says so."""

    role: str
    person: str
    source: str


Team = tuple[Member, ...]


def people(team: Team) -> tuple[TeamMember, ...]:
    return tuple(TeamMember(each.role, each.person) for each in team)


def person_of(team: Team, role: str) -> str:
    """Who has this role; empty where nobody does."""
    return next((each.person for each in team if each.role == role), "")


def team_after(team: Team, command: messages.RecordTeam) -> Team:
    """One person a role: who has it keeps it while the CareTeam that says so names them, and another CareTeam takes it
    from nobody."""
    source = pack_id(command.source)
    others = () if command.is_own else tuple(each for each in team if each.source != source)
    stays = [each for each in team if each not in others and _is_named(each, command.members)]
    found = {each.role: each for each in (*others, *stays)}
    for each in command.members:
        found.setdefault(each.role, Member(each.role, each.person, source))
    return tuple(each for _, each in sorted(found.items()))


def _is_named(known: Member, members: Sequence[messages.NamedMember]) -> bool:
    return any((each.role, each.person) == (known.role, known.person) for each in members)


def second_ones(team: Team, command: messages.RecordTeam) -> tuple[messages.NamedMember, ...]:
    """Whom it names for a role that another person has."""
    after = team_after(team, command)
    return tuple(each for each in command.members if person_of(after, each.role) != each.person)
