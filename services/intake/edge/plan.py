"""The CareTeam, and what is planned: Goals and CarePlans of an EHR's, or the plan of the stay itself. What nobody can
read is stored as it came, and a person reads it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from services.intake.messages import NamedMember, PlannedActivity, PlannedGoal, RecordTeam, RevisePlan, Unread
from services.intake.team_roles import ROLES
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, codes_in, codings, literal, planned
from shared.edge.json import Json
from shared.edge.staff import known_member
from shared.events import codes
from shared.events.intake import ACTIVITIES, GOAL_AIMS, GOAL_STATUSES, TEAM_ROLES, TOPICS, team_id

TYPES = ("CareTeam", "Goal", "CarePlan")


_OF_NO_STAFF = ("Patient", "RelatedPerson", "Organization", "CareTeam")
_CALLED_OFF = frozenset({"revoked", "entered-in-error", "draft"})
_STATES = {
    "not-started": "not-started",
    "scheduled": "not-started",
    "in-progress": "in-progress",
    "on-hold": "in-progress",
    "completed": "completed",
    "cancelled": "declined",
    "stopped": "declined",
}
"""FHIR's status of an activity, as it is named here."""


def commands(entries: Sequence[BundleEntry], context: Context) -> Iterator[RecordTeam | RevisePlan]:
    """What each of these says."""
    for each in entries:
        match each.type:
            case "CareTeam":
                yield _team(each, context)
            case "Goal":
                yield _goal(each, context)
            case "CarePlan":
                yield _plan(each, context)
            case _:
                pass


def is_own(entry: BundleEntry, context: Context) -> bool:
    """Whether it is the hub's own CareTeam, or the plan of a stay: what it says is decided, and written by the hub."""
    if entry.type == "CareTeam":
        return str(entry.id) == team_id(context.patient)
    before = context.stored.get((entry.type, str(entry.id)))
    return before is not None and any(code_in(each, codes.TRACK) for each in before.body.get("category", ()))


def read_as(entry: BundleEntry, context: Context) -> list[str]:
    """What the outcome says of it."""
    (command,) = commands([entry], context)
    if isinstance(command, RecordTeam):
        read = [f"read as {each.role}: {each.place}" for each in command.members] or ["read as nobody's team"]
    elif command.is_goal:
        read = [f"read as a goal: {command.goal.aim}" if command.goal else "read as a goal taken back"]
    else:
        read = [f"read as {len(command.activities)} planned activities"]
    return [*read, *(f"not read, a person is asked: {each.place} ({each.why})" for each in command.unread)]


def _team(entry: BundleEntry, context: Context) -> RecordTeam:
    """Of a team that is active; any other one names nobody."""
    found = [_participant(entry, *each, context) for each in enumerate(entry.resource.get("participant", ()))]
    if entry.resource.get("status", "active") != "active":
        found = []
    return RecordTeam(
        source=str(entry.id),
        members=tuple(member for each in found for member in each.members),
        unread=tuple(each.unread for each in found if each.unread is not None),
        is_own=is_own(entry, context),
    )


class _Participant(NamedTuple):
    members: tuple[NamedMember, ...] = ()
    unread: Unread | None = None


def _participant(entry: BundleEntry, number: int, participant: Json, context: Context) -> _Participant:
    """Whom it names, and for which roles; the patient's own people are no staff."""
    place, named = f"participant[{number}]", participant.get("member", {})
    if _is_over(participant, f"{entry.place}.{place}", context) or not named or _kind(named) in _OF_NO_STAFF:
        return _Participant()
    person, resource = known_member(named, context), f"CareTeam/{entry.id}"
    if person is None:
        return _Participant(unread=Unread("unknown-member", resource, f"{place}.member"))
    stated = [_key(coding) for concept in participant.get("role", ()) for coding in codings(concept)]
    held = [each for each in context.settings.staff[person].roles if each in TEAM_ROLES]
    roles, why = _roles(stated, held, context)
    members = tuple(NamedMember(each, person, place) for each in roles)
    return _Participant(members, Unread(why, resource, f"{place}.role") if why else None)


def _roles(stated: Sequence[str], held: Sequence[str], context: Context) -> tuple[Sequence[str], str]:
    """For which roles somebody is named who has these (`held`) in the program, and why a person must read it. Where
    none is stated, it is the one that they have, if it is one."""
    if not stated:
        return (held if len(held) == 1 else ()), ""
    functions = [role for each in stated if (role := _role(each, context))]
    if not set(functions) <= set(held):
        return (), "role-not-held"
    specialties = [ROLES.specialty[each] for each in stated if ROLES.specialty.get(each) in held]
    is_known = any(each in ROLES.specialty or each in ROLES.other for each in stated)
    roles = list(dict.fromkeys(functions or specialties))
    return roles, "" if roles or is_known else "unknown-role"


def _role(key: str, context: Context) -> str | None:
    own = {f"{codes.OWNER}|{each}": each for each in TEAM_ROLES}
    found = context.settings.plan_codes.get(key) or own.get(key) or ROLES.function.get(key)
    return found if found in TEAM_ROLES else None


def _is_over(participant: Json, place: str, context: Context) -> bool:
    end = participant.get("period", {}).get("end")
    return end is not None and planned(end, f"{place}.period.end", context.time) <= context.now


def _kind(reference: Json) -> str:
    """The type that a reference names."""
    return str(reference.get("type") or literal(reference).rpartition("/")[0].rpartition("/")[2])


def _key(coding: Json) -> str:
    return f"{coding.get('system', '')}|{coding.get('code', '')}"


def _goal(entry: BundleEntry, context: Context) -> RevisePlan:
    description, status = entry.resource.get("description", {}), str(entry.resource["lifecycleStatus"])
    stands = status in GOAL_STATUSES and status != "entered-in-error"
    aim = _meaning(description, codes.GOAL_AIM, GOAL_AIMS, context)
    is_unknown = stands and aim is None and "coding" in description
    return RevisePlan(
        source=str(entry.id),
        is_goal=True,
        goal=PlannedGoal(str(entry.id), aim or "uncoded", status) if stands else None,
        unread=(Unread("unknown-goal-aim", f"Goal/{entry.id}", "description.coding"),) if is_unknown else (),
    )


def _meaning(concept: Json, system: str, known: Sequence[str], context: Context) -> str | None:
    """The hub's own code, or the one that the program's map says."""
    own = next((each for each in codes_in(concept, system) if each in known), None)
    mapped = (context.settings.plan_codes.get(_key(each)) for each in codings(concept))
    return own or next((each for each in mapped if each in known), None)


def _plan(entry: BundleEntry, context: Context) -> RevisePlan:
    stands = entry.resource.get("status") not in _CALLED_OFF
    found = [
        _activity(entry, *each, context) for each in enumerate(entry.resource.get("activity", ()) if stands else ())
    ]
    return RevisePlan(
        source=str(entry.id),
        activities=tuple(each for each in found if isinstance(each, PlannedActivity)),
        unread=tuple(each for each in found if isinstance(each, Unread)),
        is_own=is_own(entry, context),
    )


def _activity(entry: BundleEntry, number: int, activity: Json, context: Context) -> PlannedActivity | Unread | None:
    """None of a session of the week, and of what was entered in error or is not to be done."""
    detail, resource, place = activity.get("detail"), f"CarePlan/{entry.id}", f"activity[{number}]"
    if detail is None:
        return Unread("unknown-activity", resource, f"{place}.reference")
    status = str(detail["status"])
    if status == "entered-in-error" or detail.get("doNotPerform") or code_in(detail.get("code"), codes.SESSION):
        return None
    concept = detail.get("code", {})
    topic = _meaning(concept, codes.TOPIC, TOPICS[1:], context)
    code = _meaning(concept, codes.ACTIVITY, ACTIVITIES, context) or ("workshop" if topic else None)
    if code is None:
        return Unread("unknown-activity", resource, f"{place}.detail.code")
    if status not in _STATES:
        return Unread("unknown-state", resource, f"{place}.detail.status")
    return PlannedActivity(code, _STATES[status], topic if topic and code == "workshop" else "")
