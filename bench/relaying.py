"""Outbox rows sent in order by a topic lane; the floor is bare produce of the same records in batches."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec
from aiokafka import AIOKafkaProducer

from bench.goals import Goal
from bench.results import Result, figure
from bench.servers import Servers, emptied
from bench.slices import Scale, Slice, alternate, between
from bench.workloads import PROGRAM, Record, Workload, patients
from shared.events.catalogue import ATTENDANCE_EVENTS, PARTITIONS
from shared.path.destination import Routes
from shared.path.outbound.batches import partition
from shared.path.outbound.destinations import topics
from shared.path.outbound.kafka import BATCH_MOST, TopicLane, producing
from shared.path.outbound.lane import WakeUp
from shared.path.outbound.parking import Parking
from shared.platform import db, memory
from shared.platform.clock import Clock

ROWS = 20_000
SENDER = "sender"
GOAL = Goal(
    30_000, reason="The floor only sends; a lane reads each row before, and deletes it once it is acknowledged."
)
Sendable = tuple[bytes, bytes, list[tuple[str, bytes]]]


async def measure(servers: Servers, workload: Workload, scale: Scale) -> Result:
    """Bare produce and the lane by turns, over the same records."""
    dsn = await servers.database("relay")
    step = len(workload.events("00000000-0000-4000-8000-000000000000", workload.keys))
    records = workload.records(patients(max(1, scale.units(ROWS) // step), 1))
    sendable = [(each.body, each.key.encode(), [(k, v.encode()) for k, v in each.headers.items()]) for each in records]
    floor, reached = await alternate(scale, lambda: _bare(servers, sendable), lambda: _lane(servers, dsn, records))
    found = figure("a topic lane", reached, floor, lambda each: each.rate, GOAL)
    return Result("lane/topic", "a row", (found,), reached, floor)


async def _bare(servers: Servers, sendable: Sequence[Sendable]) -> Slice:
    memory.calm()
    processes = servers.processes(SENDER)
    async with producing(servers.kafka) as producer:
        await producer.partitions_for(ATTENDANCE_EVENTS)
        started = processes.read()
        for first in range(0, len(sendable), BATCH_MOST):
            await _produced(producer, sendable[first : first + BATCH_MOST])
        return between(started, processes.read(), len(sendable))


async def _produced(producer: AIOKafkaProducer, records: Sequence[Sendable]) -> None:
    """These, in a batch for each partition; where one is full, in one more of it."""
    batches: dict[int, Any] = {}
    sent = []
    for body, key, headers in records:
        number = partition(key, range(PARTITIONS))
        batch = batches.get(number) or batches.setdefault(number, producer.create_batch())
        if batch.append(timestamp=None, key=key, value=body, headers=headers) is None:
            sent.append(await producer.send_batch(batch, ATTENDANCE_EVENTS, partition=number))
            batches[number] = producer.create_batch()
            batches[number].append(timestamp=None, key=key, value=body, headers=headers)
    for number, batch in batches.items():
        sent.append(await producer.send_batch(batch, ATTENDANCE_EVENTS, partition=number))
    await asyncio.gather(*sent)


async def _lane(servers: Servers, dsn: str, records: Sequence[Record]) -> Slice:
    await emptied(dsn)
    (destination,) = [each for each in topics("attendance") if each.name == ATTENDANCE_EVENTS]
    lane = TopicLane(destination, Parking("attendance", Routes([]), Clock(), WakeUp()))
    processes = servers.processes(SENDER)
    connection: Any = await db.connect(dsn)
    try:
        await _fill(dsn, lane.lane, records)
        memory.calm()
        async with producing(servers.kafka) as producer:
            await producer.partitions_for(ATTENDANCE_EVENTS)
            started = processes.read()
            await lane.release(connection, producer)
            return between(started, processes.read(), len(records))
    finally:
        await connection.close()


async def _fill(dsn: str, lane: str, records: Sequence[Record]) -> None:
    rows = [
        (lane, PROGRAM, each.key, msgspec.json.encode(each.headers).decode(), each.body.decode()) for each in records
    ]
    connection = await asyncpg.connect(dsn)
    try:
        columns = ("lane", "program", "key", "headers", "body")
        await connection.copy_records_to_table("outbox", records=rows, columns=columns)
    finally:
        await connection.close()
