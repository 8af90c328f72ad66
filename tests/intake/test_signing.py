"""A signature over HTTP: who signed which version of what, and what can be read of it from the request's side."""

import dataclasses
from typing import Any

import pytest

from services.intake import app
from services.intake.edge import discharge, signing, tasks
from services.intake.messages import (
    CompleteReview,
    LevelOfCareRecommended,
    PlacementReviewRequested,
    Review,
    SignPlacement,
    WithdrawDischarge,
)
from shared.edge.contract import Context, StoredResource
from shared.edge.fhir import BundleEntry, single
from shared.edge.outcome import HttpRefusal
from shared.events import codes, fhir
from shared.events.envelope import Event
from shared.rules.staff import MAY, Act
from tests.intake import bundles
from tests.intake.bundles import MONDAY
from tests.intake.given import DIRECTOR, PATIENT, SETTINGS
from tests.intake.story import referred
from tests.service import ServiceOnPostgres, StartService, caller
from tests.story import only

Json = dict[str, Any]
REQUEST = "3b0c5a0e-1111-4c5a-9e0e-3f0c5a0e5a0e"
TASK = "3b0c5a0e-2222-4c5a-9e0e-3f0c5a0e5a0e"
TO_SIGN: Json = {
    "resourceType": "Task",
    "id": TASK,
    "status": "requested",
    "intent": "order",
    "code": fhir.concept(codes.TASK, "sign-placement"),
    "focus": fhir.reference("ServiceRequest", REQUEST),
}


def second(named: Json) -> Json:
    return {"type": fhir.concept(codes.INPUT, "second-signature"), "valueReference": named}


def entry(task: Json, **headers: str) -> BundleEntry:
    return single("PUT", "Task", TASK, task, headers)


def context(person: str = "", version: int = 1, status: str = "requested") -> Context:
    stored = {
        ("Task", TASK): StoredResource(PATIENT, {**TO_SIGN, "status": status}),
        ("ServiceRequest", REQUEST): StoredResource(PATIENT, {}, version),
    }
    who = dataclasses.replace(caller("ehr"), person=person)
    return Context(who, PATIENT, "demo", SETTINGS, MONDAY, stored)


def read(task: Json, of: Context) -> SignPlacement:
    return signing.signed(entry(task), of.stored["Task", TASK].body, of)


def refused(task: Json, of: Context) -> tuple[int, str, str]:
    with pytest.raises(HttpRefusal) as found:
        read(task, of)
    (issue,) = found.value.issues
    return found.value.status, issue.code, *issue.expression  # type: ignore[return-value]


def test_the_second_signature_is_named_as_the_owner_is_and_only_a_token_proves_who_signs() -> None:
    director = second({"identifier": {"system": codes.STAFF, "value": DIRECTOR}})
    stated = read({**bundles.signed(TO_SIGN), "input": [director]}, context())
    assert (stated.by, stated.second, stated.proved, stated.version) == ("clinician-1", DIRECTOR, False, "1")
    proved = read({**bundles.signed(TO_SIGN), "input": [director]}, context("clinician-1"))
    assert (proved.by, proved.second, proved.proved) == ("clinician-1", DIRECTOR, True)
    by_the_ehr = read(
        {**bundles.signed(TO_SIGN), "input": [second({"reference": "Practitioner/on-call-1"})]}, context()
    )
    assert by_the_ehr.second == "on-call-clinician-1"


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ([second(fhir.staff("nobody"))], (422, "code-invalid", "Task.input[0].valueReference")),
        ([second({"display": "Dr. Amarillo"})], (422, "required", "Task.input[0].valueReference")),
        ([second(fhir.staff(DIRECTOR))] * 2, (422, "business-rule", "Task.input")),
    ],
    ids=["nobody of the staff", "a name", "two"],
)
def test_a_second_signature_that_nobody_understands_is_refused(inputs: list[Json], found: tuple[int, str, str]) -> None:
    assert refused({**bundles.signed(TO_SIGN), "input": inputs}, context()) == found


def output(name: str, **value: Any) -> Json:
    return {"type": fhir.concept(codes.INPUT, name), **value}


def of_code(name: str, system: str, *stated: str) -> Json:
    return output(name, valueCodeableConcept={"coding": [{"system": system, "code": each} for each in stated]})


LEVEL_21 = of_code("level", codes.LEVEL, "2.1")


@pytest.mark.parametrize(
    "outputs",
    [
        [LEVEL_21, of_code("level", codes.LEVEL, "3.7")],
        [of_code("level", codes.LEVEL, "2.1", "3.7")],
        [LEVEL_21, of_code("reason", codes.REASON, "funding"), of_code("reason", codes.REASON, "court-order")],
        [LEVEL_21, output("wait-list", valueBoolean=True), output("wait-list", valueBoolean=False)],
    ],
    ids=["two levels", "two levels in one", "two reasons", "waits and doesn't"],
)
def test_of_a_signature_that_says_two_things_nobody_guesses_which_was_meant(outputs: list[Json]) -> None:
    task = {**bundles.signed(TO_SIGN), "output": outputs}
    assert refused(task, context()) == (422, "business-rule", "Task.output")


def test_a_review_that_is_answered_with_two_outcomes_is_refused() -> None:
    review = TO_SIGN | {"code": fhir.concept(codes.TASK, "review-placement")}
    asked = dataclasses.replace(context(), stored={("Task", TASK): StoredResource(PATIENT, review)})
    coded = [{"system": codes.REASON, "code": each} for each in ("still-true", "referral-declined")]
    done = {**bundles.answered(review, "completed", "clinician-1"), "statusReason": {"coding": coded}}
    with pytest.raises(HttpRefusal) as found:
        tasks.completed(entry(done), asked)
    assert found.value.status == 422
    once = {**done, "statusReason": {"coding": coded[:1]}}
    answer = tasks.completed(entry(once), asked)
    assert isinstance(answer, CompleteReview) and answer.outcome == "still-true"


def test_a_signature_may_say_the_same_twice() -> None:
    assert read({**bundles.signed(TO_SIGN), "output": [LEVEL_21, LEVEL_21]}, context()).level == "2.1"


def test_only_the_version_that_stands_is_signed() -> None:
    assert read(bundles.signed(TO_SIGN), context(version=1)).version == "1"
    assert refused(bundles.signed(TO_SIGN), context(version=2)) == (409, "conflict", "Task.focus")
    unread = {**bundles.signed(TO_SIGN), "focus": TO_SIGN["focus"]}
    assert refused(unread, context())[:2] == (428, "required")


def test_a_discharge_by_a_persons_own_token_is_a_licensed_clinicians() -> None:
    stay = {
        "resourceType": "EpisodeOfCare",
        "id": TASK,
        "status": "active",
        "patient": {"reference": f"Patient/{PATIENT}"},
    }
    goes_on = single("PUT", "EpisodeOfCare", TASK, stay, {})
    for person in ("clinician-1", ""):
        assert discharge.discharged(goes_on, [goes_on], context(person)) == WithdrawDischarge(episode_id=TASK)
    with pytest.raises(HttpRefusal, match="forbidden at EpisodeOfCare") as found:
        discharge.discharged(goes_on, [goes_on], context("case-manager-1"))
    assert found.value.status == 403


async def test_who_signed_what_when_and_what_came_of_it_is_read_from_the_request(start_service: StartService) -> None:
    intake = await start_service(app.assemble, "intake", MONDAY)
    await intake.submit(bundles.intake("0001"))
    await intake.put_thrice(bundles.signed(await intake.task("sign-placement")))
    request = await proposal(intake)
    (history,) = request["relevantHistory"]
    (signature,) = history["extension"]
    parts = {each["url"]: each for each in signature["extension"]}
    assert request["status"] == "completed" and request["reasonCode"] and request["code"]
    assert parts["by"]["valueReference"] == fhir.staff("clinician-1")
    assert parts["as"]["valueCoding"]["code"] == "licensed-clinician"
    assert parts["version"]["valueReference"]["identifier"]["value"] == f"ServiceRequest/{request['id']}/_history/1"
    (episode,) = await intake.found("EpisodeOfCare")
    assert parts["episode"]["valueReference"]["reference"] == f"EpisodeOfCare/{episode['id']}"
    (provenance,) = [each for each in await intake.found("Provenance") if "entity" in each]
    assert history["reference"] == f"Provenance/{provenance['id']}"
    assert provenance["entity"] == [{"role": "source", "what": parts["version"]["valueReference"]}]
    (audited,) = await intake.found("AuditEvent")
    assert {"type": "person", "valueString": "stated"} in audited["entity"][1]["detail"]


async def test_without_a_recommendation_the_referral_itself_says_who_signed_it(start_service: StartService) -> None:
    intake = await start_service(app.assemble, "intake", MONDAY)
    await intake.submit(bundles.intake("0001", needs={}))
    await intake.put(bundles.signed(await intake.task("review-placement"), "2.1", "court-order"))
    (order,) = await intake.found("ServiceRequest")
    (signature,) = order["relevantHistory"][0]["extension"]
    parts = {each["url"]: each for each in signature["extension"]}
    assert (order["status"], order["intent"], order["code"]["coding"][0]["code"]) == ("completed", "order", "H0015")
    assert parts["version"]["valueReference"]["identifier"]["value"] == f"ServiceRequest/{order['id']}/_history/1"
    assert parts["reason"]["valueCoding"]["code"] == "court-order"
    sent = {name: order[name] for name in ("resourceType", "id", "intent", "code", "subject", "authoredOn")}
    await intake.put({**sent, "status": "active", "patientInstruction": "ring twice"})
    (later,) = await intake.found("ServiceRequest")
    assert later["relevantHistory"] == order["relevantHistory"] and later["status"] == "completed"
    assert later["patientInstruction"] == "ring twice"


@pytest.mark.parametrize(
    ("reason", "act"),
    [("R0", "decide-referral"), ("second-referral", "decide-referral"), ("new-needs", "review-placement")],
)
def test_a_review_is_asked_of_who_may_answer_it(reason: str, act: Act) -> None:
    review = Review(TASK, reason, f"ServiceRequest/{REQUEST}", MONDAY, MONDAY)
    assert asked_of(PlacementReviewRequested(review=review)) <= set(MAY[act])


def test_a_signature_is_asked_of_who_may_give_it() -> None:
    (recommended,) = only(referred().emitted, LevelOfCareRecommended)
    assert asked_of(recommended) <= set(MAY["sign-placement"])


def asked_of(event: Event) -> set[str]:
    """The roles that its Task names, by its owner and as FHIR codes them."""
    written: list[Any] = list(event.write(PATIENT))
    (task,) = [each for each in written if each["resourceType"] == "Task"]
    return {task["owner"]["identifier"]["value"], task["performerType"][0]["coding"][0]["code"]}


async def test_no_client_changes_what_the_hub_recommended(start_service: StartService) -> None:
    intake = await start_service(app.assemble, "intake", MONDAY)
    await intake.submit(bundles.intake("0001"))
    before = await proposal(intake)
    with pytest.raises(HttpRefusal, match="business-rule"):
        await intake.put({**before, "status": "revoked"})
    assert await proposal(intake) == before


async def test_the_wrong_role_is_answered_403_with_the_role_that_is_needed(start_service: StartService) -> None:
    intake = await start_service(app.assemble, "intake", MONDAY)
    await intake.submit(bundles.intake("0001"))
    with pytest.raises(HttpRefusal) as found:
        await intake.put(bundles.signed(await intake.task("sign-placement"), by="case-manager-1"))
    assert (found.value.status, found.value.issues[0].code) == (403, "forbidden")
    assert "licensed-clinician" in found.value.issues[0].diagnostics


async def proposal(intake: ServiceOnPostgres) -> Json:
    (found,) = [each for each in await intake.found("ServiceRequest") if each["intent"] == "proposal"]
    return found
