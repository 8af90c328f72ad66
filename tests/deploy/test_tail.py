"""Reading topics as a person would."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import NodeNotReadyError

from deploy import topics
from deploy.commands.picking import Picked
from deploy.commands.tail import Reading, as_object, readable, records
from deploy.embedded_kafka import RunningKafka
from deploy.failure import CannotContinueError
from deploy.paths import free_port
from shared.events import attendance, wire
from shared.events.catalogue import ATTENDANCE_EVENTS
from shared.events.envelope import Envelope
from shared.platform.kafka import Cluster

MONDAY = datetime(2026, 3, 2, 14, tzinfo=UTC)
PATIENT = "3f1c9a52-5c55-4d0c-9d6e-0a5a4d8a7b11"
SESSION = "8d4a3b0e-2f6d-4f62-9a2b-6d1a7c2f9e10"


def missed(start: datetime) -> wire.Written:
    event = attendance.SessionMissed(
        session_id=SESSION, episode_id="episode-1", kind="group", start=start, end=start + timedelta(hours=3)
    )
    cause = UUID(int=1)
    envelope = Envelope(
        id=UUID(int=start.hour),
        source="attendance",
        event="SessionMissed",
        program="demo",
        patient=PATIENT,
        at=start + timedelta(minutes=15),
        correlation_id=cause,
        causation_id=cause,
    )
    return wire.write(event, envelope)


async def produce(bootstrap: str, *emitted: wire.Written) -> None:
    await topics.create(Cluster(bootstrap))
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for each in emitted:
            headers = [(name, value.encode()) for name, value in each.headers.items()]
            await producer.send_and_wait(each.topic, each.body, key=PATIENT.encode(), headers=headers)


async def read(bootstrap: str, most: int) -> Sequence[ConsumerRecord]:
    reading = Reading((ATTENDANCE_EVENTS,), from_beginning=True, most=most)
    return [record async for record in records(Cluster(bootstrap), reading)]


@pytest.fixture(scope="module")
async def emitted(own_kafka: RunningKafka) -> Sequence[ConsumerRecord]:
    await produce(own_kafka.bootstrap, missed(MONDAY), missed(MONDAY + timedelta(hours=4)))
    return await read(own_kafka.bootstrap, 2)


def test_an_event_is_one_line_a_person_understands(emitted: Sequence[ConsumerRecord]) -> None:
    line = readable(emitted[0])

    assert line.split() == [
        "2026-03-02T14:15:00",
        "SessionMissed",
        "demo",
        PATIENT[:8],
        "Appointment",
        "status=noshow",
        "serviceCategory=in-person",
        "serviceType=group",
        "start=2026-03-02T14:00",
        "end=2026-03-02T17:00",
    ]


def test_as_json_it_is_the_whole_record(emitted: Sequence[ConsumerRecord]) -> None:
    whole = json.loads(as_object(emitted[1]))

    assert whole["topic"] == ATTENDANCE_EVENTS and whole["key"] == PATIENT
    assert whole["headers"]["ce_type"] == "org.iop-hub.SessionMissed"
    assert whole["value"]["resourceType"] == "Bundle"


async def test_a_record_nobody_could_read_is_still_a_line(own_kafka: RunningKafka) -> None:
    async with AIOKafkaProducer(bootstrap_servers=own_kafka.bootstrap) as producer:
        for value in (b"\xff\xfe", b"[]", b'{"entry":[{},{"resource":7}]}', b"null"):
            await producer.send_and_wait("iop.operations", value, headers=[("ce_type", b"\xff"), ("empty", None)])
    reading = Reading(("iop.operations",), from_beginning=True, most=4)

    lines = [readable(record) async for record in records(own_kafka.cluster, reading)]

    assert [line.split()[-1] for line in lines] == ["(unreadable)"] * 4


async def test_one_cause_is_followed_through_all_topics_up_to_now_and_nothing_older_than_asked(
    own_kafka: RunningKafka, emitted: Sequence[ConsumerRecord]
) -> None:
    of_it = Picked({"ce_correlationid": (str(UUID(int=1)),)})
    here = Reading((ATTENDANCE_EVENTS, "iop.operations"), from_beginning=True, picked=of_it, follows=False)
    assert [each.offset async for each in records(own_kafka.cluster, here)] == [each.offset for each in emitted]
    for ago, count in ((timedelta(hours=1), 2), (timedelta(seconds=-60), 0)):
        lately = replace(here, since=ago)
        assert len([each async for each in records(own_kafka.cluster, lately)]) == count


async def test_a_topic_that_does_not_exist_is_one_clear_line(own_kafka: RunningKafka) -> None:
    with pytest.raises(CannotContinueError, match="none of these topics exists"):
        await anext(records(own_kafka.cluster, Reading(("iop.nothing",))))


async def test_a_kafka_that_is_gone_is_one_clear_line() -> None:
    with pytest.raises(CannotContinueError, match="does not answer"):
        await anext(records(Cluster(f"127.0.0.1:{free_port()}"), Reading((ATTENDANCE_EVENTS,))))


async def test_a_broker_that_was_frozen_is_waited_for_until_it_is_listed_again(
    own_kafka: RunningKafka, emitted: Sequence[ConsumerRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, looks = AIOKafkaAdminClient.list_topics, iter((False, False, True))

    async def not_yet(admin: AIOKafkaAdminClient) -> list[str]:
        if not next(looks):
            raise NodeNotReadyError
        return list(await listed(admin))

    monkeypatch.setattr(AIOKafkaAdminClient, "list_topics", not_yet)
    assert await read(own_kafka.bootstrap, 2) == emitted
