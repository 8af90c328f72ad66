"""What a process of attendance (`dying`) is asked until it has answered, as by a client that repeats what it sent."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime
from signal import SIGKILL
from typing import Any, Literal
from uuid import UUID

import msgspec

from services.attendance.messages import BookSession
from tests.service import ServiceOnPostgres

DEATHS_MOST = 200


class CallsOff(msgspec.Struct, frozen=True, tag=True):
    """The session of a group, by its Slot as FHIR."""

    number: int
    slot: dict[str, Any]


class ChecksIn(msgspec.Struct, frozen=True, tag=True):
    number: int
    patient: str
    session: str
    periods: tuple[tuple[datetime, datetime], ...]
    cause: UUID


class AsksForSeat(msgspec.Struct, frozen=True, tag=True):
    """Of one session of another group, for a miss."""

    number: int
    patient: str
    booking: BookSession
    cause: UUID


Asked = CallsOff | ChecksIn | AsksForSeat
Groups = Literal["one", "two"]
"""Of the program: the one whose session is called off; or two, and the members of the first make up in the other."""


async def until_one_lives(
    here: ServiceOnPostgres, asked: Sequence[Asked], seed: int, more: int, groups: Groups = "one"
) -> list[int]:
    """One process after another: each dies so many transactions later than the one before, until one has answered all
    that was left and emptied its lane. Of each death, how many rows waited in lane `internal`."""
    process, left = here.running.process, list(asked)
    waited: list[int] = []
    while len(waited) < DEATHS_MOST:
        dies_at = 1 + more * len(waited)
        arguments = (process.database_url, process.keys, process.clock_file, dies_at, seed, groups)
        one = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.attendance.dying", *map(str, arguments)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        written, _ = await one.communicate(msgspec.json.encode(left))
        left = [each for each in left if each.number not in map(int, written.split())]
        if one.returncode == 0:
            assert left == []
            return waited
        assert one.returncode == -SIGKILL
        waited.append(await here.count("outbox WHERE lane = 'internal'"))
    raise AssertionError("a process that never has done all")
