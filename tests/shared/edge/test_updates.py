"""The same update again is the same: nothing is decided, and the answer is the one that the first one got."""

import asyncio

import pytest

from shared.path.inbound.redrive import Quarantine, redrive
from tests.service import Json, ServiceOnPostgres, StartService, consumed, unreadable
from tests.shared.path.given import MONDAY_NOON, admission, attendance_with


@pytest.fixture
async def attendance(start_service: StartService) -> ServiceOnPostgres:
    return await start_service(attendance_with(), "attendance", MONDAY_NOON)


async def session(here: ServiceOnPostgres) -> Json:
    """The first session of an admitted patient."""
    await here.deliver(consumed(admission(here.patient), here.patient))
    return sorted(await here.found("Appointment"), key=lambda each: str(each["start"]))[0]


def excused(appointment: Json, text: str = "ill") -> Json:
    return {**appointment, "status": "cancelled", "cancelationReason": {"text": text}}


async def test_an_update_again_decides_nothing(attendance: ServiceOnPostgres) -> None:
    await attendance.put_thrice(excused(await session(attendance)))
    assert await attendance.count("journal WHERE outcome = 'decided'") == 2


async def test_a_resource_put_as_it_stands_decides_nothing(attendance: ServiceOnPostgres) -> None:
    appointment = await session(attendance)
    emitted = await attendance.emitted()
    (answered,) = (await attendance.put(appointment)).answered
    assert (answered.status, answered.version) == ("200 OK", appointment["meta"]["versionId"])
    assert await attendance.emitted() == emitted


async def test_what_was_put_before_the_last_one_is_decided_again(attendance: ServiceOnPostgres) -> None:
    appointment = await session(attendance)
    for text in ("ill", "away", "ill"):
        await attendance.put(excused(appointment, text))
    assert await attendance.count("journal WHERE outcome = 'decided'") == 4


async def test_the_same_at_the_same_moment_is_decided_once(attendance: ServiceOnPostgres) -> None:
    changed = excused(await session(attendance))
    first, *others = await asyncio.gather(*(attendance.put(changed) for _ in range(8)))
    assert all(each == first for each in others)
    assert await attendance.count("journal WHERE outcome = 'decided'") == 2


async def test_two_processes_that_get_the_same_at_the_same_moment_decide_it_once(start_service: StartService) -> None:
    one, other = [await start_service(attendance_with(), "attendance", MONDAY_NOON) for _ in range(2)]
    changed = excused(await session(one))
    async with one.pool.acquire() as connection:
        async with connection.transaction():
            await connection.fetch("SELECT FROM state WHERE key = $1 FOR UPDATE", one.patient)
            both = [asyncio.create_task(each.put(changed)) for each in (one, other)]
            await both_wait(one)
        first, second = await asyncio.gather(*both)
    assert second == first
    assert await one.count("journal WHERE outcome = 'decided'") == 2


async def both_wait(here: ServiceOnPostgres) -> None:
    """Each of two transactions has begun and waits: neither has seen what the other one is about to store."""
    waiting = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    for _ in range(1000):
        if await here.count(waiting) == 2:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("two that never wait")


async def test_an_update_whose_patient_is_held_waits_once_and_is_decided_once(attendance: ServiceOnPostgres) -> None:
    changed = excused(await session(attendance))
    await attendance.deliver(unreadable(admission(attendance.patient), attendance.patient))
    await attendance.put_thrice(changed)
    assert (await attendance.put(changed)).incomplete
    assert await attendance.count("parked") == 2
    ((unread,),) = await attendance.select("SELECT id FROM parked WHERE class = 'unreadable'")
    taken_out = Quarantine(unread, "ops")
    await redrive(attendance.inbox, attendance.patient, "demo", dry_run=False, quarantine=taken_out)
    await attendance.put_thrice(changed)
    assert not (await attendance.put(changed)).incomplete
    assert await attendance.count("journal WHERE outcome = 'decided'") == 2
