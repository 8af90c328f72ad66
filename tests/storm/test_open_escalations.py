"""The long form: ten thousand steps through a real lane into a topic that is compacted as soon as it can be."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.events.catalogue import OPEN_ESCALATIONS, PARTITIONS
from tests.service import StartService
from tests.shared.path.given import MONDAY_NOON, attendance_with
from tests.shared.path.open_escalations import admitted, folded, open_tasks, step
from tests.shared.path.test_lane import drained, released

STEPS = int(os.environ.get("IOP_STORM_STEPS", "10000"))
SEED = int(os.environ.get("IOP_STORM_SEED", "1"))
LOOKS_MOST = 120
AT_ONCE = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": "0",
    "segment.ms": "1000",
    "min.cleanable.dirty.ratio": "0.01",
    "delete.retention.ms": "0",
}


@pytest.mark.timeout(1_800)
async def test_ten_thousand_steps_and_a_compaction_later_a_fresh_reader_sees_what_is_open(
    start_service: StartService, database: str, kafka: str
) -> None:
    here = await start_service(attendance_with(), "attendance", MONDAY_NOON)
    await compact_at_once(kafka)
    async with released(database, kafka, OPEN_ESCALATIONS):
        await admitted(here)
        chance = random.Random(SEED)
        for _ in range(STEPS):
            await step(here, chance)
        await here.pool.execute("DELETE FROM outbox WHERE lane <> $1", f"topic:{OPEN_ESCALATIONS}")
        await drained(here)
    waiting = await open_tasks(here)
    for _ in range(LOOKS_MOST):
        records, written = await read(kafka)
        assert folded(records) == waiting
        if len(records) < written / 2:
            break
        await asyncio.sleep(1)
    else:
        pytest.fail("nothing was compacted")
    print(f"\n{written} records, {len(records)} left, {len(waiting)} open, seed {SEED}")  # noqa: T201


async def compact_at_once(kafka: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, OPEN_ESCALATIONS, AT_ONCE)])
    await admin.close()


async def read(kafka: str) -> tuple[list[tuple[str, bytes | None]], int]:
    """All that is left, as a fresh reader gets it, and how many records were ever written."""
    async with fresh(kafka) as consumer:
        partitions = list(consumer.assignment())
        ends = await consumer.end_offsets(partitions)
        found: list[tuple[str, bytes | None]] = []
        while [each for each in partitions if await consumer.position(each) < ends[each]]:
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found += [(each.key.decode(), each.value) for each in batch]
        return found, sum(ends.values())


@asynccontextmanager
async def fresh(kafka: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TopicPartition(OPEN_ESCALATIONS, number) for number in range(PARTITIONS)])
    await consumer.seek_to_beginning()
    yield consumer
    await consumer.stop()
