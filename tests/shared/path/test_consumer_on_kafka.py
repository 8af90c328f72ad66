"""The consumer on a real Kafka: after its database was set back, and after it was stopped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from shared.events.catalogue import INTAKE_EVENTS
from shared.events.wire import RecordPlace
from shared.path.inbound import stops
from shared.path.inbound.broker_watch import AGE_LIMITS, AgeLimits
from shared.path.inbound.consumer import Consumer
from shared.platform.kafka import Cluster
from tests.service import ServiceOnPostgres, consumed
from tests.shared.path.given import admission


@asynccontextmanager
async def consuming(here: ServiceOnPostgres, kafka: str, limits: AgeLimits = AGE_LIMITS) -> AsyncIterator[Consumer]:
    """One process after another under one name."""
    consumer = Consumer(here.inbox, Cluster(kafka), "on-kafka", limits=limits)
    running = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def admit(kafka: str) -> str:
    patient = str(uuid4())
    event = consumed(admission(patient), patient)
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    headers = [(name, value.encode()) for name, value in event.headers.items()]
    await producer.send_and_wait(INTAKE_EVENTS, event.content, key=patient.encode(), headers=headers)
    await producer.stop()
    return patient


async def decided(here: ServiceOnPostgres, patient: str, seconds: float = 30.0) -> bool:
    for _ in range(int(seconds * 10)):
        if await here.count(f"state WHERE key = '{patient}' AND body <> ''"):
            return True
        await asyncio.sleep(0.1)
    return False


async def test_a_database_set_back_decides_again_what_it_no_longer_has(here: ServiceOnPostgres, kafka: str) -> None:
    async with consuming(here, kafka):
        yesterday = await admit(kafka)
        assert await decided(here, yesterday)
    last_night = await here.select("SELECT partition, next FROM offsets")
    async with consuming(here, kafka):
        today = await admit(kafka)
        assert await decided(here, today)
    await here.pool.execute("DELETE FROM state WHERE key = $1", today)
    await here.pool.execute("DELETE FROM processed WHERE at > now() - interval '1 hour'")
    await here.pool.execute("DELETE FROM resources WHERE patient = $1", today)
    await here.pool.execute("DELETE FROM offsets")
    async with here.pool.acquire() as connection:
        await connection.executemany("INSERT INTO offsets (partition, next) VALUES ($1, $2)", last_night)
    decisions = await here.count(f"journal WHERE key = '{yesterday}'")

    async with consuming(here, kafka):
        assert await decided(here, today)
    assert await here.count(f"journal WHERE key = '{yesterday}'") == decisions


async def test_a_stopped_consumer_goes_on_where_it_stopped_once_it_may(here: ServiceOnPostgres, kafka: str) -> None:
    await stops.store(here.inbox, stops.Stop(RecordPlace(INTAKE_EVENTS, 3, 2), False, "KeyError at somewhere.py:1"))
    patient = await admit(kafka)
    async with consuming(here, kafka) as consumer:
        assert not await decided(here, patient, 8.0)
        assert consumer.broker.answer_seconds is not None
        assert consumer.stopped
        await here.pool.execute("DELETE FROM stops")
        assert await decided(here, patient)


async def test_a_consumer_that_ends_while_records_come_has_told_kafka_how_far_it_is(
    here: ServiceOnPostgres, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.path.inbound.consumer.REST_SECONDS_STEP", 3.0)
    monkeypatch.setattr("shared.path.inbound.consumer.REST_SECONDS_MOST", 3.0)
    monkeypatch.setattr("shared.path.inbound.consumer.QUIET_SECONDS", 60.0)
    async with consuming(here, kafka) as consumer:
        assert await decided(here, await admit(kafka))
        assert await decided(here, await admit(kafka))
    reader = Cluster(kafka).consumer(group_id=f"iop.{here.inbox.service.name}")
    await reader.start()
    committed = {each: await reader.committed(TopicPartition(INTAKE_EVENTS, each)) or 0 for each in consumer._offsets}
    await reader.stop()
    assert committed == consumer._offsets
