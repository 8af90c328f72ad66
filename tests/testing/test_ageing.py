"""What waits too long on the laboratories' work list is reported once for each age, in counts; it says whom to call."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from services.testing.worklist import MAP_CODE, ageing
from shared.path.transaction import operations
from shared.platform.clients import registered
from tests.service import DEPLOY
from tests.testing.receiving import ADMITTED, ReceivingService, message
from tests.testing.test_finding import discarded
from tests.testing.test_worklist import COMMENT, inputs

NOW = ADMITTED + timedelta(days=9)
OPERATIONS = "iop.operations"
LAB = registered(DEPLOY)["lab"]
CLIENTS = {"lab": msgspec.structs.replace(LAB, contact="Interface desk, 555-0100, weekdays 8 to 5")}


async def looked(testing: ReceivingService, hours: float) -> list[str]:
    """What has been reported so far, once so many hours have passed."""
    testing.set_clock(NOW + timedelta(hours=hours))
    await ageing.look(testing.running, CLIENTS)
    return [
        details(body)
        for (body,) in await testing.select("SELECT body FROM outbox WHERE lane = 'topic:iop.operations' ORDER BY id")
    ]


def details(body: str) -> str:
    (outcome,) = [
        each["resource"]
        for each in msgspec.json.decode(body)["entry"]
        if each["resource"]["resourceType"] == "OperationOutcome"
    ]
    return str(outcome["issue"][0]["diagnostics"])


async def test_each_age_is_reported_once_in_counts_alone(testing: ReceivingService) -> None:
    for number in ("1", "2"):
        assert (
            await testing.receives(message(f"M{number}", filler=f"F{number}", mrn=f"SEEDED-{number}") + COMMENT) == "AA"
        )
    assert await looked(testing, 23.9) == []
    first = "testing: demo: 3 of the laboratories' work list have waited for 24 h: find-patient 2, map-code 1."
    assert [await looked(testing, hours) for hours in (24, 25, 71.9)] == [[first]] * 3
    second = first.replace("24 h", "72 h")
    assert [await looked(testing, hours) for hours in (72, 73)] == [[first, second]] * 2
    assert "SEEDED" not in str(await testing.select("SELECT headers || body FROM outbox"))


async def test_what_was_not_looked_at_for_days_is_reported_at_its_greatest_age(testing: ReceivingService) -> None:
    await testing.receives(message())
    assert [each.count("168 h") for each in await looked(testing, 500)] == [1]


async def test_after_days_a_task_says_whom_to_call(testing: ReceivingService) -> None:
    await testing.receives(message())
    await looked(testing, 72)
    (task,) = await testing.tasks()
    assert "contact" not in inputs(task)
    await looked(testing, 168)
    (task,) = await testing.tasks()
    assert inputs(task)["contact"] == "Interface desk, 555-0100, weekdays 8 to 5"
    await looked(testing, 400)
    (again,) = await testing.tasks()
    assert again == task


async def test_what_was_answered_and_what_is_of_patients_is_not_reported(testing: ReceivingService) -> None:
    await testing.receives(message())
    (task,) = await testing.tasks()
    await testing.put(discarded(task), "ehr")
    await testing.identified("OTHER")
    assert await looked(testing, 100) == []


async def test_a_crash_between_the_mark_and_the_report_leaves_neither(
    testing: ReceivingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise ConnectionResetError

    await testing.receives(message())
    with monkeypatch.context() as broken_off:
        broken_off.setattr(operations, "report", broken)
        with pytest.raises(ConnectionResetError):
            await looked(testing, 30)
    (task,) = await testing.tasks()
    assert "aged-hours" not in inputs(task)
    assert len(await looked(testing, 30)) == 1


async def test_a_code_that_asks_again_is_as_old_as_what_waits_now(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.receives(message() + COMMENT)
    assert len(await looked(testing, 30)) == 1
    (task,) = await testing.tasks()
    assert task["code"]["coding"][0]["code"] == MAP_CODE
    await testing.put(task | {"status": "in-progress"}, "ehr")
    assert len(await looked(testing, 73)) == 2
