"""An EHR that works by Tasks orders a drug test by one, moves it and takes it back: the same as by a ServiceRequest."""

from typing import Any
from uuid import uuid4

import pytest

from tests.testing.receiving import ReceivingService
from tests.testing.test_collecting import GIVEN_AT, for_reason, refusal, task
from tests.testing.test_placing import CLOSES, OPENS, order
from tests.testing.test_placing import testing as testing

WINDOW = {"restriction": {"period": {"start": OPENS, "end": CLOSES}}}
LATER = {"restriction": {"period": {"start": "2026-01-13T08:00:00-05:00", "end": "2026-01-13T20:00:00-05:00"}}}


def asking(testing: ReceivingService, **changed: Any) -> dict[str, Any]:
    return task(testing, "", **{"status": "requested", "focus": None, **WINDOW, **changed})


async def orders(testing: ReceivingService) -> list[tuple[str, str]]:
    """How each stands, and when its window opens."""
    found = await testing.found("ServiceRequest")
    return [(each["status"], each["occurrencePeriod"]["start"]) for each in found]


async def test_a_task_without_a_focus_orders_what_a_service_request_orders(testing: ReceivingService) -> None:
    await testing.post(order(testing))
    (by_request,) = await testing.found("ServiceRequest")
    sent = asking(testing)
    sent["id"] = await testing.post(sent)
    by_task = next(each for each in await testing.found("ServiceRequest") if each["id"] != by_request["id"])
    own = ("id", "identifier", "meta")
    assert {k: v for k, v in by_task.items() if k not in own} == {k: v for k, v in by_request.items() if k not in own}
    (stored,) = await testing.found("Task", ("status", "requested"))
    assert stored["focus"] == {"reference": f"ServiceRequest/{by_task['id']}"}
    await testing.put_thrice(sent | {"status": "accepted"})
    await testing.put_thrice(sent | {"status": "completed", **GIVEN_AT})
    assert await testing.emitted() == ["DrugTestOrdered", "DrugTestOrdered", "SpecimenCollected"]


async def test_without_a_window_it_opens_now_and_is_open_as_long_as_the_programs(testing: ReceivingService) -> None:
    await testing.post(order(testing, occurrencePeriod=None))
    await testing.post(asking(testing, restriction=None))
    first, second = [each["occurrencePeriod"] for each in await testing.found("ServiceRequest")]
    assert first == second


@pytest.mark.parametrize("ordered_by_task", [True, False])
async def test_another_window_moves_its_order_once(testing: ReceivingService, ordered_by_task: bool) -> None:
    if ordered_by_task:
        sent = asking(testing)
    else:
        sent = task(testing, await testing.post(order(testing)), "requested", **WINDOW)
    sent["id"] = await testing.post(sent)
    assert await testing.emitted() == ["DrugTestOrdered"]
    await testing.put_thrice(sent | LATER)
    assert await testing.emitted() == ["DrugTestOrdered", "DrugTestOrdered"]
    assert [opens[:10] for _, opens in await orders(testing)] == ["2026-01-13"]
    await testing.put_thrice(sent | LATER | {"status": "accepted"})
    assert await testing.emitted() == ["DrugTestOrdered", "DrugTestOrdered"]


async def test_of_a_task_and_a_service_request_the_one_that_came_last_stands(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing))
    sent = task(testing, order_id, "requested", **LATER)
    sent["id"] = await testing.post(sent)
    assert [opens[:10] for _, opens in await orders(testing)] == ["2026-01-13"]
    await testing.put(order(testing, id=order_id))
    await testing.put(sent | {"status": "accepted"})
    assert [opens[:10] for _, opens in await orders(testing)] == [OPENS[:10]]


async def test_an_end_alone_leaves_the_window_open_since_when_it_was(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing))
    before = await orders(testing)
    await testing.post(task(testing, order_id, "requested", restriction={"period": {"end": CLOSES}}))
    assert (await orders(testing), await testing.emitted()) == (before, ["DrugTestOrdered"])


async def test_moved_a_refusal_stands(testing: ReceivingService) -> None:
    """It can not be unsaid by another window."""
    sent = asking(testing)
    sent["id"] = await testing.post(sent)
    await testing.put(sent | {"status": "failed", **for_reason("refused")})
    assert await testing.emitted_to("iop.testing.events") == ["DrugTestOrdered", "CollectionRefused"]
    assert await refusal(testing, sent | LATER) == (409, "conflict", "Task.restriction.period")


async def test_one_that_never_was_takes_its_order_along_and_does_not_come_back(testing: ReceivingService) -> None:
    sent = asking(testing)
    sent["id"] = await testing.post(sent)
    await testing.put_thrice(sent | {"status": "entered-in-error"})
    assert await testing.emitted() == ["DrugTestOrdered", "DrugTestCancelled"]
    assert [status for status, _ in await orders(testing)] == ["entered-in-error"]
    assert await refusal(testing, sent) == (409, "conflict", "Task.status")


async def test_cancelled_it_revokes_the_order_that_it_made(testing: ReceivingService) -> None:
    sent = asking(testing)
    sent["id"] = await testing.post(sent)
    await testing.put_thrice(sent | {"status": "cancelled"})
    assert await testing.emitted() == ["DrugTestOrdered", "DrugTestCancelled"]


async def test_in_one_bundle_with_its_order_both_say_when(testing: ReceivingService) -> None:
    name = f"urn:uuid:{uuid4()}"
    entries = [
        {"fullUrl": name, "resource": order(testing), "request": {"method": "POST", "url": "ServiceRequest"}},
        {
            "resource": task(testing, "", "requested", focus={"reference": name}, **WINDOW),
            "request": {"method": "POST", "url": "Task"},
        },
    ]
    await testing.submit({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert await testing.emitted() == ["DrugTestOrdered"]


FAULTS: list[tuple[dict[str, Any], tuple[int, str, str]]] = [
    ({"status": "draft"}, (422, "required", "Task.focus")),
    ({"intent": "proposal"}, (422, "required", "Task.focus")),
    ({"status": "completed", **GIVEN_AT}, (422, "required", "Task.focus")),
    ({"restriction": {"period": {"start": CLOSES, "end": OPENS}}}, (422, "business-rule", "Task.restriction.period")),
    (
        {"restriction": {"period": {"start": OPENS, "end": "2026-03-12"}}},
        (422, "business-rule", "Task.restriction.period"),
    ),
    ({"restriction": {"period": {"start": "2030-01-12"}}}, (422, "business-rule", "Task.restriction.period")),
    ({"code": {"coding": [{"code": "drug-test"}]}}, (422, "business-rule", "Task.code")),
]


@pytest.mark.parametrize(("changed", "refused"), FAULTS)
async def test_a_task_that_can_order_nothing_is_refused_with_its_place(
    testing: ReceivingService, changed: dict[str, Any], refused: tuple[int, str, str]
) -> None:
    assert await refusal(testing, asking(testing, **changed)) == refused
    assert await testing.emitted() == []


async def test_a_laboratory_orders_nothing_by_a_task(testing: ReceivingService) -> None:
    testing.client = "lab"
    assert (await refusal(testing, asking(testing)))[:2] == (403, "forbidden")


async def test_of_somebody_who_is_not_in_treatment_a_task_orders_nothing(testing: ReceivingService) -> None:
    testing.patient = str(uuid4())
    await testing.identified("OTHER-MRN")
    assert (await refusal(testing, asking(testing)))[:2] == (422, "business-rule")
