"""Health tells the truth: each thing readiness looks at, a moment within its limit and a moment beyond it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from prometheus_client import REGISTRY

from shared.events.catalogue import INTAKE_EVENTS
from shared.path.inbound import broker_watch
from shared.path.inbound.broker_watch import AgeLimits, BrokerWatch
from shared.path.inbound.readiness import NotReady, Readiness
from shared.platform.clock import machine_now
from tests.service import ServiceOnPostgres

NOON = datetime(2026, 1, 5, 17, 0, tzinfo=UTC)
HALT = TopicPartition(INTAKE_EVENTS, 0)
LANES = ("topic:iop.attendance.events", "topic:iop.operations", "internal")


@dataclass
class KafkaSide:
    """What the Kafka client knows: when each partition was last answered (ms), and its end."""

    answered: dict[TopicPartition, int | None] = field(default_factory=dict)
    ends: dict[TopicPartition, int] = field(default_factory=dict)
    halted: set[TopicPartition] = field(default_factory=set)

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self.answered)

    def paused(self) -> set[TopicPartition]:
        return self.halted

    def last_poll_timestamp(self, partition: TopicPartition) -> int | None:
        return self.answered[partition]

    def highwater(self, partition: TopicPartition) -> int | None:
        return self.ends.get(partition)

    async def committed(self, partition: TopicPartition) -> int | None:
        return None


class Watched:
    """A watch, the client it looks at, and both clocks of the machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds, self.watch, self.client = 0.0, BrokerWatch("attendance"), KafkaSide()
        monkeypatch.setattr(broker_watch, "ticks", lambda: self.seconds)
        monkeypatch.setattr(broker_watch, "machine_now", lambda: NOON + timedelta(seconds=self.seconds))

    def answer(self, number: int = 0, end: int | None = None) -> None:
        """The broker answers for one partition, now."""
        partition = TopicPartition(INTAKE_EVENTS, number)
        self.client.answered[partition] = int((NOON.timestamp() + self.seconds) * 1000)
        if end is not None:
            self.client.ends[partition] = end

    def wrong_at(self, seconds: float, offsets: Mapping[int, int] | None = None) -> str | None:
        self.seconds = seconds
        self.watch.look(self.client, offsets or {})
        return self.watch.wrong()


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


def test_a_consumer_outside_its_group_is_not_ready(watched: Watched) -> None:
    assert watched.wrong_at(0.0) == "Kafka consumer has not joined its group."
    watched.watch.assigned({0: 0})
    assert watched.wrong_at(0.0) is None


def test_a_broker_silent_beyond_the_limit_is_named_however_often_the_client_polls(watched: Watched) -> None:
    watched.watch.assigned({0: 0})
    watched.answer()
    assert [watched.wrong_at(second) for second in range(31)] == [None] * 31
    assert watched.wrong_at(31.0) == "Kafka has not answered for 31 s."
    watched.answer()
    assert watched.wrong_at(31.0) is None


def test_the_partition_that_waits_longest_counts_and_one_that_is_paused_does_not(watched: Watched) -> None:
    watched.watch.assigned({0: 0, 1: 0})
    watched.answer(0)
    watched.answer(1)
    watched.seconds = 31.0
    watched.answer(1)
    assert watched.wrong_at(31.0) == "Kafka has not answered for 31 s."
    watched.client.halted = {HALT}
    assert watched.wrong_at(31.0) is None


def test_partitions_that_were_never_answered_are_silent_since_they_were_assigned(watched: Watched) -> None:
    watched.watch.assigned({0: 0})
    watched.client.answered = {HALT: None}
    assert watched.wrong_at(30.0) is None
    assert watched.wrong_at(31.0) == "Kafka has not answered for 31 s."


async def test_without_partitions_the_coordinator_is_asked_and_its_answer_counts(watched: Watched) -> None:
    watched.watch.assigned({})
    watched.seconds = 31.0
    assert watched.watch.wrong() == "Kafka has not answered for 31 s."
    await watched.watch.ask(watched.client, HALT)
    assert watched.watch.wrong() is None


def test_records_unread_beyond_the_limit_are_named_also_while_new_ones_come(watched: Watched) -> None:
    def wrong_at(seconds: float, read: int) -> str | None:
        watched.seconds = seconds
        watched.answer(end=10 + int(seconds))
        return watched.wrong_at(seconds, {0: read})

    watched.watch.assigned({0: 0})
    assert wrong_at(0.0, 9) is None
    assert wrong_at(300.0, 9) is None
    assert wrong_at(301.0, 9) == "Records have been waiting unread for 301 s."
    assert wrong_at(302.0, 10) is None, "what came first is read; what came later waits for less long"
    assert wrong_at(303.0, 313) is None
    assert watched.watch.lag_seconds == 0.0


def test_what_another_replica_has_to_read_now_is_counted_here_no_more(watched: Watched) -> None:
    def lag(partition: str) -> float | None:
        return REGISTRY.get_sample_value("iop_consumer_lag", {"service": "attendance", "partition": partition})

    watched.watch.assigned({0: 0, 1: 0})
    for number in (0, 1):
        watched.answer(number, end=30)
    watched.wrong_at(0.0, {0: 10, 1: 30})
    assert (lag("0"), lag("1")) == (20, 0)
    watched.watch.assigned({1: 30})
    assert (lag("0"), lag("1")) == (None, 0)


def test_a_limit_is_the_watchs_own(watched: Watched) -> None:
    watched.watch = BrokerWatch("attendance", AgeLimits(answer_seconds=1.0))
    watched.watch.assigned({0: 0})
    watched.answer()
    assert watched.wrong_at(1.0) is None
    assert watched.wrong_at(2.0) == "Kafka has not answered for 2 s."


def readiness(here: ServiceOnPostgres) -> Readiness:
    """With a consumer that is well, in a process that started long ago."""
    broker = SimpleNamespace(wrong=lambda: None)
    consumer = SimpleNamespace(stopped=False, polled=SimpleNamespace(troubled=False), broker=broker)
    ready = Readiness(here.inbox, cast(Any, consumer))
    ready._started_at = machine_now() - timedelta(days=1)
    return ready


async def store(here: ServiceOnPostgres, lane: str, seconds: int) -> None:
    """A row that has been waiting for so long."""
    row = "INSERT INTO outbox (lane, headers, body, stored_at) VALUES ($1, '{}', '{}', now() - $2 * interval '1 s')"
    await here.pool.execute(row, lane, seconds)


@pytest.mark.parametrize("lane", LANES)
async def test_a_topic_or_internal_lane_that_does_not_drain_is_named(here: ServiceOnPostgres, lane: str) -> None:
    await store(here, lane, 110)
    assert await readiness(here).wrong() is None
    await store(here, lane, 121)
    assert await readiness(here).wrong() == NotReady(f"Lane {lane} is not draining.")


async def test_a_partner_that_is_away_leaves_the_service_ready(here: ServiceOnPostgres) -> None:
    await store(here, "partner:alumni", 86_400)
    assert await readiness(here).wrong() is None


async def test_a_ledger_beyond_its_age_is_named(here: ServiceOnPostgres) -> None:
    def known(partition: int, seconds: int) -> Any:
        row = "INSERT INTO ledger (partition, current_at) VALUES ($1, now() - $2 * interval '1 s')"
        return here.pool.execute(row, partition, seconds)

    await known(0, 110)
    assert await readiness(here).wrong() is None
    await known(1, 121)
    stale = NotReady("The consent ledger is not current: nothing is disclosed.")
    assert await readiness(here).wrong() == stale


async def test_a_service_that_just_started_has_had_no_time_to_know_more(here: ServiceOnPostgres) -> None:
    await here.pool.execute("INSERT INTO ledger (partition, current_at, lost) VALUES (0, '-infinity', true)")
    young = readiness(here)
    young._started_at = machine_now()
    assert await young.wrong() is None
    assert await readiness(here).wrong() is not None
