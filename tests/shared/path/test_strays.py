"""Junk on a topic: it is counted and said, and stops nobody, unless it may have been a revocation."""

import json
from collections.abc import Callable
from uuid import uuid4

import pytest

from shared.events.wire import RecordPlace
from shared.path.inbound import stops
from shared.path.inbound.consumer import Consumer
from shared.platform import db
from shared.platform.kafka import Cluster
from tests.service import ServiceOnPostgres, StartService, consumed
from tests.shared.path.given import MONDAY_NOON, admission, attendance_with
from tests.shared.path.test_consumer import Raw, raw

TOPIC = "iop.intake.events"


def junk(number: int, key: str = "") -> Raw:
    return Raw([], key.encode() or None, b"\x00\xff junk", partition=3, offset=number)


def admitted(patient: str, offset: int = 0, **changed: str) -> Raw:
    event = consumed(admission(patient), patient)
    found = raw({**event.headers, **changed}, patient, event.content)
    return Raw(found.headers, found.key, found.value, partition=3, offset=offset)


def consumer(here: ServiceOnPostgres) -> Consumer:
    return Consumer(here.inbox, Cluster("nowhere:1"), "0")


async def stopped(here: ServiceOnPostgres) -> list[tuple[object, ...]]:
    return await here.select('SELECT topic, partition, "offset", stored FROM stops')


async def test_junk_holds_nobody_and_stops_nothing(here: ServiceOnPostgres) -> None:
    patient = str(uuid4())
    consuming = consumer(here)
    await consuming.take([*(junk(number) for number in range(130)), admitted(patient, 130)])
    assert not consuming.stopped
    assert await here.count("strays") == 130
    assert await here.count("parked") == 0
    assert await here.count(f"resources WHERE patient = '{patient}'") > 0
    assert await here.emitted_to("iop.operations") == ["StraysStored"]


async def test_a_stray_read_again_is_said_once_and_never_with_its_content(here: ServiceOnPostgres) -> None:
    for _ in range(2):
        await consumer(here).take([junk(7, key="a key of somebody else's")])
    assert await here.select('SELECT topic, partition, "offset", size FROM strays') == [(TOPIC, 3, 7, 7)]
    assert await here.emitted() == ["StraysStored"]
    (text,) = await here.select("SELECT headers || body FROM outbox")
    assert "junk" not in str(text) and "somebody" not in str(text)


@pytest.mark.parametrize(
    "garbled",
    [
        lambda patient: junk(1, key=patient),
        lambda patient: admitted(patient, 1, ce_program="elsewhere"),
        lambda patient: admitted(patient, 1, ce_type="com.example.Thing"),
        lambda patient: admitted(patient, 1, ce_id="5"),
    ],
)
async def test_a_stray_of_a_patient_of_ours_is_parked_for_it_may_have_been_a_revocation(
    here: ServiceOnPostgres, garbled: Callable[[str], Raw]
) -> None:
    patient = str(uuid4())
    await here.deliver(consumed(admission(patient), patient))
    record = garbled(patient)
    for _ in range(2):
        await consumer(here).take([record])
    assert await here.select("SELECT key, class FROM parked") == [(patient, "unreadable")]
    assert await here.count("strays") == 0


async def test_a_hold_without_a_program_is_raised_in_the_program_of_the_patients_row(here: ServiceOnPostgres) -> None:
    patient = str(uuid4())
    await here.deliver(consumed(admission(patient), patient))
    before = len(await here.emitted())
    await consumer(here).take([admitted(patient, 1, ce_program="elsewhere")])
    assert (await here.emitted())[before:] == ["EscalationRaised", "DeliveryParked"]
    query = "SELECT program, headers FROM outbox WHERE lane = 'topic:iop.escalations'"
    assert [(program, json.loads(headers)["ce_program"]) for program, headers in await here.select(query)] == [
        ("demo", "demo")
    ]


async def test_operations_hear_of_every_parked_delivery_not_of_the_first_alone(here: ServiceOnPostgres) -> None:
    patient = str(uuid4())
    await here.deliver(consumed(admission(patient), patient))
    for number in (1, 2):
        await consumer(here).take([junk(number, key=patient)])
    assert await here.emitted_to("iop.operations") == ["DeliveryParked", "DeliveryParked"]


async def test_more_than_a_hundred_parked_in_a_row_stop_the_consumer_and_not_the_process(
    here: ServiceOnPostgres,
) -> None:
    consuming = consumer(here)
    broken = [admitted(str(uuid4()), number) for number in range(101)]
    await consuming.take([Raw(each.headers, each.key, b"{", each.partition, each.offset) for each in broken])
    assert consuming.stopped
    assert await stopped(here) == [(TOPIC, 3, 100, True)]
    assert (await here.emitted_to("iop.operations"))[-1] == "ConsumerStopped"
    assert await here.count("parked") == 101


async def test_a_hundred_parked_in_a_row_stop_nothing(here: ServiceOnPostgres) -> None:
    consuming = consumer(here)
    broken = [admitted(str(uuid4()), number) for number in range(100)]
    await consuming.take([Raw(each.headers, each.key, b"{", each.partition, each.offset) for each in broken])
    await consuming.take([admitted(str(uuid4()), 100)])
    assert (consuming.stopped, await stopped(here)) == (False, [])


async def test_a_record_that_nothing_here_can_take_stops_the_consumer_at_it(
    here: ServiceOnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, poison, later = (str(uuid4()) for _ in range(3))
    consuming = consumer(here)
    poisoned(consuming, poison, monkeypatch)
    await consuming.take([admitted(first, 1), admitted(poison, 2), admitted(later, 3)])
    assert await stopped(here) == [(TOPIC, 3, 2, False)]
    decided = {key for (key,) in await here.select("SELECT key FROM state WHERE body <> ''")}
    assert (first in decided, poison in decided) == (True, False)
    assert consuming._offsets == {3: 2}


async def test_a_skipped_record_is_quarantined_and_ends_the_consents_of_its_patient(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = await start_service(attendance_with(), "attendance", MONDAY_NOON)
    poison, later = str(uuid4()), str(uuid4())
    await here.pool.execute(
        "INSERT INTO consents (program, patient, consent_id, emitted_at, body) VALUES ('demo', $1, 'c', $2, '{}')",
        poison,
        MONDAY_NOON,
    )
    consuming = consumer(here)
    poisoned(consuming, poison, monkeypatch)
    await consuming.take([admitted(poison, 2)])
    await here.pool.execute(
        f"INSERT INTO skips (topic, partition, \"offset\", by, reason) VALUES ('{TOPIC}', 3, 2, 'operator', 'broken')"
    )
    await here.pool.execute("DELETE FROM stops")
    await consuming.take([admitted(poison, 2), admitted(later, 3)])
    assert await stopped(here) == []
    assert await here.select("SELECT key, class, by FROM quarantine") == [(poison, "skipped", "operator")]
    assert await here.count("consents WHERE NOT revoked") == 0
    assert await here.select("SELECT key FROM state WHERE body <> ''") == [(later,)]
    assert await stops.skips(here.inbox) == {}


async def test_a_stop_outlives_the_process_and_ends_when_a_person_lifts_it(here: ServiceOnPostgres) -> None:
    await stops.store(here.inbox, stops.Stop(RecordPlace(TOPIC, 3, 2), False, "KeyError at somewhere.py:1"))
    consuming = consumer(here)
    await consuming._look()
    assert consuming.stopped
    await here.pool.execute("DELETE FROM stops")
    await consuming._look()
    assert not consuming.stopped


def poisoned(consuming: Consumer, patient: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads a record of this patient raises what is no trouble."""
    read = consuming.polled.reader.read

    def reading(record: Raw) -> object:
        if record.key == patient.encode():
            raise KeyError("a bug")
        return read(record)

    assert not db.is_trouble(KeyError("a bug"))
    monkeypatch.setattr(consuming.polled.reader, "read", reading)
