"""Outbox rows sent in order by a topic lane; the floor is bare produce of the same records."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec

from bench.consuming import calm
from bench.servers import Servers, emptied
from bench.workloads import PROGRAM, Record, Workload, patients
from shared.events.catalogue import ATTENDANCE_EVENTS
from shared.path.outbound.lane import BATCH_MOST, TopicLane, WakeUp, producing
from shared.platform import db
from shared.platform.clock import ticks

Sendable = tuple[bytes, bytes, list[tuple[str, bytes]]]


@dataclass(frozen=True)
class Relayed:
    rate: float
    floor: float


async def measure(servers: Servers, workload: Workload, rows: int, passes: int) -> Relayed:
    """Passes of bare produce and of the lane, over the same records; the middle ratio is told."""
    dsn = await servers.database("relay")
    step = len(workload.events("00000000-0000-4000-8000-000000000000", workload.service.keys))
    records = workload.records(patients(rows // step, 1))
    sendable = [(each.body, each.key.encode(), [(k, v.encode()) for k, v in each.headers.items()]) for each in records]
    taken = []
    for _ in range(passes):
        calm()
        floor = await _bare(servers.kafka, sendable)
        taken.append(Relayed(await _lane(servers.kafka, dsn, records), floor))
    return sorted(taken, key=lambda each: each.rate / each.floor)[passes // 2]


async def _bare(bootstrap: str, sendable: Sequence[Sendable]) -> float:
    async with producing(bootstrap) as producer:
        await producer.partitions_for(ATTENDANCE_EVENTS)
        started = ticks()
        for first in range(0, len(sendable), BATCH_MOST):
            sent = []
            for body, key, headers in sendable[first : first + BATCH_MOST]:
                sent.append(await producer.send(ATTENDANCE_EVENTS, body, key=key, headers=headers))
            await asyncio.gather(*sent)
        return len(sendable) / (ticks() - started)


async def _lane(bootstrap: str, dsn: str, records: Sequence[Record]) -> float:
    await emptied(dsn)
    lane = TopicLane("attendance", ATTENDANCE_EVENTS, WakeUp())
    connection: Any = await db.connect(dsn)
    try:
        await _fill(dsn, lane.lane, records)
        async with producing(bootstrap) as producer:
            await producer.partitions_for(ATTENDANCE_EVENTS)
            started = ticks()
            await lane.release(connection, producer)
            return len(records) / (ticks() - started)
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
