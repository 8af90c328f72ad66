"""What a person settles with a laboratory: codes that no table knows, and numbers that were used twice."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.testing.worklist import CHECK_MESSAGE, MAP_CODE, READ_VALUE
from shared.edge.outcome import HttpRefusal
from shared.events.codes import INPUT
from shared.path.transaction import code_maps, store
from shared.platform import documents
from tests.testing.receiving import AUTHORITY, ReceivingService, message
from tests.testing.test_interpret import observation

COMMENT = b"\rOBX|2|TX|CMT^Comment^L||see report||||||F"


def inputs(task: dict[str, Any]) -> dict[str, Any]:
    return {
        each["type"]["coding"][0]["code"]: next(value for name, value in each.items() if name.startswith("value"))
        for each in task["input"]
    }


async def test_one_new_code_and_three_patients_are_one_question(testing: ReceivingService) -> None:
    for patient in ("A", "B", "C"):
        testing.patient = str(uuid4())
        await testing.identified(patient)
        assert await testing.receives(message(patient, filler=patient, mrn=patient) + COMMENT) == "AA"
    (task,) = await testing.tasks()
    assert task["code"]["coding"][0]["code"] == MAP_CODE
    since = "2026-01-14T17:00:00Z"
    assert inputs(task) == {"laboratory": "lab", "laboratory-code": "CMT", "results": 3, "since": since}
    assert "for" not in task


async def test_a_result_counts_once_however_often_and_under_whatever_number_it_comes(testing: ReceivingService) -> None:
    await testing.identified()
    corrected = message("M2", status="C", sent="20260114120000-0500") + COMMENT
    for content in (message() + COMMENT, message() + COMMENT, corrected):
        assert await testing.receives(content) == "AA"
    twice = message("M3", filler="F8") + COMMENT + COMMENT.replace(b"OBX|2", b"OBX|3")
    assert await testing.receives(twice) == "AA"
    (task,) = await testing.tasks()
    assert inputs(task)["results"] == 3


async def test_messages_that_come_at_once_are_counted_to_the_last(testing: ReceivingService) -> None:
    await testing.identified()
    numbers = [f"{number:02}" for number in range(12)]
    messages = [message(f"M{each}", filler=f"F{each}") + COMMENT for each in numbers]
    assert await testing.sent(*messages, *messages[:4]) == ["AA"] * 16
    unknown = [message(f"N{each}", filler=f"G{each}", mrn=f"UNKNOWN-{each}") + COMMENT for each in numbers]
    assert await testing.sent(*unknown) == ["AA"] * 12
    (task,) = [each for each in await testing.tasks() if each["code"]["coding"][0]["code"] == MAP_CODE]
    assert inputs(task)["results"] == 24


async def test_an_answer_in_progress_keeps_the_count_a_number(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.receives(message() + COMMENT)
    (task,) = await testing.tasks()
    await testing.put(task | {"status": "in-progress"}, "ehr")
    await testing.receives(message("M2", filler="F8") + COMMENT)
    (task,) = await testing.tasks("in-progress")
    assert inputs(task)["results"] == 2


async def test_a_code_under_a_title_that_nobody_knows_is_asked_about_and_stored(testing: ReceivingService) -> None:
    await testing.identified()
    content = message().replace(b"94307-6^Drug screen^LN", b"T9^x^L").replace(b"14314-9^Benzoylecgonine^LN", b"T17^y^L")
    assert await testing.receives(content) == "AA"
    assert [inputs(each)["laboratory-code"] for each in await testing.tasks()] == ["T17"]
    assert (await testing.count("documents"), await testing.count("journal WHERE delivery = 'commanded'")) == (1, 0)


async def test_a_code_in_fhir_is_asked_about_too(testing: ReceivingService) -> None:
    await testing.identified()
    about = {"subject": {"identifier": {"system": AUTHORITY, "value": "SEEDED-MRN"}}, "effectiveDateTime": "2026-01-04"}
    for _ in range(2):
        await testing.post(observation() | about | {"code": {"coding": [{"code": "T17"}]}, "valueString": "POS"})
    assert [inputs(each)["laboratory-code"] for each in await testing.tasks()] == ["T17"]


def meaning(text: str) -> dict[str, Any]:
    """A `map-code` completed with what its code means."""
    means = {"coding": [{"system": INPUT, "code": "means"}]}
    return {"status": "completed", "output": [{"type": means, "valueString": text}]}


async def test_a_code_is_mapped_by_completing_its_task_with_what_it_means(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.receives(message() + COMMENT)
    (task,) = await testing.tasks()
    await testing.put_thrice(task | meaning("comment"), "ehr")
    async with testing.pool.acquire() as connection:
        (line,) = await code_maps.known(connection)
    assert (line.laboratory, line.code, line.meaning, line.reviewed_by) == ("lab", "CMT", "comment", "ehr")
    with pytest.raises(HttpRefusal) as refused:
        await testing.put(task | meaning("ignored"), "ehr")
    assert (refused.value.status, await testing.tasks()) == (409, [])
    (audit,) = await testing.found("AuditEvent", ("entity", f"Task/{task['id']}"))
    assert audit["subtype"][0]["code"] == MAP_CODE
    assert [each["who"]["identifier"]["value"] for each in audit["agent"]] == ["ehr"]


@pytest.mark.parametrize("answer", [{"status": "completed"}, meaning("nothing we know"), {"status": "cancelled"}])
async def test_a_code_whose_meaning_is_not_stated_stays_asked_about(
    testing: ReceivingService, answer: dict[str, Any]
) -> None:
    await testing.identified()
    await testing.receives(message() + COMMENT)
    (task,) = await testing.tasks()
    with pytest.raises(HttpRefusal) as refused:
        await testing.put(task | answer, "ehr")
    assert refused.value.status == 422
    assert [each["id"] for each in await testing.tasks()] == [task["id"]]


async def test_of_two_answers_one_counts_and_the_other_sender_learns_it(testing: ReceivingService) -> None:
    await testing.identified()
    other = message(value="NEGATIVE")
    assert [await testing.receives(each) for each in (message(), other)] == ["AA", "AE 205"]
    (task,) = await testing.tasks()
    answers = [testing.put(task | {"status": each}, "ehr") for each in ("completed", "cancelled")]
    done = await asyncio.gather(*answers, return_exceptions=True)
    (refused,) = [each for each in done if isinstance(each, HttpRefusal)]
    assert (refused.status, refused.issues[0].code) == (409, "conflict")
    assert await testing.count("resources WHERE type = 'AuditEvent'") == 1


async def test_a_status_that_is_no_answer_is_refused(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.receives(message() + COMMENT)
    (task,) = await testing.tasks()
    with pytest.raises(HttpRefusal) as refused:
        await testing.put(task | {"status": "draft"}, "ehr")
    assert refused.value.status == 422


async def test_a_number_used_again_for_other_content_is_refused_and_listed_with_its_bytes(
    testing: ReceivingService,
) -> None:
    await testing.identified()
    other = message(value="NEGATIVE")
    assert [await testing.receives(each) for each in (message(), other, other)] == ["AA", "AE 205", "AE 205"]
    (task,) = await testing.tasks()
    assert task["code"]["coding"][0]["code"] == CHECK_MESSAGE
    async with testing.running.inbox.pool.acquire() as connection:
        assert await documents.read(connection, testing.keys, UUID(inputs(task)["document"])) == other


async def test_a_refused_message_leaves_no_question_behind(testing: ReceivingService) -> None:
    await testing.identified()
    assert await testing.receives(message()) == "AA"
    assert await testing.receives(message(value="NEGATIVE") + COMMENT) == "AE 205"
    assert [each["code"]["coding"][0]["code"] for each in await testing.tasks()] == [CHECK_MESSAGE]
    assert await testing.receives(message("M2", filler="F8") + COMMENT) == "AA"
    assert MAP_CODE in [each["code"]["coding"][0]["code"] for each in await testing.tasks()]


async def test_a_crash_before_the_commit_leaves_no_question_behind_and_the_same_again_asks_it(
    testing: ReceivingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise ConnectionResetError

    await testing.identified()
    with monkeypatch.context() as broken_off:
        broken_off.setattr(store, "store", broken)
        assert await testing.receives(message() + COMMENT) == "AE 207"
    assert await testing.tasks() == []
    assert await testing.receives(message() + COMMENT) == "AA"
    assert [inputs(each)["laboratory-code"] for each in await testing.tasks()] == ["CMT"]


async def test_a_counter_that_begins_anew_each_day_makes_new_messages(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    today = message(value="NEGATIVE", filler="F8", sent="20260114120000-0500").replace(b"20260112", b"20260113")
    assert [await testing.receives(each) for each in (message(), today)] == ["AA", "AA"]
    assert await testing.emitted() == ["DrugTestResulted", "DrugTestResulted"]
    assert await testing.tasks() == []


@pytest.mark.parametrize("mode", ["T", "D"])
async def test_a_message_of_training_or_debugging_is_stored_and_decides_nothing(
    testing: ReceivingService, mode: str
) -> None:
    await testing.identified()
    await testing.admitted()
    assert await testing.receives(message(mode=mode) + COMMENT) == "AA"
    assert (await testing.emitted(), await testing.tasks()) == ([], [])
    assert await testing.count("documents") == 1


NOTE = "OBX|2|ST|14315-6^Cocaine^LN||see the note of Dr. Seeded||||||F"
ANOTHER = ("OBR|2||F9|94307-6^Drug screen^LN|||20260112083000-0500", "OBX|1|ST|59673-4^Fentanyl^LN||1,2||||||F")


async def test_a_value_in_words_that_no_phrase_covers_is_listed_with_its_place_and_not_its_text(
    testing: ReceivingService,
) -> None:
    await testing.identified()
    content = "\r".join((message().decode(), NOTE, *ANOTHER)).encode()
    assert [await testing.receives(content) for _ in range(2)] == ["AA", "AA"]
    (task,) = await testing.tasks()
    assert task["code"]["coding"][0]["code"] == READ_VALUE
    asked = inputs(task)
    assert (asked.pop("laboratory"), asked.pop("places")) == ("lab", "OBX^2^5 OBX^3^5")
    async with testing.running.inbox.pool.acquire() as connection:
        assert await documents.read(connection, testing.keys, UUID(asked.pop("document"))) == content
    assert asked == {} and "Seeded" not in str(task)


async def test_a_figure_that_shows_nothing_and_a_cutoff_are_no_values_to_read(testing: ReceivingService) -> None:
    await testing.identified()
    figure = "OBX|2|NM|16226-3^Cocaine^LN||120|ng/mL|||||F"
    cutoff = "OBX|3|NM|19357-3^Cutoff^LN||150|ng/mL|||||F"
    check = "OBX|4|ST|5803-2^pH^LN||Normal||||||F"
    assert await testing.receives("\r".join((message().decode(), figure, cutoff, check)).encode()) == "AA"
    assert await testing.tasks() == []


async def test_a_value_in_fhir_that_no_phrase_covers_is_listed_by_its_resource(testing: ReceivingService) -> None:
    await testing.identified()
    about = {"subject": {"identifier": {"system": AUTHORITY, "value": "SEEDED-MRN"}}, "effectiveDateTime": "2026-01-04"}
    await testing.post(observation() | about | {"valueString": "see the note of Dr. Seeded"})
    (task,) = [each for each in await testing.tasks() if each["code"]["coding"][0]["code"] == READ_VALUE]
    received = [each["id"] for each in await testing.found("Observation") if "valueString" in each]
    assert inputs(task) == {"laboratory": "lab", "places": f"Observation/{received[0]}.value"}
