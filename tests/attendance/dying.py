"""Attendance as a process of its own, which kills itself: DATABASE KEYS CLOCK DIES_AT SEED GROUPS, and in its input as
JSON what it is asked. Some milliseconds after its transaction of that number has begun it is dead, as by kill -9; what
it had answered stands in its output, a number a line."""

import asyncio
import os
import sys
from pathlib import Path
from random import Random
from signal import SIGKILL
from typing import Any

import msgspec

from services.attendance.messages import CheckIn
from shared.events.envelope import name_id
from shared.path.inbound import internal
from shared.path.transaction.inbox import Inbox
from tests.attendance.asked_of_a_process import Asked, AsksForSeat, CallsOff, ChecksIn
from tests.attendance.test_guests_of_a_session import with_two_groups
from tests.attendance.test_last_seats_of_a_group import with_group
from tests.service import ServiceOnPostgres, internal_lane, process_on, running

ROWS_AT_ONCE = 1
"""The lane takes so many in one transaction: a death falls between two members."""
MILLISECONDS_MOST = 15
ASSEMBLIES = {"one": with_group, "two": with_two_groups}


def dies(at: int, chance: Random) -> None:
    """Before that transaction, within it, or once it is committed and nobody knows."""
    transaction, begun = Inbox._transaction, 0

    async def counted(self: Inbox, *arguments: Any) -> Any:
        nonlocal begun
        begun += 1
        if begun == at:
            seconds = chance.uniform(0, MILLISECONDS_MOST) / 1000
            asyncio.get_running_loop().call_later(seconds, os.kill, os.getpid(), SIGKILL)
        return await transaction(self, *arguments)

    setattr(Inbox, "_transaction", counted)  # noqa: B010


async def live(dsn: str, keys: str, clock: str, at: str, seed: str, groups: str) -> None:
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Asked])
    internal.BATCH_MOST = ROWS_AT_ONCE
    dies(int(at), Random(f"{seed} {at}"))
    process = process_on(dsn, Path(keys), Path(clock))
    async with running(process, ASSEMBLIES[groups], "attendance") as here, internal_lane(here):
        await asyncio.gather(*(answered(here, each) for each in asked))


async def answered(here: ServiceOnPostgres, asked: Asked) -> None:
    match asked:
        case CallsOff(slot=slot):
            await here.put(slot)
        case ChecksIn(patient=patient, session=session, periods=periods, cause=cause):
            own = CheckIn(session_ids=(session,), encounter_id=name_id(patient, "encounter"), periods=periods)
            await here.command(patient, own, cause=cause)
        case AsksForSeat(patient=patient, booking=booking, cause=cause):
            await here.command(patient, booking, cause=cause)
    print(asked.number, flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(live(*sys.argv[1:]))
