"""A stage as a therapist states it over FHIR: in the Task that asks, or in one of their own."""

from dataclasses import replace
from typing import Any

import pytest

from services.intake import app
from services.intake.edge import staging, tasks
from services.intake.messages import AdvanceStage
from shared.edge.contract import Context, StoredResource
from shared.edge.fhir import BundleEntry, single
from shared.edge.outcome import HttpRefusal
from shared.events import codes, fhir
from tests.intake import bundles
from tests.intake.given import MONDAY, PATIENT, SETTINGS
from tests.service import StartService, caller

Json = dict[str, Any]
TASK = "4b0c5a0e-2222-4c5a-9e0e-3f0c5a0e5a0e"
EPISODE = "4b0c5a0e-3333-4c5a-9e0e-3f0c5a0e5a0e"
OWNER = {"identifier": {"system": codes.STAFF, "value": "primary-therapist-1"}}


def output(code: str, system: str = codes.STAGE) -> Json:
    return {"type": fhir.concept(codes.INPUT, "stage"), "valueCodeableConcept": fhir.concept(system, code)}


def task(*outputs: Json, status: str = "completed") -> Json:
    return {
        "resourceType": "Task",
        "id": TASK,
        "status": status,
        "intent": "proposal",
        "code": fhir.concept(codes.TASK, "advance-stage"),
        "focus": {"reference": f"EpisodeOfCare/{EPISODE}"},
        "owner": OWNER,
        "output": list(outputs),
    }


def entry(resource: Json) -> BundleEntry:
    return single("PUT", "Task", TASK, resource, {})


def context(stored: Json | None = None) -> Context:
    known = {} if stored is None else {("Task", TASK): StoredResource(PATIENT, stored)}
    return Context(replace(caller("ehr"), person=""), PATIENT, "demo", SETTINGS, MONDAY, known)


def test_the_task_that_asks_is_completed_with_one_stage_by_the_therapist() -> None:
    asked = context(task(status="requested"))
    assert tasks.completed(entry(task(output("early-recovery"))), asked) == AdvanceStage(
        task_id=TASK, stage="early-recovery", by="primary-therapist-1"
    )


@pytest.mark.parametrize(
    "outputs",
    [(), (output("maintenance", codes.LEVEL),), (output("engagement"), output("maintenance"))],
)
def test_without_one_stage_it_is_refused_with_its_place(outputs: tuple[Json, ...]) -> None:
    with pytest.raises(HttpRefusal) as refused:
        tasks.completed(entry(task(*outputs)), context(task(status="requested")))
    (issue,) = refused.value.issues
    assert (refused.value.status, issue.code) == (422, "required")
    assert issue.expression[0].endswith("output")


def test_a_therapists_own_task_advances_when_it_is_completed_whatever_it_was_before() -> None:
    asks, done = task(status="requested"), task(output("maintenance"))
    assert not tasks.is_ours(entry(done), context(asks))
    advanced = staging.unasked(entry(done), context(asks))
    assert advanced is not None and (advanced.stage, advanced.episode_id) == ("maintenance", EPISODE)
    by_the_hub = asks | {"reasonCode": fhir.concept(codes.RULE, "next-stage")}
    assert tasks.is_ours(entry(done), context(by_the_hub))


def test_a_completed_task_that_says_another_stage_is_refused() -> None:
    with pytest.raises(HttpRefusal) as refused:
        staging.unasked(entry(task(output("engagement"))), context(task(output("maintenance"))))
    assert refused.value.status == 409


def test_a_therapists_own_task_advances_once_and_sent_again_no_second_time() -> None:
    own = task(output("maintenance"))
    assert staging.unasked(entry(own), context()) == AdvanceStage(
        task_id=TASK, stage="maintenance", by="primary-therapist-1", episode_id=EPISODE
    )
    assert staging.unasked(entry(own), context(own)) is None


@pytest.mark.parametrize(
    "other",
    [
        {"status": "requested"},
        {"code": fhir.concept(codes.TASK, "follow-up")},
        {"focus": {"reference": "CarePlan/1"}},
    ],
)
def test_any_other_task_of_a_client_advances_nothing(other: Json) -> None:
    assert staging.unasked(entry(task(output("maintenance")) | other), context()) is None


async def test_a_therapists_own_task_is_stored_as_sent_and_the_plan_is_in_its_stage(
    start_service: StartService,
) -> None:
    intake = await start_service(app.assemble, "intake", MONDAY)
    await intake.submit(bundles.intake("0001"))
    await intake.put(bundles.signed(await intake.task("sign-placement")))
    (episode,) = await intake.found("EpisodeOfCare")
    (before,) = await intake.found("CarePlan")
    assert fhir.codes_of(before["category"]) == ("alcohol", "engagement")
    own = task(output("maintenance")) | {"focus": fhir.reference("EpisodeOfCare", episode["id"])}
    await intake.post({name: each for name, each in own.items() if name != "id"} | {"for": episode["patient"]})
    (plan,) = await intake.found("CarePlan")
    assert fhir.codes_of(plan["category"]) == ("alcohol", "maintenance")
    assert {each["detail"]["code"]["coding"][0]["code"] for each in plan["activity"]} == {"group"}
    assert plan["supportingInfo"] == before["supportingInfo"] and plan["period"] == before["period"]
    (stored,) = [each for each in await intake.found("Task") if fhir.code_of(each["code"]) == "advance-stage"]
    assert stored["status"] == "completed"


async def test_a_therapists_own_task_may_be_open_first_and_be_cancelled(start_service: StartService) -> None:
    intake = await start_service(app.assemble, "intake", MONDAY)
    await intake.submit(bundles.intake("0001"))
    await intake.put(bundles.signed(await intake.task("sign-placement")))
    (episode,) = await intake.found("EpisodeOfCare")
    own = task(output("maintenance"), status="requested") | {"focus": fhir.reference("EpisodeOfCare", episode["id"])}
    for _ in range(2):
        await intake.post({name: each for name, each in own.items() if name != "id"} | {"for": episode["patient"]})
    done, gone = [each for each in await intake.found("Task") if fhir.code_of(each["code"]) == "advance-stage"]
    await intake.put(gone | {"status": "cancelled"})
    (plan,) = await intake.found("CarePlan")
    assert fhir.codes_of(plan["category"]) == ("alcohol", "engagement")
    await intake.put(done | {"status": "completed"})
    (plan,) = await intake.found("CarePlan")
    assert fhir.codes_of(plan["category"]) == ("alcohol", "maintenance")
