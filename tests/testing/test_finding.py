"""A result for nobody known: a person names its patient or discards it, or the patient is identified after all."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from shared.edge.outcome import HttpRefusal
from shared.events.codes import REASON
from shared.events.envelope import patient_id
from shared.path.transaction import store, waiting
from tests.testing.receiving import AUTHORITY, ReceivingService, message
from tests.testing.test_bundle import whole
from tests.testing.test_interpret import observation
from tests.testing.test_worklist import inputs

DECIDED = "journal WHERE delivery = 'commanded' AND outcome = 'decided'"


async def the_task(testing: ReceivingService, status: str = "requested") -> dict[str, Any]:
    (task,) = [each for each in await testing.tasks(status) if each["code"]["coding"][0]["code"] == "find-patient"]
    return task


def completed(task: dict[str, Any], patient: str) -> dict[str, Any]:
    return task | {"status": "completed", "for": {"reference": f"Patient/{patient}"}}


def discarded(task: dict[str, Any], reason: str = "test-message") -> dict[str, Any]:
    return task | {"status": "cancelled", "statusReason": {"coding": [{"system": REASON, "code": reason}]}}


async def known(testing: ReceivingService, mrn: str) -> str:
    """A patient under another number than the message's."""
    testing.patient = str(uuid4())
    await testing.identified(mrn)
    return testing.patient


async def test_a_result_for_nobody_known_is_listed_once_and_names_no_identifier(testing: ReceivingService) -> None:
    assert [await testing.receives(message()) for _ in range(2)] == ["AA", "AA"]
    task = await the_task(testing)
    stated = {"laboratory": "lab", "document": task["id"], "panel": "94307-6", "collected-on": "2026-01-12"}
    assert inputs(task) == stated
    assert "SEEDED-MRN" not in str(task) and "Bogus" not in str(task) and "for" not in task


async def test_it_is_completed_by_the_identification_of_its_patient(testing: ReceivingService) -> None:
    await testing.receives(message())
    await testing.identified()
    task = await the_task(testing, "completed")
    assert task["for"]["reference"] == f"Patient/{testing.patient}"
    assert (await testing.tasks(), await testing.count(DECIDED)) == ([], 1)


async def test_whom_a_person_names_gets_the_result_and_nobody_after_them(testing: ReceivingService) -> None:
    await testing.receives(message())
    patient, other = await known(testing, "OTHER"), await known(testing, "ANOTHER")
    task = await the_task(testing)
    await testing.put_thrice(completed(task, patient), "ehr")
    reports = await testing.found("DiagnosticReport")
    assert {(each["subject"]["reference"], each["status"]) for each in reports} == {(f"Patient/{patient}", "final")}
    with pytest.raises(HttpRefusal):
        await testing.put(completed(task, other), "ehr")
    await known(testing, "SEEDED-MRN")
    assert await testing.receives(message()) == "AA"
    assert (await testing.count(DECIDED), await testing.count("waiting")) == (1, 0)
    (audit,) = await testing.found("AuditEvent", ("entity", f"Task/{task['id']}"))
    assert audit["entity"][0]["what"]["reference"] == f"Patient/{patient}"


async def test_a_result_in_fhir_becomes_theirs_as_it_came(testing: ReceivingService) -> None:
    about = {"subject": {"identifier": {"system": AUTHORITY, "value": "SEEDED-MRN"}}, "effectiveDateTime": "2026-01-04"}
    identity = await testing.post(observation() | about)
    patient = await known(testing, "OTHER")
    await testing.put(completed(await the_task(testing), patient), "ehr")
    (stored,) = await testing.found("Observation", ("_id", identity))
    assert stored["subject"]["reference"] == f"Patient/{patient}"
    assert await testing.count("documents WHERE unmatched") == 0


async def test_what_a_person_discards_is_decided_for_nobody_any_more(testing: ReceivingService) -> None:
    await testing.receives(message())
    task = await the_task(testing)
    with pytest.raises(HttpRefusal) as refused:
        await testing.put(task | {"status": "cancelled"}, "ehr")
    assert (refused.value.status, refused.value.issues[0].expression) == (422, ("Task.statusReason",))
    await testing.put_thrice(discarded(task), "ehr")
    assert await testing.receives(message()) == "AA"
    assert (await testing.tasks(), await testing.found("DiagnosticReport")) == ([], [])
    await testing.identified()
    assert await testing.receives(message()) == "AA"
    assert (await testing.count(DECIDED), await testing.count("documents WHERE unmatched")) == (0, 0)


async def test_a_person_who_names_nobody_known_is_refused_and_the_task_stays_open(testing: ReceivingService) -> None:
    await testing.receives(message())
    task = await the_task(testing)
    for answer in (completed(task, str(uuid4())), task | {"status": "completed"}):
        with pytest.raises(HttpRefusal):
            await testing.put(answer, "ehr")
    assert (await the_task(testing))["id"] == task["id"]
    assert await testing.count("waiting") == 1


@pytest.mark.parametrize("second", ["another person", "identification", "discard"])
async def test_of_two_who_answer_at_once_one_counts(testing: ReceivingService, second: str) -> None:
    await testing.receives(message())
    patient, other = await known(testing, "OTHER"), await known(testing, "ANOTHER")
    task = await the_task(testing)
    testing.patient = str(uuid4())
    later: dict[str, Any] = {
        "another person": testing.put(completed(task, other), "ehr"),
        "identification": testing.identified(),
        "discard": testing.put(discarded(task), "ehr"),
    }
    chosen = later.pop(second)
    for each in later.values():
        each.close()
    answers = await asyncio.gather(testing.put(completed(task, patient), "ehr"), chosen, return_exceptions=True)
    refused = [each for each in answers if isinstance(each, BaseException)]
    assert {each.status if isinstance(each, HttpRefusal) else repr(each) for each in refused} <= {404, 409}
    decided = await testing.count(DECIDED)
    assert (len(refused), decided) in ([(1, 1), (1, 0)] if second == "discard" else [(1, 1), (0, 1)])
    assert await testing.count("waiting") == 0


async def test_of_two_replicas_that_looked_before_either_answered_one_counts(testing: ReceivingService) -> None:
    await testing.receives(message())
    patients = [patient_id(await known(testing, "OTHER")), patient_id(await known(testing, "ANOTHER"))]
    fact = UUID((await the_task(testing))["id"])
    async with testing.pool.acquire() as connection:
        read = [await waiting.one(connection, "demo", fact, each, testing.inbox.service) for each in patients]
    matched = [replace(each, id=uuid4(), fact=fact) for each in read if each is not None]
    answers = [await testing.deliver(each) for each in matched]
    assert [type(each).__name__ for (each,) in answers] == ["Committed", "Refused"]
    assert (await testing.count(DECIDED), await testing.count("waiting")) == (1, 0)


async def test_a_crash_before_the_commit_leaves_the_task_open_and_the_same_answer_works(
    testing: ReceivingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise ConnectionResetError

    await testing.receives(message())
    patient = await known(testing, "OTHER")
    task = await the_task(testing)
    with monkeypatch.context() as broken_off:
        broken_off.setattr(store, "store", broken)
        with pytest.raises(HttpRefusal) as refused:
            await testing.put(completed(task, patient), "ehr")
    assert refused.value.status == 503
    assert ((await the_task(testing))["id"], await testing.count("waiting")) == (task["id"], 1)
    await testing.put(completed(task, patient), "ehr")
    assert await testing.count(DECIDED) == 1


async def test_a_result_of_several_days_says_each(testing: ReceivingService) -> None:
    more = "\rOBR|2||F9|94307-6^Drug screen^LN|||20260110083000-0500|||||||||||||||20260113110000-0500|||F"
    row = "\rOBX|1|ST|59673-4^Fentanyl^LN||NEGATIVE||||||F"
    assert await testing.receives(message() + (more + row).encode()) == "AA"
    days = [each["valueDate"] for each in (await the_task(testing))["input"] if "valueDate" in each]
    assert days == ["2026-01-10", "2026-01-12"]


# A status that waited, and finds no result


async def made_final(testing: ReceivingService) -> tuple[dict[str, Any], dict[str, Any]]:
    """A preliminary report, and then that it is final without its Observations: both wait; their Tasks."""
    await testing.submit(json.loads(json.dumps(whole()).replace('"status": "final"', '"status": "preliminary"')))
    first = await the_task(testing)
    (sent,) = await testing.found("DiagnosticReport")
    about = {"subject": {"identifier": {"system": AUTHORITY, "value": "SEEDED-MRN"}}}
    await testing.put({name: each for name, each in sent.items() if name != "meta"} | about | {"status": "final"})
    (second,) = [each for each in await testing.tasks() if each["id"] != first["id"]]
    return first, second


async def test_a_status_that_waited_behind_its_result_makes_that_final(testing: ReceivingService) -> None:
    await made_final(testing)
    await testing.identified()
    assert await testing.tasks() == []
    assert "final" in {each["status"] for each in await testing.found("DiagnosticReport")}
    assert await testing.emitted() == ["ResultMatched", "ResultMatched"]


async def test_a_status_that_waited_and_finds_no_result_is_a_persons(testing: ReceivingService) -> None:
    result, status = await made_final(testing)
    await testing.put(discarded(result), "ehr")
    await testing.identified()
    (asked,) = await testing.tasks()
    assert (asked["code"]["coding"][0]["code"], inputs(asked)["document"]) == ("check-message", status["id"])
    assert asked["reasonCode"]["coding"][0]["code"] == "result-not-known"
    assert (await testing.count("waiting"), await testing.emitted()) == (0, [])
    assert (await the_task(testing, "completed"))["id"] == status["id"]
    assert await testing.count(f"processed WHERE id = '{status['id']}'") == 0, "it may be sent again"
