"""A decision may speak to another key of its service: in a transaction of its own, after this one, and never lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from shared.path.inbound.internal import InternalLane
from shared.path.inbound.redrive import RedriveResult, redrive
from tests.service import ServiceOnPostgres, StartService
from tests.shared.path.given import MONDAY_NOON
from tests.shared.path.seats import EVENING, GROUP, AskForSeat, Group, assemble

ANNA, BEN = str(uuid4()), str(uuid4())


@pytest.fixture
def group() -> Group:
    return Group(seats=1)


@pytest.fixture
async def here(start_service: StartService, group: Group) -> ServiceOnPostgres:
    return await start_service(lambda keys: assemble(keys, group), "attendance", MONDAY_NOON)


@asynccontextmanager
async def internal_lane(here: ServiceOnPostgres) -> AsyncIterator[None]:
    """The lane, until nothing is left of it."""
    task = asyncio.create_task(InternalLane(here.inbox, here.wake_up).run(here.dsn))
    try:
        yield
        await drained(here)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def drained(here: ServiceOnPostgres) -> None:
    for _ in range(1000):
        if not await here.count("outbox WHERE lane = 'internal'"):
            return
        await asyncio.sleep(0.01)
    pytest.fail("lane internal was not drained")


async def answers(here: ServiceOnPostgres) -> dict[str, str]:
    return dict(await here.select("SELECT key, body::jsonb ->> 'answer' FROM state WHERE kind = 'patient'"))


async def test_of_two_who_ask_for_the_last_seat_one_gets_it(here: ServiceOnPostgres) -> None:
    async with internal_lane(here):
        await asyncio.gather(*(here.command(each, AskForSeat(group=EVENING)) for each in (ANNA, BEN)))
    assert sorted((await answers(here)).values()) == ["SeatDenied", "SeatGiven"]
    assert await here.select("SELECT kind, key FROM state WHERE kind <> 'patient'") == [(GROUP, EVENING)]


async def test_killed_between_the_two_transactions_nothing_is_lost_and_nothing_counts_twice(
    here: ServiceOnPostgres,
) -> None:
    await here.command(ANNA, AskForSeat(group=EVENING))
    assert await here.count("outbox WHERE lane = 'internal'") == 1  # the process dies here
    async with internal_lane(here):
        pass
    assert await answers(here) == {ANNA: "SeatGiven"}
    assert await here.select("SELECT body::jsonb ->> 'taken' FROM state WHERE kind = 'group'") == [(f'["{ANNA}"]',)]


async def test_each_decision_is_journalled_under_its_own_key_and_leads_back_to_its_cause(
    here: ServiceOnPostgres,
) -> None:
    async with internal_lane(here):
        await here.command(ANNA, AskForSeat(group=EVENING))
    rows = await here.select("SELECT kind, key, delivery, event, cause, emitted FROM journal ORDER BY sequence")
    assert [row[:4] for row in rows] == [
        ("patient", ANNA, "commanded", "AskForSeat"),
        (GROUP, EVENING, "internal", "SeatAsked"),
        ("patient", ANNA, "internal", "SeatGiven"),
    ]
    assert [row[5] for row in rows[:2]] == [[row[4]] for row in rows[1:]]


async def test_a_group_that_fails_is_held_alone_and_operations_hear_of_no_patient(
    here: ServiceOnPostgres, group: Group
) -> None:
    group.closed = True
    async with internal_lane(here):
        await here.command(ANNA, AskForSeat(group=EVENING))
    assert await here.select("SELECT key_kind, key, class FROM parked") == [(GROUP, EVENING, "bug")]
    assert await here.emitted() == ["DeliveryParked"]
    assert await here.count("resources WHERE type = 'Task'") == 0

    group.closed = False
    async with internal_lane(here):
        assert await redrive(here.inbox, EVENING, "demo", dry_run=False, kind=GROUP) == RedriveResult(1, 0)
    assert await answers(here) == {ANNA: "SeatGiven"}


async def test_an_internal_event_that_cannot_be_read_is_parked_and_the_others_go_on(here: ServiceOnPostgres) -> None:
    """As after a release was taken back that knew one event more."""
    await here.command(ANNA, AskForSeat(group=EVENING))
    await here.pool.execute("UPDATE outbox SET body = replace(body, 'SeatAsked', 'SeatWished'), key = 'another'")
    async with internal_lane(here):
        await here.command(BEN, AskForSeat(group=EVENING))
        await until_answered(here, BEN)
        assert await here.select("SELECT parked LIKE 'unreadable: %' FROM outbox WHERE lane = 'internal'") == [(True,)]
        assert await here.emitted() == ["DeliveryParked"]
        await here.pool.execute("UPDATE outbox SET body = replace(body, 'SeatWished', 'SeatAsked')")
        assert (await redrive(here.inbox, "another", "demo", dry_run=False)).sent_again == 1
    assert await answers(here) == {ANNA: "SeatGiven", BEN: "SeatGiven"}


async def until_answered(here: ServiceOnPostgres, patient: str) -> None:
    for _ in range(1000):
        if (await answers(here)).get(patient):
            return
        await asyncio.sleep(0.01)
    pytest.fail("nobody answered")
