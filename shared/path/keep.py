"""Keeping: one statement a table, in arrays. Every statement is named and says in a sentence what it does."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from shared.path import parking
from shared.path.batch import Batch, ResourceRow, Slot
from shared.path.db import Connection
from shared.path.deliberation import CODE
from shared.path.item import Expected
from shared.path.service import Service

# Take the ids not seen before. Sorted, and before any row lock, so that two batches never wait in a ring.
CLAIM = """INSERT INTO claims (id, program) SELECT * FROM unnest($1::uuid[], $2::text[])
    ON CONFLICT DO NOTHING RETURNING id"""
# What was answered to commands seen before.
ANSWERS = "SELECT id, digest, answer FROM claims WHERE id = ANY($1::uuid[])"
# Remember the answer, so that the same command again gets the same.
ANSWER = """UPDATE claims c SET digest = u.digest, answer = u.answer
    FROM unnest($1::uuid[], $2::text[], $3::text[]) AS u(id, digest, answer) WHERE c.id = u.id"""
# A refused command had no effect: the same again is decided again.
UNCLAIM = "DELETE FROM claims WHERE id = ANY($1::uuid[])"
# A row for each patient never heard of; without it two first words of a new patient overwrite each other.
MISSING = """INSERT INTO state (key, program) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING"""
# Lock the patients in one order. `hold` is read under the lock; a separate look would race with a redrive.
LOCK = "SELECT key, program, version, body, hold FROM state WHERE key = ANY($1::text[]) ORDER BY key FOR UPDATE"
STATES = """UPDATE state s SET version = $2, body = u.body, due_at = u.due_at, hold = u.hold
    FROM unnest($1::text[], $3::text[], $4::timestamptz[], $5::text[]) AS u(key, body, due_at, hold)
    WHERE s.key = u.key"""
# A parked patient's deadlines rest, else they would spin; the hold's own does not.
HOLD = """UPDATE state s SET due_at = u.due_at, hold = u.hold
    FROM unnest($1::text[], $2::timestamptz[], $3::text[]) AS u(key, due_at, hold) WHERE s.key = u.key"""
RESOURCES = """INSERT INTO resources AS r (type, id, program, patient, status, at, sealed, body, updated_at)
    SELECT u.*, $9 FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
        $7::bool[], $8::text[]) AS u(type, id, program, patient, status, at, sealed, body)
    ON CONFLICT (type, id) DO UPDATE SET version = r.version + 1,
        patient = CASE WHEN r.patient = '' THEN excluded.patient ELSE r.patient END, status = excluded.status,
        at = coalesce(excluded.at, r.at), sealed = excluded.sealed, body = excluded.body,
        updated_at = excluded.updated_at"""
RESOURCES_RETURNING = RESOURCES + " RETURNING type, id, version"
VERSIONS = """SELECT r.type, r.id, r.version FROM resources r
    JOIN unnest($1::text[], $2::text[]) AS u(type, id) ON r.type = u.type AND r.id = u.id"""
JOURNAL = ("key", "program", "cause", "said_by", "word", "content", "settings", "said")
_JOURNAL_ROW = attrgetter(*JOURNAL)
OUTBOX = ("lane", "program", "key", "head", "body")
_OUTBOX_ROW = attrgetter(*OUTBOX)
_as_number = attrgetter("int")
"""The order in which uuids are claimed, without a comparison in Python for each pair."""
PARKED = """INSERT INTO parked (id, key, program, class, place, kind, word, head, content, at)
    SELECT u.id, u.key, u.program, u.class, u.place, u.kind, u.word, u.head, u.content, $10
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::bytea[]) WITH ORDINALITY AS u(id, key, program, class, place, kind, word, head, content, n) ORDER BY n"""
UNPARK = "DELETE FROM parked WHERE sequence = ANY($1::bigint[])"
# Words to oneself, once decided. The lane is named for the index.
DELETE_SELF = "DELETE FROM outbox WHERE lane = 'self' AND id = ANY($1::bigint[])"
DELETE_PARTNER = "DELETE FROM outbox WHERE lane = $1 AND id = $2"


async def claim(connection: Connection, programs: Mapping[UUID, str]) -> set[UUID]:
    """The ids (id -> program) that nobody had taken."""
    if not programs:
        return set()
    ids = sorted(programs, key=_as_number)
    return {row["id"] for row in await connection.fetch(CLAIM, ids, [programs[each] for each in ids])}


async def lock(connection: Connection, programs: Mapping[str, str]) -> dict[str, Slot]:
    """The rows of these patients (key -> program), created if absent, locked in one order."""
    keys = sorted(programs)
    if not keys:
        return {}
    await connection.execute(MISSING, keys, [programs[key] for key in keys])
    rows = await connection.fetch(LOCK, keys)
    return {row[0]: Slot(row[0], row[1], row[2], row[3], row[4]) for row in rows}


async def versions(connection: Connection, expected: Sequence[Expected]) -> dict[tuple[str, str], int]:
    if not expected:
        return {}
    rows = await connection.fetch(VERSIONS, [each.type for each in expected], [each.id for each in expected])
    return {(row["type"], row["id"]): row["version"] for row in rows}


async def keep(
    connection: Connection, service: Service, batch: Batch, now: datetime, listening_since: datetime
) -> dict[tuple[str, str], int]:
    """Write the batch. Returns the versions of the resources where a told item's answer needs them."""
    await _states(connection, service, batch)
    written = await _resources(connection, list(batch.resources.values()), now, returning=bool(batch.told))
    if batch.journal:
        await connection.copy_records_to_table(
            "heard",
            records=[(*_JOURNAL_ROW(row), CODE, now, listening_since) for row in batch.journal],
            columns=(*JOURNAL, "code", "now", "listening_since"),
        )
    if batch.outbox:
        # COPY keeps the order in which they were said (a lane sends by id), and takes half the time of an INSERT.
        await connection.copy_records_to_table("outbox", records=map(_OUTBOX_ROW, batch.outbox), columns=OUTBOX)
    if batch.parked:
        names = ("id", "key", "program", "class_", "place", "kind", "word", "head", "content")
        await connection.execute(PARKED, *_columns(batch.parked, *names), now)
    if batch.unparked:
        await connection.execute(UNPARK, batch.unparked)
    return written


async def _states(connection: Connection, service: Service, batch: Batch) -> None:
    changed = [slot for slot in batch.slots.values() if slot.changed and slot.state is not None]
    if changed:
        await connection.execute(
            STATES,
            [slot.key for slot in changed],
            service.version,
            [slot.body for slot in changed],
            [service.due(slot.state) if slot.hold is None else parking.due(slot.hold) for slot in changed],
            [slot.hold for slot in changed],
        )
    held = {slot.key: slot.hold for slot in batch.slots.values() if slot.hold is not None and not slot.changed}
    if held:
        await connection.execute(HOLD, list(held), [parking.due(each) for each in held.values()], list(held.values()))


async def _resources(
    connection: Connection, rows: Sequence[ResourceRow], now: datetime, *, returning: bool
) -> dict[tuple[str, str], int]:
    if not rows:
        return {}
    columns = _columns(rows, "type", "id", "program", "patient", "status", "at", "sealed", "body")
    if not returning:
        await connection.execute(RESOURCES, *columns, now)
        return {}
    written = await connection.fetch(RESOURCES_RETURNING, *columns, now)
    return {(row["type"], row["id"]): row["version"] for row in written}


def _columns(rows: Sequence[Any], *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*map(attrgetter(*names), rows), strict=True))
