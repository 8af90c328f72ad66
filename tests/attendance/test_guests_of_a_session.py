"""Fourteen who missed a session ask at once for the three seats of another group's, over HTTP on a real PostgreSQL."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import msgspec
import pytest

from services.attendance import app
from services.attendance.groups.groups import Group
from services.attendance.groups.plan import group_key
from services.attendance.messages import ChooseGroup, PatientIdentified
from shared.edge.app import build
from shared.edge.clients import TokenVerifier
from shared.edge.http import EdgeDependencies
from shared.events import codes
from shared.events.listed import schedule_id
from shared.path.inbound.deadlines import run_due
from shared.path.inbound.internal import InternalLane
from shared.path.transaction.replaying import Asked, replay
from shared.platform.clients import registered
from shared.platform.keys import Identifier, Keys
from shared.process import ServiceAssembly
from tests.attendance.decide.test_guests import MISSED, TUESDAY, TUESDAYS, TWO_EVENINGS
from tests.attendance.given import ADMISSION, GRACE
from tests.attendance.grouping_story import EVENING_A, plan
from tests.attendance.test_last_seats_of_a_group import PATIENTS, SEATS, admits, states, stay_id
from tests.attendance.test_slots import MEMBERS, Clinic, Json, _ready
from tests.service import DEPLOY, ServiceOnPostgres, StartService, consumed, internal_lane
from tests.shared.edge.conftest import AUDIENCE, Issuer
from tests.shared.edge.conftest import issuer as issuer

FREE = 3
MINUTE = timedelta(minutes=1)
LEE = PATIENTS[0]
"""A member of the group in which others are guests."""


def with_two_groups(keys: Keys) -> ServiceAssembly:
    """One that is full of members, and one with a single member and so many free seats."""
    plans = {EVENING_A: plan(seats=SEATS), TUESDAYS: plan(seats=FREE + 1, time="day", meetings=TWO_EVENINGS)}
    parts = app.assemble(keys)
    return replace(
        parts,
        settings=lambda process: {
            program: msgspec.structs.replace(each, groups=plans) for program, each in parts.settings(process).items()
        },
    )


@pytest.fixture
async def clinic(start_service: StartService, issuer: Issuer) -> AsyncIterator[Clinic]:
    """On the second Monday, which all fourteen have missed; the feed spoke that day."""
    here = await start_service(with_two_groups, "attendance", ADMISSION)
    async with internal_lane(here):
        for each in (*MEMBERS, LEE):
            digests = here.keys.digests("demo", [Identifier("urn:mrn", each)])
            identified = PatientIdentified(digests=digests, sealed=(), identified_at=ADMISSION)
            await here.deliver(consumed(identified, each, at=ADMISSION))
            await admits(here, each)
        await here.command(LEE, ChooseGroup(episode_id=stay_id(LEE), group=TUESDAYS, by="primary-therapist-1"))
    verifier = TokenVerifier(issuer.url, AUDIENCE, registered(DEPLOY), service="attendance")
    dependencies = EdgeDependencies(
        here.running.submissions, verifier, here.reader, here.inbox, issuer.url, ready=_ready
    )
    transport = httpx.ASGITransport(build(dependencies))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        found = Clinic(here, http, issuer)
        here.set_clock(MISSED + MINUTE)
        await found.check_in(MEMBERS[-1], MISSED)
        here.set_clock(MISSED + GRACE + MINUTE)
        async with internal_lane(here):
            while await run_due(here.inbox):
                pass
        yield found


ASKERS = MEMBERS[:-1]


async def booked(clinic: Clinic, patient: str, slot: str = "") -> httpx.Response:
    """What a client sends that makes a miss up in this Slot; without one it names none."""
    missed, _ = await clinic.session(patient, MISSED)
    appointment: Json = {
        "resourceType": "Appointment",
        "status": "booked",
        "serviceType": [{"coding": [{"system": codes.SESSION, "code": "group"}]}],
        "start": TUESDAY.isoformat(),
        "end": (TUESDAY + timedelta(hours=3)).isoformat(),
        "participant": [
            {"actor": {"identifier": {"system": "urn:mrn", "value": patient}, "type": "Patient"}, "status": "accepted"}
        ],
        "supportingInformation": [{"reference": f"Appointment/{missed}"}],
        "slot": [{"reference": f"Slot/{slot}"}],
    }
    return await clinic.ask("POST", "Appointment", content=json.dumps(appointment))


async def slot(clinic: Clinic) -> Json:
    """The one of that Tuesday."""
    params = {"schedule": f"Schedule/{schedule_id('demo', TUESDAYS)}", "start": TUESDAY.isoformat()}
    found = (await clinic.ask("GET", "Slot", params=params)).json()
    (entry,) = found["entry"]
    return dict(entry["resource"])


async def guests(here: ServiceOnPostgres) -> set[str]:
    key = group_key("demo", TUESDAYS)
    ((body,),) = await here.select(f"SELECT body FROM state WHERE key = '{key}'")
    return {each.patient_id for each in msgspec.json.decode(body, type=Group).guests}


async def test_who_asks_reads_it_pending_and_then_booked_or_cancelled_and_the_slot_is_busy(clinic: Clinic) -> None:
    free = await slot(clinic)
    assert free["status"] == "free"
    answers = await asyncio.gather(*(booked(clinic, each, free["id"]) for each in ASKERS))
    assert [each.status_code for each in answers] == [201] * len(ASKERS), answers[0].text
    assert {each.json()["status"] for each in answers} == {"pending"}
    async with internal_lane(clinic.here):
        pass
    read = [(await clinic.ask("GET", f"Appointment/{each.json()['id']}")).json() for each in answers]
    assert Counter(each["status"] for each in read) == {"booked": FREE, "cancelled": len(ASKERS) - FREE}
    assert (await slot(clinic))["status"] == "busy"
    seated = {each.removeprefix("Patient/") for one in read if one["status"] == "booked" for each in _patients(one)}
    assert await guests(clinic.here) == seated


async def test_one_that_is_pending_is_sent_back_as_it_was_read_and_nothing_changes(clinic: Clinic) -> None:
    free = await slot(clinic)
    pending = (await booked(clinic, MEMBERS[0], free["id"])).json()
    read = await clinic.ask("GET", f"Appointment/{pending['id']}")
    answer = await clinic.ask("PUT", f"Appointment/{pending['id']}", content=read.content)
    assert (answer.status_code, answer.headers["ETag"]) == (200, read.headers["ETag"]), answer.text
    async with internal_lane(clinic.here):
        pass
    late = await clinic.ask("PUT", f"Appointment/{pending['id']}", content=read.content)
    assert (late.status_code, late.json()["issue"][0]["expression"]) == (422, ["Appointment.status"])


def _patients(appointment: Json) -> list[str]:
    named = [each["actor"]["reference"] for each in appointment["participant"]]
    return [each for each in named if each.startswith("Patient/")]


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.3])
async def test_a_process_that_dies_meanwhile_gives_no_seat_twice_and_leaves_nobody_pending(
    clinic: Clinic, seconds: float
) -> None:
    here, free = clinic.here, await slot(clinic)
    lane = asyncio.create_task(InternalLane(here.inbox, here.wake_up).run(here.dsn))
    asking = asyncio.gather(*(booked(clinic, each, free["id"]) for each in ASKERS))
    await asyncio.sleep(seconds)
    lane.cancel()  # the process dies here, whatever it is at
    await asyncio.gather(lane, return_exceptions=True)
    await asking
    async with internal_lane(here):
        pass
    marks = {patient: (await clinic.session(patient, TUESDAY))[1].mark for patient in ASKERS}
    assert Counter(marks.values()) == {"": FREE, "unseated": len(ASKERS) - FREE}
    assert await guests(here) == {each for each, mark in marks.items() if mark == ""}
    assert all(len(each.guests) <= 1 for each in (await states(here)).values())
    async with here.pool.acquire() as connection, connection.transaction():
        again = await replay(connection, here.parts.service, here.inbox.settings, Asked())
    assert (again.differences, again.left_out) == ([], {})


async def test_a_slot_that_is_not_there_or_of_another_time_is_refused_with_its_place(clinic: Clinic) -> None:
    free = await slot(clinic)
    later = (await clinic.ask("GET", "Slot", params={"schedule": free["schedule"]["reference"]})).json()["entry"][-1]
    for named in ("11111111-1111-4111-8111-111111111111", later["resource"]["id"]):
        answer = await booked(clinic, MEMBERS[0], named)
        (issue,) = answer.json()["issue"]
        assert (answer.status_code, issue["expression"]) == (422, ["Appointment.slot"]), answer.text
