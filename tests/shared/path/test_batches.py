"""A topic lane's batches: in order for each patient whatever the broker answers, nothing lost, one bad row alone."""

import asyncio
import json
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from aiokafka.errors import KafkaError, RequestTimedOutError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events.catalogue import ATTENDANCE_EVENTS
from shared.path.destination import Routes
from shared.path.outbound.batches import BATCH_BYTES_MOST, RECORD_BYTES_MOST, Batches, partition
from shared.path.outbound.destinations import topics
from shared.path.outbound.kafka import TopicLane
from shared.path.outbound.lane import WakeUp
from shared.path.outbound.parking import Parking
from shared.platform.clock import Clock
from tests.laws import examples
from tests.service import ServiceOnPostgres

LANE = f"topic:{ATTENDANCE_EVENTS}"
PATIENTS = [f"patient-{number}" for number in range(5)]
PARTITIONS = (0, 1, 2)
SMALL_BATCH_BYTES = 2_000
"""Some four rows of these tests."""


@dataclass
class Broker:
    """Takes batches as Kafka does, or fails those whose number is named; `log` holds what arrived, by partition."""

    fails: frozenset[int] = frozenset()
    batch_bytes: int = SMALL_BATCH_BYTES
    log: dict[int, list[tuple[Any, ...]]] = field(default_factory=lambda: {each: [] for each in PARTITIONS})
    sizes: list[int] = field(default_factory=list)
    asked: int = 0
    _numbers: Any = field(default_factory=count)

    async def partitions_for(self, topic: str) -> set[int]:
        self.asked += 1
        return set(PARTITIONS)

    def create_batch(self) -> "Recorded":
        return Recorded(self.batch_bytes)

    async def send_batch(self, batch: "Recorded", topic: str, *, partition: int) -> "asyncio.Future[None]":
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if next(self._numbers) in self.fails:
            answer.set_exception(RequestTimedOutError())
        else:
            self.log[partition] += batch.records
            self.sizes.append(len(batch.records))
            answer.set_result(None)
        return answer


class Recorded(BatchBuilder):  # type: ignore[misc]
    """The client's own builder, which also remembers what it took."""

    def __init__(self, batch_bytes: int) -> None:
        super().__init__(batch_bytes, 0)
        self.records: list[tuple[Any, ...]] = []

    def append(self, *, timestamp: Any, key: Any, value: Any, headers: Any = ()) -> Any:
        added = super().append(timestamp=timestamp, key=key, value=value, headers=headers)
        if added is not None:
            self.records.append((key, dict(headers), value))
        return added


async def store(here: ServiceOnPostgres, *rows: tuple[str, str | None]) -> None:
    """Rows (patient, body) in this order; their header says which one each is."""
    for number, (patient, body) in enumerate(rows):
        await here.pool.execute(
            "INSERT INTO outbox (lane, program, key, headers, body) VALUES ($1, 'demo', $2, $3, $4)",
            *(LANE, patient, json.dumps({"number": str(number)}), body),
        )


def lane() -> TopicLane:
    (destination,) = [each for each in topics("attendance") if each.name == ATTENDANCE_EVENTS]
    return TopicLane(destination, Parking("attendance", Routes(topics("attendance")), Clock(), WakeUp()))


async def release(here: ServiceOnPostgres, broker: Broker) -> None:
    """Until nothing is left: trouble ends the turn, and the next one begins with what was not acknowledged."""
    while await here.count(f"outbox WHERE lane = '{LANE}' AND parked IS NULL"):
        async with here.pool.acquire() as connection:
            try:
                await lane().release(connection, broker)
            except KafkaError:
                continue


def first_arrivals(broker: Broker) -> dict[str, list[int]]:
    """By patient the numbers of rows in the order in which each arrived for the first time."""
    arrived: dict[str, list[int]] = {}
    for records in broker.log.values():
        for key, headers, _ in records:
            numbers = arrived.setdefault(key.decode(), [])
            number = int(headers["number"])
            if number not in numbers:
                numbers.append(number)
    return arrived


@pytest.mark.parametrize("failing", [set(), {0}, {1, 2, 5}])
async def test_later_batches_of_a_partition_never_overtake_one_that_failed(
    here: ServiceOnPostgres, failing: set[int]
) -> None:
    rows = [(PATIENTS[number % len(PATIENTS)], "x" * 400) for number in range(60)]
    await store(here, *rows)
    broker = Broker(frozenset(failing))
    await release(here, broker)
    wanted = {patient: [number for number, (each, _) in enumerate(rows) if each == patient] for patient in PATIENTS}
    assert first_arrivals(broker) == wanted
    assert max(broker.sizes) < 6


async def test_a_lane_without_rows_asks_kafka_nothing(here: ServiceOnPostgres) -> None:
    broker = Broker()
    async with here.pool.acquire() as connection:
        assert await lane().release(connection, broker) == 0
    assert broker.asked == 0


async def test_a_row_arrives_as_it_was_stored(here: ServiceOnPostgres) -> None:
    await store(here, (PATIENTS[0], '{"name": "Jörg, Zoë"}'))
    broker = Broker()
    await release(here, broker)
    ((key, headers, value),) = [record for records in broker.log.values() for record in records]
    assert (key, headers, value) == (PATIENTS[0].encode(), {"number": b"0"}, '{"name": "Jörg, Zoë"}'.encode())


async def test_a_row_without_a_body_arrives_as_a_null_behind_what_it_ends(here: ServiceOnPostgres) -> None:
    await store(here, (PATIENTS[0], "{}"), (PATIENTS[0], None))
    broker = Broker()
    await release(here, broker)
    assert [value for records in broker.log.values() for _, _, value in records] == [b"{}", None]


async def test_a_record_larger_than_a_batch_travels_alone_and_in_its_place(here: ServiceOnPostgres) -> None:
    large = "x" * (BATCH_BYTES_MOST + 1)
    await store(here, *[(PATIENTS[0], body) for body in ("first", large, "third", "fourth")])
    broker = Broker(batch_bytes=BATCH_BYTES_MOST)
    await release(here, broker)
    assert first_arrivals(broker) == {PATIENTS[0]: [0, 1, 2, 3]}
    assert broker.sizes == [1, 1, 2]


@dataclass
class SlowBroker(Broker):
    """Answers the first batch once the next one is begun, and not before."""

    first: "asyncio.Future[None] | None" = None

    def create_batch(self) -> "Recorded":
        if self.first is not None and not self.first.done():
            assert len(self.sizes) == 1, "of one partition one batch travels at a time"
            self.first.set_result(None)
        return super().create_batch()

    async def send_batch(self, batch: "Recorded", topic: str, *, partition: int) -> "asyncio.Future[None]":
        answer = await super().send_batch(batch, topic, partition=partition)
        if self.first is None:
            self.first = answer = asyncio.get_running_loop().create_future()
        return answer


async def test_what_leaves_next_is_made_ready_while_the_first_travel(here: ServiceOnPostgres) -> None:
    await store(here, *[(PATIENTS[0], "x" * 400) for _ in range(9)])
    broker = SlowBroker()
    async with asyncio.timeout(10):
        await release(here, broker)
    assert len(broker.sizes) > 1
    assert first_arrivals(broker) == {PATIENTS[0]: list(range(9))}


async def test_one_bad_row_is_parked_and_the_others_of_its_batch_leave(here: ServiceOnPostgres) -> None:
    too_large = "x" * (RECORD_BYTES_MOST + 1)
    await store(here, *[(patient, "good") for patient in PATIENTS], (PATIENTS[0], too_large), (PATIENTS[1], "good"))
    await here.pool.execute("UPDATE outbox SET partition = 77 WHERE headers::json->>'number' = '2'")
    broker = Broker()
    await release(here, broker)
    assert sum(broker.sizes) == 5
    parked = await here.select("SELECT headers::json->>'number', parked FROM outbox WHERE lane = $1 ORDER BY id", LANE)
    assert [number for number, _ in parked] == ["2", "5"]
    assert all(place.startswith("bug: ") for _, place in parked)


@given(st.binary(max_size=64), st.integers(1, 48))
@settings(max_examples=examples(200))
def test_a_patient_has_the_partition_that_kafka_itself_would_choose(key: bytes, partitions: int) -> None:
    everyone = list(range(partitions))
    assert partition(key, everyone) == DefaultPartitioner()(key, everyone, everyone)


def test_a_partition_has_one_batch_at_a_time() -> None:
    batches = Batches(Broker(), PARTITIONS)
    for number in range(30):
        headers = json.dumps({"number": str(number)})
        batches.add({"id": number, "key": "patient-0", "partition": None, "headers": headers, "body": "x" * 400})
    (batch,) = batches.of.values()
    assert batch.ids == list(range(len(batch.ids)))
    assert batch.full
