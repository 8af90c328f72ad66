"""How an EHR records interim services: the Task that asks for them, completed with a code for each that was given."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from services.intake import app
from services.intake.priority import INTERIM_SERVICES
from shared.edge.outcome import HttpRefusal
from shared.events import codes
from shared.platform.keys import Keys
from shared.process import ServiceAssembly
from tests.intake import bundles
from tests.intake.bundles import MONDAY
from tests.service import ServiceOnPostgres, StartService

Json = dict[str, Any]


def of_grant(keys: Keys) -> ServiceAssembly:
    """Intake as its app composes it, of programs with a block grant."""
    parts = app.assemble(keys)
    return replace(
        parts,
        settings=lambda process: {
            program: msgspec.structs.replace(each, attests=("block-grant",))
            for program, each in app.settings(process).items()
        },
    )


@pytest.fixture
async def intake(start_service: StartService) -> ServiceOnPostgres:
    """A pregnant patient who is on the wait list."""
    here = await start_service(of_grant, "intake", MONDAY)
    await here.submit(bundles.intake("0001", facts={"safe-housing": True, "pregnant": True}))
    signed = bundles.signed(await here.task("sign-placement"))
    waits = {"type": {"coding": [{"system": codes.INPUT, "code": "wait-list"}]}, "valueBoolean": True}
    await here.put({**signed, "output": [*signed["output"], waits]})
    return here


def given(task: Json, *services: str) -> Json:
    """Completed with these."""
    output = [
        {
            "type": {"coding": [{"system": codes.INPUT, "code": "interim-service"}]},
            "valueCodeableConcept": {"coding": [{"system": codes.INTERIM, "code": each}]},
        }
        for each in services
    ]
    return bundles.answered(task, "completed") | {"output": output}


async def test_completed_with_what_was_given_the_task_says_so_and_asks_no_more(intake: ServiceOnPostgres) -> None:
    task = await intake.task("interim-services")
    await intake.put_thrice(given(task, *INTERIM_SERVICES))
    after = await intake.task("interim-services")
    stated = [each["valueCodeableConcept"]["coding"][0]["code"] for each in after["output"]]
    assert (after["status"], tuple(stated)) == ("completed", INTERIM_SERVICES)


@pytest.mark.parametrize(
    ("services", "code"), [(INTERIM_SERVICES[:3], "required"), (("chamomile-tea",), "code-invalid")]
)
async def test_what_is_owed_and_lacks_or_is_not_known_is_refused_by_its_place(
    intake: ServiceOnPostgres, services: tuple[str, ...], code: str
) -> None:
    task = await intake.task("interim-services")
    with pytest.raises(HttpRefusal) as refused:
        await intake.put(given(task, *services))
    (issue,) = refused.value.issues
    assert (refused.value.status, issue.code) == (422, code)
    assert issue.expression[0].startswith("Task.output")
    assert (await intake.task("interim-services"))["status"] == "requested"


async def test_the_state_is_asked_by_a_task_of_its_own(intake: ServiceOnPostgres) -> None:
    task = await intake.task("refer-to-state")
    await intake.put_thrice(bundles.answered(task, "completed"))
    assert (await intake.task("refer-to-state"))["status"] == "completed"
