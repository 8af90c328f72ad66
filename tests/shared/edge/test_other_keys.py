"""A command about a key that is no patient, and what such a key lists: as all that is decided and read, of nobody."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from services.attendance.settings import Settings
from shared.edge.contract import Context, Edge, Interpretation, OtherKey
from shared.edge.fhir import BundleEntry, ResourceSupport
from shared.edge.outcome import HttpRefusal
from shared.edge.resolving import Submission
from shared.edge.search import PARAMETERS
from shared.events.envelope import Command, Event, Resource, name_id
from shared.events.internal import Listed, TimePassed, To
from shared.path.inbound.redrive import RedriveResult, redrive
from shared.path.service import PATIENT, Decider, Service
from shared.path.transaction.delivery import Internal
from shared.path.transaction.replaying import Asked, replay
from shared.platform.keys import Keys
from shared.platform.settings import load
from shared.process import ServiceAssembly
from shared.rules.decision import Moment, Refused
from tests.service import ServiceOnPostgres, StartService, caller
from tests.shared.path.given import MONDAY_NOON

Json = dict[str, Any]
ROOM, KEY = "room", "demo/blue"
SLOT = name_id(uuid4(), "slot")
ANNA, BEN = str(uuid4()), str(uuid4())


class RoomOpened(Event, frozen=True, kw_only=True, tag=True):
    members: tuple[str, ...] = ()


class SetStatus(Command, frozen=True, kw_only=True, tag=True):
    slot: str
    status: str


class SlotShown(Listed, frozen=True, kw_only=True):
    slot: str
    status: str
    members: tuple[str, ...] = ()

    def write(self, patient: str) -> list[Resource]:
        assert patient == KEY
        group: Resource = {"resourceType": "Group", "id": self.slot, "type": "person", "actual": True}
        group["member"] = [{"entity": {"reference": f"Patient/{each}"}} for each in self.members]
        slot: Resource = {"resourceType": "Slot", "id": self.slot, "status": self.status}
        slot |= {"schedule": {"identifier": {"value": "blue"}}, "start": MONDAY_NOON, "end": MONDAY_NOON}
        return [slot, group] if self.members else [slot]


class Room(msgspec.Struct, frozen=True):
    status: str = ""


class Nobody(msgspec.Struct, frozen=True):
    pass


class Broken:
    """Whether the room's decisions fail by a bug."""

    now = False


def opened(state: Room, event: RoomOpened, moment: Moment[Settings]) -> list[Event | To]:
    return [SlotShown(slot=SLOT, status="free", members=event.members)]


def set_status(state: Room, command: SetStatus, moment: Moment[Settings]) -> list[Event | To] | Refused:
    if Broken.now:
        raise ZeroDivisionError
    if command.status == "entered-in-error":
        return Refused("business-rule", "A slot of a room is never taken back.", "Slot.status")
    return [SlotShown(slot=command.slot, status=command.status)]


def remember(state: Room, event: Event | Command) -> Room:
    return Room(event.status) if isinstance(event, SlotShown) else state


def nothing(*_: object) -> list[Event | To]:
    return []


def never(_: object) -> datetime | None:
    return None


def interpret(entries: Any, context: Context) -> Interpretation:
    return Interpretation(tuple(SetStatus(slot=str(each.id), status=each.resource["status"]) for each in entries))


def room_of(program: str, body: Any) -> str:
    return f"{program}/{body['schedule']['identifier']['value']}"


def assemble(keys: Keys) -> ServiceAssembly:
    service = Service(
        name="attendance",
        deciders={
            PATIENT: Decider(Nobody, 1, react=nothing, decide=nothing, evolve=lambda state, _: state, due=never),
            ROOM: Decider(Room, 1, react=opened, decide=set_status, evolve=remember, due=never),
        },
        commands=SetStatus,
        internal=RoomOpened | TimePassed,
        keys=keys,
    )
    both: Any = ("read", "search-type", "update")
    takes = {each: ResourceSupport(both, PARAMETERS) for each in ("Slot", "Group", "Encounter")}
    edge = Edge(takes, interpret, others={"Slot": OtherKey(ROOM, room_of)})
    return ServiceAssembly(service, edge, lambda process: load(process.deploy, "attendance", Settings))


@pytest.fixture
async def here(start_service: StartService) -> AsyncIterator[ServiceOnPostgres]:
    started = await start_service(assemble, "attendance", MONDAY_NOON)
    opening = Internal(
        id=uuid4(),
        key=KEY,
        kind=ROOM,
        program="demo",
        at=MONDAY_NOON,
        producer="attendance",
        correlation_id=uuid4(),
        event=RoomOpened(members=(ANNA, BEN)),
    )
    await started.inbox.receive([opening], ROOM)
    yield started
    Broken.now = False


def slot(status: str, identity: str = SLOT) -> Json:
    schedule = {"identifier": {"value": "green"}}  # what a client writes there changes nobody's key
    times = {"start": "2026-01-05T17:00:00Z", "end": "2026-01-05T18:00:00Z"}
    return {"resourceType": "Slot", "id": identity, "status": status, "schedule": schedule, **times}


def entry(resource: Json, if_match: str | None = None) -> BundleEntry:
    kind = resource["resourceType"]
    return BundleEntry("PUT", kind, SLOT, resource, None, if_match, None, kind)


async def refused(here: ServiceOnPostgres, resource: Json) -> int:
    with pytest.raises(HttpRefusal) as found:
        await here.put(resource)
    return found.value.status


async def status(here: ServiceOnPostgres) -> str:
    (found,) = await here.found("Slot")
    return str(found["status"])


async def test_a_resource_of_no_patient_is_read_in_its_program_and_published_nowhere(here: ServiceOnPostgres) -> None:
    assert await status(here) == "free"
    assert await here.select("SELECT DISTINCT patient FROM resources") == [("",)]
    assert await here.count("outbox") == 0
    stranger = replace(caller("ehr"), program="other")
    with pytest.raises(HttpRefusal) as found:
        await here.reader.read("Slot", SLOT, stranger)
    assert found.value.status == 404


async def test_who_reads_a_group_is_accounted_for_of_each_of_its_members(here: ServiceOnPostgres) -> None:
    await here.found("Group")
    await here.reader.read("Group", SLOT, caller("ehr"))
    await here.running.reads.write()
    rows = await here.select("SELECT patient, interaction FROM reads")
    assert sorted(rows) == sorted((who, how) for who in (ANNA, BEN) for how in ("read", "search-type"))


async def test_who_reads_what_names_nobody_is_accounted_for_of_nobody(here: ServiceOnPostgres) -> None:
    await status(here)
    await here.running.reads.write()
    assert await here.count("reads") == 0


async def test_an_update_is_decided_by_the_key_that_the_stored_resource_names(here: ServiceOnPostgres) -> None:
    done = await here.put(slot("busy-unavailable"))
    assert done.answered[0].version == "2"
    assert await status(here) == "busy-unavailable"
    assert await here.select("SELECT kind, key, delivery, event FROM journal ORDER BY sequence") == [
        (ROOM, KEY, "internal", "RoomOpened"),
        (ROOM, KEY, "commanded", "SetStatus"),
    ]
    assert await here.count("state WHERE kind = 'patient'") == 0


async def test_the_same_update_again_decides_nothing_and_gets_the_same_answer(here: ServiceOnPostgres) -> None:
    first = await here.put(slot("busy"))
    assert await here.put(slot("busy")) == first
    assert await here.count("journal WHERE event = 'SetStatus'") == 1


async def test_an_update_at_a_version_that_stands_no_more_is_refused(here: ServiceOnPostgres) -> None:
    with pytest.raises(HttpRefusal) as found:
        await submit(here, entry(slot("busy"), if_match="9"))
    assert found.value.status == 412
    await submit(here, entry(slot("busy"), if_match="1"))
    assert await status(here) == "busy"


async def submit(here: ServiceOnPostgres, *entries: BundleEntry, program: str = "demo") -> Any:
    who = replace(caller("ehr"), program=program)
    return await here.running.submissions.submit(Submission("transaction", entries, uuid4(), False, "digest"), who)


async def test_what_is_refused_changes_nothing(here: ServiceOnPostgres) -> None:
    assert await refused(here, slot("entered-in-error")) == 422
    assert await status(here) == "free"


async def test_what_nobody_listed_is_not_there_to_be_updated(here: ServiceOnPostgres) -> None:
    assert await refused(here, slot("busy", str(uuid4()))) == 404


async def test_of_another_program_it_is_not_there(here: ServiceOnPostgres) -> None:
    with pytest.raises(HttpRefusal) as found:
        await submit(here, entry(slot("busy")), program="other")
    assert found.value.status == 404


async def test_with_something_of_a_patient_beside_it_a_transaction_is_refused_as_a_whole(
    here: ServiceOnPostgres,
) -> None:
    await here.pool.execute(
        "INSERT INTO resources (type, id, program, patient, status, at, updated_at, sealed, body)"
        " SELECT 'Encounter', id, program, $1, status, at, updated_at, sealed, body FROM resources WHERE type = 'Slot'",
        ANNA,
    )
    with pytest.raises(HttpRefusal) as found:
        await submit(here, entry(slot("busy")), entry({"resourceType": "Encounter", "id": SLOT}))
    (issue,) = found.value.issues
    assert (found.value.status, issue.code) == (422, "business-rule")
    assert await status(here) == "free"


async def test_a_key_that_fails_is_held_alone_and_decided_again(here: ServiceOnPostgres) -> None:
    Broken.now = True
    assert (await here.put(slot("busy-unavailable"))).incomplete
    assert await here.select("SELECT key_kind, key, class FROM parked") == [(ROOM, KEY, "bug")]
    assert await here.emitted() == ["DeliveryParked"]
    Broken.now = False
    assert await redrive(here.inbox, KEY, "demo", dry_run=False, kind=ROOM) == RedriveResult(1, 0)
    assert await status(here) == "busy-unavailable"


async def test_many_at_once_are_decided_one_after_another(here: ServiceOnPostgres) -> None:
    statuses = [("busy", "free", "busy-unavailable")[each % 3] for each in range(9)]
    await asyncio.gather(*(here.put(slot(each)) for each in statuses))
    assert await here.count("parked") == 0
    (version,) = (await here.select("SELECT version FROM resources WHERE type = 'Slot'"))[0]
    assert version == 1 + await here.count("journal WHERE event = 'SetStatus'")


async def test_its_decisions_are_made_again(here: ServiceOnPostgres) -> None:
    await here.put(slot("busy"))
    async with here.pool.acquire() as connection, connection.transaction():
        again = await replay(connection, here.parts.service, here.inbox.settings, Asked())
    assert (again.differences, again.left_out) == ([], {})


async def test_what_is_listed_is_no_event_that_the_journal_says_was_emitted(here: ServiceOnPostgres) -> None:
    """It is on no topic: whoever compares the journal with the topics would hold it for lost."""
    assert await here.select("SELECT cardinality(emitted) FROM journal") == [(0,)]
    assert await here.count("resources WHERE type = 'Slot'") == 1
