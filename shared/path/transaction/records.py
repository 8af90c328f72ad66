"""What may go of a patient's record: resources and decisions that are old, closed, and of nobody who is in care.

Nothing is deleted that is referred to by what stays: HAPI's `$expunge` left children behind their parents, and audits
and provenances that point nowhere (hapi-fhir 7824, 7139, 7160).
"""

import re
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from shared.path.service import NewerState, Service
from shared.path.transaction.resources import Name
from shared.platform.db import Connection, Executor, Row
from shared.platform.retention import CLOSED, ROWS_MOST
from shared.rules.packing import pack_id

PATIENTS_AT_ONCE = 500
STAYING = ("Patient",)
"""Types that stay: whoever comes back is known again, by every service, or by none."""
_REFERENCE = re.compile(r"\b([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")
# Each program, type and status, from one to the next by the index: there are some dozens.
_KINDS = """WITH RECURSIVE kinds AS (
    (SELECT program, type, coalesce(status, '') AS status FROM resources ORDER BY 1, 2, 3 LIMIT 1)
    UNION ALL SELECT next.* FROM kinds k CROSS JOIN LATERAL (
        SELECT r.program, r.type, coalesce(r.status, '') AS status FROM resources r
        WHERE (r.program, r.type, coalesce(r.status, '')) > (k.program, k.type, k.status) ORDER BY 1, 2, 3 LIMIT 1
    ) AS next) SELECT * FROM kinds"""
# Those of one kind that changed before, the longest unchanged first; the id parts those of one instant.
_UNCHANGED = """SELECT updated_at, id, patient FROM resources
    WHERE program = $1 AND type = $2 AND coalesce(status, '') = $3 AND updated_at < $4 AND (updated_at, id) > ($5, $6)
    ORDER BY updated_at, id LIMIT $7"""
# The program is asked of the patient's own rows, not of the index of all.
_RECORD = """SELECT type, id, status, updated_at, sealed, body
    FROM (SELECT * FROM resources WHERE patient = $1 OFFSET 0) AS own WHERE program = $2"""
_STATES = "SELECT kind, key, version, body, hold FROM state WHERE key = ANY($1::text[])"
_LOCKED = "SELECT kind, key, version, body, hold FROM state WHERE key = $1 ORDER BY kind FOR UPDATE"
_WAITING = """SELECT key FROM parked WHERE key = ANY($1::text[])
    UNION SELECT key FROM outbox WHERE key = ANY($1::text[])"""
_DELETE = """WITH gone AS (DELETE FROM resources r USING unnest($2::text[], $3::text[]) AS u(type, id)
        WHERE r.id = ANY($3) AND r.id = u.id AND r.type = u.type AND r.program = $1 RETURNING r.type, r.id)
    DELETE FROM puts p USING gone WHERE p.id = ANY($3) AND p.id = gone.id AND p.type = gone.type AND p.program = $1"""


UNREADABLE = (NewerState, msgspec.MsgspecError, LookupError, TypeError, ValueError)
"""A state that this release can't read: whoever it is of may be in care."""


class Resource(msgspec.Struct, frozen=True):
    """One row of a record, as far as retention looks at it. `body` is empty where it is sealed."""

    type: str
    id: str
    status: str
    updated_at: datetime
    body: str

    @classmethod
    def of(cls, row: Row) -> "Resource":
        body = "" if row["sealed"] else row["body"]
        return cls(row["type"], row["id"], row["status"] or "", row["updated_at"], body)

    @property
    def name(self) -> Name:
        return self.type, self.id


def deletable(record: Sequence[Resource], states: str, before: datetime) -> list[Name]:
    """Of a record of nobody in care: what is closed and unchanged since, and nothing that stays leads to. `states` is
    the text of what the next decisions need: what it names stays."""
    candidates = {each.name: each for each in record if _may_go(each, states, before)}
    staying = [each for each in record if each.name not in candidates]
    while staying:
        for name in _REFERENCE.findall(staying.pop().body):
            if name in candidates:
                staying.append(candidates.pop(name))
    return sorted(candidates)


def _may_go(resource: Resource, states: str, before: datetime) -> bool:
    is_over = resource.status in CLOSED and resource.type not in STAYING and resource.updated_at < before
    return is_over and not any(name in states for name in _written(resource.id))


def _written(identity: str) -> tuple[str, ...]:
    """An id in the forms in which a state may hold it."""
    try:
        return identity, pack_id(identity)
    except ValueError:
        return (identity,)


async def in_care(connection: Executor, service: Service, keys: Collection[str]) -> set[str]:
    """Those of these keys of whom something lives, waits, or is parked or on its way: everything of theirs stays."""
    asked = list(keys)
    rows = await connection.fetch(_STATES, asked)
    waiting = await connection.fetch(_WAITING, asked)
    return {row["key"] for row in rows if _lives(service, row)} | {row["key"] for row in waiting}


def _lives(service: Service, row: Row) -> bool:
    if row["hold"] is not None:
        return True
    try:
        decider = service.deciders[row["kind"]]
        return decider.lives(decider.read(row["version"], row["body"]))
    except UNREADABLE:
        return True


async def unchanged(connection: Connection, before: Mapping[str, datetime]) -> AsyncIterator[tuple[str, list[str]]]:
    """The patients of each program with something closed that has not changed since, some hundred at a time."""
    for kind in await connection.fetch(_KINDS):
        program, type_, status = kind["program"], kind["type"], kind["status"]
        if program not in before or type_ in STAYING or status not in CLOSED:
            continue
        place: tuple[datetime, str] = (datetime.min.replace(tzinfo=before[program].tzinfo), "")
        while rows := await connection.fetch(
            _UNCHANGED, program, type_, status, before[program], *place, PATIENTS_AT_ONCE
        ):
            place = rows[-1]["updated_at"], rows[-1]["id"]
            yield program, sorted({row["patient"] for row in rows} - {""})


async def old(connection: Connection, program: str, patient: str, before: datetime) -> list[Name]:
    """What may go of a record."""
    states = "\n".join(row["body"] for row in await connection.fetch(_STATES, [patient]))
    rows = await connection.fetch(_RECORD, patient, program)
    return deletable([Resource.of(row) for row in rows], states, before)


async def delete(connection: Connection, service: Service, program: str, patient: str, before: datetime) -> int:
    """What may go of a record, while nobody decides about the patient; how many resources that was. What is known of
    their last updates goes with them: the same again is new."""
    async with connection.transaction():
        await connection.fetch(_LOCKED, patient)
        if await in_care(connection, service, [patient]):
            return 0
        names = await old(connection, program, patient, before)
        for first in range(0, len(names), ROWS_MOST):
            await _delete(connection, program, names[first : first + ROWS_MOST])
    return len(names)


async def _delete(connection: Connection, program: str, names: Iterable[Name]) -> None:
    types, ids = zip(*names, strict=True)
    await connection.execute(_DELETE, program, list(types), list(ids))
