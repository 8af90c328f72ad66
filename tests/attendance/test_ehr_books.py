"""An EHR books a session over FHIR: what it sends is what it reads, and the answer names the one session there is."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from services.attendance.edge import interpret
from services.attendance.messages import REPORTS, BookingNumber, BookSession, ReinstateSession
from services.attendance.record import BY_ITSELF, SessionSlot
from shared.edge import fhir
from shared.edge.contract import Context
from shared.edge.fhir import Answered
from shared.edge.outcome import HttpRefusal
from shared.edge.resolving import Submission
from shared.events import codes
from shared.events.internal import NEVER
from shared.path.transaction import reports
from tests.attendance.given import MONDAY, evening, session
from tests.attendance.test_edge import CONTEXT, ENCOUNTER, SEEDED, SUBJECT, TASK
from tests.attendance.test_read_again import coded, sent, started
from tests.service import ServiceOnPostgres, StartService, caller

Json = dict[str, Any]
HOUR = timedelta(hours=1)
TUESDAY = evening(0, 1)
NUMBER = {"system": "https://ehr.example.org/appointment", "value": "4711"}
SKILLS = {"coding": [{"system": "https://ehr.example.org/visit-type", "code": "SKL60"}]}


def appointment(subject: Json, start: datetime = TUESDAY, kind: str = "workshop", **changed: Any) -> Json:
    """A workshop by video, on stress, with a therapist and a room. `None` leaves a member out."""
    whole = {
        "resourceType": "Appointment",
        "status": "booked",
        "identifier": [NUMBER],
        "serviceCategory": [coded(codes.MODALITY, "video")],
        "serviceType": [coded(codes.SESSION, kind), coded(codes.TOPIC, "stress")],
        "start": start.isoformat(),
        "end": (start + HOUR).isoformat(),
        "participant": [
            {"actor": subject, "status": "accepted"},
            {"actor": {"reference": "Practitioner/p-17"}, "status": "accepted"},
            {"actor": {"reference": "Location/room-4"}, "status": "accepted"},
        ],
        **changed,
    }
    return {name: each for name, each in whole.items() if each is not None}


def booking(context: Context = CONTEXT, **changed: Any) -> BookSession:
    sent_so = appointment(SUBJECT, **changed)
    fhir.require_valid(sent_so)
    (command,) = interpret([fhir.single("POST", "Appointment", None, sent_so, {})], context).commands
    assert isinstance(command, BookSession)
    return command


# --- what it means


def test_an_appointment_that_is_created_is_a_booking() -> None:
    command = booking()
    assert command.slot == SessionSlot(
        "workshop", BY_ITSELF, "", 60, modality="video", topic="stress", therapist="p-17", room="room-4"
    )
    assert command.start == TUESDAY
    assert command.numbers == (BookingNumber(NUMBER["system"], NUMBER["value"]),)
    assert isinstance(command.report, ReinstateSession)


def test_a_report_that_names_what_its_own_transaction_books_is_refused_with_the_way() -> None:
    """Which session that is, is known by the answer alone."""
    single = fhir.single("POST", "Appointment", None, appointment(SUBJECT), {})
    booked = msgspec.structs.replace(single, id=str(uuid4()))
    named = {"reference": f"Appointment/{booked.id}"}
    came: Json = {"status": "in-progress", "class": {"code": "AMB"}, "subject": SUBJECT, "appointment": [named]}
    answered: Json = {"participantStatus": "declined", "actor": SUBJECT, "appointment": named}
    for kind, report in (("Encounter", came), ("AppointmentResponse", answered)):
        with pytest.raises(HttpRefusal) as refused:
            interpret([fhir.single("POST", kind, None, {"resourceType": kind, **report}, {}), booked], CONTEXT)
        (issue,) = refused.value.issues
        assert (refused.value.status, issue.expression) == (422, (f"{kind}.appointment",))
        assert "first" in issue.diagnostics


def test_it_is_in_person_where_nothing_else_is_stated() -> None:
    assert booking(serviceCategory=None).slot.modality == ""


def test_who_is_of_the_staff_goes_by_their_id_there() -> None:
    member = {"actor": {"reference": "Practitioner/clinician-1"}, "status": "accepted"}
    command = booking(participant=[{"actor": SUBJECT, "status": "accepted"}, member])
    assert (command.slot.therapist, command.slot.room) == ("clinician-1", "")


def test_a_code_of_the_ehrs_own_is_read_by_the_programs_map() -> None:
    mapped = {"https://ehr.example.org/visit-type|SKL60": "skills"}
    settings = msgspec.structs.replace(CONTEXT.settings, session_codes=mapped)
    assert booking(replace(CONTEXT, settings=settings), serviceType=[SKILLS]).slot.kind == "skills"


def of_session(*ids: str) -> list[Json]:
    return [{"reference": f"Appointment/{each}"} for each in ids]


def test_the_session_that_it_refers_to_is_the_miss_that_it_makes_up() -> None:
    other = {"reference": "DocumentReference/plan"}
    assert booking(supportingInformation=[other, *of_session(session(MONDAY))]).makes_up == session(MONDAY)


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"serviceType": [SKILLS]}, "Appointment.serviceType"),
        ({"serviceType": None}, "Appointment.serviceType"),
        (
            {"serviceType": [coded(codes.SESSION, "group"), coded(codes.SESSION, "family")]},
            "Appointment.serviceType",
        ),
        ({"serviceType": [coded(codes.SESSION, SEEDED)]}, "Appointment.serviceType[0]"),
        ({"serviceCategory": [coded(codes.MODALITY, SEEDED)]}, "Appointment.serviceCategory[0]"),
        ({"start": TUESDAY + timedelta(seconds=30)}, "Appointment.start"),
        ({"end": "2026-01-07T18:00:00-05:00"}, "Appointment.end"),
        ({"supportingInformation": of_session(ENCOUNTER, TASK)}, "Appointment.supportingInformation"),
        ({"status": "proposed"}, "Appointment.status"),
        ({"status": "entered-in-error"}, "Appointment.status"),
    ],
    ids=[
        *("a type nobody mapped", "no type", "two", "unknown", "modality"),
        *("seconds", "a day", "two misses", "proposed", "in error"),
    ],
)
def test_what_cannot_be_booked_is_refused_by_its_place(changed: Json, place: str) -> None:
    with pytest.raises(HttpRefusal) as refused:
        booking(**changed)
    (issue,) = refused.value.issues
    assert (refused.value.status, issue.expression) == (422, (place,))
    assert SEEDED not in issue.diagnostics


# --- over FHIR


async def created(service: ServiceOnPostgres, resource: Json, condition: str | None = None) -> tuple[str, str]:
    """The status of the answer, and the session that it names."""
    headers = {"if-none-exist": condition} if condition else {}
    entry = fhir.single("POST", "Appointment", None, fhir.parse(fhir.encode(resource)), headers)
    done = await service.running.submissions.submit(
        Submission("single", (entry,), uuid4(), False, "digest"), caller("ehr")
    )
    return _named(done.answered[0])


def _named(answer: Answered) -> tuple[str, str]:
    assert answer.location is not None
    return answer.status, answer.location.split("/")[1]


async def read(service: ServiceOnPostgres, identity: str) -> Json:
    return next(each for each in await service.found("Appointment") if each["id"] == identity)


async def ahead(start_service: StartService) -> tuple[ServiceOnPostgres, Json]:
    service = await started(start_service)
    return service, {"reference": f"Patient/{service.patient}"}


async def test_what_is_booked_is_read_as_it_was_sent(start_service: StartService) -> None:
    service, subject = await ahead(start_service)
    wanted = appointment(subject)
    status, identity = await created(service, wanted)
    assert status == "201 Created"
    stored = await read(service, identity)
    same = ("status", "identifier", "serviceCategory", "serviceType", "participant")
    assert {name: stored[name] for name in same} == {name: wanted[name] for name in same}
    assert [datetime.fromisoformat(stored[each]) for each in ("start", "end")] == [TUESDAY, TUESDAY + HOUR]


async def test_it_is_named_by_an_encounter_and_put_like_any_other(start_service: StartService) -> None:
    service, subject = await ahead(start_service)
    _, identity = await created(service, appointment(subject))
    await service.put({**(await read(service, identity)), "status": "cancelled"})
    assert (await read(service, identity))["status"] == "cancelled"
    service.set_clock(TUESDAY + 2 * HOUR)
    period = {"start": TUESDAY.isoformat(), "end": (TUESDAY + HOUR).isoformat()}
    there = [{"reference": f"Appointment/{identity}"}]
    await service.post(sent(service.patient, appointment=there, period=period, length=None) | {"length": _minutes(60)})
    assert (await read(service, identity))["status"] == "fulfilled"


def _minutes(number: int) -> Json:
    return {"value": number, "unit": "min", "system": codes.UCUM, "code": "min"}


async def test_created_on_a_condition_it_is_found_again_wherever_it_is_sent_to_then(
    start_service: StartService,
) -> None:
    service, subject = await ahead(start_service)
    condition = f"identifier={NUMBER['system']}|{NUMBER['value']}"
    first = await created(service, appointment(subject), condition)
    again = await created(service, appointment(subject, TUESDAY + 2 * HOUR), condition)
    assert (first[0], again[0], again[1]) == ("201 Created", "200 OK", first[1])
    assert len([each for each in await service.found("Appointment") if "identifier" in each]) == 1


async def test_where_the_hub_planned_it_the_answer_names_that_one(start_service: StartService) -> None:
    service, subject = await ahead(start_service)
    before = await service.found("Appointment")
    end = (MONDAY + 3 * HOUR).isoformat()
    answered = await created(service, appointment(subject, MONDAY + timedelta(minutes=10), "group", end=end))
    assert answered == ("200 OK", session(MONDAY))
    assert len(await service.found("Appointment")) == len(before)


@pytest.mark.parametrize(
    ("status", "speaks"),
    [("fulfilled", True), ("arrived", True), ("noshow", True), ("booked", False), ("cancelled", False)],
)
async def test_one_that_says_who_came_as_it_is_created_is_a_report_of_the_feed(
    start_service: StartService, status: str, speaks: bool
) -> None:
    service, subject = await ahead(start_service)
    now = TUESDAY + 2 * HOUR
    service.set_clock(now)
    await created(service, appointment(subject, status=status))
    names = [each.__name__ for each in REPORTS]
    async with service.pool.acquire() as connection:
        last = await reports.last(connection, "demo", names, now)
    assert last == (now if speaks else NEVER)


async def test_one_that_is_put_with_a_miss_makes_it_up_and_says_so(start_service: StartService) -> None:
    service, subject = await ahead(start_service)
    _, identity = await created(service, appointment(subject, kind="group"))
    service.set_clock(MONDAY + HOUR)
    await service.put({**(await read(service, session(MONDAY))), "status": "noshow"})
    booked = await read(service, identity)
    await service.put_thrice({**booked, "supportingInformation": of_session(session(MONDAY))})
    assert (await read(service, identity))["supportingInformation"] == of_session(session(MONDAY))


async def test_another_patients_condition_finds_nothing_of_this_one(start_service: StartService) -> None:
    service, subject = await ahead(start_service)
    await created(service, appointment(subject))
    await service.pool.execute("UPDATE resources SET program = 'west' WHERE type = 'Appointment'")
    condition = f"identifier={NUMBER['system']}|{NUMBER['value']}"
    status, _ = await created(service, appointment(subject, evening(0, 3)), condition)
    assert status == "201 Created"


async def test_one_that_was_booked_in_error_is_taken_back(start_service: StartService) -> None:
    service, subject = await ahead(start_service)
    _, identity = await created(service, appointment(subject))
    await service.put({**(await read(service, identity)), "status": "entered-in-error"})
    stored = await read(service, identity)
    assert stored["cancelationReason"] == coded(codes.REASON, "booked-in-error")
