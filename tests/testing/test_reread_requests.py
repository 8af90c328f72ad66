"""`$reread`: what a Task of the laboratories' list is about, read again after an upgrade or a change of a map."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from services.testing.hl7 import results
from services.testing.hl7.mllp import Frame
from services.testing.reading import phrases
from services.testing.worklist.reread_requests import RereadRequests
from services.testing.worklist.rereading import Rereading
from shared.edge.outcome import HttpRefusal
from shared.platform.clients import registered
from tests.service import DEPLOY, caller
from tests.testing.receiving import ReceivingService, message
from tests.testing.test_acknowledgement_modes import asking
from tests.testing.test_finding import known
from tests.testing.test_rereading import FENTANYL, in_treatment, reasons, under

WORDS = "stark reaktiv"
"""No phrase of ours, so far."""


@pytest.fixture
def upgraded(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A release that knows the words, from when it is called on."""

    def upgrade() -> None:
        monkeypatch.setitem(phrases._WHOLE, WORDS, "positive")
        phrases._of_few_words.cache_clear()

    yield upgrade
    phrases._of_few_words.cache_clear()


async def reread(testing: ReceivingService, task: dict[str, Any], program: str = "demo") -> dict[str, Any]:
    """What came of it, by name; the Task as `return`."""
    rereads = RereadRequests(testing.running, Rereading(testing.receiver, registered(DEPLOY)))
    answer = await rereads.reread(task["id"], replace(caller("ehr"), program=program))
    named = [(each["name"], next(each[key] for key in each if key != "name")) for each in answer["parameter"]]
    return {**dict(named), "places": [value for name, value in named if name == "place"]}


async def of_kind(testing: ReceivingService, kind: str, status: str = "requested") -> dict[str, Any]:
    (found,) = [each for each in await testing.tasks(status) if each["code"]["coding"][0]["code"] == kind]
    return found


async def refusal(testing: ReceivingService, task: dict[str, Any], **more: str) -> tuple[int, str]:
    with pytest.raises(HttpRefusal) as refused:
        await reread(testing, task, **more)
    return refused.value.status, refused.value.issues[0].code


async def test_a_value_that_a_later_release_can_read_is_graded_once(testing: ReceivingService, upgraded: Any) -> None:
    await in_treatment(testing)
    assert await testing.receives(message(value=WORDS)) == "AA"
    task = await of_kind(testing, "read-value")
    unread = await reread(testing, task)
    assert (unread["read"], unread["rule"], unread["places"]) == (False, "value-not-read", ["OBX^1^5"])
    assert unread["return"]["status"] == "requested"
    upgraded()
    assert (await reread(testing, task))["return"]["status"] == "completed"
    assert await reasons(testing) == ["unexpected-positive-presumptive"]
    emitted = await testing.emitted()
    assert (await reread(testing, task))["read"]
    assert await testing.emitted() == emitted


async def test_a_check_of_the_specimen_that_can_be_read_by_now_takes_the_place_of_what_was_unclear(
    testing: ReceivingService, monkeypatch: pytest.MonkeyPatch, upgraded: Any
) -> None:
    await in_treatment(testing)
    check = f"\rOBX|2|ST|5803-2^PH^LN||{WORDS}||||||F".encode()
    await testing.receives(message(value="NEGATIVE") + check)
    assert await reasons(testing) == ["result-unclear"]
    upgraded()
    monkeypatch.setitem(phrases._WHOLE, WORDS, "negative")
    assert (await reread(testing, await of_kind(testing, "read-value")))["read"]
    assert await reasons(testing) == []


async def test_two_at_once_read_it_once(testing: ReceivingService, upgraded: Any) -> None:
    await in_treatment(testing)
    await testing.receives(message(value=WORDS))
    task = await of_kind(testing, "read-value")
    upgraded()
    found = await asyncio.gather(*(reread(testing, task) for _ in range(4)))
    assert [each["read"] for each in found] == [True] * 4
    assert (await testing.emitted()).count("DrugTestCorrected") == 1


async def test_who_had_it_read_again_is_recorded_with_the_task_and_no_patient(testing: ReceivingService) -> None:
    await in_treatment(testing)
    await testing.receives(message(value=WORDS))
    task = await of_kind(testing, "read-value")
    await reread(testing, task)
    (event,) = await testing.found("AuditEvent", ("entity", f"Task/{task['id']}"))
    assert (event["action"], event["agent"][0]["who"]["identifier"]["value"]) == ("E", "ehr")
    assert testing.patient not in msgspec.json.encode(event).decode()


async def test_a_later_correction_stands_over_what_is_read_again(testing: ReceivingService, upgraded: Any) -> None:
    await in_treatment(testing)
    await testing.receives(message(value=WORDS))
    later = message("M2", value="NEGATIVE", status="C", sent="20260114120000-0500")
    await testing.receives(later.replace(b"20260113110000", b"20260114110000"))
    upgraded()
    assert (await reread(testing, await of_kind(testing, "read-value")))["read"]
    assert await reasons(testing) == []


async def test_what_waits_for_its_patient_is_read_anew_and_goes_on_waiting(
    testing: ReceivingService, upgraded: Any
) -> None:
    await testing.receives(message(value=WORDS))
    upgraded()
    waits = await of_kind(testing, "find-patient")
    found = await reread(testing, waits)
    assert (found["read"], found["return"]["status"]) == (True, "requested")
    assert len([each for each in await testing.tasks() if each["code"] == waits["code"]]) == 1
    await in_treatment(testing)
    assert await reasons(testing) == ["unexpected-positive-presumptive"]


async def test_it_is_read_as_theirs_whom_a_person_has_named_meanwhile(testing: ReceivingService, upgraded: Any) -> None:
    await testing.receives(message(value=WORDS, mrn="UNKNOWN"))
    waits, unread = await of_kind(testing, "find-patient"), await of_kind(testing, "read-value")
    testing.patient = await known(testing, "OTHER")
    await testing.admitted()
    named = {"status": "completed", "for": {"reference": f"Patient/{testing.patient}"}}
    await testing.put(waits | named, "ehr")
    upgraded()
    emitted = await testing.emitted()
    assert (await reread(testing, unread))["return"]["status"] == "completed"
    assert len(await testing.emitted()) > len(emitted)
    assert await testing.count("waiting") == 0
    assert await of_kind(testing, "find-patient", "completed")
    assert (await reread(testing, waits))["read"]


async def test_what_a_person_discarded_is_not_read_again(testing: ReceivingService, upgraded: Any) -> None:
    await in_treatment(testing)
    await testing.receives(message(value=WORDS))
    task = await of_kind(testing, "read-value")
    reason = {"coding": [{"system": "https://iop-hub.org/fhir/CodeSystem/reason", "code": "test-message"}]}
    await testing.put(task | {"status": "cancelled", "statusReason": reason}, "ehr")
    upgraded()
    assert await refusal(testing, task) == (409, "conflict")
    assert await reasons(testing) == ["result-unclear"]


async def test_a_message_that_was_too_large_is_taken_as_if_it_came_now(
    testing: ReceivingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await in_treatment(testing)
    with monkeypatch.context() as former:
        former.setattr(results, "RESULTS_MOST", 0)
        assert await testing.receives(message()) == "AA"
        task = await of_kind(testing, "check-message")
        unread = await reread(testing, task)
        assert (unread["read"], unread["rule"], unread["return"]["status"]) == (False, "too-large", "requested")
    found = await reread(testing, task)
    assert (found["read"], found["return"]["status"]) == (True, "completed")
    assert await reasons(testing) == ["unexpected-positive-presumptive"]
    emitted = await testing.emitted()
    assert await testing.receives(message()) == "AA"
    assert await testing.emitted() == emitted


async def test_a_message_that_is_wrong_stays_with_its_rule_and_place(testing: ReceivingService) -> None:
    assert await testing.receiver.receive(Frame(asking(message(mrn=""), "NE", "NE"))) == ()
    unread = await reread(testing, await of_kind(testing, "check-message"))
    assert (unread["read"], unread["rule"], unread["places"]) == (False, "hl7-101", ["PID^1^3"])


async def test_a_number_used_for_something_else_stays_a_persons(testing: ReceivingService) -> None:
    await in_treatment(testing)
    await testing.receives(message(value="NEGATIVE"))
    assert await testing.receives(message()) == "AE 205"
    unread = await reread(testing, await of_kind(testing, "check-message"))
    assert (unread["read"], unread["rule"]) == (False, "duplicate")
    assert await reasons(testing) == []


async def test_a_code_is_read_once_the_tables_know_it(testing: ReceivingService) -> None:
    await in_treatment(testing)
    await testing.receives(under("T17", message()))
    task = await of_kind(testing, "map-code")
    assert (await reread(testing, task))["rule"] == "not-mapped"
    settings: Any = testing.inbox.settings
    settings["demo"] = msgspec.structs.replace(settings["demo"], local_codes={"T17": FENTANYL})
    assert (await reread(testing, task))["return"]["status"] == "completed"
    assert await reasons(testing) == ["unexpected-positive-opioid"]
    assert (await reread(testing, task))["read"]


async def test_what_is_no_such_work_is_not_found(testing: ReceivingService) -> None:
    await in_treatment(testing)
    await testing.receives(message(value=WORDS))
    task = await of_kind(testing, "read-value")
    assert await refusal(testing, task, program="another") == (404, "not-found")
    assert await refusal(testing, {"id": str(uuid4())}) == (404, "not-found")
    (escalation,) = [each for each in await testing.tasks() if "for" in each]
    assert await refusal(testing, escalation) == (404, "not-found")
