"""A decision may ask what no state holds: its lane answers, and the answer is an event that a decision is given."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar
from uuid import uuid4

import msgspec
import pytest

from services.attendance.settings import Settings
from shared.edge.contract import Edge, Interpretation
from shared.events.envelope import Command, Event
from shared.events.internal import Lookup, StateEvent, TimePassed
from shared.path.inbound.lookups import LookupLane
from shared.path.inbound.redrive import redrive
from shared.path.service import PATIENT, Decider, Service
from shared.path.transaction.replaying import Asked, replay
from shared.platform.keys import Keys
from shared.platform.settings import load
from shared.process import ServiceAssembly
from shared.rules.decision import Moment
from tests.service import ServiceOnPostgres, StartService, internal_lane
from tests.shared.path.given import MONDAY_NOON

ANNA, BEN = str(uuid4()), str(uuid4())


class WantRoom(Command, frozen=True, kw_only=True, tag=True):
    chairs: int


class RoomLookedFor(Lookup, frozen=True, kw_only=True, tag=True):
    lane: ClassVar[str] = "lookup:rooms"
    chairs: int


class RoomFound(Event, frozen=True, kw_only=True, tag=True):
    room: str


class RoomTaken(StateEvent, frozen=True, kw_only=True, tag=True):
    room: str


class Guest(msgspec.Struct, frozen=True):
    room: str = ""
    asked: int = 0


@dataclass
class House:
    """Its rooms change at any time; `fails` raises what it holds."""

    rooms: dict[int, str] = field(default_factory=lambda: {12: "the library"})
    fails: Exception | None = None
    asked: list[int] = field(default_factory=list)
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def room(self, program: str, question: RoomLookedFor) -> RoomFound:
        self.asked.append(question.chairs)
        self.was_asked.set()
        if self.fails is not None:
            raise self.fails
        return RoomFound(room=self.rooms[question.chairs])


def want(state: Guest, command: WantRoom, moment: Moment[Settings]) -> list[Event]:
    return [RoomLookedFor(chairs=command.chairs)]


def react(state: Guest, event: Event, moment: Moment[Settings]) -> list[Event]:
    return [RoomTaken(room=event.room)] if isinstance(event, RoomFound) else []


def evolve(state: Guest, event: Event | Command) -> Guest:
    match event:
        case RoomLookedFor():
            return Guest(state.room, state.asked + 1)
        case RoomTaken(room=room):
            return Guest(room, state.asked)
        case _:
            return state


def never(state: object) -> datetime | None:
    return None


def assemble(keys: Keys, house: House) -> ServiceAssembly:
    service = Service(
        name="attendance",
        deciders={PATIENT: Decider(Guest, 1, react=react, decide=want, evolve=evolve, due=never)},
        commands=WantRoom,
        internal=RoomLookedFor | RoomFound | RoomTaken | TimePassed,
        keys=keys,
        lookups={RoomLookedFor: house.room},
    )
    edge = Edge(takes={}, interpret=lambda entries, context: Interpretation(()))
    return ServiceAssembly(service, edge, lambda process: load(process.deploy, "attendance", Settings))


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
async def here(start_service: StartService, house: House) -> ServiceOnPostgres:
    return await start_service(lambda keys: assemble(keys, house), "attendance", MONDAY_NOON)


@asynccontextmanager
async def lane(here: ServiceOnPostgres, copies: int = 1) -> AsyncIterator[None]:
    """The lane, until nothing of it waits that could be answered; then what it answered is decided."""
    lanes = [
        asyncio.create_task(LookupLane(RoomLookedFor, here.inbox, here.wake_up).run(here.dsn)) for _ in range(copies)
    ]
    try:
        async with internal_lane(here):
            yield
            for _ in range(1000):
                if not await here.count("outbox WHERE lane = 'lookup:rooms' AND parked IS NULL"):
                    break
                await asyncio.sleep(0.01)
            else:
                pytest.fail("the lane was not drained")
    finally:
        for each in lanes:
            each.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)


async def rooms(here: ServiceOnPostgres) -> dict[str, str]:
    return dict(await here.select("SELECT key, body::jsonb ->> 'room' FROM state WHERE kind = 'patient'"))


async def test_what_was_asked_is_answered_and_decided(here: ServiceOnPostgres) -> None:
    async with lane(here):
        await here.command(ANNA, WantRoom(chairs=12))
    assert await rooms(here) == {ANNA: "the library"}
    assert await here.count("outbox") == 0


async def test_a_question_is_on_no_topic_and_no_internal_event_until_it_is_answered(here: ServiceOnPostgres) -> None:
    await here.command(ANNA, WantRoom(chairs=12))
    assert await here.select("SELECT lane, key FROM outbox") == [("lookup:rooms", ANNA)]


async def test_two_holders_of_the_lane_answer_once(here: ServiceOnPostgres, house: House) -> None:
    await here.command(ANNA, WantRoom(chairs=12))
    (row,) = await here.pool.fetch("SELECT id, program, key, headers, body FROM outbox")
    one, other = (LookupLane(RoomLookedFor, here.inbox, here.wake_up) for _ in range(2))
    async with here.pool.acquire() as connection:
        await one._look_up(connection, row)
        await other._look_up(connection, row)
    assert await here.select("SELECT lane FROM outbox") == [("internal",)]


async def test_what_was_found_is_decided_the_same_again_whatever_would_be_found_now(
    here: ServiceOnPostgres, house: House
) -> None:
    async with lane(here):
        await here.command(ANNA, WantRoom(chairs=12))
    house.rooms = {12: "the cellar"}
    async with here.pool.acquire() as connection, connection.transaction():
        replayed = await replay(connection, here.inbox.service, here.inbox.settings, Asked())
    assert (replayed.decisions, replayed.differences, replayed.left_out) == (2, [], {})
    assert len(house.asked) == 1


async def test_a_question_that_fails_by_a_bug_is_parked_and_everybody_else_is_answered(
    here: ServiceOnPostgres, house: House
) -> None:
    async with lane(here):
        await here.command(ANNA, WantRoom(chairs=1))
        await here.command(BEN, WantRoom(chairs=12))
    assert await rooms(here) == {ANNA: "", BEN: "the library"}
    assert await here.emitted_to("iop.operations") == ["DeliveryParked"]
    house.rooms[1] = "the attic"
    await redrive(here.inbox, ANNA, "demo", dry_run=False)
    async with lane(here):
        pass
    assert (await rooms(here))[ANNA] == "the attic"


async def test_a_question_of_another_release_is_parked_unreadable(here: ServiceOnPostgres) -> None:
    await here.command(ANNA, WantRoom(chairs=12))
    await here.pool.execute("""UPDATE outbox SET body = '{"type": "RoomPainted"}'""")
    async with lane(here):
        pass
    (why,) = await here.select("SELECT parked FROM outbox WHERE lane = 'lookup:rooms'")
    assert why[0].startswith("unreadable: ")


async def test_in_trouble_the_question_waits_and_is_not_parked(here: ServiceOnPostgres, house: House) -> None:
    house.fails = ConnectionResetError()
    async with lane(here):
        await here.command(ANNA, WantRoom(chairs=12))
        await asyncio.wait_for(house.was_asked.wait(), 20)
        house.fails = None
    assert await rooms(here) == {ANNA: "the library"}
    assert await here.emitted_to("iop.operations") == []
