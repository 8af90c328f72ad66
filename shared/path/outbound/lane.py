"""Lanes: everything that leaves a service leaves through its outbox, one loop and one advisory lock a lane.

A topic lane sends in order, for ever; a row is deleted once the broker acknowledged it. SKIP LOCKED alone would
reorder, so one holder a lane it is, on a connection of its own.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import lru_cache
from typing import Any, TypeVar
from uuid import uuid4
from zlib import crc32

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from shared.events import wire
from shared.events.catalogue import INTAKE_EVENTS, PARTITIONS
from shared.events.envelope import Envelope
from shared.events.intake import ConsentsCurrent
from shared.platform import db, log, metrics
from shared.platform.clock import machine_now, ticks
from shared.platform.db import Connection

_decode = msgspec.json.Decoder(dict[str, str]).decode
LaneResource = TypeVar("LaneResource")
BATCH_MOST = 500
POLL_SECONDS = 0.010
"""A lane is woken by the commit that fed it; the poll finds what another replica stored."""
IDLE_POLL_SECONDS = 0.200
YIELD_EVERY = 50
HEARTBEAT_SECONDS = 10.0
RETRY_SECONDS_MOST = 60.0
_LOCK_SPACE = 73

# Never `id > last`: transactions commit out of order. Those on their way are named instead.
_NEXT = """SELECT id, key, partition, headers, body FROM outbox WHERE lane = $1 AND id <> ALL($3::bigint[])
    ORDER BY id LIMIT $2"""
# By id, for the same reason.
# The lane is named for the index: by id alone a backlog is read from end to end for each batch.
_DELETE = "DELETE FROM outbox WHERE lane = $1 AND id = ANY($2::bigint[])"
# One heartbeat a partition, newest only: an older one that was not sent yet emits nothing more.
_HEARTBEAT = """WITH gone AS (DELETE FROM outbox WHERE lane = $1 AND partition IS NOT NULL)
    INSERT INTO outbox (lane, partition, headers, body) SELECT $1, * FROM unnest($2::int[], $3::text[], $4::text[])"""


@asynccontextmanager
async def producing(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    """A producer, idempotent and acknowledged by all, so that order holds under retry."""
    opened = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=True,
        acks="all",
        linger_ms=0,
        max_batch_size=262_144,
        partitioner=_partition,
    )
    await opened.start()
    try:
        yield opened
    finally:
        await opened.stop()


@lru_cache(maxsize=65_536)
def _hash(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF


def _partition(key: bytes | None, everyone: Sequence[int], available: Sequence[int]) -> int:
    """Kafka's own rule (murmur2), cached, for it is pure Python here."""
    return everyone[_hash(key) % len(everyone)] if key is not None else everyone[0]


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


async def wait_for_work(fed: asyncio.Event, seconds: float) -> None:
    """Until the bell rings, at most so long."""
    with suppress(TimeoutError):
        await asyncio.wait_for(fed.wait(), seconds)
    fed.clear()


@asynccontextmanager
async def advisory_lock(dsn: str, lane: str) -> AsyncIterator[Connection]:
    """Wait for the lane's advisory lock, on a connection outside the pool, and hold it."""
    connection = await db.connect(dsn)
    try:
        # All that is written here emits that a row was sent; lost in a crash, the row is sent again.
        await connection.execute("SET synchronous_commit = off")
        await _lock(connection, _lane_number(lane))
        yield connection
    finally:
        connection.terminate()


async def _lock(connection: Connection, number: int) -> None:
    # Asking again, not waiting in the server: a waiting session would hold a snapshot and outlive its client.
    while True:
        if await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", _LOCK_SPACE, number):
            return
        await asyncio.sleep(0.5)


def _lane_number(lane: str) -> int:
    return crc32(lane.encode()) - 2**31


async def run_lane(
    dsn: str,
    lane: str,
    resources: Callable[[], AbstractAsyncContextManager[LaneResource]],
    turn: Callable[[Connection, LaneResource], Awaitable[None]],
) -> None:
    """Hold the lane and take turns for ever. Trouble backs off, then takes lock and tool anew: a producer that failed
    may not go on in order. Anything else is a bug."""
    pause = 0.5
    while True:
        try:
            async with advisory_lock(dsn, lane) as connection, resources() as resource:
                while True:
                    await turn(connection, resource)
                    pause = 0.5
        except Exception as error:
            if not db.is_trouble(error) and not isinstance(error, KafkaError):
                raise
            log.get().warning("lane in trouble", lane=lane, error=type(error).__name__, seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, RETRY_SECONDS_MOST)


async def _acknowledged(sent: Sequence[asyncio.Future[Any]]) -> None:
    for failure in await asyncio.gather(*sent, return_exceptions=True):
        if isinstance(failure, BaseException):
            raise failure


class TopicLane:
    """Releases one topic's rows in order."""

    def __init__(self, service: str, topic: str, wake_up: WakeUp) -> None:
        self.service = service
        self.topic = topic
        self.lane = f"topic:{topic}"
        self._fed = wake_up.listen(self.lane)
        self._beat_at = 0.0
        self._quiet = 0

    async def run(self, dsn: str, bootstrap: str) -> None:
        await run_lane(dsn, self.lane, lambda: producing(bootstrap), self._turn)

    async def _turn(self, connection: Connection, sender: AIOKafkaProducer) -> None:
        await self._heartbeat(connection)
        if await self.release(connection, sender):
            self._quiet = 0
            return
        self._quiet += 1
        wait = POLL_SECONDS if self._quiet < 100 else IDLE_POLL_SECONDS
        await wait_for_work(self._fed, wait)

    async def release(self, connection: Connection, sender: AIOKafkaProducer) -> int:
        """Send all there is, in order, and delete what was acknowledged; how many. No transaction is held during a
        send. While rows travel the next ones are read, and they leave before the first are deleted."""
        count = 0
        rows = await connection.fetch(_NEXT, self.lane, BATCH_MOST, [])
        sent = await self._send(sender, rows)
        while rows:
            await self._heartbeat(connection)
            ids = [row["id"] for row in rows]
            rows = await connection.fetch(_NEXT, self.lane, BATCH_MOST, ids)
            await _acknowledged(sent)
            sent = await self._send(sender, rows)
            await connection.execute(_DELETE, self.lane, ids)
            metrics.SENT.labels(self.service, self.lane).inc(len(ids))
            count += len(ids)
        return count

    async def _send(self, sender: AIOKafkaProducer, rows: Sequence[Mapping[str, Any]]) -> list[asyncio.Future[Any]]:
        sent = []
        for count, row in enumerate(rows):
            headers = [(name, value.encode()) for name, value in _decode(row["headers"]).items()]
            key = row["key"].encode() if row["key"] is not None else None
            sent.append(
                await sender.send(
                    self.topic, row["body"].encode(), key=key, partition=row["partition"], headers=headers
                )
            )
            if count % YIELD_EVERY == YIELD_EVERY - 1:
                await asyncio.sleep(0)
        return sent

    async def _heartbeat(self, connection: Connection) -> None:
        """The ledger's heartbeat: by the holder of intake's lane, behind every consent stored before it."""
        now = ticks()
        if self.topic != INTAKE_EVENTS or (self._beat_at and now - self._beat_at < HEARTBEAT_SECONDS):
            return
        self._beat_at = now
        headers, bodies = [], []
        for _ in range(PARTITIONS):
            written = wire.write(ConsentsCurrent(), _heartbeat_envelope(self.service))
            headers.append(json.dumps(written.headers))
            bodies.append(written.body.decode())
        await connection.execute(_HEARTBEAT, self.lane, list(range(PARTITIONS)), headers, bodies)


def _heartbeat_envelope(service: str) -> Envelope:
    identity = uuid4()
    return Envelope(
        id=identity,
        source=service,
        event=ConsentsCurrent.__name__,
        program="",
        patient="",
        at=machine_now(),
        correlation_id=identity,
        causation_id=identity,
    )
