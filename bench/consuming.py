"""Events consumed with real decisions, Kafka to PostgreSQL; the floor is the same statements with the same rows."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count as counting
from statistics import median

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from bench.goals import Goal
from bench.processes import Processes, Reading
from bench.results import Figure, Result, figure
from bench.servers import Servers, emptied
from bench.slices import Scale, Slice, alternate, between, microseconds_a_unit
from bench.watching import Batch, Stages, Statements
from bench.workloads import Record, Workload, patients
from shared.events.catalogue import PARTITIONS
from shared.path.destination import Routes
from shared.path.inbound.consumer import Consumer
from shared.path.outbound.destinations import topics
from shared.path.outbound.kafka import producing
from shared.path.service import Service
from shared.path.transaction import offsets
from shared.path.transaction.inbox import Inbox
from shared.path.transaction.journal import Journal
from shared.platform import db, memory
from shared.platform.clock import Clock
from shared.platform.kafka import Cluster
from shared.platform.listening import Listening

LONGEST_SECONDS = 300.0
CONSUMER = "consumer"
OF_THE_FLOOR = Goal(
    0.5,
    is_ratio=True,
    reason="The floor reads, decides and writes nothing; Python takes two thirds, over a hundred functions of which "
    "none takes more than a tenth.",
)
_OF_PYTHON = (
    "A third of Python's time goes into deciding and writing FHIR, a third into storing, an eighth into reading."
)
OF_SIGNALS = Goal(11_000, reason=_OF_PYTHON), Goal(130, at_most=True, reason=_OF_PYTHON)
"""Consumed plus emitted a second, and microseconds of Python a consumed event: of the mixture the goal is about."""


@dataclass
class Count:
    """How many were decided, and what was used when the first poll's were, and the last's."""

    wanted: int
    processes: Processes
    done: int = 0
    first: int = 0
    started: Reading | None = None
    ended: Reading | None = None
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, events: int) -> None:
        self.done += events
        if self.started is None:
            self.first, self.started = events, self.processes.read()
        if self.done >= self.wanted and self.ended is None:
            self.ended = self.processes.read()
            self.finished.set()

    @property
    def slice(self) -> Slice:
        """From the end of the first poll on: joining the group is not what is measured."""
        assert self.started is not None and self.ended is not None
        return between(self.started, self.ended, self.done - self.first)


class CountedConsumer(Consumer):
    """A consumer that counts what it has committed, poll by poll: between two polls nothing is half done."""

    count: Count

    async def take(self, records: Sequence[ConsumerRecord]) -> None:
        await super().take(records)
        self.count.add(len(records))


async def measure(servers: Servers, workload: Workload, scale: Scale) -> tuple[Result, Stages]:
    """Once watched; then that one's statements prebuilt and, with other patients, as it is, by turns."""
    dsn = await servers.database(workload.name)
    await caught_up(servers.kafka, workload.service, dsn)
    a_patient = len(workload.events("00000000-0000-4000-8000-000000000000", workload.keys))
    size, seeds, statements = scale.units(workload.slice_events) // a_patient, counting(), Statements()
    others = patients(size, next(seeds))
    counted, emitted = await consume(servers, workload, dsn, others, statements)

    async def prebuilt() -> Slice:
        return await _prebuilt(servers, workload, dsn, others, statements, counted.done)

    async def as_it_is() -> Slice:
        return (await consume(servers, workload, dsn, patients(size, next(seeds)), None))[0].slice

    floor, reached = await alternate(scale, prebuilt, as_it_is)
    figures = _figures(workload, reached, floor, emitted / counted.done)
    return Result(f"consumer/{workload.name}", "an event", figures, reached, floor), statements.stages(counted.done)


def _figures(
    workload: Workload, reached: Sequence[Slice], floor: Sequence[Slice], emitted_an_event: float
) -> tuple[Figure, ...]:
    both, python = OF_SIGNALS if workload.name == "signals" else (None, None)
    events = f"{workload.service.name} consumes {workload.name} ({emitted_an_event:.1f} emitted an event)"
    return (
        figure(events, reached, floor, lambda each: each.rate, OF_THE_FLOOR),
        Figure(
            "  consumed plus emitted a second",
            median(each.rate for each in reached) * (1 + emitted_an_event),
            goals=(both,) if both else (),
        ),
        Figure(
            "  Python a consumed event, µs",
            microseconds_a_unit(reached)[CONSUMER],
            goals=(python,) if python else (),
        ),
    )


async def caught_up(kafka: Cluster, service: Service, dsn: str) -> None:
    """The service has consumed what is on its topic: the events of other courses are not what is measured."""
    async with _in_group(kafka, service) as consumer:
        await consumer.commit(await consumer.end_offsets(consumer.assignment()))
    await _stored_to_the_end(kafka, service, dsn)


async def _stored_to_the_end(kafka: Cluster, service: Service, dsn: str) -> None:
    """The database has what is on the topic, as Kafka remembers it has: what it lacks would be consumed again."""
    async with _in_group(kafka, service) as consumer, db.pool(dsn) as pool:
        ends = await consumer.end_offsets(consumer.assignment())
        await offsets.store(pool, {place.partition: end for place, end in ends.items()})


@asynccontextmanager
async def _in_group(kafka: Cluster, service: Service) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of the service's group and topic that has every partition and joins nobody."""
    consumer = kafka.consumer(group_id=f"iop.{service.name}")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(service.consumes, number) for number in range(PARTITIONS)])
        yield consumer
    finally:
        await consumer.stop()


async def consume(
    servers: Servers, workload: Workload, dsn: str, keys: Sequence[str], statements: Statements | None
) -> tuple[Count, int]:
    await _prepare(workload, dsn, keys)
    await _stored_to_the_end(servers.kafka, workload.service, dsn)
    records = workload.records(keys)
    count = Count(len(records), servers.processes(CONSUMER))
    await lay(servers.kafka, workload.service.consumes, records)
    memory.calm()
    clock = Clock()
    async with db.pool(dsn) as pool:
        listening = Listening(pool, clock)
        await listening.start()
        journal = Journal(dsn, dict(workload.settings))
        await journal.ensure(clock.now())
        inbox = Inbox(
            workload.service,
            Routes(topics(workload.service.name)),
            statements.pool(pool) if statements else pool,
            journal,
            clock,
            listening,
            workload.settings,
            lambda _: None,
        )
        consumer = CountedConsumer(inbox, servers.kafka, "bench")
        consumer.count = count
        if statements:
            statements.watch(inbox, consumer)
        async with _running(consumer):
            await asyncio.wait_for(count.finished.wait(), LONGEST_SECONDS)
        parked = await pool.fetchval("SELECT count(*) FROM parked")
        if parked:
            raise AssertionError(f"{parked} events were parked: this measures nothing")
        return count, await pool.fetchval("SELECT count(*) FROM outbox")


@asynccontextmanager
async def _running(consumer: Consumer) -> AsyncIterator[None]:
    task = asyncio.create_task(consumer.run())
    try:
        yield
    finally:
        # A moment for the last acknowledgement, else the next measurement consumes the last batch again.
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


async def lay(kafka: Cluster, topic: str, records: Sequence[Record]) -> None:
    """Put the records on their topic."""
    async with producing(kafka) as producer:
        sent = []
        for record in records:
            headers = [(name, value.encode()) for name, value in record.headers.items()]
            sent.append(await producer.send(topic, record.body, key=record.key.encode(), headers=headers))
        await asyncio.gather(*sent)


async def _prebuilt(
    servers: Servers, workload: Workload, dsn: str, keys: Sequence[str], statements: Statements, events: int
) -> Slice:
    """The same when nothing is read, decided or written any more, on as many connections."""
    await _prepare(workload, dsn, keys)
    memory.calm()
    processes = servers.processes(CONSUMER)
    async with AsyncExitStack() as open_connections:
        connections = [await open_connections.enter_async_context(_connected(dsn)) for _ in statements.sides]
        started = processes.read()
        await asyncio.gather(*map(_send, connections, statements.sides))
        return between(started, processes.read(), events)


async def _send(connection: db.Connection, batches: Sequence[Batch]) -> None:
    for batch in batches:
        async with connection.transaction():
            for method, arguments in batch:
                await getattr(connection, method)(*arguments)


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[db.Connection]:
    connection = await db.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()
