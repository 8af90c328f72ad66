"""PostgreSQL: one pool a process, the schema, and what counts as trouble: something that waiting may mend."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

import asyncpg
from asyncpg.protocol import protocol

from shared.platform import log
from shared.platform.clock import ticks
from shared.platform.settings import ConfigurationError

Row = Mapping[str, Any]
Done = TypeVar("Done")


class Executor(Protocol):
    """What runs a statement: a connection, or a pool that takes one for it. asyncpg carries no types of its own."""

    async def execute(self, query: str, /, *values: object) -> str: ...
    async def fetch(self, query: str, /, *values: object) -> list[Row]: ...
    async def fetchrow(self, query: str, /, *values: object) -> Row | None: ...
    async def fetchval(self, query: str, /, *values: object) -> Any: ...


class Connection(Executor, Protocol):
    def transaction(
        self, *, isolation: str | None = None, readonly: bool = False
    ) -> AbstractAsyncContextManager[object]: ...
    def cursor(self, query: str, /, *values: object, prefetch: int) -> AsyncIterable[Row]: ...
    async def close(self) -> None: ...
    def terminate(self) -> None: ...


class Pool(Executor, Protocol):
    waiting: int

    def acquire(self) -> AbstractAsyncContextManager[Connection]: ...


ARRAYS = (list, tuple, set, frozenset)
# asyncpg asks two abstract classes of every element of an array, in Python: sixty times an event (decision 23).
protocol.IterableABC = protocol.SizedABC = ARRAYS
SCHEMA = Path(__file__).with_name("schema")
COMMAND_SECONDS_MOST = 30.0
MIGRATION_SECONDS_MOST = 600.0
"""Of one migration: filling a new column may take longer than any command of the hub's own."""
POOL_LEAST = 4
"""Open from the start: whoever needs one more waits for a handshake."""
POOL_MOST = 8
TROUBLE_SECONDS = 1.0
READER_IS_MISSING = (
    "the database has no role iop_reader, or it is not granted to this user: docs/operate.md (Who reads a journal) has"
    " the statements."
)
_MIGRATION_LOCK = 7_300_001
_LOCK_PAUSE_SECONDS = 0.1
_TROUBLE_CLASSES = ("08", "28", "3D", "40", "53", "55", "57", "58")
"""The connection, the login, a database that is away while it is restored, rollbacks, resources, objects in use, an
operator, the system: no record is at fault."""
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
    # Every statement here looks rows up by a key. A table is empty when its first plan is made, and that plan is
    # remembered while the table grows: it must not be to read everything, whether to find or to join. What a plan seems
    # to cost then must not start the compiler.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    # Nor is a plan better for knowing the values, and to make it anew each time costs more than to carry it out.
    "plan_cache_mode": "force_generic_plan",
}


async def connect(dsn: str) -> Connection:
    """A connection of its own, outside the pool: the pool's release would drop an advisory lock."""
    opened: Connection = await asyncpg.connect(
        dsn, server_settings=_SERVER_SETTINGS, command_timeout=COMMAND_SECONDS_MOST
    )
    return opened


@asynccontextmanager
async def snapshot(connection: Connection) -> AsyncIterator[None]:
    """All that is read inside stands as of one moment, and is read as the role `iop_reader`, which can write nothing.

    Raises ConfigurationError where that role is missing, or not for this user.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        try:
            await connection.execute("SET LOCAL ROLE iop_reader")
        except (asyncpg.InvalidParameterValueError, asyncpg.InsufficientPrivilegeError) as missing:
            raise ConfigurationError(READER_IS_MISSING) from missing
        yield


@asynccontextmanager
async def pool(dsn: str, least: int = POOL_LEAST) -> AsyncIterator[Pool]:
    """At most `POOL_MOST` connections, for all that a process does but its lanes; `least` are open from the start."""
    opened = await asyncpg.create_pool(
        dsn,
        min_size=least,
        max_size=POOL_MOST,
        server_settings=_SERVER_SETTINGS,
        command_timeout=COMMAND_SECONDS_MOST,
        reset=_as_it_is,
    )
    try:
        yield CountedPool(opened)
    finally:
        opened.terminate()


class CountedPool:
    """A pool that knows how many are `waiting` for a connection of it."""

    def __init__(self, opened: asyncpg.Pool) -> None:
        self._opened = opened
        self.waiting = 0

    def acquire(self) -> AbstractAsyncContextManager[Connection]:
        return _Acquiring(self, self._opened.acquire())

    async def execute(self, query: str, /, *values: object) -> str:
        async with self.acquire() as connection:
            return await connection.execute(query, *values)

    async def fetch(self, query: str, /, *values: object) -> list[Row]:
        async with self.acquire() as connection:
            return await connection.fetch(query, *values)

    async def fetchrow(self, query: str, /, *values: object) -> Row | None:
        async with self.acquire() as connection:
            return await connection.fetchrow(query, *values)

    async def fetchval(self, query: str, /, *values: object) -> object:
        async with self.acquire() as connection:
            return await connection.fetchval(query, *values)


class _Acquiring(AbstractAsyncContextManager[Connection]):
    def __init__(self, pool: CountedPool, acquired: AbstractAsyncContextManager[Connection]) -> None:
        self._pool = pool
        self._acquired = acquired

    async def __aenter__(self) -> Connection:
        self._pool.waiting += 1
        try:
            return await self._acquired.__aenter__()
        finally:
            self._pool.waiting -= 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._acquired.__aexit__(kind, error, trace)


async def _as_it_is(_: Connection) -> None:
    """Nothing here changes a pooled session (locks of lanes have connections of their own), so giving one back costs
    no round trip; asyncpg still rolls back what was left open."""


async def migrate(dsn: str) -> None:
    """Bring the schema up to date: every file of `schema/` once, in order of its number, one process at a time."""
    connection = await _schema_connection(dsn)
    try:
        await _turn(connection, "SELECT pg_try_advisory_lock($1)")
        await connection.execute("CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY)")
        done = {row["name"] for row in await connection.fetch("SELECT name FROM migrations")}
        for file in sorted(SCHEMA.glob("*.sql")):
            if file.name not in done:
                await _apply(connection, file.name, file.read_text())
    finally:
        await connection.close()


async def _apply(connection: Connection, name: str, sql: str) -> None:
    """In one transaction; what builds an index while others write goes statement by statement, and can't be in one.
    Interrupted, it is begun again."""
    record = "INSERT INTO migrations VALUES ($1)"
    if " CONCURRENTLY " in sql:
        for statement in filter(str.strip, sql.split(";\n")):
            await connection.execute(statement)
        await connection.execute(record, name)
        return
    async with connection.transaction():
        await connection.execute(sql)
        await connection.execute(record, name)


@asynccontextmanager
async def alone(dsn: str) -> AsyncIterator[Connection]:
    """A transaction that changes the schema: of all processes one at a time."""
    opened = await _schema_connection(dsn)
    try:
        async with opened.transaction():
            await _turn(opened, "SELECT pg_try_advisory_xact_lock($1)")
            yield opened
    finally:
        await opened.close()


async def _turn(opened: Connection, take: str) -> None:
    """Asked for again and again: who waited in the database would be waited for by an index that is built meanwhile."""
    while True:
        if await opened.fetchval(take, _MIGRATION_LOCK):
            return
        await asyncio.sleep(_LOCK_PAUSE_SECONDS)


async def _schema_connection(dsn: str) -> Connection:
    opened: Connection = await asyncpg.connect(
        dsn, server_settings=_SERVER_SETTINGS, command_timeout=MIGRATION_SECONDS_MOST
    )
    return opened


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


async def retrying(
    attempt: Callable[[], Awaitable[Done]],
    *,
    seconds_most: float,
    pause_first: float = 0.2,
    pause_most: float = 10.0,
    troubled: Callable[[Exception, float], None] = lambda error, pause: None,
) -> Done:
    """Try until it succeeds. Trouble waits, longer each time, and is raised after `seconds_most`; all else at once.

    `troubled` gets each error and the pause (seconds) that follows it.
    """
    started, pause = ticks(), pause_first
    while True:
        try:
            return await attempt()
        except Exception as error:
            if not is_trouble(error) or ticks() - started > seconds_most:
                raise
            troubled(error, pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, pause_most)


async def every(seconds: float, job: Callable[[], Awaitable[object]], *, name: str) -> None:
    """Do the job again and again, `seconds` after its end. Trouble is logged and waits a second at least."""

    async def never_done() -> bool:
        await job()
        return False

    await until_done(seconds, never_done, name=name)


async def until_done(seconds: float, job: Callable[[], Awaitable[bool]], *, name: str) -> None:
    """Likewise, until the job says that it is done."""
    while True:
        pause = seconds
        try:
            if await job():
                return
        except Exception as error:
            if not is_trouble(error):
                raise
            pause = max(seconds, TROUBLE_SECONDS)
            log.get().warning(f"{name}: waiting for the database", error=type(error).__name__, seconds=pause)
        await asyncio.sleep(pause)
