"""Records that a sender garbled: none of them ends the consumer, and none is committed past in silence."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

import pytest
from aiokafka import TopicPartition

from shared.events.intake import Digest, PatientIdentified
from shared.path.inbound.consumer import Consumer, OffsetGapListener
from shared.path.transaction import consent_ledger
from tests.service import ServiceOnPostgres, consumed
from tests.shared.path.given import MONDAY_NOON, admission


@dataclass(frozen=True)
class Raw:
    """A record as aiokafka hands it over."""

    headers: list[tuple[str, bytes | None]]
    key: bytes | None
    value: bytes | None
    partition: int = 0


def raw(headers: Mapping[str, str], key: str, value: bytes) -> Raw:
    return Raw([(name, text.encode()) for name, text in headers.items()], key.encode(), value)


async def test_a_nul_in_the_program_parks_the_record(here: ServiceOnPostgres) -> None:
    patient = str(uuid4())
    event = consumed(admission(patient), patient)
    await Consumer(here.inbox, "nowhere:1", "0").take(
        [raw({**event.headers, "ce_program": "de\0mo"}, patient, event.content)]
    )
    assert await here.select("SELECT class, place FROM parked") == [("unreadable", "headers.ce_program")]


@pytest.mark.parametrize("headers", [{}, {"ce_time": "yesterday"}, {"ce_time": "2026-01-05T12:00:00"}])
async def test_a_heartbeat_without_its_time_says_nothing(here: ServiceOnPostgres, headers: dict[str, str]) -> None:
    consumer = Consumer(here.inbox, "nowhere:1", "0", wanted=frozenset({"ConsentsCurrent"}))
    await consumer.take([raw({"ce_type": "org.iop-hub.ConsentsCurrent", **headers}, "", b"{}")])
    assert await here.select("SELECT count(*) FROM ledger") == [(0,)]
    assert await here.select("SELECT count(*) FROM parked") == [(0,)]


async def test_an_event_for_others_is_passed_over_unread(here: ServiceOnPostgres) -> None:
    await Consumer(here.inbox, "nowhere:1", "0").take([raw({"ce_type": "org.iop-hub.ReferralReceived"}, "x", b"\xff")])
    assert await here.select("SELECT count(*) FROM parked") == [(0,)]


@pytest.mark.parametrize("key", ["", "x" * 3000, "nul \0 within"])
async def test_a_key_that_can_be_no_patients_parks_the_record_and_holds_nobody(
    here: ServiceOnPostgres, key: str
) -> None:
    event = consumed(admission(str(uuid4())), str(uuid4()))
    await Consumer(here.inbox, "nowhere:1", "0").take([raw(event.headers, key, event.content)])
    assert await here.select("SELECT key, place FROM parked") == [("", "key")]
    assert await here.select("SELECT count(*) FROM state WHERE body <> ''") == [(0,)]


async def test_an_identification_without_a_patient_teaches_no_alias(here: ServiceOnPostgres) -> None:
    emitted = PatientIdentified(digests=(Digest("k", "ab"),), sealed=(), identified_at=MONDAY_NOON)
    event = consumed(emitted, str(uuid4()))
    await Consumer(here.inbox, "nowhere:1", "0").take([raw(event.headers, "", event.content)])
    assert await here.select("SELECT count(*) FROM alias") == [(0,)]


@dataclass(frozen=True)
class Offsets:
    """What a consumer knows of the one partition it was given: its start, and where the group stopped reading."""

    start: int
    committed_at: int | None

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, self.start)

    async def committed(self, partition: TopicPartition) -> int | None:
        return self.committed_at


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
    partition = TopicPartition("iop.intake.events", 3)
    if consumed_before:
        async with here.pool.acquire() as connection:
            await consent_ledger.mark_current(connection, {3: MONDAY_NOON})
    await OffsetGapListener(here.inbox, lambda: Offsets(start, committed_at)).on_partitions_assigned({partition})
    assert await here.select("SELECT count(*) FROM ledger WHERE lost") == [(int(lost),)]
