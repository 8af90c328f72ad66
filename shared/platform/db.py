"""PostgreSQL: one pool per process, the schema, and what counts as trouble."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

Connection = Any
"""An asyncpg connection, taken from the pool; asyncpg carries no types of its own."""

SCHEMA = Path(__file__).with_name("schema")
COMMAND_SECONDS_MOST = 30.0
MIGRATION_SECONDS_MOST = 600.0
"""Of one migration: filling a new column may take longer than any command of the hub's own."""
POOL_LEAST = 4
"""Open from the start: whoever needs one more waits for a handshake."""
POOL_MOST = 8
_MIGRATION_LOCK = 7_300_001
_TROUBLE_CLASSES = ("08", "40", "53", "57", "58")
_DATA_CLASSES = ("21", "22", "23", "54")
"""Cardinality, data, integrity, and limits such as an index row too long."""

_SERVER_SETTINGS = {
    "application_name": "iop-hub",
    # An old snapshot makes an empty lane poll cost a hundred times more.
    "idle_in_transaction_session_timeout": "60000",
    # A dead holder of a lane's lock must not block it for two hours.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "timezone": "UTC",
}


async def connect(dsn: str) -> Connection:
    """A connection of its own, outside the pool: the pool's release would drop an advisory lock."""
    return await asyncpg.connect(dsn, server_settings=_SERVER_SETTINGS, command_timeout=COMMAND_SECONDS_MOST)


@asynccontextmanager
async def pool(dsn: str) -> AsyncIterator[Any]:
    opened = await asyncpg.create_pool(
        dsn,
        min_size=POOL_LEAST,
        max_size=POOL_MOST,
        server_settings=_SERVER_SETTINGS,
        command_timeout=COMMAND_SECONDS_MOST,
        reset=_as_it_is,
    )
    try:
        yield opened
    finally:
        opened.terminate()


async def _as_it_is(_: Connection) -> None:
    """Nothing here changes a pooled session (locks of lanes have connections of their own), so giving one back costs
    no round trip; asyncpg still rolls back what was left open."""


async def migrate(dsn: str) -> None:
    """Bring the schema up to date: every file of `schema/` once, in order of its number, one process at a time."""
    connection = await connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
            await connection.execute("CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY)")
            done = {row["name"] for row in await connection.fetch("SELECT name FROM migrations")}
            for file in sorted(SCHEMA.glob("*.sql")):
                if file.name not in done:
                    await connection.execute(file.read_text(), timeout=MIGRATION_SECONDS_MOST)
                    await connection.execute("INSERT INTO migrations VALUES ($1)", file.name)
    finally:
        await connection.close()


class Months:
    """The journal's partitions: one a month of clinic time, made the first time this process needs it."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._made: set[tuple[int, int]] = set()

    async def ensure(self, now: datetime) -> None:
        month = (now.year, now.month)
        if month in self._made:
            return
        start = datetime(now.year, now.month, 1, tzinfo=now.tzinfo)
        end = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=now.tzinfo)
        connection = await connect(self._dsn)
        try:
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
                await connection.execute(
                    f"CREATE TABLE IF NOT EXISTS journal_{now:%Y_%m} PARTITION OF journal "
                    f"FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
                )
        finally:
            await connection.close()
        self._made.add(month)


def is_trouble(error: BaseException) -> bool:
    """Whether waiting may help: the network, the server or its resources, never the data.

    A server that dies in the middle of a transaction raises without an SQLSTATE: InterfaceError, InternalClientError.
    """
    if isinstance(error, OSError | TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError):
        return True
    return isinstance(error, asyncpg.PostgresError) and str(error.sqlstate)[:2] in _TROUBLE_CLASSES


def is_data_error(error: BaseException) -> bool:
    """Whether the data of one record broke a statement: then the batch is taken singly and only that one is parked."""
    return isinstance(error, asyncpg.PostgresError) and str(error.sqlstate)[:2] in _DATA_CLASSES
