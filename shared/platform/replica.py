"""A replica's name is its own: two processes under one name would throw each other out of the consumer's group."""

import asyncio
from zlib import crc32

from shared.platform import db
from shared.platform.db import Connection
from shared.platform.settings import ConfigurationError

TAKE_SECONDS_MOST = 30.0
"""Longer than a killed process's connection lives on."""
AGAIN_SECONDS = 0.5
LOOK_SECONDS = 5.0
_LOCK_SPACE = 74
# Of this database alone: a server has one for each service.
_NAMES = """SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1::int8::oid AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


class ReplicaName:
    """Held by an advisory lock of the service's database, on a connection of its own, as long as the process runs."""

    def __init__(self, dsn: str, service: str, name: str, seconds_most: float = TAKE_SECONDS_MOST) -> None:
        self._dsn = dsn
        self._service = service
        self._name = name
        self._seconds_most = seconds_most
        self._connection: Connection | None = None
        self._others = True

    @property
    def is_alone(self) -> bool:
        """Whether no other process of this service was there at the last look; nobody knows before the first."""
        return not self._others

    async def take(self) -> None:
        """Wait for the name. Raises ConfigurationError where another process has it."""
        connection = await db.connect(self._dsn)
        try:
            async with asyncio.timeout(self._seconds_most):
                while True:
                    if await self._taken(connection):
                        break
                    await asyncio.sleep(AGAIN_SECONDS)
        except TimeoutError:
            connection.terminate()
            raise ConfigurationError(
                f"IOP_REPLICA: another process of {self._service} runs under the name {self._name}; give each its own."
            ) from None
        self._connection = connection

    async def _taken(self, connection: Connection) -> bool:
        number = crc32(f"replica:{self._service}:{self._name}".encode()) - 2**31
        taken: bool = await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", _LOCK_SPACE, number)
        return taken

    async def watch(self) -> None:
        """A lock is lost with its connection: it is taken again. Raises ConfigurationError."""
        await db.every(LOOK_SECONDS, self._look, name="replica")

    async def _look(self) -> None:
        if self._connection is None:
            await self.take()
            return
        try:
            self._others = await self._connection.fetchval(_NAMES, _LOCK_SPACE) > 1
        except Exception:
            self.release()
            raise

    def release(self) -> None:
        self._others = True
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
