"""Who looks after a patient, and what is planned: codes alone, for the patient's own words stay in the EHR's Goal."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

import msgspec

from shared.events import codes, fhir, reading
from shared.events.envelope import Event, Resource, name_id
from shared.events.intake.care_plan import CarePlan, TemplateSlot, care_plan, timetable

TEAM_ROLES = ("primary-therapist", "case-manager", "prescriber")
"""Who owns what is asked about a patient; of each one person."""
GOAL_AIMS = (
    "abstinence",
    "reduced-use",
    "relapse-prevention",
    "medication",
    "mental-health",
    "physical-health",
    "family",
    "relationships",
    "mutual-help",
    "work",
    "school",
    "legal",
    "housing",
    "money",
    "leisure",
    "uncoded",
)
"""What a goal aims at; `uncoded` where its sender has coded none that is known. A state names them by their places,
which never change."""
GOAL_STATUSES = (
    "proposed",
    "planned",
    "accepted",
    "active",
    "on-hold",
    "completed",
    "cancelled",
    "rejected",
    "entered-in-error",
)
"""FHIR's. Their places never change."""
ACTIVITIES = (
    "relapse-prevention-plan",
    "workshop",
    "family-session",
    "mutual-help",
    "moud-coordination",
    "help-with-work",
    "help-with-school",
    "help-with-legal",
    "help-with-housing",
    "help-with-money",
    "help-with-health",
)
"""What is planned beside the sessions (domain 1.2). Their places never change."""
TOPICS = (
    "",
    "addiction-and-triggers",
    "stress",
    "nutrition-and-wellness",
    "healthy-routines",
    "finances",
    "employment-readiness",
    "structuring-time",
    "high-risk-situations",
    "abstinence-and-medication",
    "mutual-help-groups",
    "support-networks",
    "warning-signs",
    "testing-control",
    "anger",
    "relaxation",
    "shame-and-guilt",
)
"""Of workshops (domain 1.2), the first where none is named. Their places never change."""
ACTIVITY_STATES = ("not-started", "in-progress", "completed", "declined")
"""How far an activity is; `declined` also where it was called off. Their places never change."""
PERTAINS_TO = "http://hl7.org/fhir/StructureDefinition/resource-pertainsToGoal"
_STATUS = {"declined": "cancelled"}
"""FHIR's status of an activity, where it isn't named as here."""


class TeamMember(msgspec.Struct, frozen=True, array_like=True):
    """A person of the program's staff, by their id there, in one of TEAM_ROLES."""

    role: str
    person: str


class CareTeamChanged(Event, frozen=True, kw_only=True):
    """Who looks after the patient now, whole: nobody of a role where none is named."""

    members: tuple[TeamMember, ...]
    changed_at: datetime

    def write(self, patient: str) -> list[Resource]:
        return [
            fhir.without_nothing(
                {
                    "resourceType": "CareTeam",
                    "id": team_id(patient),
                    "status": "active" if self.members else "inactive",
                    "subject": fhir.reference("Patient", patient),
                    "period": {"start": self.changed_at} if self.members else {"end": self.changed_at},
                    "participant": [
                        {
                            "role": [fhir.concept(codes.OWNER, each.role)],
                            "member": {"type": "Practitioner", **fhir.staff(each.person)},
                        }
                        for each in self.members
                    ],
                }
            )
        ]


def team_id(patient: str) -> str:
    """Of the hub's own CareTeam of this patient."""
    return name_id(patient, "care-team")


class _Participant(reading.Element, frozen=True):
    role: tuple[reading.Concept, ...]
    member: reading.Logical


class _CareTeam(reading.Read, frozen=True):
    period: reading.Period
    participant: tuple[_Participant, ...] = ()


@reading.reads(_CareTeam)
def read_care_team_changed(resources: Sequence[reading.Read]) -> CareTeamChanged:
    (team,) = reading.of_type(resources, _CareTeam)
    members = (TeamMember(each.role[0].code, each.member.identifier.value) for each in team.participant)
    return CareTeamChanged(members=tuple(members), changed_at=reading.utc(team.period.start or team.period.end))


class PlannedGoal(msgspec.Struct, frozen=True, array_like=True):
    """A goal by the id of the EHR's Goal, which alone has the patient's words; one of GOAL_AIMS and GOAL_STATUSES."""

    goal_id: str
    aim: str
    status: str

    @property
    def id(self) -> str:
        return name_id(self.goal_id, "aim")

    def write(self, patient: str) -> Resource:
        return {
            "resourceType": "Goal",
            "id": self.id,
            "extension": [{"url": PERTAINS_TO, "valueReference": fhir.reference("Goal", self.goal_id)}],
            "lifecycleStatus": self.status,
            "description": fhir.concept(codes.GOAL_AIM, self.aim),
            "subject": fhir.reference("Patient", patient),
        }


class PlannedActivity(msgspec.Struct, frozen=True, array_like=True):
    """One of ACTIVITIES in one of ACTIVITY_STATES; `topic` one of TOPICS."""

    code: str
    state: str
    topic: str = ""

    def write(self) -> fhir.Element:
        topic = [fhir.coding(codes.TOPIC, self.topic)] if self.topic else []
        detail = {
            "code": {"coding": [fhir.coding(codes.ACTIVITY, self.code), *topic]},
            "status": _STATUS.get(self.state, self.state),
            "statusReason": fhir.concept(codes.REASON, self.state) if self.state == "declined" else None,
        }
        return {"detail": fhir.without_nothing(detail)}


def read_activities(plan: CarePlan) -> tuple[PlannedActivity, ...]:
    """What is planned beside the sessions of the week."""
    details = [each.detail for each in plan.activity if each.detail.code.code_of(codes.ACTIVITY)]
    states = {status: state for state, status in _STATUS.items()}
    return tuple(
        PlannedActivity(
            each.code.code_of(codes.ACTIVITY), states.get(each.status, each.status), each.code.code_of(codes.TOPIC)
        )
        for each in details
    )


class PlanRevised(Event, frozen=True, kw_only=True):
    """What is planned with the patient now, whole: the sessions of the week, the goals, the activities. Track and flags
    of the stay stand in its CarePlan as the admission said them.

    A goal that was taken back is named once more, as entered in error.
    """

    plan_id: str
    started_at: datetime
    template: tuple[TemplateSlot, ...]
    goals: tuple[PlannedGoal, ...]
    activities: tuple[PlannedActivity, ...]

    amends: ClassVar[frozenset[str]] = frozenset({"CarePlan"})

    def write(self, patient: str) -> list[Resource]:
        plan = care_plan(
            self.plan_id,
            "active",
            fhir.reference("Patient", patient),
            {"start": self.started_at},
            goal=[fhir.reference("Goal", each.id) for each in self.goals],
            activity=[*timetable(self.template), *(each.write() for each in self.activities)],
        )
        return [plan, *(each.write(patient) for each in self.goals)]
