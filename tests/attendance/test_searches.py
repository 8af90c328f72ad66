"""What a director, a therapist or an EHR looks up: sessions by who takes part, Encounters by session, short weeks."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.attendance import app
from shared.edge import fhir
from shared.edge.outcome import HttpRefusal
from shared.events import codes
from shared.events.attendance import SessionScheduled
from shared.path.inbound import deadlines
from shared.path.transaction.resources import emitted_row
from tests.attendance.given import ADMISSION, EPISODE, MONDAY, SECOND_MONDAY, admitted, check_in, evening, session
from tests.attendance.test_read_again import sent, started
from tests.service import ServiceOnPostgres, StartService

Json = dict[str, Any]
_STORE = """INSERT INTO resources (type, id, program, patient, status, at, updated_at, body)
    VALUES ($1, $2, $3, $4, $5, $6, $6, $7)"""


async def found(service: ServiceOnPostgres, kind: str, **asked: str) -> list[str]:
    return [each["id"] for each in await service.found(kind, *asked.items())]


async def booked(service: ServiceOnPostgres, group: str, start: datetime = MONDAY) -> str:
    """A session of a group, as it is emitted; its id."""
    end, identity = start + timedelta(hours=3), str(uuid4())
    planned = SessionScheduled(
        session_id=identity, episode_id=EPISODE, kind="skills", start=start, end=end, group=group
    )
    (written,) = planned.write(service.patient)
    row = emitted_row(written, fhir.encode(written), "demo", service.patient)
    columns = (row.type, row.id, row.program, row.patient, row.status, row.at, row.body)
    await service.pool.execute(_STORE, *columns)
    return identity


async def short_week(service: ServiceOnPostgres) -> None:
    """The patient leaves each session after an hour, and the clock goes on until the first whole week is looked at."""
    for start in (evening(week, weekday) for week in range(3) for weekday in (0, 2, 4)):
        service.set_clock(start + timedelta(hours=2))
        await service.command(service.patient, check_in(start, 60))
        await deadlines.run_due(service.inbox)


async def test_a_patients_session_of_a_day_is_found_by_who_takes_part(start_service: StartService) -> None:
    service = await started(start_service)
    day = f"{MONDAY - timedelta(hours=12):%Y-%m-%d}"
    asked = {
        f"Patient/{service.patient}": [session(MONDAY)],
        service.patient: [session(MONDAY)],
        f"Patient/{uuid4()}": [],
        "Practitioner/p1": [],
        f"Practitioner/p1,Patient/{service.patient}": [session(MONDAY)],
    }
    assert {each: await found(service, "Appointment", date=day, actor=each) for each in asked} == asked


async def test_who_asks_for_a_patients_session_by_actor_is_recorded_though_there_is_none(
    start_service: StartService,
) -> None:
    service = await started(start_service)
    assert await found(service, "Appointment", date="2030", actor=f"Practitioner/p1,Patient/{service.patient}") == []
    await service.running.reads.write()
    assert await service.select("SELECT patient, type FROM reads") == [(service.patient, "Appointment")]


async def test_a_group_is_found_by_its_name_with_its_day_and_in_pages(start_service: StartService) -> None:
    service = await started(start_service)
    ids = [await booked(service, "evening-a", MONDAY + timedelta(days=each)) for each in range(5)]
    await booked(service, "evening-b")
    day = f"{MONDAY - timedelta(hours=12):%Y-%m-%d}"
    for name in ("evening-a", "HealthcareService/evening-a"):
        assert await found(service, "Appointment", group=name) == ids
    assert await found(service, "Appointment", actor="HealthcareService/evening-a") == ids
    assert await found(service, "Appointment", group="evening-a", date=day) == ids[:1]
    assert await found(service, "Appointment", group="evening-a", status="booked", _sort="-date", _count="2") == [
        ids[4],
        ids[3],
    ]
    assert await found(service, "Appointment", group="evening-a", _sort="_lastUpdated") == ids
    assert await found(service, "Appointment", group="evening-a", patient=str(uuid4())) == []
    assert await found(service, "Appointment", group="evening-c") == []


async def test_an_encounter_is_found_by_the_session_that_it_names(start_service: StartService) -> None:
    service = await started(start_service)
    identity = await service.post(sent(service.patient))
    asked = {
        f"Appointment/{session(MONDAY)}": [identity],
        session(MONDAY): [identity],
        f"http://hub.example.org/fhir/Appointment/{session(MONDAY)}": [identity],
        f"{session(SECOND_MONDAY)},{session(MONDAY)}": [identity],
        session(SECOND_MONDAY): [],
        str(uuid4()): [],
    }
    assert {each: await found(service, "Encounter", appointment=each) for each in asked} == asked
    assert await found(service, "Encounter", appointment=session(MONDAY), status="in-progress") == []


async def test_a_session_of_another_program_leads_to_no_encounter(start_service: StartService) -> None:
    service = await started(start_service)
    await service.post(sent(service.patient))
    await service.pool.execute("UPDATE resources SET program = 'west' WHERE type = 'Appointment'")
    assert await found(service, "Encounter", appointment=session(MONDAY)) == []


async def test_a_week_that_fell_short_is_found_by_its_code_and_its_time(start_service: StartService) -> None:
    service = await start_service(app.assemble, "attendance", ADMISSION)
    await service.consume(admitted())
    await short_week(service)
    code = f"{codes.ESCALATION}|weekly-hours-short"
    (short,) = await service.found("DetectedIssue", ("code", code), ("status", "final"))
    day = f"{datetime.fromisoformat(short['identifiedPeriod']['start']):%Y-%m-%d}"
    asked = {
        ("weekly-hours-short,nothing", f"eq{day}"): [short["id"]],
        (code, f"lt{day}"): [],
        ("urn:other|weekly-hours-short", day): [],
    }
    for name in ("date", "identified"):
        results = {each: await found(service, "DetectedIssue", code=each[0], **{name: each[1]}) for each in asked}
        assert results == asked


async def test_what_is_open_is_a_finding_that_is_not_final_and_a_task_that_has_not_ended(
    start_service: StartService,
) -> None:
    service = await start_service(app.assemble, "attendance", ADMISSION)
    await service.consume(admitted())
    await short_week(service)
    (running,) = await service.found("DetectedIssue", ("code", "weekly-hours"), ("status", "open"))
    assert running["status"] == "preliminary", "of the week that runs; the one that fell short is final"
    assert await found(service, "DetectedIssue", code="weekly-hours", status="final") != []
    assert await found(service, "DetectedIssue", status="urn:other|open") == []
    waiting = [each["id"] for each in await service.found("Task") if each["status"] in ("requested", "accepted")]
    assert sorted(await found(service, "Task", status="open")) == sorted(waiting) != []


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("Appointment", "actor", ",".join(["Practitioner/amarillo"] * 51)),
        ("Appointment", "group", "evening-a,evening-amarillo"),
        ("Encounter", "group", "amarillo"),
        ("Encounter", "appointment", ",".join(["amarillo"] * 51)),
        ("Encounter", "appointment", "Appointment/"),
        ("Encounter", "actor", "Patient/amarillo"),
        ("Appointment", "appointment", "amarillo"),
        ("DetectedIssue", "code", "a,"),
        ("DetectedIssue", "identified", "amarillo"),
    ],
)
async def test_what_none_is_searched_by_is_refused_and_not_repeated(
    start_service: StartService, kind: str, name: str, value: str
) -> None:
    service = await start_service(app.assemble, "attendance", ADMISSION)
    with pytest.raises(HttpRefusal) as refused:
        await service.found(kind, (name, value))
    assert refused.value.status == 400 and "amarillo" not in str(refused.value)
