"""What foreign FHIR means to attendance: each resource as its command, each refusal with its place and no value."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.attendance.edge import EDGE, TAKES, interpret
from services.attendance.messages import (
    AcknowledgeEscalation,
    CallOffSession,
    CheckIn,
    ExcuseSession,
    MarkMissed,
    ReinstateSession,
    ResolveEscalation,
    WithdrawCheckIn,
)
from shared.edge import fhir
from shared.edge.clients import Caller
from shared.edge.contract import Context, Interpretation, StoredResource
from shared.edge.fhir import BundleEntry
from shared.edge.outcome import HttpRefusal
from shared.events import codes
from shared.events.envelope import Command, name_id
from shared.platform.clients import registered
from tests.attendance.given import NAMES, PATIENT, SETTINGS

Json = dict[str, Any]

SESSION, ENCOUNTER, TASK, RESPONSE = (name_id(NAMES, each) for each in ("session", "encounter", "task", "response"))
ARRIVED, LEFT = "2026-01-05T18:02:00-05:00", "2026-01-05T20:47:30-05:00"
CAME = datetime(2026, 1, 5, 23, 2, tzinfo=UTC)
SEEDED = "MRN-4711"
"""Stands where a value may be refused: no refusal says it back."""
CLIENT = registered(Path(__file__).parents[2] / "deploy")["ehr"]
CONTEXT = Context(Caller("ehr", CLIENT, "demo", ()), PATIENT, "demo", SETTINGS, CAME + timedelta(hours=12))
SAM: Json = {"identifier": {"system": codes.STAFF, "value": "case-manager-1"}}
SUBJECT: Json = {"reference": f"Patient/{PATIENT}"}


def entry(resource: Json) -> BundleEntry:
    """As the edge hands it over: parsed, valid FHIR R4, with its id."""
    parsed = fhir.parse(json.dumps(resource).encode())
    fhir.require_valid(parsed)
    return fhir.single("PUT", resource["resourceType"], resource["id"], parsed, {})


def meaning(*resources: Json) -> Interpretation:
    return interpret([entry(each) for each in resources], CONTEXT)


def commands_of(resource: Json) -> tuple[Command, ...]:
    return meaning(resource).commands


def refusal(resource: Json) -> tuple[int, str, tuple[str, ...]]:
    """Status, code and place; what was sent is not in it."""
    with pytest.raises(HttpRefusal) as refused:
        commands_of(resource)
    (issue,) = refused.value.issues
    assert SEEDED not in str(refused.value) + issue.diagnostics
    assert refused.value.__cause__ is None and refused.value.__context__ is None
    return refused.value.status, issue.code, issue.expression


def encounter(status: str = "finished", **changed: Any) -> Json:
    """`None` leaves a member out."""
    whole = {
        "resourceType": "Encounter",
        "id": ENCOUNTER,
        "status": status,
        "class": {"system": codes.ACT, "code": "AMB"},
        "subject": SUBJECT,
        "appointment": [{"reference": f"Appointment/{SESSION}"}],
        "period": {"start": ARRIVED, "end": LEFT},
        **changed,
    }
    return {name: each for name, each in whole.items() if each is not None}


def appointment(status: str, **more: Any) -> Json:
    participant = [{"actor": SUBJECT, "status": "accepted"}]
    times = {"start": ARRIVED, "end": LEFT}
    return {
        "resourceType": "Appointment",
        "id": SESSION,
        "status": status,
        "participant": participant,
        **times,
        **more,
    }


def cancelled(reason: str | None) -> Json:
    system = "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason"
    why = {"cancelationReason": {"coding": [{"system": system, "code": reason}]}} if reason else {}
    return appointment("cancelled", **why)


def response(answer: str, reference: str = f"Appointment/{SESSION}") -> Json:
    return {
        "resourceType": "AppointmentResponse",
        "id": RESPONSE,
        "appointment": {"reference": reference},
        "actor": SUBJECT,
        "participantStatus": answer,
    }


def task(status: str, **more: Any) -> Json:
    return {
        "resourceType": "Task",
        "id": TASK,
        "status": status,
        "intent": "order",
        "for": SUBJECT,
        "owner": SAM,
        **more,
    }


def check_in(minutes: int | None) -> CheckIn:
    return CheckIn(session_id=SESSION, encounter_id=ENCOUNTER, came_at=CAME, minutes=minutes)


# --- Encounter


@pytest.mark.parametrize("status", ["arrived", "triaged", "in-progress", "onleave"])
def test_an_encounter_that_lasts_is_a_check_in(status: str) -> None:
    assert commands_of(encounter(status)) == (check_in(None),)


def test_a_finished_encounter_carries_the_whole_minutes_of_its_period() -> None:
    assert commands_of(encounter()) == (check_in(165),)


@pytest.mark.parametrize(
    ("value", "unit", "minutes"), [(170, "min", 170), (2.75, "h", 165), (9000, "s", 150), (-5, "min", 0)]
)
def test_a_length_goes_before_the_period(value: float, unit: str, minutes: int) -> None:
    length = {"value": value, "unit": unit, "system": codes.UCUM, "code": unit}
    assert commands_of(encounter(length=length)) == (check_in(minutes),)


def test_a_length_of_any_size_is_at_most_a_day() -> None:
    length = {"value": 10**30, "unit": "min", "system": codes.UCUM, "code": "min"}
    assert commands_of(encounter(length=length)) == (check_in(1440),)


def test_a_cancelled_encounter_excuses_its_session() -> None:
    assert commands_of(encounter("cancelled")) == (ExcuseSession(session_id=SESSION),)


def put_over(stored: Json, sent: Json) -> tuple[Command, ...]:
    """What the update of a stored Encounter means."""
    context = replace(CONTEXT, stored={("Encounter", ENCOUNTER): StoredResource(PATIENT, stored)})
    return interpret([entry(sent)], context).commands


def test_an_encounter_entered_in_error_is_withdrawn_from_the_session_that_it_named() -> None:
    withdrawn = (WithdrawCheckIn(session_id=SESSION, encounter_id=ENCOUNTER),)
    assert put_over(encounter(), encounter("entered-in-error")) == withdrawn
    assert put_over(encounter(), encounter("entered-in-error", appointment=None, period=None)) == withdrawn


def test_an_encounter_that_now_names_another_session_is_withdrawn_from_the_first() -> None:
    other = name_id(NAMES, "other session")
    moved = encounter(appointment=[{"reference": f"Appointment/{other}"}])
    withdrawn, came = put_over(encounter(), moved)
    assert withdrawn == WithdrawCheckIn(session_id=SESSION, encounter_id=ENCOUNTER)
    assert isinstance(came, CheckIn) and (came.session_id, came.encounter_id) == (other, ENCOUNTER)


def test_an_encounter_updated_withdraws_nothing() -> None:
    assert put_over(encounter("in-progress"), encounter()) == (check_in(165),)


def test_an_encounter_is_not_created_in_error() -> None:
    created = fhir.single("POST", "Encounter", None, encounter("entered-in-error", id=None), {})
    with pytest.raises(HttpRefusal) as refused:
        interpret([created], CONTEXT)
    assert refused.value.issues[0].expression == ("Encounter.status",)


def test_a_versioned_or_absolute_reference_names_the_same_session() -> None:
    for written in (f"Appointment/{SESSION}/_history/2", f"https://hub.example/fhir/Appointment/{SESSION}"):
        assert commands_of(encounter(appointment=[{"reference": written}])) == (check_in(165),)


PLACE = "Encounter"


@pytest.mark.parametrize(
    ("sent", "code", "place"),
    [
        (encounter(appointment=None), "required", f"{PLACE}.appointment"),
        (encounter(appointment=[{"display": SEEDED}]), "required", f"{PLACE}.appointment"),
        (encounter(appointment=[{"reference": f"urn:oid:{SEEDED}"}]), "required", f"{PLACE}.appointment"),
        (encounter("planned"), "business-rule", f"{PLACE}.status"),
        (encounter("arrived", period=None), "required", f"{PLACE}.period.start"),
        (encounter("arrived", period={"start": "2026-01-05"}), "value", f"{PLACE}.period.start"),
        (encounter("arrived", period={"start": "2026-01"}), "value", f"{PLACE}.period.start"),
        (encounter("arrived", period={"start": "2026"}), "value", f"{PLACE}.period.start"),
        (encounter(period={"start": ARRIVED}), "required", f"{PLACE}.period.end"),
        (encounter(period={"start": ARRIVED, "end": "2026-01-06"}), "value", f"{PLACE}.period.end"),
        (encounter(length={"value": 3, "code": SEEDED}), "value", f"{PLACE}.length"),
        (encounter(length={"code": "min"}), "value", f"{PLACE}.length"),
    ],
)
def test_an_encounter_that_does_not_say_enough_is_refused_at_its_place(sent: Json, code: str, place: str) -> None:
    assert refusal(sent) == (422, code, (place,))


# --- Appointment


@pytest.mark.parametrize("reason", ["pat", "pat-crs", "other", None])
def test_an_appointment_cancelled_on_the_patient_s_side_is_an_excuse(reason: str | None) -> None:
    assert commands_of(cancelled(reason)) == (ExcuseSession(session_id=SESSION),)


@pytest.mark.parametrize("reason", ["prov", "prov-pers"])
def test_an_appointment_cancelled_by_the_provider_is_called_off(reason: str) -> None:
    assert commands_of(cancelled(reason)) == (CallOffSession(session_id=SESSION),)


def test_a_noshow_is_said_by_a_person() -> None:
    assert commands_of(appointment("noshow")) == (MarkMissed(session_id=SESSION),)


def test_a_session_is_not_moved_to_another_time() -> None:
    planned = {**appointment("booked"), "start": "2026-01-05T18:00:00-05:00"}
    context = replace(CONTEXT, stored={("Appointment", SESSION): StoredResource(PATIENT, planned)})
    same_instant = {**planned, "start": "2026-01-05T23:00:00Z"}
    assert interpret([entry(same_instant)], context).commands == (ReinstateSession(session_id=SESSION),)
    with pytest.raises(HttpRefusal) as refused:
        interpret([entry({**planned, "start": "2026-01-05T19:00:00-05:00"})], context)
    assert refused.value.issues[0].expression == ("Appointment.start",)


def test_an_appointment_booked_again_is_reinstated() -> None:
    assert commands_of(appointment("booked")) == (ReinstateSession(session_id=SESSION),)


@pytest.mark.parametrize("status", ["arrived", "checked-in", "fulfilled"])
def test_an_arrived_appointment_is_a_check_in_that_names_no_encounter(status: str) -> None:
    assert commands_of(appointment(status)) == (CheckIn(session_id=SESSION, encounter_id=None, came_at=CAME),)


@pytest.mark.parametrize("status", ["proposed", "pending", "waitlist", "entered-in-error"])
def test_another_status_of_an_appointment_is_refused(status: str) -> None:
    assert refusal(appointment(status, comment=SEEDED)) == (422, "business-rule", ("Appointment.status",))


# --- AppointmentResponse


def test_a_declined_session_is_an_excuse_and_the_response_is_kept() -> None:
    found = meaning(response("declined"))
    assert found.commands == (ExcuseSession(session_id=SESSION),)
    assert [each.id for each in found.accepted] == [RESPONSE]


@pytest.mark.parametrize("answer", ["accepted", "tentative", "needs-action"])
def test_any_other_answer_is_kept_and_says_nothing(answer: str) -> None:
    found = meaning(response(answer))
    assert found.commands == () and len(found.accepted) == 1


def test_a_response_to_something_else_is_refused() -> None:
    assert refusal(response("declined", f"urn:oid:{SEEDED}")) == (422, "value", ("AppointmentResponse.appointment",))


# --- Task


@pytest.mark.parametrize("status", ["accepted", "in-progress"])
def test_a_task_taken_on_acknowledges_its_escalation(status: str) -> None:
    assert commands_of(task(status)) == (AcknowledgeEscalation(escalation_id=TASK, by="case-manager-1"),)


def test_a_completed_task_resolves_its_escalation_with_the_coded_reason() -> None:
    reason = {"coding": [{"system": codes.ESCALATION, "code": "reached"}], "text": SEEDED}
    assert commands_of(task("completed", statusReason=reason)) == (
        ResolveEscalation(escalation_id=TASK, reason="reached", by="case-manager-1"),
    )
    assert commands_of(task("completed")) == (
        ResolveEscalation(escalation_id=TASK, reason="acted-on", by="case-manager-1"),
    )


@pytest.mark.parametrize("status", ["cancelled", "rejected", "failed", "on-hold", "requested"])
def test_only_the_hub_retracts_an_escalation(status: str) -> None:
    assert refusal(task(status, description=SEEDED)) == (422, "business-rule", ("Task.status",))


# --- several at once


def test_what_attendance_writes_itself_is_not_kept_as_it_came() -> None:
    found = meaning(appointment("booked"), encounter(), task("accepted"), response("declined"))
    assert [type(each) for each in found.commands] == [ReinstateSession, CheckIn, AcknowledgeEscalation, ExcuseSession]
    assert [each.type for each in found.accepted] == ["AppointmentResponse"]
    assert found.stored == ()


def test_every_type_that_may_be_written_has_its_place_in_the_order() -> None:
    written = {kind for kind, taken in TAKES.items() if {"create", "update"} & set(taken.interactions)}
    assert written == set(EDGE.order)
