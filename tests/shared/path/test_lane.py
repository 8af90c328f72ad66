"""Lanes: in order, once acknowledged gone, one holder each; the ledger's heartbeat behind every consent."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.events import wire
from shared.events.catalogue import ATTENDANCE_EVENTS, CONSUMES, INTAKE_EVENTS, OPERATIONS, PARTITIONS
from shared.path.destination import Routes
from shared.path.inbound.redrive import Quarantine, redrive
from shared.path.outbound.destinations import topics
from shared.path.outbound.kafka import TopicLane, producing
from shared.path.outbound.lane import WakeUp
from shared.path.outbound.parking import Parking
from shared.platform import db
from shared.platform.clock import Clock
from shared.platform.kafka import Cluster
from tests.service import ServiceOnPostgres, consumed
from tests.shared.path.given import admission

PATIENTS = [str(uuid4()) for _ in range(8)]


@asynccontextmanager
async def reading(kafka: str, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Everything that comes to the topic from now on."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    await consumer.seek_to_end(*partitions)
    for partition in partitions:
        await consumer.position(partition)
    yield consumer
    await consumer.stop()


@asynccontextmanager
async def released(dsn: str, kafka: str, topic: str, copies: int = 1) -> AsyncIterator[None]:
    name = topic.removeprefix("iop.").removesuffix(".events")
    service = name if name in CONSUMES else "attendance"
    (destination,) = [each for each in topics(service) if each.name == topic]
    parking = Parking(service, Routes(topics(service)), Clock(), WakeUp())
    lanes = [asyncio.create_task(TopicLane(destination, parking).run(dsn, Cluster(kafka))) for _ in range(copies)]
    yield
    for lane in lanes:
        lane.cancel()
    await asyncio.gather(*lanes, return_exceptions=True)


async def take(consumer: AIOKafkaConsumer, count: int) -> list[Any]:
    return [await asyncio.wait_for(consumer.getone(), 20) for _ in range(count)]


async def drained(here: ServiceOnPostgres) -> None:
    for _ in range(2_000):
        if not await here.select("SELECT 1 FROM outbox WHERE partition IS NULL"):
            return
        await asyncio.sleep(0.01)
    pytest.fail("the lane was not drained")


async def test_each_patients_events_arrive_in_the_order_in_which_they_were_said(
    here: ServiceOnPostgres, database: str, kafka: str
) -> None:
    await here.deliver(*(consumed(admission(patient), patient) for patient in PATIENTS))
    rows = await here.select("SELECT key, headers::json->>'ce_id' FROM outbox ORDER BY id")
    async with reading(kafka, ATTENDANCE_EVENTS) as consumer, released(database, kafka, ATTENDANCE_EVENTS):
        records = await take(consumer, len(rows))
    for patient in PATIENTS:
        arrived = [dict(each.headers)["ce_id"].decode() for each in records if each.key.decode() == patient]
        assert arrived == [identity for key, identity in rows if key == patient]


async def test_an_acknowledged_row_is_gone_and_two_replicas_send_it_once(
    here: ServiceOnPostgres, database: str, kafka: str
) -> None:
    await here.deliver(consumed(admission(PATIENTS[0]), PATIENTS[0]))
    async with reading(kafka, ATTENDANCE_EVENTS) as consumer, released(database, kafka, ATTENDANCE_EVENTS, copies=2):
        await take(consumer, 6)
        await drained(here)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(consumer.getone(), 0.5)


class Watched:
    """A connection of a lane that counts its looks; right behind one that found nothing a row is stored."""

    def __init__(self, connection: Any, wake_up: WakeUp, more: int) -> None:
        self._connection, self._wake_up, self._more, self.looks = connection, wake_up, more, 0

    async def fetch(self, *arguments: Any) -> Any:
        self.looks += 1
        rows = await self._connection.fetch(*arguments)
        if not rows and self._more:
            self._more -= 1
            await self._connection.execute(_STORE, f"topic:{OPERATIONS}")
            self._wake_up.ring([f"topic:{OPERATIONS}"])
        return rows

    async def execute(self, *arguments: Any) -> None:
        await self._connection.execute(*arguments)


_STORE = "INSERT INTO outbox (lane, program, headers, body) VALUES ($1, 'demo', '{}', '{}')"


@pytest.mark.parametrize("more", [0, 1, 3])
async def test_a_lane_looks_again_for_what_was_stored_since_its_last_look_and_else_not(
    here: ServiceOnPostgres, kafka: str, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    monkeypatch.setattr("shared.path.outbound.kafka.POLL_SECONDS_FIRST", 60.0)
    monkeypatch.setattr("shared.path.outbound.kafka.IDLE_SECONDS_MOST", 60.0)
    (destination,) = [each for each in topics("attendance") if each.name == OPERATIONS]
    wake_up = WakeUp()
    lane = TopicLane(destination, Parking("attendance", Routes(topics("attendance")), Clock(), wake_up))
    await here.pool.execute(_STORE, destination.lane)
    async with here.pool.acquire() as connection, producing(Cluster(kafka)) as sender:
        watched = Watched(connection, wake_up, more)
        turns = asyncio.create_task(_turns(lane, watched, sender))
        await drained(here)
        await asyncio.sleep(0.2)
        turns.cancel()
    assert watched.looks == 2 * (1 + more)


async def _turns(lane: TopicLane, connection: Any, sender: Any) -> None:
    while True:
        await lane._turn(connection, sender)


async def test_a_record_can_be_routed_without_reading_its_body(
    here: ServiceOnPostgres, database: str, kafka: str
) -> None:
    await here.deliver(consumed(admission(PATIENTS[1]), PATIENTS[1]))
    async with reading(kafka, ATTENDANCE_EVENTS) as consumer, released(database, kafka, ATTENDANCE_EVENTS):
        (first, *_) = await take(consumer, 6)
    headers = {name: value.decode() for name, value in first.headers}
    assert wire.event_name(headers) == "SessionScheduled"
    assert headers["ce_program"] == "demo"
    assert headers["ce_subject"].startswith("Appointment/")
    assert first.key.decode() == PATIENTS[1]


async def test_the_holder_of_the_intake_lane_says_that_the_consents_are_current(database: str, kafka: str) -> None:
    async with reading(kafka, INTAKE_EVENTS) as consumer, released(database, kafka, INTAKE_EVENTS):
        records = await take(consumer, PARTITIONS)
    assert {each.partition for each in records} == set(range(PARTITIONS))
    assert {wire.event_name({n: v.decode() for n, v in each.headers}) for each in records} == {"ConsentsCurrent"}
    assert {each.key for each in records} == {None}


async def test_the_ledgers_heartbeat_comes_in_time_though_nothing_wakes_the_lane(
    database: str, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.path.outbound.kafka.POLL_SECONDS_FIRST", 600.0)
    monkeypatch.setattr("shared.path.outbound.kafka.IDLE_SECONDS_MOST", 600.0)
    monkeypatch.setattr("shared.path.outbound.kafka.HEARTBEAT_SECONDS", 0.3)
    async with reading(kafka, INTAKE_EVENTS) as consumer, released(database, kafka, INTAKE_EVENTS):
        records = await take(consumer, 2 * PARTITIONS)
    assert Counter(each.partition for each in records) == dict.fromkeys(range(PARTITIONS), 2)


async def test_a_lane_survives_a_database_that_goes_away(here: ServiceOnPostgres, database: str, kafka: str) -> None:
    async with reading(kafka, ATTENDANCE_EVENTS) as consumer, released(database, kafka, ATTENDANCE_EVENTS):
        connection = await db.connect(database)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid()"
        )
        await connection.close()
        await here.deliver(consumed(admission(PATIENTS[2]), PATIENTS[2]))
        assert len(await take(consumer, 6)) == 6


async def test_a_row_that_cannot_be_read_is_parked_with_its_patient_and_the_others_go_on(
    here: ServiceOnPostgres, database: str, kafka: str
) -> None:
    ill, well = PATIENTS[3], PATIENTS[4]
    await here.deliver(consumed(admission(ill), ill), consumed(admission(well), well))
    first = "(SELECT min(id) FROM outbox WHERE key = $1)"
    await here.pool.execute(f"UPDATE outbox SET headers = '{{' WHERE id = {first}", ill)
    async with reading(kafka, ATTENDANCE_EVENTS) as consumer, released(database, kafka, ATTENDANCE_EVENTS):
        records = await take(consumer, 6)
        assert {record.key.decode() for record in records} == {well}
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(consumer.getone(), 0.5)
    parked = await here.select("SELECT parked LIKE 'unreadable: %' FROM outbox WHERE key = $1 ORDER BY id", ill)
    assert parked == [(True,), *[(None,)] * 5]
    assert (await here.emitted_to("iop.operations")) == ["DeliveryParked"]

    redriven = await redrive(here.inbox, ill, "demo", dry_run=True)
    assert redriven.sent_again == 1
    await redrive(here.inbox, ill, "demo", dry_run=False, quarantine=Quarantine(UUID(int=0), "ops"))
    assert await here.select("SELECT event, class FROM quarantine") == [(f"topic:{ATTENDANCE_EVENTS}", "unreadable")]
    async with reading(kafka, ATTENDANCE_EVENTS) as consumer, released(database, kafka, ATTENDANCE_EVENTS):
        assert {record.key.decode() for record in await take(consumer, 5)} == {ill}


async def test_a_report_that_cannot_be_sent_is_parked_and_makes_no_further_report(
    here: ServiceOnPostgres, database: str, kafka: str
) -> None:
    lane = f"topic:{OPERATIONS}"
    await here.pool.execute("INSERT INTO outbox (lane, program, headers, body) VALUES ($1, 'demo', '{', '{}')", lane)
    async with reading(kafka, OPERATIONS) as consumer, released(database, kafka, OPERATIONS):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(consumer.getone(), 2.0)
    assert await here.select("SELECT lane, parked LIKE 'unreadable: %' FROM outbox") == [(lane, True)]


async def test_what_another_replica_stored_wakes_its_lane_and_no_other(here: ServiceOnPostgres) -> None:
    wake_up = WakeUp()
    fed, other = wake_up.listen(f"topic:{OPERATIONS}"), wake_up.listen("internal")
    watching = asyncio.create_task(wake_up.watch(here.pool))
    await here.pool.execute("INSERT INTO outbox (lane, headers, body) VALUES ($1, '{}', '{}')", f"topic:{OPERATIONS}")
    await asyncio.wait_for(fed.wait(), 20)
    assert not other.is_set()
    watching.cancel()


async def test_a_process_that_is_alone_still_looks_at_what_waits_for_its_time(here: ServiceOnPostgres) -> None:
    wake_up = WakeUp()
    fed = wake_up.listen("partner:riverbend")
    await here.pool.execute("INSERT INTO outbox (lane, headers, body) VALUES ('partner:riverbend', '{}', '{}')")
    watching = asyncio.create_task(wake_up.watch(here.pool, lambda: True))
    for _ in range(2):
        await asyncio.wait_for(fed.wait(), 20)
        fed.clear()
    watching.cancel()


async def test_a_lane_that_waits_for_a_time_is_woken_at_it_without_a_look() -> None:
    wake_up = WakeUp()
    fed, other = wake_up.listen("partner:riverbend"), wake_up.listen("partner:on-call")
    wake_up.ring_after("partner:riverbend", 0.05)
    assert not fed.is_set()
    await asyncio.wait_for(fed.wait(), 20)
    assert not other.is_set()
