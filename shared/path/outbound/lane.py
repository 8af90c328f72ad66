"""Lanes: everything that leaves a service leaves through its outbox, one loop and one advisory lock a lane.

SKIP LOCKED alone would reorder, so one holder a lane it is, on a connection of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TypeVar
from zlib import crc32

from aiokafka.errors import KafkaError

from shared.platform import db, log
from shared.platform.db import Connection, Executor
from shared.platform.settings import ConfigurationError

LaneResource = TypeVar("LaneResource")
PAUSE_SECONDS_FIRST = 0.5
PAUSE_SECONDS_MOST = 60.0
ASK_AGAIN_SECONDS = 0.5
LOOK_SECONDS = 0.200
LOOK_SECONDS_ALONE = 1.0
"""Where no other process of the service could have stored anything, only what waits for its time is to be found."""
IDLE_SECONDS_MOST = 10.0
"""A lane that nobody wakes looks by itself, should the look for all of them be in trouble."""
_LOCK_SPACE = 73
# A parked row, and what waits behind one, waits for a person, who was told; a page that nobody was told of yet, for its
# hour.
_OLDEST_UNSENT = """SELECT lane, extract(epoch FROM now() - min(stored_at))::float AS age FROM outbox o
    WHERE parked IS NULL AND NOT (lane LIKE 'partner:on-call%' AND attempts = 0 AND not_before IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM outbox p
        WHERE p.parked IS NOT NULL AND p.lane = o.lane AND p.key = o.key AND p.id < o.id) GROUP BY lane"""
# Which of these lanes have rows: one step into the index for each.
_NOT_EMPTY = """SELECT lane FROM unnest($1::text[]) AS asked(lane)
    WHERE (SELECT id FROM outbox o WHERE o.lane = asked.lane ORDER BY id LIMIT 1) IS NOT NULL"""


class WakeUp:
    """Wakes the lanes of this process that a commit has fed; the others sleep on."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}

    def listen(self, lane: str) -> asyncio.Event:
        return self._events.setdefault(lane, asyncio.Event())

    def ring(self, lanes: Iterable[str]) -> None:
        for lane in lanes:
            if lane in self._events:
                self._events[lane].set()

    def ring_after(self, lane: str, seconds: float) -> None:
        """A row of this lane waits for so long: what is sent then need not wait for the next look."""
        asyncio.get_running_loop().call_later(seconds, self.ring, (lane,))

    async def watch(self, pool: Executor, is_alone: Callable[[], bool] = lambda: False) -> None:
        """One look for all lanes at what another replica stored, and at what waits for its time."""

        async def look() -> None:
            self.ring(row["lane"] for row in await pool.fetch(_NOT_EMPTY, list(self._events)))
            await asyncio.sleep(LOOK_SECONDS_ALONE if is_alone() else LOOK_SECONDS)

        await db.every(0.0, look, name="lanes")


async def wait_for_work(fed: asyncio.Event, seconds: float) -> None:
    """Until the lane is fed, at most so long; if it was since it last looked, not at all."""
    # Not wait_for: before Python 3.12 it may swallow a cancellation, and the lane would never end.
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await fed.wait()
    fed.clear()


@asynccontextmanager
async def advisory_lock(dsn: str, lane: str) -> AsyncIterator[Connection]:
    """Wait for the lane's advisory lock, on a connection outside the pool, and hold it."""
    connection = await db.connect(dsn)
    try:
        # All that is written here says that a row was sent; lost in a crash, the row is sent again.
        # And a lane takes the first rows of its index, in order: a bitmap would collect all of the lane first.
        await connection.execute("SET synchronous_commit = off; SET enable_bitmapscan = off")
        await _lock(connection, crc32(lane.encode()) - 2**31)
        yield connection
    finally:
        connection.terminate()


async def _lock(connection: Connection, number: int) -> None:
    # Asking again, not waiting in the server: a waiting session would hold a snapshot and outlive its client.
    while True:
        if await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", _LOCK_SPACE, number):
            return
        await asyncio.sleep(ASK_AGAIN_SECONDS)


async def run_lane(
    dsn: str,
    lane: str,
    resources: Callable[[], AbstractAsyncContextManager[LaneResource]],
    turn: Callable[[Connection, LaneResource], Awaitable[None]],
) -> None:
    """Hold the lane and take turns for ever. Trouble backs off, then takes lock and resource anew: a producer that
    failed may not go on in order. Anything else is a bug."""
    pause = PAUSE_SECONDS_FIRST
    while True:
        try:
            async with advisory_lock(dsn, lane) as connection, resources() as resource:
                while True:
                    await turn(connection, resource)
                    pause = PAUSE_SECONDS_FIRST
        except Exception as error:
            # A secret that is exchanged while it is read is there again a moment later.
            if not db.is_trouble(error) and not isinstance(error, KafkaError | ConfigurationError):
                raise
            _warn(lane, error, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSE_SECONDS_MOST)


def _warn(lane: str, error: Exception, pause: float) -> None:
    """Of Kafka one sentence a minute, for all its lanes say the same."""
    if isinstance(error, KafkaError):
        log.seldom("waiting for Kafka: topic lanes can't send", error=type(error).__name__)
    else:
        log.get().warning("lane in trouble", lane=lane, error=type(error).__name__, seconds=pause)


async def oldest_unsent_seconds(connection: Executor) -> dict[str, float]:
    """Age of the oldest row of each lane that can leave (machine time)."""
    return {row["lane"]: row["age"] for row in await connection.fetch(_OLDEST_UNSENT)}
