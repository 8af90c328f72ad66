"""The schema: numbered files, each applied once, whoever starts first."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from shared.platform import db

KNOWS_NO_PATIENT = {"ledger", "migrations", "service", "offsets", "strays", "stops", "skips", "retention"}
"""Tables of the service itself: how it listens, what it has consumed, and how current its ledger is."""

_WRITE = """INSERT INTO resources (type, id, program, patient, updated_at, body)
    VALUES ('Task', $1, 'demo', 'p', now(), '{}')"""


@pytest.fixture
async def empty(postgres: str) -> AsyncIterator[str]:
    """A database without any table."""
    name = f"test_{uuid4().hex}"
    server = await asyncpg.connect(postgres)
    await server.execute(f'CREATE DATABASE "{name}"')
    yield f"{postgres.rsplit('/', 1)[0]}/{name}"
    await server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await server.close()


async def test_each_file_is_applied_once_whoever_starts_first(empty: str) -> None:
    await asyncio.gather(*(db.migrate(empty) for _ in range(4)))
    await db.migrate(empty)

    connection = await asyncpg.connect(empty)
    applied = [row["name"] for row in await connection.fetch("SELECT name FROM migrations ORDER BY name")]
    await connection.close()
    assert applied == sorted(file.name for file in db.SCHEMA.glob("*.sql"))


async def test_an_index_of_a_big_table_is_built_while_others_write(database: str) -> None:
    """Of a hub that runs on: one writer is in the middle of its transaction, another one begins."""
    built_by = "0019_due.sql"
    first, second = [await asyncpg.connect(database) for _ in range(2)]
    await first.execute("DELETE FROM migrations WHERE name = $1", built_by)
    await first.execute("DROP INDEX resources_due; CREATE INDEX resources_due ON resources (at)")  # was interrupted
    writing = first.transaction()
    await writing.start()
    await first.execute(_WRITE, "1")
    migration = asyncio.create_task(db.migrate(database))
    await asyncio.sleep(0.5)
    await second.execute(_WRITE, "2", timeout=2)
    assert not migration.done()
    await writing.commit()
    await migration
    built = await first.fetchval("SELECT indexdef FROM pg_indexes WHERE indexname = 'resources_due'")
    assert "due_of(body)" in built
    assert await first.fetchval("SELECT count(*) FROM migrations WHERE name = $1", built_by) == 1
    for each in (first, second):
        await each.close()


async def test_every_table_that_may_be_about_a_patient_carries_the_program(database: str) -> None:
    connection = await asyncpg.connect(database)
    rows = await connection.fetch(
        """SELECT table_name, bool_or(column_name = 'program') AS carries FROM information_schema.columns
        WHERE table_schema = 'public' GROUP BY table_name"""
    )
    await connection.close()
    assert len(rows) > 10
    assert {row["table_name"] for row in rows if not row["carries"]} == KNOWS_NO_PATIENT
