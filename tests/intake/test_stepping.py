"""A stay placed again over HTTP: the needs of an EHR, a signature, the Task that asks for the discharge."""

from datetime import timedelta
from typing import Any

from services.intake import app
from shared.events import codes
from tests.intake import bundles
from tests.intake.bundles import IOP_NEEDS, MONDAY
from tests.service import StartService

LATER = MONDAY + timedelta(days=20)
WORSE = IOP_NEEDS | {"recovery-environment": "3.5"}
"""The demo program gives 2.1 alone."""


async def test_a_reassessed_stay_is_signed_prepared_and_counted(start_service: StartService) -> None:
    intake = await start_service(app.assemble, "intake", MONDAY)
    await intake.submit(bundles.intake("0001"))
    await intake.put(bundles.signed(await intake.task("sign-placement")))
    intake.set_clock(LATER)
    await intake.submit(bundles.intake("0001", LATER, needs=WORSE, referred=False))
    requested = [each for each in await intake.found("Task", ("status", "requested"))]
    (again,) = [each for each in requested if each["code"]["coding"][0]["code"] == "sign-placement"]
    await intake.put(bundles.signed(again, "3.5"))
    prepared: dict[str, Any] = await intake.task("prepare-discharge")
    assert (prepared["status"], prepared["reasonCode"]["coding"][0]["code"]) == ("requested", "step-up")
    assert {"system": codes.LEVEL, "code": "3.5"} in prepared["input"][0]["valueCodeableConcept"]["coding"]
    counts = [each for each in await intake.found("Observation") if each["code"]["coding"][0]["code"] == "engaged-days"]
    assert [each["valueQuantity"]["value"] for each in counts] == [1]
