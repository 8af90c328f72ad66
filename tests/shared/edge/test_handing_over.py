"""`PATCH Task` as requested of another one: it is handed over, and who comes second learns who was first."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shared.events.codes import REASON, ROLE, STAFF
from tests.intake.given import MONDAY
from tests.shared.edge.conftest import Counter
from tests.shared.edge.test_conflicts import FIRST, MONDAY_IN_NEW_YORK, SECOND, refusal, safety
from tests.shared.edge.test_patching import acknowledged, operation, patch, resolved

Json = dict[str, Any]


def handed_over(to: str, reason: str = "shift-ended", system: str = STAFF) -> list[Json]:
    return [
        operation("replace", "/status", "requested"),
        operation("replace", "/owner", {"identifier": {"system": system, "value": to}}),
        operation("add", "/statusReason", {"coding": [{"system": REASON, "code": reason}]}),
    ]


async def test_whoever_has_it_hands_it_over_and_the_task_is_the_receivers(counter: Counter) -> None:
    task = await safety(counter)
    await patch(counter, task, acknowledged(FIRST))
    done = await patch(counter, task, handed_over(SECOND))
    stands = await counter.intake.task("safety")
    assert (done.status_code, stands["status"], stands["owner"]["identifier"]["value"]) == (200, "requested", SECOND)
    assert stands["businessStatus"]["coding"][0]["code"] == "handed-over"
    assert stands["restriction"] == task["restriction"]
    again = await patch(counter, task, handed_over(SECOND, "unavailable"))
    assert (again.status_code, again.headers["ETag"]) == (200, done.headers["ETag"])
    assert (await patch(counter, task, acknowledged(SECOND))).status_code == 200
    assert (await counter.intake.emitted())[-2:] == ["EscalationHandedOver", "EscalationAcknowledged"]


async def test_it_is_handed_over_to_a_role_too(counter: Counter) -> None:
    task = await safety(counter)
    await patch(counter, task, acknowledged(FIRST))
    assert (await patch(counter, task, handed_over("prescriber", system=ROLE))).status_code == 200
    stands = await counter.intake.task("safety")
    assert stands["owner"] == {"identifier": {"system": ROLE, "value": "prescriber"}}
    assert stands["performerType"][0]["coding"][0]["code"] == "prescriber"


async def test_while_nobody_has_it_a_client_is_told_to_acknowledge_first(counter: Counter) -> None:
    task = await safety(counter)
    status, code, diagnostics = refusal(await patch(counter, task, handed_over(SECOND)))
    assert (status, code) == (422, "required") and "acknowledge it first" in diagnostics and "user" in diagnostics
    assert await counter.intake.task("safety") == task


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (handed_over(FIRST), (422, "business-rule")),
        (handed_over("amarillo"), (422, "code-invalid")),
        (handed_over("amarillo", system=ROLE), (422, "code-invalid")),
        (handed_over(SECOND, "acted-on"), (422, "code-invalid")),
        (handed_over(SECOND)[:2], (422, "code-invalid")),
    ],
)
async def test_what_is_no_other_person_role_or_reason_is_refused(
    counter: Counter, steps: list[Json], expected: tuple[int, str]
) -> None:
    task = await safety(counter)
    await patch(counter, task, acknowledged(FIRST))
    refused = await patch(counter, task, steps)
    assert refusal(refused)[:2] == expected and "amarillo" not in refused.text


async def test_the_second_of_two_learns_who_handed_it_over_and_when(counter: Counter) -> None:
    task = await safety(counter)
    await patch(counter, task, acknowledged(FIRST))
    done = await patch(counter, task, handed_over(SECOND))
    counter.intake.set_clock(MONDAY + timedelta(minutes=5))
    second = await patch(counter, task, handed_over("prescriber", system=ROLE))
    expected = f"handed over to staff/{SECOND} by staff/{FIRST} at {MONDAY_IN_NEW_YORK}"
    assert refusal(second) == (409, "conflict", expected)
    assert second.headers["ETag"] == done.headers["ETag"]


async def test_of_two_at_the_same_moment_one_hands_it_over(counter: Counter) -> None:
    task = await safety(counter)
    await patch(counter, task, acknowledged(FIRST))
    both = (handed_over(SECOND), handed_over("prescriber", system=ROLE))
    answers = await asyncio.gather(*(patch(counter, task, each) for each in both))
    assert sorted(each.status_code for each in answers) == [200, 409]


async def test_a_version_that_has_passed_hands_nothing_over(counter: Counter) -> None:
    task = await safety(counter)
    await patch(counter, task, acknowledged(FIRST))
    stale = await patch(counter, task, handed_over(SECOND), **{"If-Match": 'W/"1"'})
    assert (stale.status_code, stale.headers["ETag"]) == (412, 'W/"2"')
    assert (await patch(counter, task, handed_over(SECOND), **{"If-Match": 'W/"2"'})).status_code == 200


async def test_a_closed_one_is_not_handed_over(counter: Counter) -> None:
    task = await safety(counter)
    await patch(counter, task, resolved(FIRST))
    refused = await patch(counter, task, handed_over(SECOND))
    assert refusal(refused) == (409, "conflict", "This escalation is not open. The Task is completed.")
