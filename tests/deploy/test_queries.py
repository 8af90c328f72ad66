"""What deploy asks the services' databases, on the real schema."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from deploy import queries
from deploy.queries import Count
from shared.path.transaction.journal import Journal

MONDAY = datetime(2026, 3, 2, 14, tzinfo=UTC)
PATIENT = "3f1c9a52-5c55-4d0c-9d6e-0a5a4d8a7b11"
EVENT, PARKED = UUID(int=1), UUID(int=2)
JOURNAL = """INSERT INTO journal
    (now, listening_since, kind, key, program, cause, producer, delivery, event, content, outcome, settings, code,
    emitted) VALUES ($1, $1, 'patient', $2, 'demo', $3, 'intake', 'consumed', $4, '[]', $5, '', '', $6)"""
HEADERS = f'{{"ce_id": "{PARKED}"}}'
OUTBOX = "INSERT INTO outbox (lane, key, partition, headers, body) VALUES ('internal', $1, $2, '{}', '{}')"
PARK = """INSERT INTO parked (id, key, program, class, place, kind, event, headers, content, at)
    VALUES ($1, $2, 'demo', 'unreadable', 'read', 'consumed', 'EpisodeAdmitted', '{}', 'content', $3)"""
QUARANTINE = "WITH gone AS (DELETE FROM parked RETURNING *) INSERT INTO quarantine SELECT *, 'ops', $1 FROM gone"


@pytest.fixture
async def filled(database: str) -> str:
    await Journal(database, {}).ensure(MONDAY)
    connection = await asyncpg.connect(database)
    await connection.execute(JOURNAL, MONDAY, PATIENT, EVENT, "EpisodeAdmitted", "decided", [uuid4(), uuid4()])
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


async def test_a_row_of_a_lane_that_could_not_be_sent_is_parked_and_nothing_left_to_wait_for(filled: str) -> None:
    writable = await queries.writing(filled)
    await writable.execute("UPDATE outbox SET parked = 'bug: place', headers = $1 WHERE key = $2", HEADERS, PATIENT)
    connection = await queries.reading(filled)
    (_, row) = await queries.parked(connection)
    assert (row.id, row.event, row.class_, row.place) == (PARKED, "internal", "bug", "place")
    assert await queries.parked_whole(connection, PARKED) != []
    assert (await queries.count(connection)).parked == 2
    assert await queries.unsent(connection) == {}
    await connection.close()
    await writable.close()


async def test_what_was_refused_about_a_consent_counts_as_no_decision(filled: str) -> None:
    writable = await queries.writing(filled)
    for outcome in ("conflict", "decided"):
        await writable.execute(JOURNAL, MONDAY, PATIENT, uuid4(), "RevokeConsent", outcome, [])
    assert len(await queries.consent_decisions(writable)) == 1
    await writable.close()
