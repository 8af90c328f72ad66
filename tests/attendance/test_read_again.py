"""What was sent is what is read, though what attendance itself emits of it is less."""

from datetime import datetime, timedelta
from typing import Any

from services.attendance import app
from services.attendance.messages import PatientIdentified
from shared.events import codes
from shared.platform.keys import Identifier
from tests.attendance.given import ADMISSION, MONDAY, SECOND_MONDAY, admitted, session
from tests.service import ServiceOnPostgres, StartService

Json = dict[str, Any]
END = MONDAY + timedelta(hours=3)


def sent(patient: str, **changed: Any) -> Json:
    """An Encounter as an EHR writes it: by video, longer than the session, with staff, a place and words."""
    return {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": codes.ACT, "code": "VR", "display": "virtual"},
        "type": [{"text": "Relapse prevention group"}],
        "subject": {"reference": f"Patient/{patient}"},
        "participant": [{"individual": {"reference": "Practitioner/p1", "display": "Dana Facilitator"}}],
        "appointment": [{"reference": f"Appointment/{session(MONDAY)}"}],
        "period": {"start": (MONDAY - timedelta(minutes=9)).isoformat(), "end": END.isoformat()},
        "length": {"value": 150, "unit": "min", "system": "http://unitsofmeasure.org", "code": "min"},
        "location": [{"location": {"reference": "Location/room-4", "display": "Room 4"}}],
        **changed,
    }


def without_meta(resource: Json) -> Json:
    return {name: each for name, each in resource.items() if name != "meta"}


def coded(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


async def started(start_service: StartService) -> ServiceOnPostgres:
    service = await start_service(app.assemble, "attendance", ADMISSION)
    digests = service.keys.digests("demo", [Identifier("urn:mrn", "0001")])
    await service.consume(PatientIdentified(digests=digests, sealed=(), identified_at=ADMISSION), admitted())
    service.set_clock(END)
    return service


async def test_an_encounter_is_read_as_it_was_sent_first_and_corrected(start_service: StartService) -> None:
    service = await started(start_service)
    first = sent(service.patient)
    identity = await service.post(first)
    assert [without_meta(each) for each in await service.found("Encounter")] == [{**first, "id": identity}]
    corrected = sent(service.patient, id=identity, location=[{"location": {"display": "Room 5"}}])
    await service.put(corrected)
    assert [without_meta(each) for each in await service.found("Encounter")] == [corrected]


async def test_the_reason_of_a_cancelled_appointment_is_read_as_it_was_sent(start_service: StartService) -> None:
    service = await started(start_service)
    planned = next(each for each in await service.found("Appointment") if each["id"] == session(SECOND_MONDAY))
    reason = [
        {"system": codes.CANCELLATION, "code": "pat"},
        {"system": "http://ehr.example/reasons", "code": "no-ride"},
    ]
    await service.put({**planned, "status": "cancelled", "cancelationReason": {"coding": reason}})
    (read,) = [each for each in await service.found("Appointment") if each["id"] == planned["id"]]
    own = {"system": codes.REASON, "code": "excused"}
    assert (read["status"], read["cancelationReason"]["coding"]) == ("cancelled", [*reason, own])


async def test_a_session_that_moves_is_read_where_it_left_and_where_it_went(start_service: StartService) -> None:
    """And is called off by its first id, as whoever moved it still names it."""
    service = await started(start_service)
    planned = next(each for each in await service.found("Appointment") if each["id"] == session(SECOND_MONDAY))
    later = SECOND_MONDAY + timedelta(days=1)
    times = {"start": later.isoformat(), "end": (later + timedelta(hours=3)).isoformat()}
    for _ in range(2):
        await service.put({**planned, **times})
    read = {each["id"]: each for each in await service.found("Appointment")}
    left, there = read[planned["id"]], read[session(later, 0)]
    assert (left["status"], left["start"]) == ("cancelled", planned["start"])
    assert left["cancelationReason"] == coded(codes.REASON, "moved")
    assert (there["status"], datetime.fromisoformat(there["start"])) == ("booked", later)
    await service.put(
        {**planned, **times, "status": "cancelled"} | {"cancelationReason": coded(codes.CANCELLATION, "prov")}
    )
    statuses = {each["id"]: each["status"] for each in await service.found("Appointment")}
    assert (statuses[planned["id"]], statuses[session(later, 0)]) == ("cancelled", "cancelled")


async def test_an_attempt_is_read_back_as_a_communication(start_service: StartService) -> None:
    service = await started(start_service)
    missed = next(each for each in await service.found("Appointment") if each["id"] == session(MONDAY))
    await service.put({**missed, "status": "noshow"})
    (asked,) = await service.found("Task")
    owner = {"identifier": {"system": codes.STAFF, "value": "case-manager-1"}}
    parts: dict[str, Json] = {
        "channel": {"valueCodeableConcept": coded(codes.PARTICIPATION_MODE, "PHONE")},
        "at": {"valueDateTime": (END - timedelta(hours=1)).isoformat()},
        "outcome": {"valueCodeableConcept": coded(codes.OUTREACH, "message")},
    }
    output = [{"type": coded(codes.INPUT, f"outreach-{name}"), **value} for name, value in parts.items()]
    await service.put({**asked, "status": "accepted", "owner": owner, "output": output})
    (read,) = await service.found("Communication")
    assert (read["status"], read["basedOn"]) == ("completed", [{"reference": f"Task/{asked['id']}"}])
    (after,) = [each for each in await service.found("Task") if each["id"] == asked["id"]]
    assert after["businessStatus"]["coding"][0]["code"] == "message-left"


async def test_staff_and_places_are_on_no_topic(start_service: StartService) -> None:
    """But the class and the times are."""
    service = await started(start_service)
    await service.post(sent(service.patient))
    bodies = "".join(str(body) for (body,) in await service.select("SELECT body FROM outbox"))
    assert '"VR"' in bodies and "2026-01-05T22:51:00Z" in bodies
    assert not [each for each in ("Dana", "Practitioner", "Location", "Room 4", "Relapse") if each in bodies]


async def test_who_sends_an_encounter_that_touches_no_session_learns_that_a_person_is_asked(
    start_service: StartService,
) -> None:
    service = await started(start_service)
    fitting = await service.post_answered(sent(service.patient))
    assert fitting.outcome is None
    late = {"start": (END + timedelta(hours=1)).isoformat(), "end": (END + timedelta(hours=2)).isoformat()}
    service.set_clock(END + timedelta(hours=3))
    odd = await service.post_answered(sent(service.patient, period=late))
    (task,) = await service.found("Task")
    assert task["reasonCode"]["coding"][0]["code"] == "check-presence"
    assert odd.outcome is not None and diagnostics(odd.outcome) == [
        f"See Task/{task['id']}: a person is asked, or it says how this goes on."
    ]
    identity = str(fitting.location).split("/")[1]
    await service.put_thrice(sent(service.patient, id=identity, period=late))
    again = (await service.put(sent(service.patient, id=identity, period=late))).answered[0]
    others = [each["id"] for each in await service.found("Task") if each["id"] != task["id"]]
    assert again.outcome is not None and others
    assert sorted(diagnostics(again.outcome)) == sorted(
        f"See Task/{each}: a person is asked, or it says how this goes on." for each in others
    )
    laboratory = await service.post_answered(sent(service.patient, period=late), scopes=(("Encounter", "c"),))
    assert laboratory.outcome is None


def diagnostics(outcome: Json) -> list[str]:
    return [each["diagnostics"] for each in outcome["issue"]]
