"""The database that a test gets is as a new one, whatever the test before it has done."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.platform import db, months
from tests.attendance.given import MONDAY
from tests.databases import Databases

SCHEMA_CHANGES = (
    "ALTER TABLE feeds ADD COLUMN more text",
    "ALTER TABLE outbox RENAME COLUMN lane TO road",
    "ALTER TABLE outbox ALTER COLUMN lane DROP NOT NULL",
    "ALTER TABLE outbox ADD CONSTRAINT broken CHECK (lane <> '')",
    "ALTER TABLE outbox SET (autovacuum_enabled = off)",
    "ALTER TABLE parked RENAME TO away",
    "CREATE TABLE more (n integer)",
    "DROP INDEX resources_due; CREATE INDEX resources_due ON resources (at)",
    "CREATE OR REPLACE FUNCTION due_of(body text) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS 'SELECT now()'",
    "REVOKE SELECT ON journal FROM iop_reader",
    "REVOKE ALL ON SCHEMA public FROM PUBLIC",
    "INSERT INTO alias (program, digest, patient) VALUES ('', '', ''); ANALYZE alias",
    "DELETE FROM migrations WHERE name LIKE '0001%'",
    "UPDATE retention SET finished_at = now()",
)
"""And what migrations have put there."""
WRITTEN = "INSERT INTO outbox (lane, headers, body) VALUES ('topic:none', '{}', '')"


@pytest.fixture
async def apart(empty_databases: Databases) -> AsyncIterator[Databases]:
    """Nobody else's."""
    own = empty_databases.as_new()
    yield own
    await own.drop()


async def run(address: str, *statements: str) -> None:
    connection = await asyncpg.connect(address)
    for each in statements:
        await connection.execute(each)
    await connection.close()


async def test_what_is_written_is_gone_and_numbers_begin_anew(apart: Databases) -> None:
    async with apart.one() as address:
        left_open = await db.connect(address)
        await months.ensure(left_open, "journal", MONDAY)
        await left_open.execute(WRITTEN)
        await left_open.execute("BEGIN; LOCK TABLE outbox")
    async with apart.one() as again:
        assert again == address
        connection = await db.connect(again)
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
        assert await connection.fetchval("SELECT to_regclass('journal_2026_01')") is None
        await months.ensure(connection, "journal", MONDAY)
        assert await connection.fetchval(f"{WRITTEN} RETURNING id") == 1
        await connection.close()
    left_open.terminate()


@pytest.mark.parametrize("change", SCHEMA_CHANGES)
async def test_whose_schema_was_changed_is_given_to_nobody(apart: Databases, change: str) -> None:
    async with apart.one() as address:
        await run(address, change)
    async with apart.one() as other:
        assert other != address


async def test_one_that_is_gone_is_given_to_nobody(apart: Databases, maintenance: asyncpg.Connection) -> None:
    async with apart.one() as address:
        await maintenance.execute(f'DROP DATABASE "{address.rpartition("/")[2].partition("?")[0]}" WITH (FORCE)')
    async with apart.one() as other:
        assert other != address
