"""When the hub is quiet, on real topics and the real schema."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy import topics
from deploy.embedded_kafka import RunningKafka
from deploy.embedded_postgres import DATABASES, RunningPostgres
from deploy.failure import CannotContinueError
from deploy.hubfile import Hub
from deploy.paths import free_port
from deploy.quiescence import FIRST, Quiescence
from shared.events.catalogue import CONSUMES, ESCALATIONS, INTAKE_EVENTS
from shared.platform import db
from tests.stalls import seconds_of

MONDAY = datetime(2026, 3, 2, 14, tzinfo=UTC)


@dataclass
class Place:
    """A hub without services, its databases open, asked whether it is quiet."""

    quiescence: Quiescence
    intake: asyncpg.Connection
    attendance: asyncpg.Connection
    kafka: str


@pytest.fixture(scope="module")
async def hub(own_kafka: RunningKafka, own_postgres: RunningPostgres) -> Hub:
    await topics.create(own_kafka.cluster)
    dsns = {name: own_postgres.dsn(name) for name in DATABASES}
    for dsn in dsns.values():
        await db.migrate(dsn)
    return Hub(kafka=own_kafka.bootstrap, issuer="", services={}, postgres=dsns)


@pytest.fixture
async def here(hub: Hub) -> AsyncIterator[Place]:
    intake = await asyncpg.connect(hub.postgres["intake"])
    attendance = await asyncpg.connect(hub.postgres["attendance"])
    async with Quiescence(hub) as quiescence:
        # A Kafka just started names no coordinator of a group for a second or two.
        await quiescence.settle(datetime.min.replace(tzinfo=UTC), seconds_max=30)
        yield Place(quiescence, intake, attendance, hub.kafka)
    for connection in (intake, attendance):
        await connection.execute("TRUNCATE outbox, state, service")
        await connection.close()
    await consume_all(hub.kafka)


async def consume_all(bootstrap: str) -> None:
    """Every service's group hears its topic to the end."""
    for service, topic in CONSUMES.items():
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=bootstrap, group_id=f"iop.{service}", enable_auto_commit=False
        )
        async with consumer:
            while not consumer.assignment():
                await consumer.getmany(timeout_ms=10)
            await consumer.commit(await consumer.end_offsets(consumer.assignment()))


async def store(connection: asyncpg.Connection, lane: str, key: str | None, partition: int | None = None) -> None:
    await connection.execute(
        "INSERT INTO outbox (lane, key, partition, headers, body) VALUES ($1, $2, $3, '{}', '{}')", lane, key, partition
    )


async def test_a_hub_with_nothing_left_to_do_is_quiet(here: Place) -> None:
    await here.quiescence.settle(MONDAY, seconds_max=10)


@pytest.mark.parametrize(
    ("lane", "key"),
    [
        ("topic:iop.intake.events", "patient-1"),
        ("internal", "patient-1"),
        ("partner:alumni", "patient-1"),
        ("topic:iop.operations", None),
    ],
)
async def test_a_row_in_any_lane_is_something_left_to_do(here: Place, lane: str, key: str | None) -> None:
    await store(here.intake, lane, key)

    with pytest.raises(CannotContinueError, match=f"intake: 1 in lane {lane}"):
        await here.quiescence.settle(MONDAY, seconds_max=0.2)


async def test_what_a_partner_did_not_take_is_named_and_waited_for_only_once_it_is_due(here: Place) -> None:
    await store(here.intake, "partner:alumni", "patient-1")
    await store(here.intake, "partner:alumni", "patient-1")
    await here.intake.execute(
        "UPDATE outbox SET attempts = 1, not_before = now() + interval '1 h' WHERE id = (SELECT min(id) FROM outbox)"
    )

    waits = await here.quiescence.settle(MONDAY, seconds_max=10)

    assert waits == ("intake: 1 in lane partner:alumni wait to be sent again",)
    await here.intake.execute("UPDATE outbox SET not_before = now() WHERE attempts = 1")
    with pytest.raises(CannotContinueError, match="intake: 2 in lane partner:alumni"):
        await here.quiescence.settle(MONDAY, seconds_max=0.2)


async def test_the_heartbeat_of_the_ledger_is_not(here: Place) -> None:
    await store(here.intake, "topic:iop.intake.events", None, partition=3)

    await here.quiescence.settle(MONDAY, seconds_max=10)


async def test_a_deadline_counts_from_the_moment_it_falls_due(here: Place) -> None:
    await here.attendance.execute("INSERT INTO state (key, program, due_at) VALUES ('patient-1', 'demo', $1)", MONDAY)

    await here.quiescence.settle(MONDAY - timedelta(seconds=1), seconds_max=10)
    with pytest.raises(CannotContinueError, match="attendance: 1 deadlines passed"):
        await here.quiescence.settle(MONDAY, seconds_max=0.2)


async def test_an_event_nobody_has_heard_is_something_left_to_do_until_they_have(here: Place) -> None:
    async with AIOKafkaProducer(bootstrap_servers=here.kafka) as producer:
        await producer.send_and_wait(INTAKE_EVENTS, b"{}", key=b"patient-1")

    with pytest.raises(
        CannotContinueError, match="attendance: 1 not consumed; testing: 1 not consumed; aftercare: 1 not consumed"
    ):
        await here.quiescence.settle(MONDAY, seconds_max=0.3)
    await consume_all(here.kafka)
    await here.quiescence.settle(MONDAY, seconds_max=10)


async def test_a_topic_that_grows_between_two_looks_is_asked_about_again(here: Place) -> None:
    quiet = await here.quiescence.look(MONDAY, None, FIRST)
    assert quiet.unrest == ()

    async with AIOKafkaProducer(bootstrap_servers=here.kafka) as producer:
        await producer.send_and_wait(ESCALATIONS, b"{}", key=b"patient-1")

    assert (await here.quiescence.look(MONDAY, None, quiet)).unrest == ("intake: 1 not consumed",)


async def test_whoever_gives_up_learns_of_rows_and_of_records(here: Place) -> None:
    await store(here.intake, "topic:iop.operations", None)
    async with AIOKafkaProducer(bootstrap_servers=here.kafka) as producer:
        await producer.send_and_wait(ESCALATIONS, b"{}", key=b"patient-1")

    with pytest.raises(CannotContinueError, match=r"1 in lane topic:iop.operations; intake: 1 not consumed$"):
        await here.quiescence.settle(MONDAY, seconds_max=0.2)


async def test_who_asks_for_one_consumer_does_not_wait_for_another(here: Place) -> None:
    async with AIOKafkaProducer(bootstrap_servers=here.kafka) as producer:
        await producer.send_and_wait(ESCALATIONS, b"{}", key=b"patient-1")

    await here.quiescence.settle(MONDAY, seconds_max=10, consumers=("attendance",))
    with pytest.raises(CannotContinueError, match=r": intake: 1 not consumed$"):
        await here.quiescence.settle(MONDAY, seconds_max=0.3, consumers=("attendance", "intake"))


async def test_a_service_has_decided_what_fell_due_though_what_it_emitted_is_on_its_way(here: Place) -> None:
    await store(here.attendance, "topic:iop.attendance.events", "patient-1")
    await here.intake.execute("INSERT INTO state (key, program, due_at) VALUES ('patient-1', 'demo', $1)", MONDAY)
    await here.quiescence.decided("attendance", MONDAY, seconds_max=10)

    await here.attendance.execute("INSERT INTO state (key, program, due_at) VALUES ('patient-1', 'demo', $1)", MONDAY)
    await store(here.attendance, "internal", "patient-2")
    await here.quiescence.decided("testing", MONDAY, seconds_max=10)
    with pytest.raises(CannotContinueError, match=r"attendance .* s: 1 deadlines passed, 1 in lane internal"):
        await here.quiescence.decided("attendance", MONDAY, seconds_max=0.2)
    await here.attendance.execute("UPDATE outbox SET parked = 'bug: here' WHERE lane = 'internal'")
    await here.quiescence.decided("attendance", MONDAY - timedelta(seconds=1), seconds_max=10)


async def test_a_heartbeat_counts_where_it_is_as_new_as_the_clinics_clock(here: Place) -> None:
    with pytest.raises(CannotContinueError, match="no heartbeat of this time"):
        await here.quiescence.heartbeat("attendance", MONDAY, seconds_max=0.2)
    await here.attendance.execute("INSERT INTO service (heartbeat_at, listening_since) VALUES ($1, $1)", MONDAY)

    await here.quiescence.heartbeat("attendance", MONDAY, seconds_max=10)
    with pytest.raises(CannotContinueError, match="no heartbeat of this time"):
        await here.quiescence.heartbeat("attendance", MONDAY + timedelta(seconds=1), seconds_max=0.2)


async def test_a_hub_whose_kafka_does_not_answer_is_not_quiet_and_says_what_to_look_at(hub: Hub) -> None:
    gone = Hub(kafka=f"127.0.0.1:{free_port()}", issuer="", services={}, postgres=hub.postgres)

    async with Quiescence(gone) as quiescence:
        with pytest.raises(CannotContinueError, match=r"does not answer .* correct KAFKA_BOOTSTRAP_SERVERS"):
            await quiescence.settle(MONDAY, seconds_max=0.2)


async def test_a_database_that_comes_back_is_asked_again(here: Place) -> None:
    await here.quiescence.settle(MONDAY, seconds_max=10)
    await here.intake.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'intake'"
    )

    await here.quiescence.settle(MONDAY, seconds_max=10)


async def test_asking_a_quiet_hub_takes_a_blink(here: Place) -> None:
    await here.quiescence.settle(MONDAY, seconds_max=10)

    async def asked_often() -> None:
        for _ in range(20):
            await here.quiescence.settle(MONDAY, seconds_max=10)

    assert await seconds_of(asked_often()) / 20 < 0.25
