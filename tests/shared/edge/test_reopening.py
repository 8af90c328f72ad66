"""`PATCH Task` as accepted once more: who completed it has it again, and who else tries learns who that was."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shared.edge.contract import StoredResource
from shared.edge.escalations import OPENED_BY_THE_HUB, of_hold
from shared.edge.outcome import HttpRefusal
from shared.events.codes import REASON
from shared.rules.escalation import STANDS_NO_MORE
from tests.intake.given import MONDAY
from tests.shared.edge.conftest import Counter
from tests.shared.edge.test_conflicts import FIRST, SECOND, refusal, safety
from tests.shared.edge.test_escalations import HOLD, context, put, stored
from tests.shared.edge.test_patching import acknowledged, operation, patch, resolved
from tests.shared.edge.test_steps import found, summary, unattended, without_person

__all__ = ["unattended"]
Json = dict[str, Any]
MINUTE = timedelta(minutes=1)


def reopened(person: str, reason: str = "resolved-by-mistake") -> list[Json]:
    return [*acknowledged(person), operation("add", "/statusReason", {"coding": [{"system": REASON, "code": reason}]})]


async def completed(counter: Counter, reason: str = "safety-plan-made") -> Json:
    task = await safety(counter)
    counter.intake.set_clock(MONDAY + MINUTE)
    assert (await patch(counter, task, resolved(FIRST, reason))).status_code == 200
    counter.intake.set_clock(MONDAY + 2 * MINUTE)
    return task


async def test_who_completed_it_reopens_it_once_however_often_it_is_sent(counter: Counter) -> None:
    task = await completed(counter)
    first = await patch(counter, task, reopened(FIRST))
    assert (first.status_code, first.json()["status"]) == (200, "accepted"), first.text
    again = await patch(counter, task, reopened(FIRST))
    otherwise = await patch(counter, task, reopened(FIRST, "not-done"))
    assert {each.headers["ETag"] for each in (again, otherwise)} == {first.headers["ETag"]}
    assert (await counter.intake.emitted()).count("EscalationReopened") == 1
    audits = await found(counter, f"AuditEvent?entity=Task/{task['id']}&_sort=date")
    assert summary(audits[-1]) == ("reopened", FIRST, {"reason": "resolved-by-mistake", "person": "stated"})
    done = await patch(counter, task, resolved(FIRST))
    assert (done.status_code, done.json()["status"]) == (200, "completed")


async def test_one_completed_as_mistaken_by_mistake_is_open_again_and_the_level_that_it_lowered_is_back(
    counter: Counter,
) -> None:
    task = await completed(counter, "mistaken")
    assert (await patch(counter, task, reopened(FIRST, "not-done"))).status_code == 409
    assert (await patch(counter, task, reopened(FIRST))).status_code == 200
    assert (await counter.intake.task("safety"))["status"] == "accepted"
    emitted = await counter.intake.emitted()
    again = emitted.index("EscalationReopened")
    assert emitted[again:][:3] == ["EscalationReopened", "RecommendationWithdrawn", "LevelOfCareRecommended"]


async def test_of_two_at_the_same_moment_one_reopens_it_and_nothing_is_done_twice(counter: Counter) -> None:
    task = await completed(counter)
    answers = await asyncio.gather(*(patch(counter, task, reopened(FIRST, each)) for each in ("not-done", "not-done")))
    assert [each.status_code for each in answers] == [200, 200]
    assert (await counter.intake.emitted()).count("EscalationReopened") == 1


async def test_another_person_learns_who_completed_it(counter: Counter) -> None:
    task = await completed(counter)
    text = f"Only who resolved it may reopen it, and it was resolved by staff/{FIRST} at 09:01"
    assert refusal(await patch(counter, task, reopened(SECOND))) == (409, "conflict", text)


async def test_a_client_reopens_what_it_completed_in_its_own_name_and_no_person_does(unattended: Counter) -> None:
    task = await safety(unattended)
    assert (await patch(unattended, task, resolved(FIRST)[:2])).status_code == 200
    assert refusal(await patch(unattended, task, reopened(FIRST)))[:2] == (409, "conflict")
    by_itself = [*without_person("accepted"), reopened(FIRST)[-1]]
    assert (await patch(unattended, task, by_itself)).status_code == 200
    assert (await unattended.intake.emitted())[-1] == "EscalationReopened"


async def test_another_reason_is_refused_with_those_that_there_are(counter: Counter) -> None:
    task = await completed(counter)
    status, code, text = refusal(await patch(counter, task, reopened(FIRST, "amarillo")))
    assert (status, code) == (422, "code-invalid") and "not-done" in text and "amarillo" not in text


async def test_what_the_hub_closed_it_does_not_open_for_anybody(counter: Counter) -> None:
    task = await safety(counter)
    await counter.intake.pool.execute(
        """UPDATE resources SET body = jsonb_set(body::jsonb || '{"status": "completed"}', '{statusReason}',
        '{"coding": [{"system": "https://iop-hub.org/fhir/CodeSystem/escalation", "code": "answered"}]}')::text
        WHERE type = 'Task' AND id = $1""",
        task["id"],
    )
    status, code, _ = refusal(await patch(counter, task, reopened(FIRST)))
    assert (status, code) == (409, "conflict")


async def test_one_whose_signals_retention_took_is_refused_as_one_that_stands_no_more(counter: Counter) -> None:
    task = await completed(counter)
    await counter.intake.pool.execute("DELETE FROM resources WHERE type = 'DetectedIssue'")
    status, code, text = refusal(await patch(counter, task, reopened(FIRST)))
    assert (status, code) == (409, "conflict") and text.startswith(STANDS_NO_MORE.reason)


@pytest.mark.parametrize("status", ["accepted", "in-progress", "requested"])
def test_a_hub_hold_is_never_reopened(status: str) -> None:
    body = {**stored("hub-hold").body, "id": HOLD, "status": "completed"}
    entry = put(HOLD, status)
    entry.resource["statusReason"] = {"coding": [{"system": REASON, "code": "not-done"}]}
    with pytest.raises(HttpRefusal) as refused:
        of_hold([entry], context({("Task", HOLD): StoredResource("", body)}))
    assert (refused.value.status, refused.value.issues[0].diagnostics) == (409, OPENED_BY_THE_HUB)
