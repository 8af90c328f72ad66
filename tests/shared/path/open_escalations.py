"""What a fresh reader of `iop.escalations.open` knows, what GET Task answers, and a clinic's random days."""

import json
import random
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

from services.attendance.messages import CheckIn, WithdrawCheckIn
from shared.events.envelope import name_id
from shared.path.inbound import deadlines
from shared.rules.escalation import AcknowledgeEscalation, HandOverEscalation, ResolveEscalation
from tests.service import ServiceOnPostgres, consumed
from tests.shared.path.given import admission

OPEN = ("requested", "accepted")
_NEWEST = "SELECT id FROM resources WHERE type = $1 AND patient = $2 ORDER BY at DESC LIMIT 1"
_NEAR = """SELECT id, at FROM resources WHERE type = 'Appointment' AND patient = $1
    ORDER BY abs(extract(epoch FROM at - $2)) LIMIT 3"""
PATIENTS = [str(uuid4()) for _ in range(4)]
Task = dict[str, Any]


def folded(records: Iterable[tuple[str, str | bytes | None]]) -> dict[str, Task]:
    """The Tasks left after compaction, by their id: of each key the newest value, and none where that is null."""
    return {key: task_of(json.loads(value)) for key, value in dict(records).items() if value is not None}


def task_of(bundle: Mapping[str, Any]) -> Task:
    """The Task of a record's message Bundle, without what the read model adds."""
    task: Task = dict(bundle["entry"][1]["resource"])
    task.pop("meta")
    return task


async def open_tasks(here: ServiceOnPostgres) -> dict[str, Task]:
    """What a search answers of the Tasks that a person is still asked for, by their id."""
    found = await here.found("Task", ("status", ",".join(OPEN)), ("_count", "200"))
    return {each["id"]: {name: value for name, value in each.items() if name != "meta"} for each in found}


async def admitted(here: ServiceOnPostgres) -> None:
    await here.deliver(*(consumed(admission(patient), patient) for patient in PATIENTS))


async def step(here: ServiceOnPostgres, chance: random.Random) -> None:
    """Hours pass, somebody comes, a visit is withdrawn, a person takes an escalation on, hands it over or has acted on
    it."""
    here.set_clock(here.running.clock.now() + timedelta(hours=chance.choice((0, 1, 5))))
    await deadlines.run_due(here.inbox)
    patient = chance.choice(PATIENTS)
    match chance.choice(("come", "withdraw", "accept", "hand over", "resolve")):
        case "come":
            await _come(here, patient, chance)
        case "withdraw":
            for (encounter,) in await here.select(_NEWEST, "Encounter", patient):
                await here.command(patient, WithdrawCheckIn(encounter_id=encounter))
        case "accept":
            for (identity,) in await here.select(_NEWEST, "Task", patient):
                await here.command(patient, AcknowledgeEscalation(escalation_id=identity, by="nurse-1"))
        case "hand over":
            to = chance.choice(("staff/clinician-1", "case-manager"))
            for (identity,) in await here.select(_NEWEST, "Task", patient):
                handing = HandOverEscalation(escalation_id=identity, to=to, reason="shift-ended", by="nurse-1")
                await here.command(patient, handing)
        case _:
            for (identity,) in await here.select(_NEWEST, "Task", patient):
                await here.command(patient, ResolveEscalation(escalation_id=identity, reason="done", by="nurse-1"))


async def _come(here: ServiceOnPostgres, patient: str, chance: random.Random) -> None:
    near = await here.select(_NEAR, patient, here.running.clock.now())
    if near:
        session, at = chance.choice(near)
        minutes = timedelta(minutes=chance.choice((60, 180)))
        visit = name_id(session, f"visit {chance.randrange(3)}")
        await here.command(patient, CheckIn(session_ids=(session,), encounter_id=visit, periods=((at, at + minutes),)))
