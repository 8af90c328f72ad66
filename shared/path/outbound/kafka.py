"""Topic lanes: a topic's rows in order, for ever; a row is deleted once the broker acknowledged it."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from math import inf
from typing import Any
from uuid import uuid4

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from shared.events import wire
from shared.events.catalogue import INTAKE_EVENTS, PARTITIONS
from shared.events.envelope import Envelope
from shared.events.intake import ConsentsCurrent
from shared.path.destination import Destination
from shared.path.outbound.batches import BATCH_BYTES_MOST, Batch, Batches
from shared.path.outbound.lane import IDLE_SECONDS_MOST, run_lane, wait_for_work
from shared.path.outbound.parking import SENDABLE, Class, Parking
from shared.path.transaction import store
from shared.platform import db, log, metrics, tracing
from shared.platform.clock import machine_now, nanoseconds, ticks
from shared.platform.db import Connection, Row
from shared.platform.kafka import Cluster

BATCH_MOST = 500
POLL_SECONDS_FIRST = 0.010
"""A lane is woken by the commit that fed it; right after work it looks for what another replica stored as well."""
YIELD_EVERY = 50
HEARTBEAT_SECONDS = 10.0
Travelling = Mapping["asyncio.Future[Any]", Sequence[int]]
"""What tells of a batch's acknowledgement, and the ids of its rows."""
# Never `id > last`: transactions commit out of order. Those on their way are named instead.
_NEXT = f"""SELECT id, program, key, partition, headers, body FROM outbox o
    WHERE lane = $1 AND id <> ALL($3::bigint[]) AND {SENDABLE} ORDER BY id LIMIT $2"""
# One heartbeat a partition, newest only: an older one that was not sent yet says nothing more.
_HEARTBEAT = """WITH gone AS (DELETE FROM outbox WHERE lane = $1 AND partition IS NOT NULL)
    INSERT INTO outbox (lane, partition, headers, body) SELECT $1, * FROM unnest($2::int[], $3::text[], $4::text[])"""


@asynccontextmanager
async def producing(kafka: Cluster) -> AsyncIterator[AIOKafkaProducer]:
    """A producer, idempotent and acknowledged by all, so that order holds under retry."""
    opened = kafka.producer(enable_idempotence=True, acks="all", linger_ms=0, max_batch_size=BATCH_BYTES_MOST)
    await opened.start()
    try:
        yield opened
    finally:
        await opened.stop()


async def _acknowledged(sent: Travelling) -> None:
    """Once all have an answer. Raises what went wrong with one of the batches."""
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
        self._pause = POLL_SECONDS_FIRST

    async def run(self, dsn: str, kafka: Cluster) -> None:
        await run_lane(dsn, self.lane, lambda: producing(kafka), self._turn)

    async def _turn(self, connection: Connection, sender: AIOKafkaProducer) -> None:
        await self._heartbeat(connection)
        if await self.release(connection, sender):
            self._pause = POLL_SECONDS_FIRST
        await wait_for_work(self._fed, min(self._pause, self._until_heartbeat()))
        self._pause = min(self._pause * 2, IDLE_SECONDS_MOST)

    async def release(self, connection: Connection, sender: AIOKafkaProducer) -> int:
        """Send all there is, in order, and delete what was acknowledged; how many. No transaction is held during a
        send. While rows travel the next ones are read and made ready, and they leave before the first are deleted."""
        count = 0
        rows = await self._next(connection, [])
        batches = await self._batches(connection, sender, rows)
        began, leaving = nanoseconds(), rows
        sent = await self._send(sender, batches)
        while rows:
            await self._heartbeat(connection)
            ids = [id for ids in sent.values() for id in ids]
            rows = await self._next(connection, ids)
            batches = await self._batches(connection, sender, rows)
            await _acknowledged(sent)
            self._trace(began, leaving, frozenset(ids))
            if not rows and self._fed.is_set():
                rows = await self._next(connection, ids)
                batches = await self._batches(connection, sender, rows)
            began, leaving = nanoseconds(), rows
            sent = await self._send(sender, batches)
            await store.delete(connection, self.lane, ids)
            metrics.SENT.labels(self.service, self.lane).inc(len(ids))
            count += len(ids)
        return count

    def _trace(self, began: int, rows: Sequence[Row], ids: Collection[int]) -> None:
        """Of the rows that were acknowledged; written afterwards, for a row's trace is known by its headers alone."""
        if tracing.is_on():
            tracing.sent(self.lane, began, [wire.recorded_in(row["headers"]) for row in rows if row["id"] in ids])

    async def _next(self, connection: Connection, travelling: Sequence[int]) -> list[Row]:
        """What a commit brings from here on feeds the lane anew: when all of this is sent, nobody looks in vain."""
        self._fed.clear()
        return await connection.fetch(_NEXT, self.lane, BATCH_MOST, travelling)

    async def _batches(
        self, connection: Connection, sender: AIOKafkaProducer, rows: Sequence[Row]
    ) -> Mapping[int, Batch]:
        """These as a batch for each partition. Kafka is asked nothing where there are none."""
        if not rows:
            return {}
        batches, held = Batches(sender, await sender.partitions_for(self.topic)), set[str]()
        for count, row in enumerate(rows):
            if row["key"] not in held and not await self._added_or_parked(connection, batches, row):
                held.update([row["key"]] if row["key"] is not None else [])
            if count % YIELD_EVERY == YIELD_EVERY - 1:
                await asyncio.sleep(0)
        return batches.of

    async def _send(self, sender: AIOKafkaProducer, batches: Mapping[int, Batch]) -> Travelling:
        return {
            await sender.send_batch(batch.builder, self.topic, partition=number): batch.ids
            for number, batch in batches.items()
        }

    async def _added_or_parked(self, connection: Connection, batches: Batches, row: Row) -> bool:
        """False where the row fails by itself: it is parked."""
        try:
            batches.add(row)
        except Exception as error:
            if not _is_of_the_row(error):
                raise
            class_: Class = "unreadable" if isinstance(error, msgspec.MsgspecError) else "bug"
            await self._parking.park(connection, self.lane, row, class_, log.place_of(error))
            return False
        return True

    def _until_heartbeat(self) -> float:
        """Seconds; for ever where this topic has none."""
        if self.topic != INTAKE_EVENTS:
            return inf
        return self._beat_at + HEARTBEAT_SECONDS - ticks() if self._beat_at else 0.0

    async def _heartbeat(self, connection: Connection) -> None:
        """The ledger's heartbeat: by the holder of intake's lane, behind every consent stored before it."""
        if self._until_heartbeat() > 0:
            return
        self._beat_at = ticks()
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
