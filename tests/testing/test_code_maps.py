"""A laboratory's own codes are mapped in the database: counted at the next look, and what was listed is read again."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from services.testing.worklist.code_maps import CodeMaps, merged
from services.testing.worklist.rereading import Rereading
from shared.path.transaction import code_maps
from shared.path.transaction.code_maps import MappedCode
from shared.platform import documents
from shared.platform.clients import registered
from tests.service import DEPLOY
from tests.testing.receiving import ADMITTED, ReceivingService, message
from tests.testing.test_rereading import FENTANYL, OPIOID, OTHER, in_treatment, reasons, under
from tests.testing.test_worklist import meaning

TODAY = ADMITTED.date()


def line(code: str, meaning: str, valid_from: date = TODAY, program: str = "demo") -> MappedCode:
    return MappedCode(program, "lab", code, meaning, "R. Eviewer", valid_from)


def maps(testing: ReceivingService) -> CodeMaps:
    return CodeMaps(testing.running, Rereading(testing.receiver, registered(DEPLOY)))


async def put(testing: ReceivingService, *lines: MappedCode) -> int:
    async with testing.pool.acquire() as connection, connection.transaction():
        return await code_maps.put(connection, lines)


async def test_a_positive_under_a_code_that_is_mapped_while_the_service_runs_raises_its_escalation(
    testing: ReceivingService,
) -> None:
    look = maps(testing).look
    await in_treatment(testing)
    assert await testing.receives(under("T17", message())) == "AA"
    await look()
    assert await reasons(testing) == []
    await put(testing, line("T17", FENTANYL))
    await look()
    assert await reasons(testing) == [OPIOID]
    await put(testing, line("T17", "cocaine presumptive"))
    await look()
    assert await reasons(testing) == [OTHER]
    emitted = await testing.emitted()
    await look()
    assert await testing.emitted() == emitted


async def test_what_comes_after_is_read_by_the_map_and_its_decision_names_it(testing: ReceivingService) -> None:
    look = maps(testing).look
    await in_treatment(testing)
    before = testing.inbox.journal.digests["demo"]
    await put(testing, line("T17", FENTANYL))
    await look()
    assert await testing.receives(under("T17", message())) == "AA"
    assert [each["reasonCode"]["coding"][0]["code"] for each in await testing.tasks()] == [OPIOID]
    async with testing.pool.acquire() as connection:
        named = "SELECT body FROM settings JOIN journal ON digest = journal.settings ORDER BY sequence DESC LIMIT 1"
        assert f'"lab|T17":"{FENTANYL}"' in await connection.fetchval(named)
    assert testing.inbox.journal.digests["demo"] != before


async def test_a_line_of_another_program_and_one_of_a_later_day_count_for_nothing(testing: ReceivingService) -> None:
    await in_treatment(testing)
    await put(testing, line("T17", FENTANYL, date(2027, 1, 1)), line("T17", FENTANYL, program="west"))
    await maps(testing).look()
    assert await testing.receives(under("T17", message())) == "AA"
    assert await reasons(testing) == []


async def test_the_same_line_again_changes_nothing(testing: ReceivingService) -> None:
    assert [await put(testing, line("T17", FENTANYL)) for _ in range(2)] == [1, 0]


@pytest.mark.parametrize("meaning", ["comment", "document", "ignored", "no-drug-test"])
async def test_a_code_that_holds_no_result_ends_its_question_and_asks_no_more(
    testing: ReceivingService, meaning: str
) -> None:
    await in_treatment(testing)
    await testing.receives(under("T17", message()))
    await put(testing, line("T17", meaning))
    await maps(testing).look()
    await testing.receives(under("T17", message("M8", filler="F8")))
    assert (await reasons(testing), await testing.tasks()) == ([], [])


async def test_a_check_of_the_specimen_is_read_in_the_unit_of_its_map(testing: ReceivingService) -> None:
    await in_treatment(testing)
    await testing.receives(message(value="NEGATIVE") + b"\rOBX|2|NM|NIT7^Check seven^L||712||||||F")
    await put(testing, line("NIT7", "nitrite mcg/mL"))
    await maps(testing).look()
    assert await reasons(testing) == ["specimen-substituted-or-adulterated"]


def test_a_line_goes_before_program_toml_and_one_that_is_not_understood_for_nothing() -> None:
    lines = [line("T17", FENTANYL), line("T18", "of another release")]
    assert merged({"lab|T17": "ignored", "T9": "ignored"}, lines, TODAY) == {"lab|T17": FENTANYL, "T9": "ignored"}


@pytest.mark.parametrize("asked", [True, False], ids=["asked about before", "known from the start"])
async def test_what_was_mapped_wrongly_is_taken_back_and_a_meaning_that_returns_counts_again(
    testing: ReceivingService, asked: bool
) -> None:
    look = maps(testing).look
    await in_treatment(testing)
    if asked:
        await testing.receives(under("T17", message()))
    await put(testing, line("T17", FENTANYL))
    await look()
    if not asked:
        await testing.receives(under("T17", message()))
    found = [await reasons(testing)]
    for each in ("comment", FENTANYL, "cocaine presumptive"):
        await put(testing, line("T17", each))
        await look()
        found.append(await reasons(testing))
    assert found == [[OPIOID], [], [OPIOID], [OTHER]]


async def test_what_was_mapped_anew_while_the_service_was_down_is_read_again_at_its_start(
    testing: ReceivingService,
) -> None:
    await in_treatment(testing)
    await put(testing, line("T17", FENTANYL))
    await maps(testing).look()
    await testing.receives(under("T17", message()))
    await put(testing, line("T17", "comment"))
    assert await reasons(testing) == [OPIOID]
    await maps(testing).look()
    assert await reasons(testing) == []


async def test_what_a_replica_without_the_map_stores_late_is_read_at_the_next_look(testing: ReceivingService) -> None:
    look, settings = maps(testing).look, testing.inbox.settings["demo"]
    await in_treatment(testing)
    await testing.receives(under("T17", message(value="NEGATIVE")))
    await put(testing, line("T17", FENTANYL))
    await look()
    mapped, testing.inbox.settings["demo"] = testing.inbox.settings["demo"], settings  # type: ignore[index]
    await testing.receives(under("T17", message("M8", filler="F8")).replace(b"20260112083000", b"20260113083000"))
    testing.inbox.settings["demo"] = mapped  # type: ignore[index]
    (task,) = [each for each in await testing.tasks() if "for" not in each]
    assert [each["valueInteger"] for each in task["input"] if "valueInteger" in each] == [1]
    await look()
    assert await reasons(testing) == [OPIOID]
    assert await testing.tasks("completed") != [] and await testing.count("waiting_results") == 0


async def test_a_result_that_comes_while_its_code_is_read_again_is_read_at_the_next_try(
    testing: ReceivingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, before = maps(testing).look, testing.inbox.settings["demo"]
    await in_treatment(testing)
    await testing.receives(under("T17", message(value="NEGATIVE")))
    await put(testing, line("T17", FENTANYL))
    late = under("T17", message("M8", filler="F8")).replace(b"20260112083000", b"20260113083000")
    listed = documents.since

    async def and_one_more(*asked: Any) -> list[UUID]:
        monkeypatch.undo()
        found = await listed(*asked)
        mapped, testing.inbox.settings["demo"] = testing.inbox.settings["demo"], before  # type: ignore[index]
        assert await testing.receives(late) == "AA"
        testing.inbox.settings["demo"] = mapped  # type: ignore[index]
        return found

    monkeypatch.setattr(documents, "since", and_one_more)
    await look()
    assert await reasons(testing) == []
    await look()
    assert (await reasons(testing), await testing.count("waiting_results")) == ([OPIOID], 0)


async def test_a_task_completed_with_a_meaning_is_read_by_it_and_says_so(testing: ReceivingService) -> None:
    look = maps(testing).look
    await in_treatment(testing)
    await testing.receives(under("T17", message()))
    (task,) = await testing.tasks()
    await testing.put(task | meaning(FENTANYL), "ehr")
    await look()
    assert await reasons(testing) == [OPIOID]
    (task,) = await testing.tasks("completed")
    assert [each["valueString"] for each in task["output"]] == [FENTANYL, FENTANYL]
    await testing.put(task, "ehr")
