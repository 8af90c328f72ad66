"""Replicas of one service come and go under load, on a real Kafka: each event once, each patient's in order."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer

from shared.events.catalogue import INTAKE_EVENTS
from shared.path.inbound.broker_watch import GroupTimes
from shared.path.inbound.consumer import Consumer
from shared.platform.kafka import Cluster
from tests.laws import examples
from tests.service import ServiceOnPostgres, StartService, consumed
from tests.shared.path.given import MONDAY_NOON, admission, attendance_with

COMINGS_AND_GOINGS = examples(8)
TIMES = GroupTimes(session_ms=1_000, heartbeat_ms=100)
PATIENTS = [str(uuid4()) for _ in range(12)]
SETTLE_SECONDS_MOST = 60.0
Sent = dict[str, list[UUID]]


@pytest.fixture
async def replicas(start_service: StartService) -> list[ServiceOnPostgres]:
    return [await start_service(attendance_with(), "attendance", MONDAY_NOON) for _ in range(3)]


class Replica:
    """A consumer under a name of its own, which comes and goes."""

    def __init__(self, service: ServiceOnPostgres, kafka: str, name: str) -> None:
        self._service, self._kafka, self._name = service, kafka, f"storm-{name}"
        self._running: asyncio.Task[None] | None = None

    @property
    def ended_by_itself(self) -> bool:
        return self._running is not None and self._running.done()

    async def come(self) -> None:
        """Until it is in the group: a process that ends before takes its half-open client along, a task does not."""
        if self._running is None:
            consumer = Consumer(self._service.inbox, Cluster(self._kafka), self._name, times=TIMES)
            self._running = asyncio.create_task(consumer.run())
            for _ in range(300):
                if consumer.broker.answer_seconds is not None:
                    return
                await asyncio.sleep(0.1)
            raise AssertionError("a replica that never joins")

    async def go(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None


@pytest.fixture
async def group(replicas: list[ServiceOnPostgres], kafka: str) -> AsyncIterator[list[Replica]]:
    group = [Replica(each, kafka, str(number)) for number, each in enumerate(replicas)]
    yield group
    for each in group:
        await each.go()


async def load(kafka: str, sent: Sent, over: asyncio.Event) -> None:
    """One event after another of each patient."""
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        while not over.is_set():
            for patient in PATIENTS:
                event = consumed(admission(patient), patient)
                headers = [(name, value.encode()) for name, value in event.headers.items()]
                await producer.send_and_wait(INTAKE_EVENTS, event.content, key=patient.encode(), headers=headers)
                sent[patient].append(event.id)
            await asyncio.sleep(0.1)


async def test_joins_and_leaves_lose_double_and_swap_nothing_and_block_nobody(
    replicas: list[ServiceOnPostgres], group: list[Replica], kafka: str
) -> None:
    chance, sent, over = random.Random(1), defaultdict[str, list[UUID]](list), asyncio.Event()
    loading = asyncio.create_task(load(kafka, sent, over))
    await group[0].come()
    for number in range(COMINGS_AND_GOINGS):
        each = group[1 + number // 2 % 2]
        await (each.go() if number % 2 else each.come())
        await asyncio.sleep(chance.uniform(0.1, 1.8))  # shorter and longer than what the group waits for
    over.set()
    await loading

    assert await decided(replicas[0], sent) == sent
    assert not any(each.ended_by_itself for each in group)


async def decided(service: ServiceOnPostgres, sent: Sent) -> Sent:
    """Each patient's events in the order in which they were decided, once as many as were sent are."""
    causes: Sent = {}
    for _ in range(int(SETTLE_SECONDS_MOST * 10)):
        rows = await service.select("SELECT key, cause FROM journal WHERE key = ANY($1) ORDER BY sequence", PATIENTS)
        causes = {patient: [cause for key, cause in rows if key == patient] for patient in PATIENTS}
        if len(rows) >= sum(map(len, sent.values())):
            break
        await asyncio.sleep(0.1)
    return causes
