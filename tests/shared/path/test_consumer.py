"""Records that a sender garbled: none of them ends the consumer, and none is committed past in silence."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError
from aiokafka.protocol.fetch import FetchRequest
from structlog.testing import capture_logs

from shared.events.catalogue import INTAKE_EVENTS, PARTITIONS
from shared.events.intake import Digest, PatientIdentified
from shared.path.inbound.consumer import WAIT_MS, WAIT_MS_QUIET, Consumer, let_broker_wait, poll, rest_seconds
from shared.path.inbound.positions import OffsetGapListener, Position, position
from shared.path.transaction import consent_ledger, offsets
from shared.platform import log
from shared.platform.clock import machine_now, ticks
from shared.platform.kafka import Cluster
from tests.service import ServiceOnPostgres, consumed
from tests.shared.path.given import MONDAY_NOON, admission

NOWHERE = Cluster("nowhere:1")
HEARTBEAT = {"ce_type": "org.iop-hub.ConsentsCurrent", "ce_time": "2026-01-05T12:00:00Z"}


@dataclass(frozen=True)
class Raw:
    """A record as aiokafka hands it over."""

    headers: list[tuple[str, bytes | None]]
    key: bytes | None
    value: bytes | None
    partition: int = 0
    offset: int = 0


def raw(headers: Mapping[str, str], key: str, value: bytes, offset: int = 0) -> Raw:
    return Raw([(name, text.encode()) for name, text in headers.items()], key.encode(), value, offset=offset)


async def test_a_nul_in_the_program_of_a_patients_record_parks_it(here: ServiceOnPostgres) -> None:
    patient = str(uuid4())
    event = consumed(admission(patient), patient)
    await here.deliver(consumed(admission(patient), patient))
    await Consumer(here.inbox, NOWHERE, "0").take(
        [raw({**event.headers, "ce_program": "de\0mo"}, patient, event.content)]
    )
    assert await here.select("SELECT class, place FROM parked") == [("unreadable", "headers.ce_program")]


@pytest.mark.parametrize("headers", [{}, {"ce_time": "yesterday"}, {"ce_time": "2026-01-05T12:00:00"}])
async def test_a_heartbeat_without_its_time_says_nothing(here: ServiceOnPostgres, headers: dict[str, str]) -> None:
    consumer = Consumer(here.inbox, NOWHERE, "0", wanted=frozenset({"ConsentsCurrent"}))
    await consumer.take([raw({"ce_type": "org.iop-hub.ConsentsCurrent", **headers}, "", b"{}")])
    assert await here.select("SELECT count(*) FROM ledger") == [(0,)]
    assert await here.select("SELECT count(*) FROM parked") == [(0,)]


async def test_an_event_for_others_is_passed_over_unread(here: ServiceOnPostgres) -> None:
    await Consumer(here.inbox, NOWHERE, "0").take([raw({"ce_type": "org.iop-hub.ReferralReceived"}, "x", b"\xff")])
    assert await here.select("SELECT count(*) FROM parked") == [(0,)]


@pytest.mark.parametrize("key", ["", "x" * 3000, "nul \0 within"])
async def test_a_key_that_can_be_no_patients_parks_the_record_and_holds_nobody(
    here: ServiceOnPostgres, key: str
) -> None:
    event = consumed(admission(str(uuid4())), str(uuid4()))
    await Consumer(here.inbox, NOWHERE, "0").take([raw(event.headers, key, event.content)])
    assert await here.select("SELECT key, place FROM parked") == [("", "key")]
    assert await here.select("SELECT count(*) FROM state WHERE body <> ''") == [(0,)]


async def test_an_identification_without_a_patient_teaches_no_alias(here: ServiceOnPostgres) -> None:
    emitted = PatientIdentified(digests=(Digest("k", "ab"),), sealed=(), identified_at=MONDAY_NOON)
    event = consumed(emitted, str(uuid4()))
    await Consumer(here.inbox, NOWHERE, "0").take([raw(event.headers, "", event.content)])
    assert await here.select("SELECT count(*) FROM alias") == [(0,)]


class Polling:
    """A client of three partitions with what its next polls bring, and what Kafka was told."""

    def __init__(self, *polls: dict[int, list[Any]]) -> None:
        self._polls = list(polls)
        self.failing = False
        self.committed: list[dict[int, int]] = []
        self.waited_ms: list[int] = []
        self._fetcher = SimpleNamespace(_fetch_max_wait_ms=WAIT_MS)

    @property
    def broker_waits_ms(self) -> int:
        waits_ms: int = self._fetcher._fetch_max_wait_ms
        return waits_ms

    async def getmany(self, *, timeout_ms: int, max_records: int) -> dict[int, list[Any]]:
        self.waited_ms.append(timeout_ms)
        return self._polls.pop(0)

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("a-topic", partition) for partition in (0, 3, 5)}

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self.failing:
            raise CommitFailedError
        self.committed.append({each.partition: offset for each, offset in offsets.items()})


async def test_a_poll_holds_the_records_of_each_partition_in_their_order() -> None:
    client = Polling({}, {3: ["a", "b"], 5: ["c"]})
    assert await poll(client, 500) == ()
    assert await poll(client, 0) == ("a", "b", "c")


async def test_kafka_is_told_what_is_stored_once_nothing_waits_and_while_records_come_now_and_then(
    here: ServiceOnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.path.inbound.consumer.COMMIT_SECONDS", 60.0)
    consumer, records = Consumer(here.inbox, NOWHERE, "0"), [raw({}, "", b"{}", offset=each) for each in range(4)]
    client = Polling(*({0: [each]} for each in records[:3]), {}, {0: [records[3]]})
    consumer._placed({0: 0, 3: 7})
    for record in records[:3]:
        assert await consumer.poll(client) == (record,)
        await consumer.take([record])
    assert client.committed == []
    assert await consumer.poll(client) == (records[3],)
    assert client.committed == [{0: 3}]
    await consumer.take([records[3]])

    monkeypatch.setattr("shared.path.inbound.consumer.COMMIT_SECONDS", -1.0)
    client._polls = [{0: [raw({}, "", b"{}", offset=4)]}]
    assert len(await consumer.poll(client)) == 1
    assert client.committed == [{0: 3}, {0: 4}]


async def test_a_commit_that_fails_loses_no_record_and_is_tried_again(here: ServiceOnPostgres) -> None:
    consumer, first, second = Consumer(here.inbox, NOWHERE, "0"), raw({}, "", b"{}"), raw({}, "", b"{}", offset=1)
    client = Polling({0: [second]}, {}, {})
    consumer._placed({0: 0})
    await consumer.take([first])
    client.failing = True
    assert await consumer.poll(client) == (second,)
    await consumer.take([second])
    client.failing = False
    assert await consumer.poll(client) == ()
    assert client.committed == [{0: 2}]


async def test_only_a_consumer_that_was_brought_nothing_lets_the_broker_take_its_time(here: ServiceOnPostgres) -> None:
    consumer, record = Consumer(here.inbox, NOWHERE, "0"), raw({}, "", b"{}")
    client = Polling({}, {}, {0: [record]}, {}, {}, {0: [record]})
    seen = []
    for _ in range(4):
        consumer._committed_at = 0.0
        found = await consumer.poll(client)
        seen.append((len(found), client.waited_ms[-1], client.broker_waits_ms))
    assert seen == [
        (0, WAIT_MS, WAIT_MS_QUIET),
        (0, WAIT_MS_QUIET, WAIT_MS_QUIET),
        (1, WAIT_MS_QUIET, WAIT_MS),
        (0, WAIT_MS, WAIT_MS_QUIET),
    ]
    client._polls.pop(0)
    consumer._committed_at = ticks()
    assert await consumer.poll(client) == (record,), "that lay there already"
    assert client.broker_waits_ms == WAIT_MS


async def test_a_client_asks_its_next_question_with_the_wait_that_was_set(kafka: str) -> None:
    asked: list[int] = []
    async with Cluster(kafka).consumer(fetch_max_wait_ms=20) as client:
        send = client._client.send

        async def sent(node: int, request: Any, **more: Any) -> Any:
            asked.extend([request._max_wait_ms] if isinstance(request, FetchRequest) else [])
            return await send(node, request, **more)

        client._client.send = sent
        client.assign([TopicPartition(INTAKE_EVENTS, 0)])
        await client.seek_to_end()
        await until(lambda: 20 in asked)
        let_broker_wait(client, 21)
        await until(lambda: 21 in asked)
    assert set(asked) == {20, 21}


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not happened():  # noqa: ASYNC110 - a client tells nobody what it asks
            await asyncio.sleep(0.01)


async def test_a_record_that_comes_alone_makes_nobody_wait_and_those_that_follow_share_a_poll(
    here: ServiceOnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer, rested = Consumer(here.inbox, NOWHERE, "0"), list[int]()

    def rest(in_a_row: int) -> float:
        rested.append(in_a_row)
        return in_a_row * 0.2

    monkeypatch.setattr("shared.path.inbound.consumer.rest_seconds", rest)
    monkeypatch.setattr("shared.path.inbound.consumer.QUIET_SECONDS", 10.0)
    await consumer.take([raw({}, "", b"{}")])
    began = ticks()
    await consumer.take([raw({}, "", b"{}", offset=1)])
    assert ticks() - began >= 0.2
    monkeypatch.setattr("shared.path.inbound.consumer.QUIET_SECONDS", 0.0)
    await consumer.take([raw({}, "", b"{}", offset=2)])
    assert rested == [0, 1, 0]


@pytest.mark.parametrize(("in_a_row", "seconds"), [(0, 0.0), (1, 0.02), (3, 0.06), (5, 0.1), (500, 0.1)])
def test_a_rest_grows_while_records_keep_coming(in_a_row: int, seconds: float) -> None:
    assert rest_seconds(in_a_row) == pytest.approx(seconds)


@dataclass
class Offsets:
    """What a consumer knows of the one partition it was given: its start, and where the group stopped reading."""

    start: int
    committed_at: int | None
    begins_at: int | None = None
    paused: bool = False

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        assert self.paused, "a record may be taken before its place is known"
        return dict.fromkeys(partitions, self.start)

    async def committed(self, partition: TopicPartition) -> int | None:
        return self.committed_at

    def pause(self, *partitions: TopicPartition) -> None:
        self.paused = True

    def resume(self, *partitions: TopicPartition) -> None:
        self.paused = False

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.begins_at = offset


PARTITION = TopicPartition("iop.intake.events", 3)


@pytest.mark.parametrize(
    ("start", "committed_at", "consumed_before", "lost"),
    [
        (0, None, False, False),
        (7, None, False, False),
        (0, None, True, False),
        (7, None, True, True),
        (7, 6, True, True),
        (7, 6, False, True),
        (7, 0, False, True),
        (7, 7, True, False),
        (0, 0, True, False),
    ],
)
async def test_the_gate_shuts_when_records_expired_between_two_readings(
    here: ServiceOnPostgres, start: int, committed_at: int | None, consumed_before: bool, lost: bool
) -> None:
    """A revocation may be among them. A group's offset is forgotten sooner than the records are."""
    if consumed_before:
        async with here.pool.acquire() as connection:
            await consent_ledger.mark_current(connection, {3: MONDAY_NOON})
    await OffsetGapListener(here.inbox, lambda: Offsets(start, committed_at)).on_partitions_assigned({PARTITION})
    assert await here.select("SELECT count(*) FROM ledger WHERE lost") == [(int(lost),)]


@pytest.mark.parametrize(
    ("first", "committed", "stored", "found"),
    [
        (0, 90, 90, Position(90)),
        (0, 90, 40, Position(40, catch_up=90)),
        (0, 40, 90, Position(40)),
        (0, None, 90, Position(0)),
        (0, 90, None, Position(0, catch_up=90)),
        (50, 90, 40, Position(50, lost=True, catch_up=90)),
        (50, 90, None, Position(50, catch_up=90)),
        (0, None, None, Position(0)),
    ],
)
def test_the_smaller_of_what_is_stored_and_what_kafka_remembers_counts(
    first: int, committed: int | None, stored: int | None, found: Position
) -> None:
    assert position(first, committed, stored, known=False) == found


@pytest.mark.parametrize(("reads_consents", "shut"), [(True, True), (False, False)])
async def test_who_passed_consents_over_unread_before_it_had_a_gate_has_it_shut_once(
    here: ServiceOnPostgres, monkeypatch: pytest.MonkeyPatch, reads_consents: bool, shut: bool
) -> None:
    events = {"ConsentsCurrent"} if reads_consents else set()
    monkeypatch.setattr(type(here.inbox.service), "consumed_events", frozenset(events))
    await offsets.store(here.pool, {3: 90})
    await here.pool.execute("UPDATE offsets SET consents_unread = true")
    await OffsetGapListener(here.inbox, lambda: Offsets(0, 90)).on_partitions_assigned({PARTITION})
    assert await here.count("ledger WHERE lost") == int(shut)
    await here.pool.execute("UPDATE ledger SET lost = false")
    await OffsetGapListener(here.inbox, lambda: Offsets(0, 90)).on_partitions_assigned({PARTITION})
    assert await here.count("ledger WHERE lost") == 0


async def test_a_database_that_was_set_back_shuts_the_gate_until_it_has_caught_up(here: ServiceOnPostgres) -> None:
    await every_partition_current(here)
    await offsets.store(here.pool, {3: 40})
    client = Offsets(start=0, committed_at=90)
    assert await gate_is_current(here)

    await OffsetGapListener(here.inbox, lambda: client).on_partitions_assigned({PARTITION})
    assert (client.begins_at, client.paused, await gate_is_current(here)) == (40, False, False)
    await offsets.store(here.pool, {3: 89})
    assert not await gate_is_current(here)
    await offsets.store(here.pool, {3: 90})
    assert await gate_is_current(here)


async def test_a_database_that_knows_what_kafka_knows_leaves_the_gate_as_it_is(here: ServiceOnPostgres) -> None:
    await every_partition_current(here)
    await offsets.store(here.pool, {3: 90})
    await OffsetGapListener(here.inbox, lambda: Offsets(0, 90)).on_partitions_assigned({PARTITION})
    assert await gate_is_current(here)


async def test_a_replica_that_lost_a_partition_makes_nothing_of_it_unstored(here: ServiceOnPostgres) -> None:
    await offsets.store(here.pool, {3: 90})
    await offsets.store(here.pool, {3: 70})
    await OffsetGapListener(here.inbox, lambda: Offsets(0, 80)).on_partitions_assigned({PARTITION})
    await offsets.require_stored(here.pool, {3: 90}, ())
    assert await offsets.stored(here.pool) == {3: 90}


async def every_partition_current(here: ServiceOnPostgres) -> None:
    async with here.pool.acquire() as connection:
        await consent_ledger.mark_current(connection, dict.fromkeys(range(PARTITIONS), machine_now()))


async def gate_is_current(here: ServiceOnPostgres) -> bool:
    async with here.pool.acquire() as connection:
        return (await consent_ledger.read(connection, "demo", here.patient, machine_now())).current


async def test_a_process_whose_database_is_set_back_under_it_believes_no_heartbeat_and_ends(
    here: ServiceOnPostgres,
) -> None:
    consumer = Consumer(here.inbox, NOWHERE, "0", wanted=frozenset({"ConsentsCurrent"}))
    await consumer.take([raw(HEARTBEAT, "", b"{}")])
    await consumer._look()
    await here.pool.execute("DELETE FROM offsets")
    await here.pool.execute("DELETE FROM ledger")
    with pytest.raises(offsets.DatabaseSetBack):
        await consumer.take([raw(HEARTBEAT, "", b"{}")])
    with pytest.raises(offsets.DatabaseSetBack):
        await consumer._look()
    assert await here.count("ledger") == 0


@pytest.mark.parametrize("what", ["offsets are stored", "a heartbeat is believed"])
async def test_what_was_processed_since_offsets_were_stored_is_asked_for_before(
    here: ServiceOnPostgres, what: str
) -> None:
    """Set back by less than a second: the database knows the offsets it knew, and lacks what came after them."""
    event = consumed(admission(here.patient), here.patient)
    consumer = Consumer(here.inbox, NOWHERE, "0", wanted=frozenset({type(event.event).__name__, "ConsentsCurrent"}))
    await consumer.take([raw(event.headers, here.patient, event.content)])
    await here.pool.execute("DELETE FROM processed")

    with pytest.raises(offsets.DatabaseSetBack):
        if what == "offsets are stored":
            await consumer._look()
        else:
            await consumer.take([raw(HEARTBEAT, "", b"{}", offset=1)])
    assert (await here.count("offsets"), await here.count("ledger")) == (0, 0)


async def test_what_was_processed_is_asked_for_until_its_offsets_are_stored(here: ServiceOnPostgres) -> None:
    consumer = Consumer(here.inbox, NOWHERE, "0")
    event = consumed(admission(here.patient), here.patient)
    await consumer.take([raw(event.headers, here.patient, event.content)])
    await consumer._look()
    await here.pool.execute("DELETE FROM processed")  # as their retention does one day
    await consumer._look()
    assert await here.select("SELECT next FROM offsets") == [(1,)]


async def test_a_start_waits_for_kafka_and_says_so_once(
    here: ServiceOnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.path.inbound.broker_watch.REACH_AGAIN_SECONDS", 0.1)
    monkeypatch.setattr(log, "_warned_at", {})
    consumer = Consumer(here.inbox, Cluster("127.0.0.1:1"), "0")
    with capture_logs() as lines:
        running = asyncio.create_task(consumer.run())
        await asyncio.sleep(1.0)
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [line["event"] for line in lines].count("waiting for Kafka: the consumer can't start") == 1
    assert str(consumer.broker.unanswered()).startswith("Kafka at 127.0.0.1:1 does not answer")


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.ObjectNotInPrerequisiteStateError("the database is not accepting connections"),
        asyncpg.InvalidCatalogNameError("the database does not exist"),
        asyncpg.InvalidPasswordError("the password was changed"),
    ],
)
async def test_a_database_that_is_away_to_be_restored_is_no_fault_of_a_record(
    here: ServiceOnPostgres, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A consumer stopped for it would wait for a person once the database is back."""
    consumer = Consumer(here.inbox, NOWHERE, "0")
    failing = iter([error])
    receive = here.inbox.receive

    async def receiving(*arguments: Any) -> Any:
        for each in failing:
            raise each
        return await receive(*arguments)

    monkeypatch.setattr(here.inbox, "receive", receiving)
    event = consumed(admission(here.patient), here.patient)
    await consumer.take([raw(event.headers, here.patient, event.content)])
    assert (consumer.stopped, await here.count("stops")) == (False, 0)
    assert await here.count("state WHERE body <> ''") == 1
