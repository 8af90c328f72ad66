"""Two hundred patients are admitted at once where a group has fourteen seats, over the inbox on a real PostgreSQL."""

import asyncio
from collections import Counter
from dataclasses import replace
from uuid import NAMESPACE_URL, uuid5

import msgspec
import pytest

from services.attendance import app
from services.attendance.groups.groups import WAITING_MOST, Group
from services.attendance.groups.plan import GROUP
from services.attendance.state import State
from shared.path.inbound.internal import InternalLane
from shared.path.transaction.replaying import Asked, replay
from shared.platform.keys import Keys
from shared.process import ServiceAssembly
from tests.attendance.given import ADMISSION, admitted, discharged
from tests.attendance.grouping_story import EVENING_A, plan
from tests.service import ServiceOnPostgres, StartService, consumed, internal_lane

SEATS = 14
AT_ONCE = asyncio.Semaphore(32)
"""Connections; PostgreSQL has a hundred."""
PATIENTS = [str(uuid5(NAMESPACE_URL, f"group-asker-{number}")) for number in range(200)]


def with_group(keys: Keys) -> ServiceAssembly:
    """Attendance as its app composes it, with one group of so many seats."""
    parts = app.assemble(keys)
    return replace(
        parts,
        settings=lambda process: {
            program: msgspec.structs.replace(each, groups={EVENING_A: plan(seats=SEATS)})
            for program, each in parts.settings(process).items()
        },
    )


@pytest.fixture
async def attendance(start_service: StartService) -> ServiceOnPostgres:
    return await start_service(with_group, "attendance", ADMISSION)


async def admits(here: ServiceOnPostgres, patient: str) -> None:
    async with AT_ONCE:
        await here.deliver(consumed(admitted("evening", episode=stay_id(patient)), patient, at=ADMISSION))


def stay_id(patient: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"stay of {patient}"))


async def states(here: ServiceOnPostgres) -> dict[str, State]:
    rows = await here.select("SELECT key, body FROM state WHERE kind = 'patient'")
    return {key: msgspec.json.decode(body, type=State) for key, body in rows}


async def group(here: ServiceOnPostgres) -> Group:
    ((key, body),) = await here.select(f"SELECT key, body FROM state WHERE kind = '{GROUP}'")
    assert key == f"demo/{EVENING_A}"
    return msgspec.json.decode(body, type=Group)


async def members_agree(here: ServiceOnPostgres) -> None:
    """What the group has of its members is what each of them remembers, and every other one waits, or asks again."""
    found, here_now = await states(here), await group(here)
    seated = {key for key, each in found.items() if each.seat is not None and each.seat.group == EVENING_A}
    assert {each.patient_id for each in here_now.members} == seated
    answers = Counter(one.answer for each in found.values() if each.seat is not None for one in each.seat.asks)
    assert answers == {"waits": len(here_now.line), "refused": len(found) - len(here_now.line) - len(seated)}
    assert list(here_now.line) == sorted(here_now.line, key=lambda each: each.turn)
    assert await here.count("parked") == 0


@pytest.mark.parametrize("run", range(4))
async def test_of_two_hundred_who_ask_at_once_fourteen_have_a_seat_and_the_others_wait(
    attendance: ServiceOnPostgres, run: int
) -> None:
    order = PATIENTS[run * 50 :] + PATIENTS[: run * 50]
    async with internal_lane(attendance):
        await asyncio.gather(*(admits(attendance, each) for each in order))
    here = await group(attendance)
    assert (len(here.members), len(here.line)) == (SEATS, WAITING_MOST)
    await members_agree(attendance)


async def test_a_process_that_dies_between_asking_and_the_answer_loses_nobody(attendance: ServiceOnPostgres) -> None:
    async with asyncio.timeout(120):
        for number in range(0, 60, 20):
            lane = asyncio.create_task(InternalLane(attendance.inbox, attendance.wake_up).run(attendance.dsn))
            asking = asyncio.gather(*(admits(attendance, each) for each in PATIENTS[number : number + 20]))
            await asyncio.sleep(0.15)
            lane.cancel()  # the process dies here, whatever it is at
            await asyncio.gather(lane, return_exceptions=True)
            await asking
    async with internal_lane(attendance):
        pass
    here = await group(attendance)
    assert (len(here.members), len(here.line)) == (SEATS, WAITING_MOST)
    await members_agree(attendance)


async def test_a_seat_that_is_freed_while_others_ask_is_given_once(attendance: ServiceOnPostgres) -> None:
    async with internal_lane(attendance):
        for each in PATIENTS[:SEATS]:
            await admits(attendance, each)
    stays = [stay_id(each) for each in PATIENTS[:3]]
    leaving = [
        attendance.deliver(consumed(discharged(ADMISSION, episode=stay), patient, at=ADMISSION))
        for patient, stay in zip(PATIENTS, stays, strict=False)
    ]
    async with internal_lane(attendance):
        await asyncio.gather(*leaving, *(admits(attendance, each) for each in PATIENTS[SEATS : SEATS + 10]))
    found = await states(attendance)
    here = await group(attendance)
    assert (len(here.members), len(here.line)) == (SEATS, 7)
    assert {each.patient_id for each in here.members} == {
        key for key, each in found.items() if each.seat is not None and each.seat.group
    }


async def test_the_decisions_of_groups_are_made_again_like_those_of_patients(attendance: ServiceOnPostgres) -> None:
    async with internal_lane(attendance):
        for each in PATIENTS[:16]:
            await admits(attendance, each)
    async with attendance.pool.acquire() as connection, connection.transaction():
        again = await replay(connection, attendance.parts.service, attendance.inbox.settings, Asked())
    assert (again.differences, again.left_out) == ([], {})
    assert (again.keys, again.others) == (17, {GROUP: 1})
