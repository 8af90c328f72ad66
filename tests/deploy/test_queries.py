"""What deploy asks the services' databases, on the real schema."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from deploy import queries
from deploy.queries import Count
from shared.platform import db

MONDAY = datetime(2026, 3, 2, 14, tzinfo=UTC)
PATIENT = "3f1c9a52-5c55-4d0c-9d6e-0a5a4d8a7b11"
EVENT, PARKED = UUID(int=1), UUID(int=2)
JOURNAL = """INSERT INTO journal
    (now, listening_since, key, program, cause, producer, event, content, settings, code, emitted)
    VALUES ($1, $1, $2, 'demo', $3, 'intake', 'EpisodeAdmitted', '[]', '', '', $4)"""
OUTBOX = "INSERT INTO outbox (lane, key, partition, headers, body) VALUES ('internal', $1, $2, '{}', '{}')"
PARK = """INSERT INTO parked (id, key, program, class, place, kind, event, headers, content, at)
    VALUES ($1, $2, 'demo', 'unreadable', 'read', 'consumed', 'EpisodeAdmitted', '{}', 'content', $3)"""
QUARANTINE = "WITH gone AS (DELETE FROM parked RETURNING *) INSERT INTO quarantine SELECT *, 'ops', $1 FROM gone"


@pytest.fixture
async def filled(database: str) -> str:
    await db.Months(database).ensure(MONDAY)
    connection = await asyncpg.connect(database)
    await connection.execute(JOURNAL, MONDAY, PATIENT, EVENT, [uuid4(), uuid4()])
    await connection.execute(OUTBOX, PATIENT, None)
    await connection.execute(OUTBOX, None, 3)
    await connection.execute(PARK, PARKED, PATIENT, MONDAY)
    await connection.close()
    return database


async def test_a_reading_connection_refuses_to_write(database: str) -> None:
    connection = await queries.reading(database)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await connection.execute("DELETE FROM parked")
    await connection.close()


async def test_a_heartbeat_is_not_counted_among_the_unsent(filled: str) -> None:
    connection = await queries.reading(filled)
    assert await queries.count(connection) == Count(decided=1, emitted=2, withheld=0, unsent=1, parked=1)
    assert await queries.unsent(connection) == {"internal": 1}
    assert await queries.consumed_from_intake(connection, PATIENT) == [str(EVENT)]
    await connection.close()


async def test_a_delivery_is_found_by_its_id_also_once_quarantined(filled: str) -> None:
    connection = await queries.reading(filled)
    (parked,) = await queries.parked_whole(connection, PARKED)
    writable = await queries.writing(filled)
    await writable.execute(QUARANTINE, MONDAY)
    assert await queries.parked(connection) == []
    assert await queries.parked_whole(connection, PARKED) == [parked]
    assert (parked.class_, parked.content) == ("unreadable", b"content")
    await connection.close()
    await writable.close()
