"""Events consumed with real decisions, Kafka to PostgreSQL; the floor is the same statements with the same rows."""

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.courses import Course, Record, patients
from bench.ground import Ground, emptied
from bench.watching import Stages, Statements
from shared.path import db
from shared.path.bus import Bus
from shared.path.clock import Clock, ticks
from shared.path.inbox import Inbox
from shared.path.item import Answer, Item
from shared.path.listening import Listening
from shared.path.relay import producing
from shared.path.service import Service
from shared.words.catalogue import PARTITIONS

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


class Watched(Inbox):
    """An inbox that counts what it has committed."""

    count: Count

    async def hear(self, items: Sequence[Item]) -> list[Answer]:
        answers = await super().hear(items)
        self.count.add(len(items))
        return answers


@dataclass(frozen=True)
class Consumed:
    """Events a second, those of the same statements prebuilt, words said an event, microseconds an event by stage."""

    rate: float
    floor: float
    said: float
    stages: Stages


async def measure(ground: Ground, course: Course, events: int, passes: int) -> Consumed:
    """Passes of: as it is; with other patients, watched; that one's statements prebuilt. The middle ratio is told."""
    dsn = await ground.database(course.name)
    await _caught_up(ground.kafka, course.service)
    count = events // len(course.words("00000000-0000-4000-8000-000000000000", course.service.keys))
    taken = [await _pass(ground, course, dsn, count, each) for each in range(passes)]
    return sorted(taken, key=lambda each: each.rate / each.floor)[passes // 2]


async def _caught_up(bootstrap: str, service: Service) -> None:
    """The service has heard what is on its topic: the words of other courses are not what is measured."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=f"iop.{service.name}", enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(service.hears, number) for number in range(PARTITIONS)]
        consumer.assign(places)
        await consumer.commit(await consumer.end_offsets(places))
    finally:
        await consumer.stop()


async def _pass(ground: Ground, course: Course, dsn: str, count: int, number: int) -> Consumed:
    plain, _ = await _consume(ground, course, dsn, patients(count, 2 * number), None)
    statements = Statements()
    others = patients(count, 2 * number + 1)
    watched, said = await _consume(ground, course, dsn, others, statements)
    floor = await _prebuilt(course, dsn, others, statements, watched.done)
    return Consumed(plain.rate, floor, said / watched.done, statements.stages(watched.done))


async def _consume(
    ground: Ground, course: Course, dsn: str, keys: Sequence[str], statements: Statements | None
) -> tuple[Count, int]:
    await _prepare(course, dsn, keys)
    count = Count(await lay(ground.kafka, course.service.hears, course.records(keys)))
    calm()
    clock = Clock()
    async with db.pool(dsn) as pool:
        listening = Listening(pool, clock)
        await listening.start()
        months = db.Months(dsn)
        await months.ensure(clock.now())
        inbox = Watched(
            course.service,
            statements.pool(pool) if statements else pool,
            months,
            clock,
            listening,
            course.settings,
            lambda _: None,
        )
        inbox.count = count
        bus = Bus(inbox, ground.kafka, "bench")
        if statements:
            # One at a time, else the stages overlap and their sum says nothing.
            bus.side_by_side = 1
            statements.watch(inbox, bus)
        async with _running(bus):
            await asyncio.wait_for(count.finished.wait(), LONGEST_SECONDS)
        parked = await pool.fetchval("SELECT count(*) FROM parked")
        if parked:
            raise AssertionError(f"{parked} words were parked: this measures nothing")
        return count, await pool.fetchval("SELECT count(*) FROM outbox")


def calm() -> None:
    """As every service does at its start."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@asynccontextmanager
async def _running(bus: Bus) -> AsyncIterator[None]:
    task = asyncio.create_task(bus.run())
    try:
        yield
    finally:
        # A moment for the last acknowledgement, else the next measurement hears the last batch again.
        await asyncio.sleep(0.5)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _prepare(course: Course, dsn: str, keys: Sequence[str]) -> None:
    await emptied(dsn)
    await keep_before(course, dsn, keys)


async def keep_before(course: Course, dsn: str, keys: Sequence[str]) -> None:
    """Lay down the states that are there before the first word."""
    rows, columns = list(course.rows(keys)), ("key", "program", "version", "body")
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
            headers = [(name, value.encode()) for name, value in record.head.items()]
            sent.append(await producer.send(topic, record.body, key=record.key.encode(), headers=headers))
        await asyncio.gather(*sent)
    return len(records)


async def _prebuilt(course: Course, dsn: str, keys: Sequence[str], statements: Statements, events: int) -> float:
    """Events a second when nothing is read, decided or written any more."""
    await _prepare(course, dsn, keys)
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
