"""What became of an ordered test, as an EHR says it that works by Tasks: the same as by a Specimen."""

import json
from typing import Any
from uuid import uuid4

import pytest

from shared.edge.outcome import HttpRefusal
from shared.events.codes import OUTCOME, TASK
from tests.testing.receiving import ReceivingService
from tests.testing.test_placing import DRUG_TEST, not_given, order, specimen
from tests.testing.test_placing import testing as testing

FULFIL = {"coding": [{"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill"}]}
GIVEN_AT = {"executionPeriod": {"start": "2026-01-12T08:55:00-05:00", "end": "2026-01-12T09:00:00-05:00"}}


def task(testing: ReceivingService, order_id: str, status: str, **changed: object) -> dict[str, Any]:
    stated = {
        "resourceType": "Task",
        "status": status,
        "intent": "order",
        "code": DRUG_TEST,
        "focus": {"reference": f"ServiceRequest/{order_id}"},
        "for": {"reference": f"Patient/{testing.patient}"},
        **changed,
    }
    return {name: each for name, each in stated.items() if each is not None}


def for_reason(code: str) -> dict[str, Any]:
    return {"statusReason": {"coding": [{"system": OUTCOME, "code": code}]}, **GIVEN_AT}


async def refusal(testing: ReceivingService, resource: dict[str, Any]) -> tuple[int, str, str]:
    with pytest.raises(HttpRefusal) as refused:
        await (testing.put(resource) if "id" in resource else testing.post(resource))
    issue = refused.value.issues[0]
    return refused.value.status, issue.code, issue.expression[0]


async def decided(testing: ReceivingService) -> list[dict[str, Any]]:
    """The commands about collections, without the ids by which they differ."""
    rows = await testing.select("SELECT content FROM journal WHERE content LIKE '%ReportCollection%' ORDER BY sequence")
    commands = [each for (content,) in rows for each in json.loads(content)]
    return [{name: each[name] for name in each if name not in ("order_id", "collection_id")} for each in commands]


STATED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "collected": ({"status": "completed", **GIVEN_AT}, {"status": "available"}, "SpecimenCollected"),
    "refused": (
        {"status": "failed", **for_reason("refused")},
        {"status": "unavailable", **not_given("refused")},
        "CollectionRefused",
    ),
    "rejected": (
        {"status": "rejected", **for_reason("refused")},
        {"status": "unavailable", **not_given("refused")},
        "CollectionRefused",
    ),
    "nobody came": (
        {"status": "failed", **for_reason("no-show")},
        {"status": "unavailable", **not_given("no-show")},
        "CollectionMissed",
    ),
}


@pytest.mark.parametrize("what", STATED)
async def test_a_task_says_what_a_specimen_says(testing: ReceivingService, what: str) -> None:
    """Of two orders that are alike one is answered by each, and taken back by each."""
    by_task, by_specimen, emitted = STATED[what]
    one = await testing.post(order(testing))
    sent = task(testing, one, **by_task)
    sent["id"] = await testing.post(sent)
    await testing.put_thrice(sent | {"status": "entered-in-error"})
    first = await testing.emitted_to("iop.testing.events")
    other = await testing.post(order(testing, occurrencePeriod={"start": "2026-01-12T08:00:00-05:00"}))
    given = specimen(testing, other, **by_specimen)
    given["id"] = await testing.post(given)
    await testing.put_thrice(given | {"status": "entered-in-error"})
    assert first == ["DrugTestOrdered", emitted, "CollectionWithdrawn"]
    assert (await testing.emitted_to("iop.testing.events"))[3:] == first
    of_task, taken_back, of_specimen, _ = await decided(testing)
    assert of_task == of_specimen != taken_back


async def test_either_alone_stands_and_both_together_are_one_collection(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing))
    sent = task(testing, order_id, "completed", **GIVEN_AT)
    sent["id"] = await testing.post(sent)
    given = specimen(testing, order_id)
    given["id"] = await testing.post(given)
    await testing.put(sent | {"status": "entered-in-error"})
    assert await testing.emitted() == ["DrugTestOrdered", "SpecimenCollected"]
    await testing.put(given | {"status": "entered-in-error"})
    assert (await testing.emitted())[-1] == "CollectionWithdrawn"


async def test_while_it_goes_on_it_says_nothing_and_it_is_read_as_it_was_sent(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing))
    sent = task(testing, order_id, "requested", code=FULFIL, note=[{"text": "a private note"}], description="private")
    sent["id"] = await testing.post(sent)
    for status in ("accepted", "in-progress"):
        await testing.put_thrice(sent | {"status": status})
    assert await testing.emitted() == ["DrugTestOrdered"]
    (stored,) = await testing.found("Task", ("status", "in-progress"))
    assert (stored["id"], stored["focus"]) == (sent["id"], {"reference": f"ServiceRequest/{order_id}"})
    assert await testing.count("resources WHERE body LIKE '%private%'") == 0
    await testing.put_thrice(sent | {"status": "completed", **GIVEN_AT})
    assert await testing.emitted() == ["DrugTestOrdered", "SpecimenCollected"]


async def test_a_task_that_goes_on_is_no_report_of_the_program(testing: ReceivingService) -> None:
    """By reports of collections silence becomes evidence."""
    order_id = await testing.post(order(testing))
    sent = task(testing, order_id, "requested")
    sent["id"] = await testing.post(sent)
    reported = "journal WHERE content LIKE '%ReportCollection%'"
    assert await testing.count(reported) == 0
    await testing.put(sent | {"status": "completed", **GIVEN_AT})
    assert await testing.count(reported) == 1


async def test_one_that_is_corrected_says_the_last_thing(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing))
    sent = task(testing, order_id, "completed", **GIVEN_AT)
    sent["id"] = await testing.post(sent)
    await testing.put_thrice(sent | {"status": "failed", **for_reason("no-show")})
    await testing.put_thrice(sent | {"status": "in-progress"})
    names = ["DrugTestOrdered", "SpecimenCollected", "CollectionMissed", "CollectionWithdrawn"]
    assert await testing.emitted_to("iop.testing.events") == names


async def test_one_that_names_another_order_now_says_nothing_of_the_first(testing: ReceivingService) -> None:
    first = await testing.post(order(testing))
    second = await testing.post(order(testing, occurrencePeriod={"start": "2026-01-12T08:00:00-05:00"}))
    sent = task(testing, first, "completed", **GIVEN_AT)
    sent["id"] = await testing.post(sent)
    await testing.put_thrice(task(testing, second, "completed", id=sent["id"], **GIVEN_AT))
    names = ["DrugTestOrdered", "DrugTestOrdered", "SpecimenCollected", "CollectionWithdrawn", "SpecimenCollected"]
    assert await testing.emitted() == names


async def test_a_cancelled_one_revokes_its_order_once(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing))
    sent = task(testing, order_id, "requested")
    sent["id"] = await testing.post(sent)
    await testing.put_thrice(sent | {"status": "cancelled"})
    assert await testing.emitted() == ["DrugTestOrdered", "DrugTestCancelled"]
    await testing.put(order(testing, id=order_id))
    await testing.put(sent | {"status": "cancelled", "priority": "routine"})
    assert (await testing.emitted())[2:] == ["DrugTestOrdered"]


async def test_what_a_task_can_not_become_is_refused_with_the_remedy(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing))
    sent = task(testing, order_id, "completed", **GIVEN_AT)
    ended = await testing.post(sent)
    assert await refusal(testing, sent | {"id": ended, "status": "cancelled"}) == (409, "conflict", "Task.status")
    other = await testing.post(order(testing, occurrencePeriod={"start": "2026-01-12T08:00:00-05:00"}))
    cancelled = await testing.post(task(testing, other, "cancelled"))
    for status in ("completed", "entered-in-error", "requested"):
        late = task(testing, other, status, id=cancelled, **GIVEN_AT)
        assert await refusal(testing, late) == (409, "conflict", "Task.status")
    assert (await testing.emitted())[-1] == "DrugTestCancelled"


async def test_the_specimen_that_it_names_says_when_it_was_given(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing))
    output = [{"type": {"text": "specimen"}, "valueReference": {"reference": "urn:uuid:" + (name := str(uuid4()))}}]
    entries = [
        {"fullUrl": f"urn:uuid:{name}", "resource": specimen(testing, order_id), "request": _post("Specimen")},
        {"resource": task(testing, order_id, "completed", output=output), "request": _post("Task")},
    ]
    await testing.submit({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert await testing.emitted() == ["DrugTestOrdered", "SpecimenCollected"]
    (stored,) = [each for each in await testing.found("Specimen") if each["id"] != name and "request" in each][:1]
    named = [{"type": {"text": "specimen"}, "valueReference": {"reference": f"Specimen/{stored['id']}"}}]
    await testing.post(task(testing, order_id, "completed", output=named))
    assert await testing.emitted() == ["DrugTestOrdered", "SpecimenCollected"]


def _post(kind: str) -> dict[str, str]:
    return {"method": "POST", "url": kind}


async def test_an_order_and_its_task_may_come_together(testing: ReceivingService) -> None:
    name = f"urn:uuid:{uuid4()}"
    collected = task(testing, "", "completed", focus={"reference": name}, **GIVEN_AT)
    entries = [
        {"fullUrl": name, "resource": order(testing), "request": _post("ServiceRequest")},
        {"resource": collected, "request": _post("Task")},
    ]
    await testing.submit({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert await testing.emitted() == ["DrugTestOrdered", "SpecimenCollected"]


FAULTS: list[tuple[dict[str, Any], tuple[int, str, str]]] = [
    ({"executionPeriod": None}, (422, "required", "Task.executionPeriod")),
    ({"executionPeriod": {"end": "2026-02-12"}}, (422, "business-rule", "Task.executionPeriod.end")),
    ({"status": "failed"}, (422, "code-invalid", "Task.statusReason")),
    ({"status": "failed", **for_reason("positive")}, (422, "code-invalid", "Task.statusReason")),
    ({"focus": None}, (422, "required", "Task.focus")),
    ({"focus": {"reference": f"ServiceRequest/{uuid4()}"}}, (422, "not-found", "Task.focus")),
    ({"code": {"coding": [{"system": TASK, "code": "find-patient"}]}}, (422, "business-rule", "Task.code")),
    ({"code": FULFIL, "focus": None}, (422, "business-rule", "Task.code")),
]


@pytest.mark.parametrize(("changed", "refused"), FAULTS)
async def test_a_task_that_can_not_be_is_refused_with_its_place(
    testing: ReceivingService, changed: dict[str, Any], refused: tuple[int, str, str]
) -> None:
    order_id = await testing.post(order(testing))
    sent = task(testing, order_id, **{"status": "completed", **GIVEN_AT, **changed})
    assert await refusal(testing, sent) == refused
    assert await testing.emitted() == ["DrugTestOrdered"]


async def test_a_laboratory_says_nothing_of_collections(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing))
    testing.client = "lab"
    assert (await refusal(testing, task(testing, order_id, "completed", **GIVEN_AT)))[:2] == (403, "forbidden")


async def test_a_test_of_another_patient_is_not_theirs(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing))
    testing.patient = str(uuid4())
    await testing.identified("OTHER-MRN")
    sent = task(testing, order_id, "completed", **GIVEN_AT)
    assert await refusal(testing, sent) == (422, "not-found", "Task.focus")
