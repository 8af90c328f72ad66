"""A person of the staff chooses the group: a Task of their own, which decides once, when it is completed."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from services.attendance.edge import interpret
from services.attendance.groups.plan import group_id
from services.attendance.groups.seat import ALONE, ANY, LEFT, GroupSeat
from services.attendance.messages import CallOffSession, ChooseGroup, PatientIdentified, WeeklyHoursFellShort
from services.attendance.state import State
from shared.edge.contract import Context, StoredResource
from shared.edge.outcome import HttpRefusal
from shared.events import codes, fhir
from shared.platform.keys import Identifier
from tests.attendance.given import ADMISSION, EPISODE, PATIENT, admitted, evening
from tests.attendance.grouping_story import EVENING_A, EVENING_B, ProgramStory, plan, stay_of
from tests.attendance.test_edge import CONTEXT, entry
from tests.attendance.test_last_seats_of_a_group import with_group
from tests.service import ServiceOnPostgres, StartService, internal_lane
from tests.story import only

Json = dict[str, Any]
TASK = "4a4f3c1e-0000-4000-8000-000000000011"
THERAPIST = "primary-therapist-1"
SETTINGS = msgspec.structs.replace(CONTEXT.settings, groups={EVENING_A: plan(), EVENING_B: plan()})


def instead(code: str) -> Json:
    return {
        "type": fhir.concept(codes.INPUT, "group-choice"),
        "valueCodeableConcept": fhir.concept(codes.GROUP_CHOICE, code),
    }


def group(**reference: Any) -> Json:
    return {"type": fhir.concept(codes.INPUT, "group"), "valueReference": reference}


BY_ID = group(reference=f"Group/{group_id('demo', EVENING_A)}")
BY_NAME = group(identifier={"system": codes.GROUP, "value": EVENING_A})


def task(*outputs: Json, **changed: Any) -> Json:
    return {
        "resourceType": "Task",
        "id": TASK,
        "status": "completed",
        "intent": "order",
        "code": fhir.concept(codes.TASK, "choose-group"),
        "for": {"reference": f"Patient/{PATIENT}"},
        "focus": {"reference": f"EpisodeOfCare/{EPISODE}"},
        "owner": {"identifier": {"system": codes.STAFF, "value": THERAPIST}},
        **({"output": list(outputs)} if outputs else {}),
        **changed,
    }


def commands(sent: Json, before: Mapping[str, Any] | None = None) -> tuple[object, ...]:
    stored = {} if before is None else {("Task", TASK): StoredResource(PATIENT, before)}
    context = Context(CONTEXT.caller, PATIENT, "demo", SETTINGS, CONTEXT.now, stored)
    found = interpret([entry(sent)], context)
    assert [each.id for each in found.accepted] == [TASK], "it is read again as it was sent"
    return found.commands


@pytest.mark.parametrize(
    ("output", "chosen"),
    [
        (BY_ID, EVENING_A),
        (BY_NAME, EVENING_A),
        (instead("individual-therapy"), ALONE),
        (instead("leave"), LEFT),
        (instead("any"), ANY),
    ],
)
def test_a_completed_task_says_which_group_or_what_instead(output: Json, chosen: str) -> None:
    assert commands(task(output)) == (ChooseGroup(episode_id=EPISODE, group=chosen, by=THERAPIST),)


def test_before_it_is_completed_it_decides_nothing_and_sent_again_nothing_more() -> None:
    assert commands(task(BY_ID, status="requested")) == ()
    assert commands(task(BY_ID), task(BY_ID, status="requested")) != ()
    assert commands(task(BY_ID), task(BY_ID)) == ()


@pytest.mark.parametrize(
    ("sent", "refusal"),
    [
        (task(), (422, "required", "output")),
        (task(BY_ID, BY_NAME), (422, "required", "output")),
        (task(instead("go-home")), (422, "required", "output")),
        (task(group(display="Monday")), (422, "required", "output")),
        (task(BY_ID, focus={"reference": "CarePlan/1"}), (422, "required", "focus")),
        (task(BY_ID, owner={"identifier": {"system": codes.STAFF, "value": "nobody"}}), (422, "code-invalid", "owner")),
    ],
)
def test_what_does_not_say_it_is_refused_with_its_place(sent: Json, refusal: tuple[int, str, str]) -> None:
    with pytest.raises(HttpRefusal) as refused:
        commands(sent)
    (issue,) = refused.value.issues
    assert (refused.value.status, issue.code, issue.expression[0].rpartition(".")[2]) == refusal


@pytest.mark.parametrize(
    "sent", [task(instead("leave")), task(BY_ID, status="entered-in-error"), task(BY_ID, status="requested")]
)
def test_a_completed_one_that_says_otherwise_is_refused(sent: Json) -> None:
    """The seat stays: nobody may think that the choice was taken back."""
    with pytest.raises(HttpRefusal) as refused:
        commands(sent, task(BY_ID))
    assert refused.value.status == 409


@pytest.mark.parametrize("status", ["requested", "completed"])
def test_a_choice_becomes_no_task_of_the_hub(status: str) -> None:
    other = task(BY_ID, status=status) | {"code": fhir.concept(codes.ESCALATION, "missed-session")}
    with pytest.raises(HttpRefusal) as refused:
        commands(other, task(BY_ID, status=status))
    (issue,) = refused.value.issues
    assert (refused.value.status, issue.expression) == (422, ("Task.code",))


def test_a_task_of_the_hub_becomes_no_choice_whatever_code_it_is_sent_with() -> None:
    asks = task(status="requested") | {"code": fhir.concept(codes.ESCALATION, "missed-session")}
    stored = {("Task", TASK): StoredResource(PATIENT, asks)}
    context = Context(CONTEXT.caller, PATIENT, "demo", SETTINGS, CONTEXT.now, stored)
    assert interpret([entry(task(BY_ID, status="accepted"))], context).accepted == ()


def chosen(program: ProgramStory, patient: str, name: str, by: str = THERAPIST) -> None:
    program.then(patient, ChooseGroup(episode_id=stay_of(patient), group=name, by=by))


def test_a_group_that_does_not_fit_is_joined_where_a_person_chooses_it() -> None:
    program = ProgramStory({EVENING_A: plan(gender="female"), EVENING_B: plan(language="es")})
    anna = program.admits("anna")
    assert anna.escalations == {"group-seat": 1}
    chosen(program, anna.patient, EVENING_B)
    assert (anna.group, anna.groups_of(anna.booked), anna.escalations) == (EVENING_B, {EVENING_B}, {})


def test_whoever_moves_to_a_full_group_stays_in_theirs_until_a_seat_is_free() -> None:
    program = ProgramStory({EVENING_A: plan(), EVENING_B: plan(seats=1, gender="female")})
    anna, ben = program.admits("anna"), program.admits("ben")
    chosen(program, ben.patient, EVENING_B)
    chosen(program, anna.patient, EVENING_B)
    assert (anna.group, anna.asked) == (EVENING_A, {EVENING_B: "waits"})
    chosen(program, ben.patient, ANY)
    assert (anna.group, ben.group) == (EVENING_B, EVENING_A)


def test_individual_therapy_frees_the_seat_and_keeps_the_hours() -> None:
    program = ProgramStory({EVENING_A: plan(seats=1)})
    anna, ben = program.admits("anna"), program.admits("ben")
    chosen(program, anna.patient, ALONE)
    assert (anna.group, ben.group) == ("", EVENING_A)
    assert {each.kind for each in anna.week} == {"individual"}
    assert [each.minutes for each in anna.week] == [180, 180, 180]


def test_who_is_treated_alone_since_then_waited_in_that_week_all_the_same() -> None:
    """Whatever is chosen before the week is looked at: a day after its end, later where minutes are missing."""
    program = ProgramStory({EVENING_A: plan(seats=1)})
    program.admits("anna")
    ben = program.admits("ben")
    program.until(evening(2, 0, 9))
    chosen(program, ben.patient, ALONE)
    program.until(evening(2, 3))
    (short,) = only(ben.all_emitted, WeeklyHoursFellShort)
    assert (short.minutes, short.minimum_minutes) == (0, 540)


def test_hours_held_alone_before_a_seat_is_given_are_offered_once() -> None:
    program = ProgramStory({EVENING_A: plan()})
    anna = program.admits("anna")
    chosen(program, anna.patient, ALONE)
    program.until(evening(1, 1, 9))
    chosen(program, anna.patient, ANY)
    stay = anna.state.episode
    assert stay is not None
    wednesday = next(each for each in anna.booked if evening(1, 2, 0) < each.start < evening(1, 3, 0))
    program.then(anna.patient, CallOffSession(session_id=stay.session_id(wednesday)))
    program.until(evening(2, 3))
    assert only(anna.all_emitted, WeeklyHoursFellShort) == []


def test_who_leaves_is_in_no_group_until_a_person_chooses_again_and_one_hears_of_the_missing_hours() -> None:
    program = ProgramStory({EVENING_A: plan()})
    anna = program.admits("anna")
    chosen(program, anna.patient, LEFT)
    assert (anna.group, anna.booked, anna.escalations) == ("", [], {"group-seat": 1})
    chosen(program, anna.patient, ANY)
    assert (anna.group, anna.escalations) == (EVENING_A, {})


def test_who_cannot_be_in_a_group_is_in_one_where_a_person_chooses_it() -> None:
    program = ProgramStory({EVENING_A: plan()})
    anna = program.admits("anna", "individual-only")
    chosen(program, anna.patient, EVENING_A)
    assert anna.group == EVENING_A


def test_the_same_choice_again_changes_nothing() -> None:
    program = ProgramStory({EVENING_A: plan()})
    anna = program.admits("anna")
    chosen(program, anna.patient, EVENING_A)
    before = anna.state
    chosen(program, anna.patient, EVENING_A)
    assert anna.state == before


@pytest.mark.parametrize(
    ("name", "by", "refusal"),
    [
        ("no-such-group", THERAPIST, ("code-invalid", "Task.output")),
        ("-unknown", THERAPIST, ("code-invalid", "Task.output")),
        ("closed", THERAPIST, ("conflict", "Task.output")),
        ("skills", THERAPIST, ("business-rule", "Task.output")),
        (EVENING_A, "prescriber-1", ("forbidden", "Task.owner")),
    ],
)
def test_what_cannot_be_chosen_is_refused_and_the_seat_stays(name: str, by: str, refusal: tuple[str, str]) -> None:
    plans = {EVENING_A: plan(), "closed": plan(closed_from="2026-01-01"), "skills": plan(kind="skills")}
    program = ProgramStory(plans)
    anna = program.admits("anna")
    chosen(program, anna.patient, name, by)
    assert anna.refused is not None
    assert (anna.refused.code, anna.refused.expression, anna.group) == (*refusal, EVENING_A)


def test_of_another_stay_or_one_that_is_over_nothing_is_chosen() -> None:
    program = ProgramStory({EVENING_A: plan()})
    anna = program.admits("anna")
    program.then(anna.patient, ChooseGroup(episode_id=EPISODE, group=EVENING_A, by=THERAPIST))
    assert anna.refused is not None and anna.refused.expression == "Task.focus"


async def begun(start_service: StartService) -> ServiceOnPostgres:
    service = await start_service(with_group, "attendance", ADMISSION)
    digests = service.keys.digests("demo", [Identifier("urn:mrn", "0001")])
    async with internal_lane(service):
        identified = PatientIdentified(digests=digests, sealed=(), identified_at=ADMISSION)
        await service.consume(identified, admitted("evening"))
    return service


async def test_a_task_by_post_moves_the_patient_and_is_read_as_it_was_sent(start_service: StartService) -> None:
    service = await begun(start_service)
    sent = task(instead("individual-therapy")) | {"for": {"reference": f"Patient/{service.patient}"}}
    async with internal_lane(service):
        identity = await service.post({name: each for name, each in sent.items() if name != "id"})
    (stored,) = [each for each in await service.found("Task") if each["id"] == identity]
    assert {name: each for name, each in stored.items() if name != "meta"} == {**sent, "id": identity}
    seat = await seat_of(service)
    assert (seat.group, seat.chosen) == ("", ALONE)
    await service.put_thrice(stored)


async def seat_of(service: Any) -> GroupSeat:
    ((body,),) = await service.select("SELECT body FROM state WHERE kind = 'patient'")
    seat = msgspec.json.decode(body, type=State).seat
    assert seat is not None
    return seat


async def test_a_client_makes_no_other_task(start_service: StartService) -> None:
    service = await begun(start_service)
    other = task(code=fhir.concept(codes.TASK, "follow-up")) | {"for": {"reference": f"Patient/{service.patient}"}}
    with pytest.raises(HttpRefusal) as refused:
        await service.post({name: each for name, each in other.items() if name != "id"})
    (issue,) = refused.value.issues
    assert (refused.value.status, issue.expression) == (422, ("Task.code",))
