"""How an order stands with its laboratory is a Task; a person has it sent again there, as an EHR sends it by FHIR."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from services.testing import app
from services.testing.messages import DisclosureMade, DisclosureRefused
from services.testing.settings import Settings
from shared.edge.outcome import HttpRefusal
from shared.events.codes import LOINC
from shared.events.envelope import Event
from shared.events.laboratory_order import task_id
from shared.path.transaction.delivery import Internal
from shared.platform.keys import Keys
from shared.platform.settings import Process
from shared.process import ServiceAssembly
from tests.service import StartService
from tests.testing.receiving import ReceivingService
from tests.testing.test_placing import order

NOW = datetime(2026, 1, 14, 17, 0, tzinfo=UTC)
LABORATORY = "riverbend-laboratory"


def with_laboratory(keys: Keys) -> ServiceAssembly:
    assembly = app.assemble(keys)

    def settings(process: Process) -> Mapping[str, Settings]:
        known = assembly.settings(process)
        return {program: msgspec.structs.replace(each, laboratory=LABORATORY) for program, each in known.items()}

    return replace(assembly, settings=settings)


@pytest.fixture
async def testing(start_service: StartService) -> ReceivingService:
    """A patient in treatment, of a program whose orders go to a laboratory; their EHR speaks."""
    service = ReceivingService(**{**vars(await start_service(with_laboratory, "testing", NOW)), "client": "ehr"})
    await service.identified()
    await service.admitted()
    return service


async def answered(testing: ReceivingService, order_id: str, attempt: int, refused: str = "") -> None:
    """As the lane of the laboratory reports it."""
    about: dict[str, Any] = {"partner": LABORATORY, "focus": f"Task/{task_id(order_id)}", "attempt": attempt}
    event: Event = DisclosureRefused(**about, reason=refused) if refused else DisclosureMade(**about, consent_id=None)
    identity = uuid4()
    delivery = Internal(
        id=identity,
        key=testing.patient,
        program="demo",
        at=NOW,
        producer="testing",
        correlation_id=identity,
        event=event,
    )
    await testing.deliver(delivery)


async def standing(testing: ReceivingService) -> dict[str, Any]:
    (task,) = await testing.found("Task", ("code", "laboratory-order"))
    return task


async def test_each_order_has_a_task_that_says_how_it_stands_with_its_laboratory(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing))
    task = await standing(testing)
    assert (task["id"], task["status"]) == (task_id(order_id), "requested")
    assert task["focus"]["reference"] == f"ServiceRequest/{order_id}"
    assert task["owner"]["identifier"]["value"] == LABORATORY
    await answered(testing, order_id, 1)
    assert (await standing(testing))["status"] == "accepted"
    await testing.put(order(testing, id=order_id, status="revoked"))
    await answered(testing, order_id, 2)
    assert (await standing(testing))["status"] == "cancelled"
    assert [each for each in await testing.emitted() if each.startswith("Laboratory")] == [
        "LaboratoryOrderPrepared",
        "LaboratoryOrderSent",
        "LaboratoryOrderPrepared",
        "LaboratoryOrderSent",
    ]


async def test_what_the_laboratory_refused_is_sent_again_when_its_task_is_requested(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing, code={"coding": [{"system": LOINC, "code": "14314-9"}]}))
    await answered(testing, order_id, 1, refused="hl7-204")
    task = await standing(testing)
    assert (task["status"], task["statusReason"]["coding"][0]["code"]) == ("rejected", "hl7-204")
    (asked,) = await testing.found("Task", ("status", "requested"))
    assert asked["reasonCode"]["coding"][0]["code"] == "order-not-sent"
    await testing.put_thrice(task | {"status": "requested"})
    task = await standing(testing)
    assert (task["status"], task["input"][0]["valueInteger"]) == ("requested", 2)
    await answered(testing, order_id, 2)
    assert (await standing(testing))["status"] == "accepted"
    assert await testing.found("Task", ("status", "requested")) == []


@pytest.mark.parametrize("status", ["cancelled", "completed", "accepted", "failed"])
async def test_any_other_status_is_refused_with_what_would_be_right(testing: ReceivingService, status: str) -> None:
    order_id = await testing.post(order(testing))
    await answered(testing, order_id, 1, refused="hl7-204")
    with pytest.raises(HttpRefusal) as refused:
        await testing.put(await standing(testing) | {"status": status})
    (issue,) = refused.value.issues
    assert (refused.value.status, issue.expression) == (422, ("Task.status",))
    assert "Must be requested" in issue.diagnostics


async def test_what_the_laboratory_has_is_not_sent_again(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing))
    await answered(testing, order_id, 1)
    with pytest.raises(HttpRefusal) as refused:
        await testing.put(await standing(testing) | {"status": "requested"})
    assert refused.value.status == 409
