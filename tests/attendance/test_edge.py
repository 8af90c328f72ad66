"""What foreign FHIR means to attendance: each resource as its command, each refusal with its place and no value."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.attendance.edge import EDGE, TAKES, interpret
from services.attendance.messages import (
    AcceptSession,
    AcknowledgeEscalation,
    ActOnEscalation,
    CallOffSession,
    CancelSession,
    CheckIn,
    Coding,
    ConfirmAttendance,
    MarkMissed,
    MoveSession,
    RecordOutreach,
    ReinstateSession,
    ResolveEscalation,
    WithdrawCheckIn,
)
from shared.edge import fhir
from shared.edge.clients import Caller
from shared.edge.contract import Context, Interpretation, StoredResource
from shared.edge.fhir import BundleEntry
from shared.edge.moments import WrongMoment
from shared.edge.outcome import HttpRefusal
from shared.events import codes
from shared.events.envelope import Command, name_id
from shared.platform.clients import registered
from tests.attendance.given import NAMES, PATIENT, SETTINGS

Json = dict[str, Any]

SESSION, ENCOUNTER, TASK, RESPONSE = (name_id(NAMES, each) for each in ("session", "encounter", "task", "response"))
ARRIVED, LEFT = "2026-01-05T18:02:00-05:00", "2026-01-05T20:47:30-05:00"
CAME, WENT = datetime(2026, 1, 5, 23, 2, tzinfo=UTC), datetime(2026, 1, 6, 1, 47, 30, tzinfo=UTC)
TOMORROW = "2026-01-06T18:00:00-05:00"
SEEDED = "MRN-4711"
"""Stands where a value may be refused: no refusal says it back."""
CLIENT = registered(Path(__file__).parents[2] / "deploy")["ehr"]
NOW = CAME + timedelta(hours=5)
CONTEXT = Context(Caller("ehr", CLIENT, "demo", ()), PATIENT, "demo", SETTINGS, NOW)
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
    assert refused.value.__cause__ is None or isinstance(refused.value.__cause__, WrongMoment)
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


def cancelled(reason: str | None, *before: Json) -> Json:
    """By a code of FHIR's list, behind the others."""
    own = [{"system": codes.CANCELLATION, "code": reason}] if reason else []
    return appointment("cancelled", **({"cancelationReason": {"coding": [*before, *own]}} if before or own else {}))


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


def check_in(*periods: tuple[datetime, datetime | None]) -> CheckIn:
    return CheckIn(session_ids=(SESSION,), encounter_id=ENCOUNTER, periods=periods)


def minutes(after: float) -> datetime:
    return CAME + timedelta(minutes=after)


# --- Encounter


@pytest.mark.parametrize(
    "named", [None, [{"display": SEEDED}], [{"reference": f"urn:oid:{SEEDED}"}]], ids=["none", "by text", "elsewhere"]
)
def test_an_encounter_that_names_no_session_reports_its_presence_and_its_kind(named: object) -> None:
    typed = [{"coding": [{"system": codes.SESSION, "code": "skills"}]}, {"text": SEEDED}]
    (command,) = commands_of(encounter("arrived", period={"start": ARRIVED}, appointment=named, type=typed))
    assert isinstance(command, CheckIn)
    assert (command.session_ids, command.kind) == ((), "skills")


@pytest.mark.parametrize("status", ["arrived", "triaged", "in-progress", "onleave"])
def test_an_encounter_that_lasts_is_a_check_in(status: str) -> None:
    assert commands_of(encounter(status, period={"start": ARRIVED})) == (check_in((CAME, None)),)


def test_a_finished_encounter_carries_its_period() -> None:
    assert commands_of(encounter()) == (check_in((CAME, WENT)),)


def test_an_encounter_may_name_several_sessions_and_is_read_again_with_its_class() -> None:
    other = name_id(NAMES, "other session")
    both = [{"reference": f"Appointment/{each}"} for each in (SESSION, other)]
    virtual = encounter(appointment=both) | {"class": {"system": codes.ACT, "code": "VR"}}
    (came,) = commands_of(virtual)
    assert isinstance(came, CheckIn) and (came.session_ids, came.class_code) == ((SESSION, other), "VR")
    (accepted,) = meaning(virtual).accepted
    assert accepted.resource == virtual


def test_time_on_leave_is_cut_out() -> None:
    away, back = "2026-01-05T19:02:00-05:00", "2026-01-05T19:32:00-05:00"
    history = [{"status": "onleave", "period": {"start": away, "end": back}}]
    assert commands_of(encounter(statusHistory=history)) == (check_in((CAME, minutes(60)), (minutes(90), WENT)),)


@pytest.mark.parametrize(
    ("value", "unit", "lasts"), [(170, "min", 165.5), (2.5, "h", 150), (6000, "s", 100), (1, "s", 1 / 60)]
)
def test_a_length_only_shortens(value: float, unit: str, lasts: float) -> None:
    length = {"value": value, "unit": unit, "system": codes.UCUM, "code": unit}
    assert commands_of(encounter(length=length)) == (check_in((CAME, minutes(lasts))),)


@pytest.mark.parametrize(
    ("value", "length", "lasts"),
    [
        (50, {"unit": "minutes"}, 50),
        (50, {"unit": "Min."}, 50),
        (50, {"code": "MIN"}, 50),
        (1.5, {"unit": "hr"}, 90),
        (1.5, {"unit": " Hours "}, 90),
        (1, {"unit": "hour(s)", "system": codes.UCUM, "code": "h"}, 60),
        (2, {"unit": "hrs", "system": "http://ehr.example/units", "code": "U7"}, 120),
        (1800, {"unit": "secs"}, 30),
    ],
)
def test_a_unit_that_is_unmistakable_is_read_without_ucum(value: float, length: Json, lasts: float) -> None:
    until = {"start": ARRIVED}
    assert commands_of(encounter(length={"value": value, **length})) == (check_in((CAME, minutes(lasts))),)
    assert commands_of(encounter(length={"value": value, **length}, period=until)) == (
        check_in((CAME, minutes(lasts))),
    )


def unknown_minutes(end: datetime | None = WENT, **changed: Any) -> CheckIn:
    return msgspec.structs.replace(check_in((CAME, end)), minutes_known=False, **changed)


@pytest.mark.parametrize(
    "length",
    [
        {"value": 50},
        {"value": 50, "unit": "m"},
        {"value": 50, "unit": "units"},
        {"value": 50, "unit": "min", "code": "h", "system": codes.UCUM},
        {"value": 50, "code": "min", "system": "http://ehr.example/units"},
        {"value": 50, "comparator": "<", "unit": "min", "code": "min", "system": codes.UCUM},
        {"value": 50, "comparator": ">=", "unit": "min"},
        {"value": -5, "unit": "min", "code": "min", "system": codes.UCUM},
        {"value": 0, "unit": "min", "code": "min", "system": codes.UCUM},
        {"value": 0.001, "unit": "min"},
    ],
)
def test_a_length_that_cannot_be_read_leaves_who_came_and_no_minutes(length: Json) -> None:
    assert commands_of(encounter(length=length)) == (unknown_minutes(),)
    assert commands_of(encounter(length=length, period={"start": ARRIVED})) == (unknown_minutes(None),)


def test_a_finished_encounter_without_an_end_to_the_second_leaves_who_came_and_no_minutes() -> None:
    assert commands_of(encounter(period={"start": ARRIVED})) == (unknown_minutes(None),)
    assert commands_of(encounter(period={"start": ARRIVED, "end": "2026-01-05"})) == (unknown_minutes(None),)
    assert commands_of(encounter(length={"unit": "min"}, period={"start": ARRIVED})) == (unknown_minutes(None),)
    assert commands_of(encounter(length={"unit": "min"})) == (check_in((CAME, WENT)),)


@pytest.mark.parametrize("away", [{"end": ARRIVED}, {"start": "2026-01-05"}, {"start": ARRIVED, "end": "2026-01-05"}])
def test_a_leave_of_unknown_length_leaves_who_came_and_no_minutes(away: Json) -> None:
    assert commands_of(encounter(statusHistory=[{"status": "onleave", "period": away}])) == (unknown_minutes(),)
    elsewhere = [{"status": "in-progress", "period": away}]
    assert commands_of(encounter(statusHistory=elsewhere)) == (check_in((CAME, WENT)),)


def test_an_end_that_has_come_in_an_encounter_that_lasts_leaves_who_came_and_no_minutes() -> None:
    assert commands_of(encounter("in-progress")) == (unknown_minutes(),)
    planned = {"start": ARRIVED, "end": (NOW + timedelta(minutes=5)).isoformat()}
    assert commands_of(encounter("in-progress", period=planned)) == (check_in((CAME, None)),)
    a_day = {"start": ARRIVED, "end": "2026-01-05"}
    yesterday = {"start": "2026-01-03T18:02:00-05:00", "end": "2026-01-04"}
    assert commands_of(encounter("onleave", period=a_day)) == (check_in((CAME, None)),)
    (came,) = commands_of(encounter("onleave", period=yesterday))
    assert isinstance(came, CheckIn) and not came.minutes_known and came.periods[0][1] is None


@pytest.mark.parametrize("other", [{"identifier": {"value": SEEDED}}, {"display": SEEDED}])
def test_a_session_that_cannot_be_read_beside_one_that_can_is_said(other: Json) -> None:
    (came,) = commands_of(encounter(appointment=[{"reference": f"Appointment/{SESSION}"}, other]))
    assert came == msgspec.structs.replace(check_in((CAME, WENT)), names_others=True)


def test_a_length_stands_for_an_end_that_is_not_stated_at_most_a_day_later() -> None:
    length = {"value": 10**30, "unit": "min", "system": codes.UCUM, "code": "min"}
    (came,) = commands_of(encounter(period={"start": "2026-01-03T18:02:00-05:00"}, length=length))
    assert isinstance(came, CheckIn)
    assert came.periods == ((CAME - timedelta(days=2), CAME - timedelta(days=1)),)


def test_a_cancelled_encounter_cancels_its_session_without_a_reason() -> None:
    assert commands_of(encounter("cancelled")) == (
        WithdrawCheckIn(encounter_id=ENCOUNTER),
        CancelSession(session_id=SESSION, by_encounter=True),
    )


def put_over(stored: Json, sent: Json) -> tuple[Command, ...]:
    """What the update of a stored Encounter means."""
    context = replace(CONTEXT, stored={("Encounter", ENCOUNTER): StoredResource(PATIENT, stored)})
    return interpret([entry(sent)], context).commands


def test_an_encounter_entered_in_error_is_withdrawn() -> None:
    withdrawn = (WithdrawCheckIn(encounter_id=ENCOUNTER),)
    assert put_over(encounter(), encounter("entered-in-error")) == withdrawn
    assert put_over(encounter(), encounter("entered-in-error", appointment=None, period=None)) == withdrawn


def test_an_encounter_updated_withdraws_nothing() -> None:
    assert put_over(encounter("in-progress"), encounter()) == (check_in((CAME, WENT)),)


def test_an_encounter_is_not_created_in_error() -> None:
    created = fhir.single("POST", "Encounter", None, encounter("entered-in-error", id=None), {})
    with pytest.raises(HttpRefusal) as refused:
        interpret([created], CONTEXT)
    assert refused.value.issues[0].expression == ("Encounter.status",)


def test_a_versioned_or_absolute_reference_names_the_same_session() -> None:
    for written in (f"Appointment/{SESSION}/_history/2", f"https://hub.example/fhir/Appointment/{SESSION}"):
        assert commands_of(encounter(appointment=[{"reference": written}])) == (check_in((CAME, WENT)),)


PLACE = "Encounter"


@pytest.mark.parametrize(
    ("sent", "code", "place"),
    [
        (encounter("cancelled", appointment=None), "required", f"{PLACE}.appointment"),
        (encounter("planned"), "business-rule", f"{PLACE}.status"),
        (encounter("arrived", period=None), "required", f"{PLACE}.period.start"),
        (encounter("arrived", period={"start": "2026-01-05"}), "value", f"{PLACE}.period.start"),
        (encounter("arrived", period={"start": "2026-01"}), "value", f"{PLACE}.period.start"),
        (encounter("arrived", period={"start": "2026"}), "value", f"{PLACE}.period.start"),
        (encounter(period={"start": ARRIVED, "end": TOMORROW}), "business-rule", f"{PLACE}.period.end"),
        (encounter("arrived", period={"start": TOMORROW}), "business-rule", f"{PLACE}.period.start"),
    ],
)
def test_an_encounter_that_does_not_say_enough_is_refused_at_its_place(sent: Json, code: str, place: str) -> None:
    assert refusal(sent) == (422, code, (place,))


# --- Appointment


def as_sent(resource: Json) -> tuple[Coding, ...]:
    """The codings of its reason."""
    return tuple(Coding(each.get("system", ""), each["code"]) for each in resource["cancelationReason"]["coding"])


def assert_cancels(resource: Json, reason: str) -> None:
    stated = as_sent(resource) if "cancelationReason" in resource else ()
    assert commands_of(resource) == (CancelSession(session_id=SESSION, reason=reason, stated=stated),)


def assert_calls_off(resource: Json) -> None:
    assert commands_of(resource) == (CallOffSession(session_id=SESSION, stated=as_sent(resource)),)


@pytest.mark.parametrize("reason", ["pat", "pat-crs", "other", None])
def test_an_appointment_cancelled_on_the_patient_s_side_carries_its_reason(reason: str | None) -> None:
    assert_cancels(cancelled(reason), reason or "")


@pytest.mark.parametrize("reason", ["prov", "prov-pers", "maint", "oth-room"])
def test_an_appointment_cancelled_by_the_provider_is_called_off(reason: str) -> None:
    assert_calls_off(cancelled(reason))


def test_a_local_code_before_it_changes_no_reason() -> None:
    local = {"system": "http://ehr.example/reasons", "code": "X1"}
    assert_calls_off(cancelled("prov", local))
    assert_cancels(cancelled("pat-lt", local), "pat-lt")
    assert_cancels(cancelled("pat", local | {"code": "illness"}), "illness")


@pytest.mark.parametrize("code", ["prov", "provided-ride-failed", "maint"])
def test_a_local_code_that_looks_like_the_provider_s_hides_no_absence(code: str) -> None:
    local = {"system": "http://ehr.example/reasons", "code": code}
    assert_cancels(cancelled(None, local), code)
    assert_cancels(cancelled("pat", local), "pat")
    of_no_system = cancelled(None, {"code": code})
    if code == "provided-ride-failed":
        assert_cancels(of_no_system, code)
    else:
        assert_calls_off(of_no_system)


def test_where_both_sides_are_the_reason_it_is_not_called_off() -> None:
    assert_cancels(cancelled("pat", {"system": codes.CANCELLATION, "code": "prov"}), "prov")


def test_what_the_hub_wrote_is_no_reason_when_it_comes_back() -> None:
    """An excuse stays one; a cancellation that counts does not become one."""
    ours = {"system": codes.REASON, "code": "cancelled-late"}
    assert commands_of(cancelled(None, ours)) == (CancelSession(session_id=SESSION),)
    assert commands_of(cancelled(None, ours | {"code": "excused"})) == (
        CancelSession(session_id=SESSION, reason="excused"),
    )
    assert commands_of(cancelled(None, ours | {"code": "called-off"})) == (CallOffSession(session_id=SESSION),)
    (sent,) = commands_of(cancelled("pat", ours | {"code": "called-off"}))
    assert sent == CancelSession(session_id=SESSION, reason="pat", stated=(Coding(codes.CANCELLATION, "pat"),))


def test_of_very_many_reasons_all_are_read_and_a_few_are_read_again() -> None:
    local = [{"system": "http://ehr.example/reasons", "code": f"X{number}"} for number in range(9)]
    (sent,) = commands_of(cancelled("pat", {"code": "x" * 300}, *local, {"code": "illness"}))
    assert isinstance(sent, CancelSession) and sent.reason == "illness"
    assert [each.code for each in sent.stated] == ["X0", "X1", "X2", "X3"]


def test_a_noshow_is_said_by_a_person() -> None:
    assert commands_of(appointment("noshow")) == (MarkMissed(session_id=SESSION),)


SIX, SEVEN = datetime(2026, 1, 5, 23, tzinfo=UTC), datetime(2026, 1, 6, 0, tzinfo=UTC)


def put_again(**changed: str) -> tuple[Command, ...]:
    """Of a session that is planned from six to nine, as it is sent now."""
    planned = {**appointment("booked"), "start": "2026-01-05T18:00:00-05:00", "end": "2026-01-05T21:00:00-05:00"}
    context = replace(CONTEXT, stored={("Appointment", SESSION): StoredResource(PATIENT, planned)})
    return interpret([entry({**planned, **changed})], context).commands


def test_a_session_at_another_time_moves_before_what_is_reported_of_it() -> None:
    times = {"start": "2026-01-05T19:00:00-05:00", "end": "2026-01-05T22:00:00-05:00"}
    move = MoveSession(session_id=SESSION, start=SEVEN, end=SEVEN + timedelta(hours=3))
    assert put_again(**times) == (move, ReinstateSession(session_id=SESSION))
    assert put_again(**times, status="noshow") == (move, MarkMissed(session_id=SESSION))


def test_a_slot_that_a_session_has_left_says_nothing_sent_back() -> None:
    ours = {"cancelationReason": {"coding": [{"system": codes.REASON, "code": "moved"}]}}
    assert commands_of({**appointment("cancelled"), **ours}) == ()


def test_a_session_at_its_own_time_moves_back_where_it_is_booked_and_else_only_reports() -> None:
    stays = MoveSession(session_id=SESSION, start=SIX, end=SIX + timedelta(hours=3))
    assert put_again(start="2026-01-05T23:00:00Z") == (stays, ReinstateSession(session_id=SESSION))
    assert put_again(status="noshow") == (MarkMissed(session_id=SESSION),)


def test_an_appointment_booked_again_is_reinstated() -> None:
    assert commands_of(appointment("booked")) == (ReinstateSession(session_id=SESSION),)


@pytest.mark.parametrize("status", ["arrived", "checked-in", "fulfilled"])
def test_an_arrived_appointment_reports_presence_without_an_encounter(status: str) -> None:
    held = status == "fulfilled"
    assert commands_of(appointment(status)) == (ConfirmAttendance(session_id=SESSION, held=held),)


@pytest.mark.parametrize("status", ["proposed", "pending", "waitlist"])
def test_another_status_of_an_appointment_is_refused(status: str) -> None:
    assert refusal(appointment(status, comment=SEEDED)) == (422, "business-rule", ("Appointment.status",))


# --- AppointmentResponse


def test_a_declined_session_is_cancelled_and_the_response_is_kept() -> None:
    found = meaning(response("declined"))
    assert found.commands == (CancelSession(session_id=SESSION, declined=True),)
    assert [each.id for each in found.accepted] == [RESPONSE]


def test_an_accepted_session_takes_a_decline_back() -> None:
    assert meaning(response("accepted")).commands == (AcceptSession(session_id=SESSION),)


@pytest.mark.parametrize("answer", ["tentative", "needs-action"])
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


@pytest.mark.parametrize("status", ["cancelled", "rejected", "failed", "on-hold"])
def test_only_the_hub_retracts_an_escalation(status: str) -> None:
    assert refusal(task(status, description=SEEDED)) == (422, "business-rule", ("Task.status",))


def outputs(**values: Json) -> list[Json]:
    return [{"type": coded(codes.INPUT, f"outreach-{name}"), **value} for name, value in values.items()]


def coded(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


AT = (NOW - timedelta(hours=1)).isoformat()


def attempt(outcome: str = "no-answer", channel: str = "PHONE", at: str = AT) -> list[Json]:
    return outputs(
        channel={"valueCodeableConcept": coded(codes.PARTICIPATION_MODE, channel)},
        at={"valueDateTime": at},
        outcome={"valueCodeableConcept": coded(codes.OUTREACH, outcome)},
    )


RECORDED = RecordOutreach(
    escalation_id=TASK,
    channel="PHONE",
    outcome="no-answer",
    at=NOW - timedelta(hours=1),
    by="case-manager-1",
)


def test_an_attempt_to_reach_the_patient_comes_with_the_task() -> None:
    taken = AcknowledgeEscalation(escalation_id=TASK, by="case-manager-1")
    assert commands_of(task("accepted", output=attempt())) == (taken, RECORDED)


@pytest.mark.parametrize(("outcome", "act"), [("reached", "patient-reached"), ("message", "message-left")])
def test_an_outcome_says_what_was_done(outcome: str, act: str) -> None:
    step, _ = commands_of(task("accepted", output=attempt(outcome)))
    assert step == ActOnEscalation(escalation_id=TASK, act=act, by="case-manager-1")


def test_an_attempt_comes_before_what_closes_its_escalation() -> None:
    recorded, closed = commands_of(task("completed", output=attempt()))
    assert recorded == RECORDED and isinstance(closed, ResolveEscalation)


@pytest.mark.parametrize(
    ("sent", "code", "place"),
    [
        (attempt()[:2], "required", "Task.output"),
        (attempt() + attempt("reached"), "required", "Task.output"),
        (attempt(channel="PIGEON"), "code-invalid", "Task.output[0].valueCodeableConcept"),
        (attempt(outcome=SEEDED), "code-invalid", "Task.output[2].valueCodeableConcept"),
        (attempt(at="2026-01-05"), "value", "Task.output[1].valueDateTime"),
        (attempt(at=(NOW + timedelta(days=1)).isoformat()), "business-rule", "Task.output[1].valueDateTime"),
    ],
    ids=["without-outcome", "two-attempts", "unknown-channel", "unknown-outcome", "a-day-alone", "ahead"],
)
def test_an_attempt_that_is_not_whole_is_refused(sent: list[Json], code: str, place: str) -> None:
    assert refusal(task("accepted", output=sent)) == (422, code, (place,))


# --- several at once


def test_what_attendance_writes_itself_is_not_kept_as_it_came() -> None:
    found = meaning(appointment("booked"), encounter(), task("accepted"), response("declined"))
    assert [type(each) for each in found.commands] == [ReinstateSession, CheckIn, AcknowledgeEscalation, CancelSession]
    assert [each.type for each in found.accepted] == ["Encounter", "AppointmentResponse"]
    assert found.stored == ()


def test_every_type_that_may_be_written_has_its_place_in_the_order() -> None:
    written = {kind for kind, taken in TAKES.items() if {"create", "update"} & set(taken.interactions)}
    assert written == set(EDGE.order)


def test_a_length_that_would_end_in_the_future_is_refused() -> None:
    """Nobody has spent those minutes yet."""
    began = (NOW - timedelta(hours=1)).isoformat()
    three_hours = {"value": 180, "code": "min", "system": codes.UCUM, "unit": "min"}
    ahead = encounter(period={"start": began}, length=three_hours)
    assert refusal(ahead) == (422, "business-rule", ("Encounter.period.end",))
    assert commands_of(encounter(period={"start": began}, length={**three_hours, "value": 60})) != ()
