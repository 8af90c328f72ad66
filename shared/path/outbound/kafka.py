"""Topic lanes: a topic's rows in order, for ever; a row is deleted once the broker acknowledged it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any
from uuid import uuid4

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.partitioner import murmur2

from shared.events import wire
from shared.events.catalogue import INTAKE_EVENTS, PARTITIONS
from shared.events.envelope import Envelope
from shared.events.intake import ConsentsCurrent
from shared.path.destination import Destination
from shared.path.outbound.lane import run_lane, wait_for_work
from shared.path.outbound.parking import SENDABLE, Class, Parking
from shared.path.transaction import store
from shared.platform import db, log, metrics
from shared.platform.clock import machine_now, ticks
from shared.platform.db import Connection, Row

BATCH_MOST = 500
POLL_SECONDS = 0.010
"""A lane is woken by the commit that fed it; the poll finds what another replica stored."""
IDLE_POLL_SECONDS = 0.200
QUIET_TURNS = 100
YIELD_EVERY = 50
HEARTBEAT_SECONDS = 10.0
_decode = msgspec.json.Decoder(dict[str, str]).decode
# Never `id > last`: transactions commit out of order. Those on their way are named instead.
_NEXT = f"""SELECT id, program, key, partition, headers, body FROM outbox o
    WHERE lane = $1 AND id <> ALL($3::bigint[]) AND {SENDABLE} ORDER BY id LIMIT $2"""
# One heartbeat a partition, newest only: an older one that was not sent yet says nothing more.
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


async def _acknowledged(sent: Iterable["asyncio.Future[Any]"]) -> None:
    for failure in await asyncio.gather(*sent, return_exceptions=True):
        if isinstance(failure, BaseException):
            raise failure


class TopicLane:
    """Releases one topic's rows in order. Trouble ends the turn; a row that fails by itself is parked."""

    def __init__(self, destination: Destination[Any], parking: Parking) -> None:
        self.service = parking.service
        self.topic = destination.name
        self.lane = destination.lane
        self._parking = parking
        self._fed = parking.wake_up.listen(self.lane)
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
        await wait_for_work(self._fed, POLL_SECONDS if self._quiet < QUIET_TURNS else IDLE_POLL_SECONDS)

    async def release(self, connection: Connection, sender: AIOKafkaProducer) -> int:
        """Send all there is, in order, and delete what was acknowledged; how many. No transaction is held during a
        send. While rows travel the next ones are read, and they leave before the first are deleted."""
        count = 0
        rows = await connection.fetch(_NEXT, self.lane, BATCH_MOST, [])
        sent = await self._send(connection, sender, rows)
        while rows:
            await self._heartbeat(connection)
            ids = list(sent)
            rows = await connection.fetch(_NEXT, self.lane, BATCH_MOST, ids)
            await _acknowledged(sent.values())
            sent = await self._send(connection, sender, rows)
            await store.delete(connection, self.lane, ids)
            metrics.SENT.labels(self.service, self.lane).inc(len(ids))
            count += len(ids)
        return count

    async def _send(
        self, connection: Connection, sender: AIOKafkaProducer, rows: Sequence[Row]
    ) -> dict[int, "asyncio.Future[Any]"]:
        """Hand these to the producer; by id of the row, what tells of its acknowledgement."""
        sent: dict[int, asyncio.Future[Any]] = {}
        held = set[str]()
        for count, row in enumerate(rows):
            if row["key"] not in held:
                future = await self._sent_or_parked(connection, sender, row)
                if future is not None:
                    sent[row["id"]] = future
                elif row["key"] is not None:
                    held.add(row["key"])
            if count % YIELD_EVERY == YIELD_EVERY - 1:
                await asyncio.sleep(0)
        return sent

    async def _sent_or_parked(
        self, connection: Connection, sender: AIOKafkaProducer, row: Row
    ) -> "asyncio.Future[Any] | None":
        """None where the row fails by itself: it is parked."""
        try:
            return await self._hand_over(sender, row)
        except Exception as error:
            if not _is_of_the_row(error):
                raise
            class_: Class = "unreadable" if isinstance(error, msgspec.MsgspecError) else "bug"
            await self._parking.park(connection, self.lane, row, class_, log.place_of(error))
            return None

    async def _hand_over(self, sender: AIOKafkaProducer, row: Row) -> "asyncio.Future[Any]":
        headers = [(name, value.encode()) for name, value in _decode(row["headers"]).items()]
        key = row["key"].encode() if row["key"] is not None else None
        body = row["body"].encode()
        future: asyncio.Future[Any] = await sender.send(
            self.topic, body, key=key, partition=row["partition"], headers=headers
        )
        return future

    async def _heartbeat(self, connection: Connection) -> None:
        """The ledger's heartbeat: by the holder of intake's lane, behind every consent stored before it."""
        now = ticks()
        if self.topic != INTAKE_EVENTS or (self._beat_at and now - self._beat_at < HEARTBEAT_SECONDS):
            return
        self._beat_at = now
        written = [wire.write(ConsentsCurrent(), _heartbeat_envelope(self.service)) for _ in range(PARTITIONS)]
        headers, bodies = [json.dumps(each.headers) for each in written], [each.body.decode() for each in written]
        await connection.execute(_HEARTBEAT, self.lane, list(range(PARTITIONS)), headers, bodies)


def _is_of_the_row(error: Exception) -> bool:
    """Whether this row alone fails: sent again, it would stop the lane for everybody."""
    if isinstance(error, KafkaError):
        return isinstance(error, MessageSizeTooLargeError)
    return not db.is_trouble(error)


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
