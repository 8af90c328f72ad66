"""What an operator sees before a patient feels it: what is parked, waits, is open, and whether the gate is."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any, cast

import pytest
from asyncpg import PostgresError
from prometheus_client import REGISTRY

from shared.events.codes import HUB
from shared.path.inbound.gauges import Gauges
from shared.path.inbound.readiness import Check
from shared.platform.db import POOL_MOST
from tests.service import ServiceOnPostgres

SERIES_MOST = 2_000


def shown(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"service": "attendance", **labels})


async def answered(*checks: Check) -> Sequence[Check]:
    return checks


@pytest.fixture
def gauges(here: ServiceOnPostgres) -> Gauges:
    consumer = SimpleNamespace(broker=SimpleNamespace(answer_seconds=3.0))
    return Gauges(here.inbox, cast(Any, consumer), lambda: 7, lambda: answered(Check(name="broker", status="ok")))


async def test_everything_is_there_from_the_start_with_nothing_in_it(gauges: Gauges) -> None:
    await gauges.look()
    assert shown("iop_parked", **{"class": "bug"}) == 0
    assert shown("iop_escalations_open", tier="4") == 0
    assert shown("iop_lane_rows", lane="topic:iop.attendance.events") == 0
    assert shown("iop_deliveries_total", event="EpisodeAdmitted") is not None
    assert shown("iop_fetch_age_seconds") == 3.0
    assert shown("iop_submissions_waiting") == 7
    assert shown("iop_pool_waiting") == 0


async def test_who_waits_for_a_connection_is_counted_though_the_look_itself_waits(
    here: ServiceOnPostgres, gauges: Gauges
) -> None:
    async with AsyncExitStack() as held:
        for _ in range(POOL_MOST):
            await held.enter_async_context(here.pool.acquire())
        assert shown("iop_pool_waiting") == 0
        waiting = [asyncio.create_task(here.pool.fetchval("SELECT 1")) for _ in range(2)]
        waiting.append(asyncio.create_task(gauges.look()))
        await asyncio.sleep(0.05)
        assert shown("iop_pool_waiting") == 3
    await asyncio.gather(*waiting)
    assert shown("iop_pool_waiting") == 0


async def test_a_process_that_is_not_ready_says_so_and_how_it_is_though_its_database_is_away(
    here: ServiceOnPostgres, gauges: Gauges
) -> None:
    await gauges.look()
    assert shown("iop_ready") == 1
    gauges._ready = lambda: answered(Check(name="consumer", status="wrong"))
    gauges._consumer = cast(Any, SimpleNamespace(broker=SimpleNamespace(answer_seconds=60.0)))
    await here.pool.execute("ALTER TABLE parked RENAME TO away")
    with pytest.raises(PostgresError):
        await gauges.look()
    assert (shown("iop_ready"), shown("iop_fetch_age_seconds")) == (0, 60.0)


async def test_rows_that_wait_are_counted_and_aged_by_their_lane(here: ServiceOnPostgres, gauges: Gauges) -> None:
    row = "INSERT INTO outbox (lane, headers, body, stored_at) VALUES ('internal', '{}', '{}', now() - interval '90 s')"
    await here.pool.execute(row)
    await here.pool.execute(row)
    await gauges.look()
    assert shown("iop_lane_rows", lane="internal") == 2
    assert 89 < (shown("iop_lane_oldest_seconds", lane="internal") or 0) < 120
    await here.pool.execute("DELETE FROM outbox")
    await gauges.look()
    assert (shown("iop_lane_rows", lane="internal"), shown("iop_lane_oldest_seconds", lane="internal")) == (0, 0)


async def test_what_is_parked_is_counted_by_class_and_so_are_rows_of_lanes(
    here: ServiceOnPostgres, gauges: Gauges
) -> None:
    await here.pool.execute(
        """INSERT INTO parked (id, key, program, class, place, kind, event, headers, content, at)
        SELECT gen_random_uuid(), 'a', 'demo', class, '', 'consumed', '', '', '', $1::timestamptz - interval '1 h'
        FROM unnest('{bug,queued,queued}'::text[]) AS class""",
        here.running.clock.now(),
    )
    await here.pool.execute("INSERT INTO outbox (lane, headers, body, parked) VALUES ('topic:a', '{}', '{}', 'bug')")
    await gauges.look()
    assert [shown("iop_parked", **{"class": each}) for each in ("unreadable", "bug", "queued", "row")] == [0, 1, 2, 1]
    assert shown("iop_oldest_parked_seconds") == 3600


async def test_open_escalations_are_counted_by_tier_and_closed_ones_no_more(
    here: ServiceOnPostgres, gauges: Gauges
) -> None:
    def task(status: str, priority: str, business: str, system: str = "escalation") -> Any:
        coding = f'{{"coding":[{{"system":"{HUB}/CodeSystem/{system}","code":"attendance"}}]}}'
        overdue = f'{{"coding":[{{"code":"{business}"}}]}}'
        body = f'{{"priority":"{priority}","code":{coding},"businessStatus":{overdue}}}'
        return here.pool.execute(
            """INSERT INTO resources (type, id, program, patient, status, updated_at, body)
            VALUES ('Task', gen_random_uuid()::text, 'demo', 'a', $1, now(), $2)""",
            status,
            body,
        )

    await task("requested", "stat", "overdue")
    await task("accepted", "asap", "updated")
    await task("completed", "asap", "overdue")
    await task("requested", "stat", "", system="other")
    await gauges.look_at_open()
    assert [shown("iop_escalations_open", tier=str(tier)) for tier in (1, 2, 3, 4)] == [0, 0, 1, 1]
    assert shown("iop_escalations_overdue") == 1


async def test_after_a_look_at_open_escalations_it_rests_a_hundred_times_as_long(
    gauges: Gauges, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    monkeypatch.setattr("shared.path.inbound.gauges.ticks", iter([10.0, 10.5]).__next__)
    monkeypatch.setattr("shared.path.inbound.gauges.asyncio", SimpleNamespace(sleep=rest))
    await gauges._look_at_open_and_rest()
    assert rests == [50.0]


async def test_a_service_has_few_series_and_none_is_of_a_patient(here: ServiceOnPostgres, gauges: Gauges) -> None:
    await gauges.look()
    samples = [each for family in REGISTRY.collect() for each in family.samples]
    assert len(samples) < SERIES_MOST
    assert not [each for each in samples if here.patient in each.labels.values()]
