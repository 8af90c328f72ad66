"""Work of no patient that a command raises: stored once, in the transaction that stores what raised it.

A question may be about results that wait for its answer (table waiting_results): each counts once, however often it
comes, and one that comes after the answer asks again.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

import msgspec

from shared.events import codes, fhir
from shared.path.transaction import resources
from shared.path.transaction.delivery import Commanded, Delivery
from shared.path.transaction.resources import AcceptedResource
from shared.platform.db import Connection, Row

RESULTS, SINCE = "results", "since"
"""Inputs of a Task: how many results wait for its answer, and since when the first of them does."""
OPEN = ("requested", "accepted", "in-progress")
_ROW = """SELECT body, version FROM resources WHERE type = 'Task' AND id = $1 AND program = $2 AND length(patient) = 0
    FOR UPDATE"""
_LOCK = """SELECT id, program, body FROM resources WHERE type = 'Task' AND id = ANY($1::text[]) AND length(patient) = 0
    ORDER BY id, program FOR UPDATE"""
_STANDING = "SELECT program, status, patient FROM resources WHERE type = 'Task' AND id = $1"
_OLDER = """SELECT body, version FROM resources WHERE program = $1 AND type = 'Task' AND status = ANY($2::text[])
    AND length(patient) = 0 AND at <= $3 ORDER BY id FOR UPDATE"""
_WAIT = """INSERT INTO waiting_results (program, task, result, at) SELECT $1, $2, r, $4 FROM unnest($3::uuid[]) AS r
    ON CONFLICT DO NOTHING RETURNING result"""
_WAIT_NO_MORE = "DELETE FROM waiting_results WHERE task = $1 AND program = $2"
# Of no patient, by the length: an index of the status finds those that are open.
_OPEN = """SELECT body, version FROM resources WHERE program = $1 AND type = 'Task' AND status = ANY($2::text[])
    AND length(patient) = 0 AND strpos(body, $3) > 0 ORDER BY id"""
_EVERY = """WITH of_nobody AS MATERIALIZED (SELECT * FROM resources WHERE patient = '' AND type = 'Task')
    SELECT body, version FROM of_nobody WHERE program = $1 AND strpos(body, $2) > 0 ORDER BY id"""


class Question(NamedTuple):
    """A Task of no patient as it stands."""

    task: fhir.Element
    version: int


class _Raised(NamedTuple):
    """A question as a delivery raised it, for a sorted list."""

    program: str
    identity: str
    question: AcceptedResource
    at: datetime

    @property
    def name(self) -> tuple[str, str]:
        return self.program, self.identity


async def add(connection: Connection, deliveries: Iterable[Delivery]) -> None:
    """The same again changes nothing."""
    await raise_all(
        connection,
        (
            (each.program, question, each.at)
            for each in deliveries
            if isinstance(each, Commanded)
            for question in each.questions
        ),
    )


async def raise_all(connection: Connection, raised: Iterable[tuple[str, AcceptedResource, datetime]]) -> None:
    """Each of its program and time; all are stored in one order, so that none waits for another in a ring."""
    ordered = sorted(
        (_Raised(program, question.id, question, at) for program, question, at in raised),
        key=lambda each: (each.name, each.at),
    )
    for _, same in groupby(ordered, key=lambda each: each.name):
        await _ask(connection, list(same))


async def locked(connection: Connection, program: str, identity: str) -> Row | None:
    """A Task of no patient, which nobody else answers or counts until the transaction ends."""
    return await connection.fetchrow(_ROW, identity, program)


async def lock(connection: Connection, identities: Sequence[str]) -> dict[tuple[str, str], fhir.Element]:
    """Likewise many, in every program: by program and id."""
    rows = await connection.fetch(_LOCK, identities)
    return {(row["program"], row["id"]): _task(row["body"]) for row in rows}


class TaskStanding(NamedTuple):
    """How a Task stands, and whose it is: nobody's is empty."""

    status: str
    patient: str


async def standing(connection: Connection, identity: str) -> dict[str, TaskStanding]:
    """By program, how the Task of this id stands."""
    rows = await connection.fetch(_STANDING, identity)
    return {row["program"]: TaskStanding(row["status"], row["patient"]) for row in rows}


def found(task: fhir.Element, patient: str, now: datetime) -> AcceptedResource:
    """The Task that asked for the patient, completed with them: it is theirs from now on."""
    of_patient = {"for": fhir.reference("Patient", patient), "lastModified": now.replace(microsecond=0)}
    body = msgspec.json.encode({**task, "status": "completed", **of_patient}).decode()
    return AcceptedResource("Task", str(task["id"]), body, "completed", now)


def ended(task: fhir.Element, now: datetime) -> AcceptedResource:
    """A Task that asked for a patient whom nobody has to name any more."""
    body = msgspec.json.encode({**task, "status": "completed", "lastModified": now.replace(microsecond=0)}).decode()
    return AcceptedResource("Task", str(task["id"]), body, "completed", now)


async def of_code(connection: Connection, program: str, code: str, *, only_open: bool) -> list[Question]:
    """The Tasks of no patient with this code, those that wait for an answer or every one."""
    with_code = f'"{code}"'
    if only_open:
        rows = await connection.fetch(_OPEN, program, list(OPEN), with_code)
    else:
        rows = await connection.fetch(_EVERY, program, with_code)
    return [Question(_task(row["body"]), row["version"]) for row in rows]


async def older(connection: Connection, program: str, before: datetime) -> list[Question]:
    """Those that are open and were asked until then. Nobody else changes them until the transaction ends."""
    rows = await connection.fetch(_OLDER, program, list(OPEN), before)
    return [Question(_task(row["body"]), row["version"]) for row in rows]


async def settle(
    connection: Connection, answered: AcceptedResource, program: str, version: str | None, now: datetime
) -> int | None:
    """Store the answer, of this version of its Task or of any: no result waits for it any more. None, and nothing,
    where it has changed."""
    settled = await resources.settle(connection, answered, program, version, now)
    if settled is not None:
        await connection.execute(_WAIT_NO_MORE, answered.id, program)
    return settled


async def _ask(connection: Connection, same: Sequence[_Raised]) -> None:
    """One question, however many raise it: its row is locked before its results are counted."""
    first = same[0]
    await resources.add(connection, [first.question], first.program, first.at)
    if not any(each.question.results for each in same):
        return
    row = await locked(connection, *first.name)
    fresh = 0
    for each in same:
        fresh += len(await connection.fetch(_WAIT, *each.name, list(each.question.results), each.at))
    if row is not None and fresh:
        task = counted(_task(row["body"]), fresh, first.at, same[-1].at)
        changed = AcceptedResource("Task", first.identity, msgspec.json.encode(task).decode(), task["status"])
        await resources.settle(connection, changed, first.program, None, same[-1].at)


def counted(task: fhir.Element, fresh: int, since: datetime, now: datetime) -> fhir.Element:
    """The Task with so many results more; one that was answered asks again, about these alone."""
    waits = task["status"] in OPEN
    before = fhir.task_inputs(task, RESULTS) if waits else []
    first = fhir.task_inputs(task, SINCE) if waits else []
    count = {"type": fhir.concept(codes.INPUT, RESULTS), "valueInteger": fresh + sum(_integer(each) for each in before)}
    others = [each for each in task["input"] if fhir.code_of(each["type"]) not in (RESULTS, SINCE)]
    since_when = first or [{"type": fhir.concept(codes.INPUT, SINCE), "valueInstant": since}]
    changed = {"status": task["status"] if waits else "requested", "lastModified": now.replace(microsecond=0)}
    return {**task, **changed, "input": [*others, count, *since_when]}


def _integer(task_input: fhir.Element) -> int:
    return int(task_input["valueInteger"])


def _task(body: str) -> fhir.Element:
    return msgspec.json.decode(body, type=fhir.Element)
