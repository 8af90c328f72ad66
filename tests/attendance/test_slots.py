"""The Slots of a group as an EHR meets them over HTTP, and its fourteen members beside, on a real PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx
import pytest

from services.attendance.groups.plan import GROUP
from services.attendance.messages import CheckIn
from services.attendance.record import Session
from shared.edge.app import build
from shared.edge.clients import TokenVerifier
from shared.edge.http import FHIR_JSON, EdgeDependencies
from shared.events.envelope import name_id
from shared.events.listed import schedule_id
from shared.path.inbound.deadlines import run_due
from shared.path.inbound.internal import InternalLane
from shared.path.inbound.readiness import Check
from shared.path.transaction.replaying import Asked, replay
from shared.platform.clients import registered
from tests.attendance.given import ADMISSION, GRACE, MONDAY, WEDNESDAY, evening
from tests.attendance.grouping_story import EVENING_A, EVENING_B
from tests.attendance.test_last_seats_of_a_group import SEATS, admits, states, with_group
from tests.service import DEPLOY, ServiceOnPostgres, StartService, internal_lane
from tests.shared.edge.conftest import AUDIENCE, Issuer
from tests.shared.edge.conftest import issuer as issuer

Json = dict[str, Any]
MEMBERS = [str(uuid5(NAMESPACE_URL, f"member-{number}")) for number in range(SEATS)]
THURSDAY = evening(0, 3)


class Clinic:
    """Attendance with a full group, as the EHR of its program meets it."""

    def __init__(self, here: ServiceOnPostgres, http: httpx.AsyncClient, issuer: Issuer) -> None:
        self.here, self.http, self.issuer = here, http, issuer

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.issuer.token()}", "Content-Type": FHIR_JSON}
        return await self.http.request(method, f"/fhir/{path}", headers=headers | more.pop("headers", {}), **more)

    async def slot(self, start: datetime) -> Json:
        """The one that starts then, as a search finds it."""
        found = (await self.ask("GET", "Slot", params={"schedule": self.schedule, "start": start.isoformat()})).json()
        (entry,) = found["entry"]
        return dict(entry["resource"])

    @property
    def schedule(self) -> str:
        return f"Schedule/{schedule_id('demo', EVENING_A)}"

    async def put(self, slot: Json, **headers: str) -> httpx.Response:
        return await self.ask("PUT", f"Slot/{slot['id']}", content=json.dumps(slot), headers=headers)

    async def call_off(self, start: datetime) -> httpx.Response:
        return await self.put({**await self.slot(start), "status": "busy-unavailable"})

    async def outcomes(self, start: datetime) -> list[str]:
        return [(await self.session(each, start))[1].outcome for each in MEMBERS]

    async def session(self, patient: str, start: datetime) -> tuple[str, Session]:
        state = (await states(self.here))[patient]
        assert state.episode is not None
        session = next(each for each in state.sessions if each.start == start)
        return state.episode.session_id(session), session

    async def check_in(self, patient: str, start: datetime) -> None:
        identity, _ = await self.session(patient, start)
        period = start, start + timedelta(minutes=30)
        own = CheckIn(session_ids=(identity,), encounter_id=name_id(patient, "encounter"), periods=(period,))
        await self.here.command(patient, own)

    async def emitted(self, name: str) -> list[tuple[str, str]]:
        """Whose sessions these are of which this is emitted, in order."""
        rows = await self.here.select("SELECT key, headers FROM outbox WHERE lane LIKE 'topic:%' ORDER BY id")
        return [(key, json.loads(headers)["ce_correlationid"]) for key, headers in rows if f".{name}" in headers]


@pytest.fixture
async def clinic(start_service: StartService, issuer: Issuer) -> AsyncIterator[Clinic]:
    here = await start_service(with_group, "attendance", ADMISSION)
    async with internal_lane(here):
        for each in MEMBERS:
            await admits(here, each)
    verifier = TokenVerifier(issuer.url, AUDIENCE, registered(DEPLOY), service="attendance")
    dependencies = EdgeDependencies(
        here.running.submissions, verifier, here.reader, here.inbox, issuer.url, ready=_ready
    )
    transport = httpx.ASGITransport(build(dependencies))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        yield Clinic(here, http, issuer)


async def _ready() -> Sequence[Check]:
    return ()


async def test_a_full_group_shows_its_sessions_of_two_weeks_as_busy_slots_of_its_schedule(clinic: Clinic) -> None:
    found = (await clinic.ask("GET", "Slot", params={"schedule": clinic.schedule, "status": "busy"})).json()
    assert [each["resource"]["start"][:10] for each in found["entry"]] == [
        *("2026-01-05", "2026-01-07", "2026-01-09", "2026-01-12", "2026-01-14", "2026-01-16")
    ]
    assert await clinic.here.count("outbox WHERE body LIKE '%\"Slot\"%'") == 0


async def test_where_a_seat_is_free_is_found_by_the_kind_of_session_and_the_week(clinic: Clinic) -> None:
    week = [("start", "ge2026-01-12"), ("start", "lt2026-01-19")]
    for kind, status, count in (("group", "busy", 3), ("group", "free", 0), ("skills", "busy", 0)):
        asked = {"params": [("_total", "accurate"), ("service-type", kind), ("status", status), *week]}
        assert (await clinic.ask("GET", "Slot", **asked)).json()["total"] == count


async def test_a_therapist_s_illness_is_sent_once_and_every_member_s_session_is_cancelled_with_one_correlation_id(
    clinic: Clinic,
) -> None:
    async with internal_lane(clinic.here):
        answer = await clinic.call_off(WEDNESDAY)
        again = await clinic.call_off(WEDNESDAY)
    assert (answer.status_code, answer.json()["status"]) == (200, "busy-unavailable")
    assert (again.status_code, again.headers["ETag"]) == (200, answer.headers["ETag"])
    cancelled = await clinic.emitted("SessionCancelled")
    assert [patient for patient, _ in cancelled] == MEMBERS
    assert len({correlation for _, correlation in cancelled}) == 1
    assert (await clinic.slot(WEDNESDAY))["status"] == "busy-unavailable"


async def test_a_moved_slot_is_read_where_it_was_put_and_every_member_is_booked_there(clinic: Clinic) -> None:
    slot = await clinic.slot(WEDNESDAY)
    times = {"start": THURSDAY.isoformat(), "end": (THURSDAY + timedelta(hours=3)).isoformat()}
    async with internal_lane(clinic.here):
        assert (await clinic.put({**slot, **times}, **{"If-Match": 'W/"1"'})).status_code == 412
        moved = await clinic.put({**slot, **times})
    assert moved.status_code == 200, moved.text
    assert (await clinic.slot(THURSDAY))["id"] == slot["id"]
    assert await clinic.outcomes(THURSDAY) == ["planned"] * SEATS
    (cancelled,) = {one for _, one in await clinic.emitted("SessionCancelled")}
    assert [one for _, one in await clinic.emitted("SessionScheduled")][-SEATS:] == [cancelled] * SEATS


async def test_a_session_that_was_missed_is_called_off_and_nobody_has_missed_it(clinic: Clinic) -> None:
    clinic.here.set_clock(MONDAY + timedelta(minutes=1))
    await clinic.check_in(MEMBERS[0], MONDAY)  # the feed speaks
    clinic.here.set_clock(MONDAY + GRACE + timedelta(hours=1))
    async with internal_lane(clinic.here):
        while await run_due(clinic.here.inbox):
            pass
    assert (await clinic.outcomes(MONDAY))[1:] == ["missed"] * (SEATS - 1)
    async with internal_lane(clinic.here):
        await clinic.call_off(MONDAY)
    assert (await clinic.outcomes(MONDAY))[1:] == ["cancelled"] * (SEATS - 1)


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"status": "busy-tentative"}, "Slot.status"),
        ({"status": "entered-in-error"}, "Slot.status"),
        ({"start": "2026-01-05T12:00:00Z", "end": "2026-01-05T15:00:00Z"}, "Slot.start"),
        ({"end": "2026-01-08T00:00:00Z"}, "Slot.end"),
        ({"schedule": {"reference": f"Schedule/{schedule_id('demo', EVENING_B)}"}}, "Slot.schedule"),
        ({"start": "2026-01-09T22:00:00Z", "end": "2026-01-10T01:00:00Z"}, "Slot.start"),
    ],
)
async def test_what_cannot_be_is_refused_with_its_place_and_without_its_value(
    clinic: Clinic, changed: Json, place: str
) -> None:
    answer = await clinic.put({**await clinic.slot(WEDNESDAY), **changed})
    (issue,) = answer.json()["issue"]
    assert (answer.status_code in (409, 422), issue["expression"]) == (True, [place])
    assert not any(str(each) in answer.text for each in changed.values() if place != "Slot.status")
    assert await clinic.outcomes(WEDNESDAY) == ["planned"] * SEATS


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.15, 0.4])
async def test_killed_while_members_check_in_and_hear_that_it_is_off_each_hears_once(
    clinic: Clinic, seconds: float
) -> None:
    """The lane dies at some place between the group's decision and the last of its members."""
    here, came = clinic.here, MEMBERS[::2]
    here.set_clock(MONDAY + timedelta(minutes=1))
    lane = asyncio.create_task(InternalLane(here.inbox, here.wake_up).run(here.dsn))
    checking_in = asyncio.gather(*(clinic.check_in(each, MONDAY) for each in came))
    called_off = asyncio.create_task(clinic.call_off(MONDAY))
    await asyncio.sleep(seconds)
    lane.cancel()
    await asyncio.gather(lane, return_exceptions=True)
    await asyncio.gather(checking_in, called_off)
    async with internal_lane(here):
        pass
    expected = ["present" if each in came else "cancelled" for each in MEMBERS]
    assert [each.replace("attended", "present") for each in await clinic.outcomes(MONDAY)] == expected
    reached = await here.select("SELECT key FROM journal WHERE event = 'MeetingsChanged' AND content LIKE '%true]%'")
    assert sorted(key for (key,) in reached) == sorted(MEMBERS)
    cancelled = [patient for patient, _ in await clinic.emitted("SessionCancelled")]
    assert len(cancelled) == len(set(cancelled))
    assert await here.count("parked") == 0


async def test_the_decisions_of_the_group_and_its_members_are_made_again(clinic: Clinic) -> None:
    async with internal_lane(clinic.here):
        await clinic.call_off(WEDNESDAY)
    async with clinic.here.pool.acquire() as connection, connection.transaction():
        again = await replay(connection, clinic.here.parts.service, clinic.here.inbox.settings, Asked())
    assert (again.differences, again.left_out, again.others) == ([], {}, {GROUP: 1})
