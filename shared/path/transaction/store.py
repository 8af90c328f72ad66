"""Storing: a few statements whatever the size of a batch, in arrays. Each is named and says what it does."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from shared.events.catalogue import BY_TYPE
from shared.events.wire import id_text
from shared.path.service import Decider
from shared.path.transaction import hold, resources
from shared.path.transaction.batch import Batch, LockedState
from shared.path.transaction.resources import OfProgram
from shared.platform.build import build
from shared.platform.db import Connection, Executor, Row

# The ids not seen before are marked. Sorted, and before any row lock, so that two batches never wait in a ring.
MARK_PROCESSED = """INSERT INTO processed (id, program) SELECT * FROM unnest($1::uuid[], $2::text[])
    ON CONFLICT DO NOTHING RETURNING id"""
# The same; and then, of several processes that ask for the same, one at a time goes on until its transaction ends.
_MARK_IN_TURN = f"""WITH marked AS ({MARK_PROCESSED}),
    turns AS MATERIALIZED (SELECT pg_advisory_xact_lock($3, hash)
        FROM (SELECT DISTINCT hashtext(unnest($4::text[])) AS hash ORDER BY 1) AS sorted)
    SELECT id FROM marked UNION ALL SELECT NULL FROM turns"""
_TURNS = 75
"""The space of the advisory locks of those who ask for the same."""
# What was answered to commands seen before.
_ANSWERS = "SELECT id, digest, answer FROM processed WHERE id = ANY($1::uuid[])"
# Remember the answer, so that the same command again gets the same.
_ANSWER = """UPDATE processed p SET digest = u.digest, answer = u.answer
    FROM unnest($1::uuid[], $2::text[], $3::text[]) AS u(id, digest, answer) WHERE p.id = u.id"""
# A refused command had no effect: the same again is decided again.
_COUNT_PROCESSED = "SELECT count(*) FROM processed WHERE id = ANY($1::uuid[])"
_FORGET_PROCESSED = "DELETE FROM processed WHERE id = ANY($1::uuid[])"
# First a row for each new key, without which two first events of a new patient overwrite each other; then the rest are
# locked, in one order. `hold` is read under the lock; a separate look would race with a redrive.
LOCK = """WITH made AS (INSERT INTO state (kind, key, program) SELECT $1, * FROM unnest($2::text[], $3::text[])
        ON CONFLICT DO NOTHING RETURNING key, program, version, body, hold),
    locked AS (SELECT key, program, version, body, hold FROM state WHERE kind = $1 AND key = ANY($2::text[])
        ORDER BY key FOR UPDATE)
    SELECT * FROM made UNION ALL SELECT * FROM locked"""
# Until the transaction ends nothing is decided about the key, and what is being decided is waited for.
_STAND_STILL = "SELECT FROM state WHERE kind = $1 AND key = $2 FOR SHARE"
# A row that a record of nobody's program made becomes its patient's. The keys are named twice, here and below: without
# that an empty table is planned to be walked by its kind.
_OWN = """UPDATE state s SET program = u.program FROM unnest($2::text[], $3::text[]) AS u(key, program)
    WHERE s.kind = $1 AND s.key = ANY($2) AND s.key = u.key"""
# A held key's deadlines rest, else they would spin; the hold's own does not.
_HOLD = """UPDATE state s SET due_at = u.due_at, hold = u.hold
    FROM unnest($2::text[], $3::timestamptz[], $4::text[]) AS u(key, due_at, hold)
    WHERE s.kind = $1 AND s.key = ANY($2) AND s.key = u.key"""
_RESOURCE_COLUMNS = ("type", "id", "program", "patient", "status", "at", "sealed", "body", "answer", "rank")
_JOURNAL_COLUMNS = ("key", "program", "cause", "producer", "delivery", "event", "content", "outcome", "settings")


def _arrays(first: int, *types: str) -> str:
    """Places of a statement's arguments, from `$first` on, as arrays of these types."""
    return ", ".join(f"${place}::{type_}[]" for place, type_ in enumerate(types, first))


_OF_JOURNAL = ", ".join(_JOURNAL_COLUMNS)
_JOURNAL_TYPES = ("text", "text", "uuid", *("text",) * 8)
# All that a batch leaves, in one round trip: a POST waits for those more than for the writing. Rows enter the outbox in
# the order in which they were emitted, for a lane sends by id.
STORE = f"""WITH
    states AS (UPDATE state s SET version = $1, body = u.body, due_at = u.due_at, hold = u.hold
        FROM unnest({_arrays(3, "text", "text", "timestamptz", "text")}) AS u(key, body, due_at, hold)
        WHERE s.kind = $2 AND s.key = ANY($3) AND s.key = u.key),
    journal AS (INSERT INTO journal (kind, now, listening_since, code, {_OF_JOURNAL}, emitted, digests)
        SELECT $2, $7, $8, $9, {_OF_JOURNAL}, emitted::uuid[], digests::text[]
        FROM unnest({_arrays(10, *_JOURNAL_TYPES)}) AS u({_OF_JOURNAL}, emitted, digests)),
    outbox AS (INSERT INTO outbox (lane, program, key, headers, body)
        SELECT u.lane, u.program, u.key, u.headers, u.body
        FROM unnest({_arrays(21, "text", "text", "text", "text", "text")})
            WITH ORDINALITY AS u(lane, program, key, headers, body, n) ORDER BY n)
    {resources.UPSERT.format(now="$7", columns=_arrays(26, *resources.COLUMN_TYPES))}"""
STORE_RETURNING = f"{STORE} {resources.RETURNING}"
_PARK = """INSERT INTO parked (id, key_kind, key, program, class, place, kind, event, headers, content, at)
    SELECT u.id, u.key_kind, u.key, u.program, u.class, u.place, u.kind, u.event, u.headers, u.content, $11
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::text[], $10::bytea[])
        WITH ORDINALITY AS u(id, key_kind, key, program, class, place, kind, event, headers, content, n)
    ORDER BY n"""
_PARKED_FIELDS = ("id", "key_kind", "key", "program", "class_", "place", "kind", "event", "headers", "content")
_UNPARK = "DELETE FROM parked WHERE sequence = ANY($1::bigint[])"
# Rows of a lane, once they are done with. The lane is named for the index.
_DELETE = "DELETE FROM outbox WHERE lane = $1 AND id = ANY($2::bigint[])"
ANSWERED = frozenset(kind for event in BY_TYPE for kind in event.stands)
"""Types of which the hub answers what a client sends."""
_as_number = attrgetter("int")
"""The order in which uuids are marked, without a comparison in Python for each pair."""


class CreatedMeanwhile(Exception):
    """Another transaction has just created the row of one of these keys. Nothing is stored: take it again."""


async def mark_processed(connection: Connection, programs: Mapping[UUID, str], turns: Sequence[str] = ()) -> set[UUID]:
    """Mark these ids (id -> program), and wait for these turns; those that nobody had marked."""
    if not programs and not turns:
        return set()
    ids = sorted(programs, key=_as_number)
    marked = ids, [programs[identity] for identity in ids]
    if turns:
        rows = await connection.fetch(_MARK_IN_TURN, *marked, _TURNS, turns)
    else:
        rows = await connection.fetch(MARK_PROCESSED, *marked)
    return {row["id"] for row in rows if row["id"] is not None}


async def all_processed(connection: Executor, ids: Collection[UUID]) -> bool:
    """Whether each of these ids is marked."""
    rows = await connection.fetch(_COUNT_PROCESSED, list(ids)) if ids else []
    return not ids or rows[0]["count"] == len(ids)


async def forget_processed(connection: Connection, ids: Sequence[UUID]) -> None:
    if ids:
        await connection.execute(_FORGET_PROCESSED, ids)


async def answers(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Row]:
    """What these commands were answered: digest and answer, both None while the first has none."""
    rows = await connection.fetch(_ANSWERS, ids) if ids else []
    return {row["id"]: row for row in rows}


async def remember(connection: Connection, given: Sequence[tuple[UUID, str | None, str]]) -> None:
    """The answers given to commands: id, digest of the content, answer."""
    if given:
        await connection.execute(_ANSWER, *(list(column) for column in zip(*given, strict=True)))


async def lock(connection: Connection, kind: str, programs: Mapping[str, str]) -> dict[str, LockedState]:
    """The rows of these keys (key -> program), created if absent, locked in one order. Raises CreatedMeanwhile."""
    keys = sorted(programs)
    if not keys:
        return {}
    wanted = kind, keys, [programs[key] for key in keys]
    rows = await connection.fetch(LOCK, *wanted)
    if unowned := [row["key"] for row in rows if not row["program"] and programs[row["key"]]]:
        await connection.execute(_OWN, kind, unowned, [programs[key] for key in unowned])
        rows = await connection.fetch(LOCK, *wanted)
    if len(rows) < len(keys):
        raise CreatedMeanwhile
    return {row[0]: LockedState(kind, row[0], row[1], row[2], row[3], row[4]) for row in rows}  # type: ignore[index]


async def stand_still(connection: Connection, kind: str, key: str) -> None:
    """Nothing of this key changes until the caller's transaction ends: no decision, no consent, no hold."""
    await connection.execute(_STAND_STILL, kind, key)


async def delete(connection: Executor, lane: str, ids: Sequence[int]) -> None:
    if ids:
        await connection.execute(_DELETE, lane, ids)


async def store(
    connection: Connection, decider: Decider[Any], batch: Batch, now: datetime, listening_since: datetime
) -> dict[OfProgram, int]:
    """Write the batch. Returns the versions of the resources where a command's answer needs them."""
    await _amend(connection, batch)
    states = _states(decider, batch)
    arguments = (
        decider.version,
        batch.kind,
        *states,
        now,
        listening_since,
        build(),
        *_columns(batch.journal, *_JOURNAL_COLUMNS),
        ["{" + ",".join(map(id_text, row.emitted)) + "}" for row in batch.journal],
        ["{" + ",".join(row.digests) + "}" for row in batch.journal],
        *_columns(batch.outbox, "lane", "program", "key", "headers", "body"),
        *_columns(batch.resources.values(), *_RESOURCE_COLUMNS),
    )
    written: list[Row] = []
    if batch.answered_resources:
        written = await connection.fetch(STORE_RETURNING, *arguments)
    elif states[0] or batch.journal or batch.outbox or batch.resources:
        await connection.execute(STORE, *arguments)
    await _store_parked(connection, batch, now)
    return {(row["program"], row["type"], row["id"]): row["version"] for row in written}


async def _amend(connection: Connection, batch: Batch) -> None:
    """Rows that say only what changed become whole, and those of a sender stand under what was answered. Their patient
    is locked: nobody else writes them meanwhile."""
    partial = {name: row for name, row in batch.resources.items() if row.is_partial or row.is_sent_of(ANSWERED)}
    known = dict[OfProgram, str | None]()
    for program in {program for program, _, _ in partial}:
        names = [(kind, identity) for of, kind, identity in partial if of == program]
        for (kind, identity), stored in (await resources.stored(connection, program, names)).items():
            name = (program, kind, identity)
            batch.resources[name] = resources.over(partial[name], stored)
            known[name] = stored["status"]
    for name in [name for name, row in partial.items() if row.is_only_status]:
        if known.get(name) in (None, partial[name].status):
            del batch.resources[name]


async def _store_parked(connection: Connection, batch: Batch, now: datetime) -> None:
    held = {each.key: each.hold for each in batch.locked_states.values() if each.hold is not None and not each.changed}
    if held:
        due = [hold.due(each) for each in held.values()]
        await connection.execute(_HOLD, batch.kind, list(held), due, list(held.values()))
    if batch.parked:
        await connection.execute(_PARK, *_columns(batch.parked, *_PARKED_FIELDS), now)
    if batch.unparked:
        await connection.execute(_UNPARK, batch.unparked)


def _states(
    decider: Decider[Any], batch: Batch
) -> tuple[list[str], list[str], list[datetime | None], list[str | None]]:
    """Of each state that changed: key, body, the next deadline, the hold."""
    changed = [each for each in batch.locked_states.values() if each.changed and each.state is not None]
    return (
        [each.key for each in changed],
        [each.body for each in changed],
        [decider.due(each.state) if each.hold is None else hold.due(each.hold) for each in changed],
        [each.hold for each in changed],
    )


def _columns(rows: Collection[object], *names: str) -> list[tuple[object, ...]]:
    return list(zip(*map(attrgetter(*names), rows), strict=True)) if rows else [()] * len(names)
