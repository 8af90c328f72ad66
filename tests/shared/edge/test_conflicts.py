"""Two persons at one Task: one is first, and the other one learns who, when, and the version that stands."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.edge.http import FHIR_JSON
from tests.intake import bundles
from tests.intake.given import MONDAY
from tests.shared.edge.conftest import Counter

Json = dict[str, Any]
MONDAY_IN_NEW_YORK = "09:00"
FIRST, SECOND = "clinician-1", "on-call-clinician-1"


async def safety(counter: Counter) -> Json:
    """The Task that asks a clinician about a suicidal answer."""
    assert (await counter.send(bundles.intake("0001", facts={"c-ssrs-q4": True}))).status_code == 200
    return await counter.intake.task("safety")


async def put(
    counter: Counter, task: Json, status: str, person: str, reason: str | None = None, **headers: str
) -> httpx.Response:
    resource = bundles.answered(task, status, person, reason) if reason else bundles.answered(task, status, person)
    headers = {"Content-Type": FHIR_JSON, **headers}
    return await counter.ask("PUT", f"/fhir/Task/{task['id']}", json=resource, headers=headers)


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    (issue,) = answer.json()["issue"]
    return answer.status_code, issue["code"], issue["diagnostics"]


async def test_the_second_of_two_persons_learns_who_was_first_and_which_version_stands(counter: Counter) -> None:
    task = await safety(counter)
    first = await put(counter, task, "accepted", FIRST)
    counter.intake.set_clock(MONDAY + timedelta(minutes=5))
    second = await put(counter, task, "accepted", SECOND)
    assert refusal(second) == (409, "conflict", f"acknowledged by staff/{FIRST} at {MONDAY_IN_NEW_YORK}")
    assert second.headers["ETag"] == first.headers["ETag"] == 'W/"2"'
    again = await put(counter, {**task, "description": "sent again otherwise"}, "accepted", FIRST)
    assert (again.status_code, again.headers["ETag"]) == (200, first.headers["ETag"])


async def test_who_comes_on_another_day_learns_the_day_too(counter: Counter) -> None:
    task = await safety(counter)
    await put(counter, task, "accepted", FIRST)
    counter.intake.set_clock(MONDAY + timedelta(days=1))
    assert refusal(await put(counter, task, "accepted", SECOND))[2].endswith(f"at 2026-01-05 {MONDAY_IN_NEW_YORK}")


async def test_of_two_at_the_same_moment_one_is_first(counter: Counter) -> None:
    task = await safety(counter)
    answers = await asyncio.gather(*(put(counter, task, "accepted", who) for who in (FIRST, SECOND)))
    won, lost = sorted(answers, key=lambda each: each.status_code)
    assert (won.status_code, lost.status_code, lost.headers["ETag"]) == (200, 409, won.headers["ETag"])
    assert (await counter.intake.emitted()).count("EscalationAcknowledged") == 1


@pytest.mark.parametrize("status", ["accepted", "completed"])
async def test_an_illegal_step_learns_the_present_status(counter: Counter, status: str) -> None:
    task = await safety(counter)
    await put(counter, task, "accepted", FIRST)
    resolved = await put(counter, task, "completed", FIRST, "safety-plan-made")
    refused = await put(counter, task, status, SECOND)
    assert refusal(refused) == (409, "conflict", "This escalation is not open. The Task is completed.")
    assert refused.headers["ETag"] == resolved.headers["ETag"]


async def test_an_older_version_is_refused_with_the_one_that_stands(counter: Counter) -> None:
    task = await safety(counter)
    await put(counter, task, "accepted", FIRST, **{"If-Match": 'W/"1"'})
    stale = await put(counter, task, "completed", SECOND, "safety-plan-made", **{"If-Match": 'W/"1"'})
    assert (stale.status_code, stale.headers["ETag"]) == (412, 'W/"2"')
    assert "acknowledged" not in stale.text
    current = await put(counter, task, "completed", SECOND, "safety-plan-made", **{"If-Match": stale.headers["ETag"]})
    assert current.status_code == 200


async def test_a_stranger_is_refused_whoever_was_first(counter: Counter) -> None:
    task = await safety(counter)
    await put(counter, task, "accepted", FIRST)
    assert (await put(counter, task, "accepted", "amarillo")).status_code == 422
