"""Searches for sessions: Appointments by who takes part, Encounters by the Appointment they name, Slots by Schedule,
groups by who is in them, findings by code."""

import re
from collections.abc import Awaitable, Callable
from zoneinfo import ZoneInfo

import msgspec

from shared.edge.outcome import refuse
from shared.edge.search_values import between, identifiers, not_searched_by, require_value
from shared.events import codes
from shared.path.transaction import resources
from shared.path.transaction.search import Search
from shared.platform.db import Pool

NARROWED = ("Appointment", "Encounter", "Group", "Schedule", "Slot", "DetectedIssue")
ACTORS = ("Practitioner", "PractitionerRole", "RelatedPerson", "Location", "HealthcareService", "Device")
"""Who may take part in an Appointment besides a patient (R4)."""
NAMED_MOST = 50
NO_GROUP = "-"
"""The name of none."""
_NAME = re.compile(r"[A-Za-z0-9\-.]{1,64}")
Patients = Callable[[str], Awaitable[list[str]]]
"""The hub's ids of the patients in a value."""


async def narrow(query: Search, name: str, value: str, patients: Patients, pool: Pool, zone: ZoneInfo) -> None:
    """A parameter that only these types are searched by. Raises HttpRefusal 400."""
    match query.type, name:
        case "Appointment", "actor" | "actor:Patient":
            await _actors(query, value, patients)
        case "Appointment", "group":
            query.of_group(await _group(query.program, value, pool))
        case "Encounter", "appointment" | "appointment:Appointment":
            await _appointments(query, value, pool)
        case "DetectedIssue", "code":
            query.naming("code.coding[*]", "code", identifiers(value))
        case "Slot", "schedule" | "schedule:Schedule":
            schedules = [f"Schedule/{each.rpartition('Schedule/')[2]}" for each in _few(value.split(","))]
            query.naming("schedule", "reference", [(None, each) for each in schedules])
        case "Slot", "service-type":
            query.naming("serviceType[*].coding[*]", "code", identifiers(value))
        case "Group" | "Schedule", "identifier":
            query.naming("identifier[*]", "value", identifiers(value))
        case "Group", "member" | "member:Patient":
            members = _few(await patients(value)) or [""]
            query.named.update(members)
            query.naming("member[*].entity", "reference", [(None, f"Patient/{each}") for each in members])
        case ("DetectedIssue", "identified") | ("Slot", "start"):
            query.happened(*between(value, zone))
        case _:
            raise not_searched_by()


async def _actors(query: Search, value: str, patients: Patients) -> None:
    """A patient as in `patient`, or anybody and anything else that takes part, by reference with its type."""
    named = value.split(",")
    others = [each for each in named if each.rpartition("/")[0].rpartition("/")[2] in ACTORS]
    if not others:
        query.patients(await patients(value))
        return
    own = await patients(",".join(each for each in named if each not in others)) if len(others) < len(named) else []
    query.named.update(own)
    references = [*(f"Patient/{each}" for each in own), *("/".join(each.split("/")[-2:]) for each in others)]
    query.naming("participant[*].actor", "reference", [(None, each) for each in _few(references)])


async def _group(program: str, value: str, pool: Pool) -> str:
    """By its name in program.toml, or its Group. Raises HttpRefusal 400."""
    (system, named), *others = identifiers(value)
    group = "" if others or system not in (None, codes.GROUP) else named.removeprefix("HealthcareService/")
    if "Group/" in group and _NAME.fullmatch(identity := group.rpartition("Group/")[2]):
        async with pool.acquire() as connection:
            row = await resources.one(connection, program, ("Group", identity))
        group = msgspec.json.decode(row["body"])["identifier"][0]["value"] if row else NO_GROUP
    if not _NAME.fullmatch(group):
        raise refuse(400, "invalid", "", "Must be one group, by its name in program.toml: evening-a.")
    return group


async def _appointments(query: Search, value: str, pool: Pool) -> None:
    """Whose they are is looked up first: of one patient there are few Encounters, and of a session they are by bodies
    alone."""
    ids = _few([each.rpartition("Appointment/")[2] for each in value.split(",")])
    for each in ids:
        require_value(each)
    async with pool.acquire() as connection:
        found = await resources.stored(connection, query.program, [("Appointment", each) for each in ids])
    query.patients({row["patient"] for row in found.values()})
    query.naming("appointment[*]", "reference", [(None, f"Appointment/{each}") for each in ids])


def _few(named: list[str]) -> list[str]:
    if len(named) > NAMED_MOST:
        raise refuse(400, "too-costly", "", f"A search must name at most {NAMED_MOST} resources.")
    return named
