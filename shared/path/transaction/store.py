"""Keeping: a few statements whatever the size of a batch, in arrays. Each is named and emits what it does."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from shared.path.service import Service
from shared.path.transaction import hold
from shared.path.transaction.batch import Batch, LockedState
from shared.path.transaction.deciding import CODE
from shared.platform.db import Connection

Name = tuple[str, str]
"""A resource's type and id."""
# Take the ids not seen before. Sorted, and before any row lock, so that two batches never wait in a ring.
MARK_PROCESSED = """INSERT INTO processed (id, program) SELECT * FROM unnest($1::uuid[], $2::text[])
    ON CONFLICT DO NOTHING RETURNING id"""
# What was answered to commands seen before.
ANSWERS = "SELECT id, digest, answer FROM processed WHERE id = ANY($1::uuid[])"
# Remember the answer, so that the same command again gets the same.
ANSWER = """UPDATE processed c SET digest = u.digest, answer = u.answer
    FROM unnest($1::uuid[], $2::text[], $3::text[]) AS u(id, digest, answer) WHERE c.id = u.id"""
# A refused command had no effect: the same again is decided again.
FORGET_PROCESSED = "DELETE FROM processed WHERE id = ANY($1::uuid[])"
# A row for each patient never heard of; without it two first events of a new patient overwrite each other.
MISSING = """INSERT INTO state (key, program) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING"""
# Lock the patients in one order. `hold` is read under the lock; a separate look would race with a redrive.
LOCK = "SELECT key, program, version, body, hold FROM state WHERE key = ANY($1::text[]) ORDER BY key FOR UPDATE"
# A parked patient's deadlines rest, else they would spin; the hold's own does not.
HOLD = """UPDATE state s SET due_at = u.due_at, hold = u.hold
    FROM unnest($1::text[], $2::timestamptz[], $3::text[]) AS u(key, due_at, hold) WHERE s.key = u.key"""
# All that a batch leaves, in one round trip: a POST waits for those more than for the writing. Rows enter the outbox in
# the order in which they were emitted, for a lane sends by id.
STORE = f"""WITH
    states AS (UPDATE state s SET version = $1, body = u.body, due_at = u.due_at, hold = u.hold
        FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::text[]) AS u(key, body, due_at, hold)
        WHERE s.key = u.key),
    journal AS (INSERT INTO journal
        (now, listening_since, code, key, program, cause, producer, event, content, settings, emitted)
        SELECT $6, $7, '{CODE}', u.key, u.program, u.cause, u.producer, u.event, u.content, u.settings,
            u.emitted::uuid[]
        FROM unnest($8::text[], $9::text[], $10::uuid[], $11::text[], $12::text[], $13::text[], $14::text[],
            $15::text[]) AS u(key, program, cause, producer, event, content, settings, emitted)),
    outbox AS (INSERT INTO outbox (lane, program, key, headers, body)
        SELECT u.lane, u.program, u.key, u.headers, u.body
        FROM unnest($16::text[], $17::text[], $18::text[], $19::text[], $20::text[])
            WITH ORDINALITY AS u(lane, program, key, headers, body, n) ORDER BY n)
    INSERT INTO resources AS r (type, id, program, patient, status, at, sealed, body, updated_at)
    SELECT u.*, $6 FROM unnest($21::text[], $22::text[], $23::text[], $24::text[], $25::text[], $26::timestamptz[],
        $27::bool[], $28::text[]) AS u(type, id, program, patient, status, at, sealed, body)
    ON CONFLICT (type, id) DO UPDATE SET version = r.version + 1,
        patient = CASE WHEN r.patient = '' THEN excluded.patient ELSE r.patient END, status = excluded.status,
        at = coalesce(excluded.at, r.at), sealed = excluded.sealed, body = excluded.body,
        updated_at = excluded.updated_at"""
STORE_RETURNING = STORE + " RETURNING type, id, version"
VERSIONS = """SELECT r.type, r.id, r.version FROM resources r
    JOIN unnest($1::text[], $2::text[]) AS u(type, id) ON r.type = u.type AND r.id = u.id"""
_as_number = attrgetter("int")
"""The order in which uuids are claimed, without a comparison in Python for each pair."""
PARKED = """INSERT INTO parked (id, key, program, class, place, kind, event, headers, content, at)
    SELECT u.id, u.key, u.program, u.class, u.place, u.kind, u.event, u.headers, u.content, $10
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::bytea[]) WITH ORDINALITY AS u(id, key, program, class, place, kind, event, headers, content, n)
    ORDER BY n"""
UNPARK = "DELETE FROM parked WHERE sequence = ANY($1::bigint[])"
# internal events, once decided. The lane is named for the index.
DELETE_INTERNAL = "DELETE FROM outbox WHERE lane = 'internal' AND id = ANY($1::bigint[])"
DELETE_PARTNER = "DELETE FROM outbox WHERE lane = $1 AND id = $2"


async def mark_processed(connection: Connection, programs: Mapping[UUID, str]) -> set[UUID]:
    """The ids (id -> program) that nobody had taken."""
    if not programs:
        return set()
    ids = sorted(programs, key=_as_number)
    return {row["id"] for row in await connection.fetch(MARK_PROCESSED, ids, [programs[each] for each in ids])}


async def lock(connection: Connection, programs: Mapping[str, str]) -> dict[str, LockedState]:
    """The rows of these patients (key -> program), created if absent, locked in one order."""
    keys = sorted(programs)
    if not keys:
        return {}
    await connection.execute(MISSING, keys, [programs[key] for key in keys])
    rows = await connection.fetch(LOCK, keys)
    return {row[0]: LockedState(row[0], row[1], row[2], row[3], row[4]) for row in rows}


async def versions(connection: Connection, names: Sequence[Name]) -> dict[Name, int]:
    """Those of these resources that are stored, with their versions."""
    if not names:
        return {}
    rows = await connection.fetch(VERSIONS, [kind for kind, _ in names], [name for _, name in names])
    return {(row["type"], row["id"]): row["version"] for row in rows}


async def store(
    connection: Connection, service: Service, batch: Batch, now: datetime, listening_since: datetime
) -> dict[tuple[str, str], int]:
    """Write the batch. Returns the versions of the resources where a told item's answer needs them."""
    states = _states(service, batch)
    arguments = (
        service.version,
        *states,
        now,
        listening_since,
        *_columns(batch.journal, "key", "program", "cause", "producer", "event", "content", "settings"),
        ["{" + ",".join(map(str, row.emitted)) + "}" for row in batch.journal],
        *_columns(batch.outbox, "lane", "program", "key", "headers", "body"),
        *_columns(batch.resources.values(), "type", "id", "program", "patient", "status", "at", "sealed", "body"),
    )
    written: list[Any] = []
    if batch.answered_resources:
        written = await connection.fetch(STORE_RETURNING, *arguments)
    elif states[0] or batch.journal or batch.outbox or batch.resources:
        await connection.execute(STORE, *arguments)
    held = {
        locked.key: locked.hold
        for locked in batch.locked_states.values()
        if locked.hold is not None and not locked.changed
    }
    if held:
        await connection.execute(HOLD, list(held), [hold.due(each) for each in held.values()], list(held.values()))
    if batch.parked:
        names = ("id", "key", "program", "class_", "place", "kind", "event", "headers", "content")
        await connection.execute(PARKED, *_columns(batch.parked, *names), now)
    if batch.unparked:
        await connection.execute(UNPARK, batch.unparked)
    return {(row["type"], row["id"]): row["version"] for row in written}


def _states(service: Service, batch: Batch) -> tuple[list[str], list[str], list[datetime | None], list[str | None]]:
    """Of each state that changed: key, body, the next deadline, the hold."""
    changed = [locked for locked in batch.locked_states.values() if locked.changed and locked.state is not None]
    return (
        [locked.key for locked in changed],
        [locked.body for locked in changed],
        [service.due(locked.state) if locked.hold is None else hold.due(locked.hold) for locked in changed],
        [locked.hold for locked in changed],
    )


def _columns(rows: Collection[Any], *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*map(attrgetter(*names), rows), strict=True)) if rows else [()] * len(names)
