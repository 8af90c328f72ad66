"""Health tells the truth: each thing readiness looks at, a moment within its limit and a moment beyond it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from aiokafka import TopicPartition
from prometheus_client import REGISTRY

from shared.events.catalogue import INTAKE_EVENTS, PARTITIONS
from shared.path.destination import Routes
from shared.path.inbound import broker_watch
from shared.path.inbound.broker_watch import AgeLimits, BrokerWatch
from shared.path.inbound.readiness import OF_DATABASE, REMEDIES, Readiness, Stored, of_database, wrong
from shared.path.outbound.destinations import partner_destination
from shared.platform import agreement
from shared.platform.agreement import Agreement
from shared.platform.clock import machine_now
from tests.service import ServiceOnPostgres
from tests.shared.rules.partners import ALUMNI

SENT_TO = msgspec.structs.replace(ALUMNI, url="https://alumni.example/fhir")
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
        return self.watch.unanswered() or self.watch.unread()


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
    assert watched.watch.unanswered() == "Kafka has not answered for 31 s."
    await watched.watch.ask(watched.client, HALT)
    assert watched.watch.unanswered() is None


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
    broker = SimpleNamespace(unanswered=lambda: None, unread=lambda: None)
    rights = SimpleNamespace(wrong=lambda: None)
    consumer = SimpleNamespace(stopped=False, polled=SimpleNamespace(troubled=False), broker=broker, rights=rights)
    ready = Readiness(here.inbox, cast(Any, consumer))
    ready._started_at = machine_now() - timedelta(days=1)
    return ready


async def wrongs(ready: Readiness) -> dict[str, str]:
    """What is wrong, by the name of its check."""
    return {each.name: each.wrong for each in wrong(await ready.checks())}


async def store(here: ServiceOnPostgres, lane: str, seconds: int) -> None:
    """A row that has been waiting for so long."""
    row = "INSERT INTO outbox (lane, headers, body, stored_at) VALUES ($1, '{}', '{}', now() - $2 * interval '1 s')"
    await here.pool.execute(row, lane, seconds)


@pytest.mark.parametrize("lane", LANES)
async def test_a_topic_or_internal_lane_that_does_not_drain_is_named(here: ServiceOnPostgres, lane: str) -> None:
    await store(here, lane, 110)
    assert await wrongs(readiness(here)) == {}
    await store(here, lane, 121)
    assert await wrongs(readiness(here)) == {"lanes": f"Lane {lane} is not draining."}


async def test_a_partner_that_is_away_leaves_the_service_ready(here: ServiceOnPostgres) -> None:
    await store(here, "partner:alumni", 86_400)
    assert await wrongs(readiness(here)) == {}


async def test_a_ledger_beyond_its_age_is_named(here: ServiceOnPostgres) -> None:
    def known(partition: int, seconds: int) -> Any:
        row = "INSERT INTO ledger (partition, current_at) VALUES ($1, now() - $2 * interval '1 s')"
        return here.pool.execute(row, partition, seconds)

    await known(0, 110)
    assert await wrongs(readiness(here)) == {}
    await known(1, 121)
    stale = "The consent ledger is not current: nothing is disclosed."
    assert await wrongs(readiness(here)) == {"ledger": stale}


async def test_a_service_that_just_started_has_had_no_time_to_know_more(here: ServiceOnPostgres) -> None:
    await here.pool.execute("INSERT INTO ledger (partition, current_at, lost) VALUES (0, '-infinity', true)")
    young = readiness(here)
    young._started_at = machine_now()
    assert await wrongs(young) == {}
    assert "ledger" in await wrongs(readiness(here))


async def asked(ready: Readiness) -> dict[str, str]:
    """What a person has to do of a service that is ready, by the name of its check."""
    return {each.name: each.remedy for each in await ready.checks() if each.status == "asks"}


async def test_a_gate_that_only_a_person_opens_is_named_with_the_line_and_the_service_is_ready(
    here: ServiceOnPostgres,
) -> None:
    ready = readiness(here)
    await here.inbox.beat(dict.fromkeys(range(PARTITIONS), machine_now()))
    await here.pool.execute("UPDATE ledger SET lost = true WHERE partition = 3")
    assert await asked(ready) == {}, "of a service that discloses nothing nobody is asked"
    ready._inbox.routes = Routes([partner_destination(SENT_TO, lambda event, release: {})])
    assert await wrongs(ready) == {}
    (line,) = (await asked(ready)).values()
    assert f"iop ledger reopen --service {here.inbox.service.name} --dry-run" in line
    await here.pool.execute("UPDATE ledger SET lost = false")
    assert await asked(ready) == {}


@pytest.mark.parametrize(
    ("change", "name", "sentence"),
    [
        ({"stopped": True}, "consumer", "The consumer has stopped; `iop consumer show` says where."),
        ({"polled": SimpleNamespace(troubled=True)}, "storing", "Kafka consumer is retrying after a database error."),
        ({"rights": SimpleNamespace(wrong=lambda: "No right: Read.")}, "rights", "No right: Read."),
        ({"broker": SimpleNamespace(unanswered=lambda: "Silent.", unread=lambda: None)}, "broker", "Silent."),
        ({"broker": SimpleNamespace(unanswered=lambda: None, unread=lambda: "Unread.")}, "unread", "Unread."),
    ],
)
async def test_what_the_process_knows_is_named_by_its_own_check_with_what_to_do(
    here: ServiceOnPostgres, change: dict[str, Any], name: str, sentence: str
) -> None:
    ready = readiness(here)
    ready._consumer = cast(Any, SimpleNamespace(**{**vars(ready._consumer), **change}))
    (found,) = wrong(await ready.checks())
    assert (found.name, found.wrong, found.remedy) == (name, sentence, REMEDIES[name])


async def test_a_schema_of_another_release_is_named_by_its_step(here: ServiceOnPostgres) -> None:
    await here.pool.execute("INSERT INTO migrations VALUES ('9999_future.sql')")
    newer = "The database's schema is newer than the code: it has 9999_future.sql."
    assert await wrongs(readiness(here)) == {"schema": newer}
    await here.pool.execute("DELETE FROM migrations WHERE name = '0001_tables.sql'")
    older = "The database's schema is older than the code: it lacks 0001_tables.sql."
    assert await wrongs(readiness(here)) == {"schema": older}


async def test_an_upgrade_on_the_disk_leaves_a_running_service_ready(
    here: ServiceOnPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "9999_next.sql").touch()
    monkeypatch.setattr(agreement, "SCHEMA", tmp_path)
    assert await wrongs(readiness(here)) == {}


@pytest.mark.parametrize(
    ("seconds", "ahead"), [(-6.0, -6.0), (-5.0, -5.0), (0.0, 0.0), (1.9, 0.0), (2.0, 0.0), (7.0, 5.0), (8.0, 6.0)]
)
def test_only_a_clock_outside_the_time_of_the_question_differs(seconds: float, ahead: float) -> None:
    asked, answered = NOON, NOON + timedelta(seconds=2)
    found = agreement.compared((), (), asked, NOON + timedelta(seconds=seconds), answered)
    assert found.ahead_seconds == ahead
    assert bool(agreement.clock_wrong(found)) == (abs(ahead) > 5)


def test_a_database_whose_clock_is_ahead_or_behind_is_named() -> None:
    for seconds, sentence in ((6.2, "6 s ahead of"), (-90.0, "90 s behind")):
        found = of_database(Stored({}, None, Agreement(seconds)), AgeLimits())
        assert found == {"clock": f"The database's clock is {sentence} this machine's."}


async def test_of_a_database_that_is_away_nothing_is_claimed(
    here: ServiceOnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: object) -> Agreement:
        raise ConnectionRefusedError

    monkeypatch.setattr(agreement, "ask", away)
    checks = {each.name: each for each in await readiness(here).checks()}
    assert checks["database"].wrong == "The database can't be reached."
    assert {each.name for each in checks.values() if each.status == "unknown"} == set(OF_DATABASE)


async def test_a_check_names_since_when_it_is_wrong_and_forgets_it_once_it_is_well(here: ServiceOnPostgres) -> None:
    async def since() -> datetime | None:
        (found,) = [each for each in await ready.checks() if each.name == "lanes"]
        return found.since

    ready = readiness(here)
    assert await since() is None
    await store(here, "internal", 121)
    first = await since()
    assert first is not None
    assert await since() == first
    await here.pool.execute("DELETE FROM outbox")
    assert await since() is None
    await store(here, "internal", 121)
    assert (await since() or first) > first
