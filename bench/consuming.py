"""Events consumed with real decisions, Kafka to PostgreSQL; the floor is the same statements with the same rows."""

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.servers import Servers, emptied
from bench.watching import Stages, Statements
from bench.workloads import Record, Workload, patients
from shared.events.catalogue import PARTITIONS
from shared.path.inbound.consumer import Consumer
from shared.path.outbound.lane import producing
from shared.path.service import Service
from shared.path.transaction.delivery import Answer, Delivery
from shared.path.transaction.inbox import Inbox
from shared.platform import db
from shared.platform.clock import Clock, ticks
from shared.platform.listening import Listening

LONGEST_SECONDS = 300.0


@dataclass
class Count:
    """How many were decided, and when the first and the last batch were."""

    wanted: int
    done: int = 0
    first: int = 0
    started_at: float = 0.0
    ended_at: float = 0.0
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, events: int) -> None:
        self.done += events
        self.ended_at = ticks()
        if not self.first:
            self.first, self.started_at = events, self.ended_at
        if self.done >= self.wanted:
            self.finished.set()

    @property
    def rate(self) -> float:
        """Events a second from the end of the first batch on: joining the group is not what is measured."""
        return (self.done - self.first) / (self.ended_at - self.started_at)


class CountingInbox(Inbox):
    """An inbox that counts what it has committed."""

    count: Count

    async def receive(self, deliveries: Sequence[Delivery]) -> list[Answer]:
        answers = await super().receive(deliveries)
        self.count.add(len(deliveries))
        return answers


@dataclass(frozen=True)
class Consumed:
    """Events a second, those of the same statements prebuilt, events said an event, microseconds an event by stage."""

    rate: float
    floor: float
    emitted: float
    stages: Stages


async def measure(servers: Servers, workload: Workload, events: int, passes: int) -> Consumed:
    """Passes of: as it is; with other patients, watched; that one's statements prebuilt. The middle ratio is told."""
    dsn = await servers.database(workload.name)
    await _caught_up(servers.kafka, workload.service)
    count = events // len(workload.events("00000000-0000-4000-8000-000000000000", workload.service.keys))
    taken = [await _pass(servers, workload, dsn, count, each) for each in range(passes)]
    return sorted(taken, key=lambda each: each.rate / each.floor)[passes // 2]


async def _caught_up(bootstrap: str, service: Service) -> None:
    """The service has heard what is on its topic: the events of other courses are not what is measured."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=f"iop.{service.name}", enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(service.consumes, number) for number in range(PARTITIONS)]
        consumer.assign(places)
        await consumer.commit(await consumer.end_offsets(places))
    finally:
        await consumer.stop()


async def _pass(servers: Servers, workload: Workload, dsn: str, count: int, number: int) -> Consumed:
    plain, _ = await _consume(servers, workload, dsn, patients(count, 2 * number), None)
    statements = Statements()
    others = patients(count, 2 * number + 1)
    counted, emitted = await _consume(servers, workload, dsn, others, statements)
    floor = await _prebuilt(workload, dsn, others, statements, counted.done)
    return Consumed(plain.rate, floor, emitted / counted.done, statements.stages(counted.done))


async def _consume(
    servers: Servers, workload: Workload, dsn: str, keys: Sequence[str], statements: Statements | None
) -> tuple[Count, int]:
    await _prepare(workload, dsn, keys)
    count = Count(await lay(servers.kafka, workload.service.consumes, workload.records(keys)))
    calm()
    clock = Clock()
    async with db.pool(dsn) as pool:
        listening = Listening(pool, clock)
        await listening.start()
        months = db.Months(dsn)
        await months.ensure(clock.now())
        inbox = CountingInbox(
            workload.service,
            statements.pool(pool) if statements else pool,
            months,
            clock,
            listening,
            workload.settings,
            lambda _: None,
        )
        inbox.count = count
        consumer = Consumer(inbox, servers.kafka, "bench")
        if statements:
            # One at a time, else the stages overlap and their sum says nothing.
            consumer.side_by_side = 1
            statements.watch(inbox, consumer)
        async with _running(consumer):
            await asyncio.wait_for(count.finished.wait(), LONGEST_SECONDS)
        parked = await pool.fetchval("SELECT count(*) FROM parked")
        if parked:
            raise AssertionError(f"{parked} events were parked: this measures nothing")
        return count, await pool.fetchval("SELECT count(*) FROM outbox")


def calm() -> None:
    """As every service does at its start."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@asynccontextmanager
async def _running(consumer: Consumer) -> AsyncIterator[None]:
    task = asyncio.create_task(consumer.run())
    try:
        yield
    finally:
        # A moment for the last acknowledgement, else the next measurement hears the last batch again.
        await asyncio.sleep(0.5)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _prepare(workload: Workload, dsn: str, keys: Sequence[str]) -> None:
    await emptied(dsn)
    await store_before(workload, dsn, keys)


async def store_before(workload: Workload, dsn: str, keys: Sequence[str]) -> None:
    """Lay down the states that are there before the first event."""
    rows, columns = list(workload.rows(keys)), ("key", "program", "version", "body")
    if not rows:
        return
    connection = await asyncpg.connect(dsn)
    try:
        await connection.copy_records_to_table("state", records=rows, columns=columns)
        await connection.execute("ANALYZE state")
    finally:
        await connection.close()


async def lay(bootstrap: str, topic: str, records: Sequence[Record]) -> int:
    """Put the records on their topic and return how many."""
    async with producing(bootstrap) as producer:
        sent = []
        for record in records:
            headers = [(name, value.encode()) for name, value in record.headers.items()]
            sent.append(await producer.send(topic, record.body, key=record.key.encode(), headers=headers))
        await asyncio.gather(*sent)
    return len(records)


async def _prebuilt(workload: Workload, dsn: str, keys: Sequence[str], statements: Statements, events: int) -> float:
    """Events a second when nothing is read, decided or written any more."""
    await _prepare(workload, dsn, keys)
    calm()
    connection: Any = await db.connect(dsn)
    try:
        started = ticks()
        for batch in statements.batches:
            async with connection.transaction():
                for method, arguments in batch:
                    await getattr(connection, method)(*arguments)
        return events / (ticks() - started)
    finally:
        await connection.close()
