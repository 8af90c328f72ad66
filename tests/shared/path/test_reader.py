"""The role as which a journal is read: it reads what that needs, can write nothing, and holds nobody up."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from shared.path.transaction.journal import Journal
from shared.platform import db
from shared.platform.settings import ConfigurationError

READS = ("journal", "settings", "state", "resources")
HIDDEN = ("outbox", "documents", "alias", "processed", "waiting", "parked")
WRITES = (
    "INSERT INTO settings VALUES ('demo', 'digest', 'body')",
    "UPDATE state SET body = ''",
    "DELETE FROM journal",
    "TRUNCATE resources",
    "CREATE TABLE ours (n integer)",
)
DECISION = """INSERT INTO journal (now, listening_since, settings, producer, kind, key, program, cause, delivery, event,
    content, outcome, code, emitted)
    VALUES ($1, $1, '', '', '', '', '', gen_random_uuid(), '', '', '', '', '', '{}')"""
AT = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
async def owner(database: str) -> AsyncIterator[Any]:
    """Whose tables they are, with the journal of January."""
    await db.migrate(database)
    connection: Any = await db.connect(database)
    await Journal(database, {}).ensure(AT)
    yield connection
    await connection.close()


async def test_it_reads_a_journal_and_what_belongs_to_it_and_nothing_else(owner: Any) -> None:
    async with db.snapshot(owner):
        for table in READS:
            assert await owner.fetchval(f"SELECT count(*) FROM {table}") == 0
    for table in HIDDEN:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with db.snapshot(owner):
                await owner.fetch(f"SELECT * FROM {table}")


@pytest.mark.parametrize("statement", WRITES)
async def test_it_can_write_nothing_even_where_the_transaction_might(owner: Any, statement: str) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with db.snapshot(owner):
            await owner.execute(statement)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with owner.transaction():
            await owner.execute("SET LOCAL ROLE iop_reader")
            await owner.execute(statement)


async def test_all_it_reads_is_of_one_moment_and_holds_up_nobody_who_decides(owner: Any, database: str) -> None:
    other = await db.connect(database)
    async with db.snapshot(owner):
        assert await owner.fetchval("SELECT count(*) FROM journal") == 0
        await other.execute(DECISION, AT)
        await asyncio.wait_for(Journal(database, {}).ensure(AT + timedelta(days=31)), 5)
        assert await owner.fetchval("SELECT count(*) FROM journal") == 0
    assert await owner.fetchval("SELECT count(*) FROM journal") == 1
    await other.close()


async def test_where_it_is_not_granted_the_remedy_is_named(owner: Any) -> None:
    await owner.execute("CREATE ROLE outsider NOLOGIN")
    try:
        await owner.execute("SET SESSION AUTHORIZATION outsider")
        with pytest.raises(ConfigurationError, match="Who reads a journal"):
            async with db.snapshot(owner):
                pass
    finally:
        await owner.execute("RESET SESSION AUTHORIZATION; DROP ROLE outsider")
