"""`PATCH Task`: status, statusReason, businessStatus, owner and output only, decided as the same PUT is."""

import asyncio
from typing import Any

import httpx
import pytest

from shared.events.codes import ESCALATION, REASON, STAFF
from tests.intake import bundles
from tests.shared.edge.conftest import Counter
from tests.shared.edge.test_conflicts import FIRST, SECOND, refusal, safety

Json = dict[str, Any]
JSON_PATCH = "application/json-patch+json"


def operation(op: str, path: str, value: object = None) -> Json:
    return {"op": op, "path": path} | ({} if op == "remove" else {"value": value})


def by(person: str) -> Json:
    return operation("replace", "/owner", {"identifier": {"system": STAFF, "value": person}})


def acknowledged(person: str) -> list[Json]:
    return [operation("replace", "/status", "accepted"), by(person)]


def resolved(person: str, reason: str = "safety-plan-made") -> list[Json]:
    coded = {"coding": [{"system": REASON, "code": reason}]}
    return [operation("replace", "/status", "completed"), operation("add", "/statusReason", coded), by(person)]


async def patch(counter: Counter, task: Json, steps: Any, **headers: str) -> httpx.Response:
    headers = {"Content-Type": JSON_PATCH, **headers}
    return await counter.ask("PATCH", f"/fhir/Task/{task['id']}", json=steps, headers=headers)


async def test_a_patch_is_decided_as_the_put_of_what_it_comes_to(counter: Counter) -> None:
    task = await safety(counter)
    taken = await patch(counter, task, acknowledged(FIRST))
    assert (taken.status_code, taken.json()["status"], taken.headers["ETag"]) == (200, "accepted", 'W/"2"')
    assert refusal(await patch(counter, task, acknowledged(SECOND)))[2].startswith(f"acknowledged by staff/{FIRST} at")
    done = await patch(counter, task, resolved(FIRST), **{"If-Match": taken.headers["ETag"]})
    assert (done.status_code, done.json()["status"]) == (200, "completed")
    assert (await counter.intake.emitted())[-2:] == ["EscalationAcknowledged", "EscalationResolved"]


def acted(person: str, act: str = "called") -> list[Json]:
    coded = {"coding": [{"system": ESCALATION, "code": act}]}
    return [*acknowledged(person), operation("add", "/businessStatus", coded)]


async def test_what_was_done_stands_by_code_with_person_and_time_and_closes_nothing(counter: Counter) -> None:
    task = await safety(counter)
    done = await patch(counter, task, acted(FIRST))
    stands = await counter.intake.task("safety")
    assert (done.status_code, stands["status"], stands["businessStatus"]["coding"]) == (
        200,
        "accepted",
        [{"system": ESCALATION, "code": "called"}],
    )
    assert refusal(await patch(counter, task, acted(SECOND, "visited")))[2].startswith(f"acknowledged by staff/{FIRST}")
    assert (await patch(counter, task, acted(FIRST))).headers["ETag"] == done.headers["ETag"]
    assert (await patch(counter, task, acted(FIRST, "dose-checked"))).status_code == 200
    found = (await counter.ask("GET", f"/fhir/Provenance?patient={task['for']['reference']}")).json()["entry"]
    acts = [each["resource"]["activity"]["coding"][0]["code"] for each in found if "activity" in each["resource"]]
    assert sorted(acts) == ["called", "dose-checked"]
    resolved_now = await patch(counter, task, resolved(FIRST))
    assert (resolved_now.status_code, resolved_now.json()["status"]) == (200, "completed")


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
async def test_nobody_but_the_hub_retracts_an_escalation_and_is_told_what_to_do(counter: Counter, status: str) -> None:
    task = await safety(counter)
    code, kind, diagnostics = refusal(await patch(counter, task, [operation("replace", "/status", status), by(FIRST)]))
    assert (code, kind) == (422, "business-rule") and "at its source" in diagnostics and "mistaken" in diagnostics
    assert await counter.intake.task("safety") == task


@pytest.mark.parametrize("stated", [{"text": "Robin answered"}, {"coding": [{"system": ESCALATION, "code": "sang"}]}])
async def test_what_was_done_is_one_of_the_codes_and_no_text(counter: Counter, stated: Json) -> None:
    task = await safety(counter)
    steps = [*acknowledged(FIRST), operation("add", "/businessStatus", stated)]
    status, code, diagnostics = refusal(await patch(counter, task, steps))
    assert (status, code) == (422, "code-invalid") and "dose-checked" in diagnostics and "Robin" not in diagnostics
    assert await counter.intake.task("safety") == task


@pytest.mark.parametrize("steps", [acknowledged(FIRST), resolved(FIRST)])
async def test_the_same_patch_again_changes_nothing_and_gets_the_same_answer(counter: Counter, steps: Any) -> None:
    task = await safety(counter)
    first = await patch(counter, task, steps)
    emitted = await counter.intake.emitted()
    again = [await patch(counter, task, steps) for _ in range(2)]
    assert [(each.status_code, each.headers["ETag"]) for each in again] == [(200, first.headers["ETag"])] * 2
    assert await counter.intake.emitted() == emitted


async def test_of_two_patches_at_the_same_moment_one_is_first(counter: Counter) -> None:
    task = await safety(counter)
    answers = await asyncio.gather(*(patch(counter, task, acknowledged(who)) for who in (FIRST, SECOND)))
    assert sorted(each.status_code for each in answers) == [200, 409]


@pytest.mark.parametrize("path", ["/priority", "/for/reference", "/input/0/valueInteger", "/meta/tag/-", "/statusX"])
async def test_all_else_of_a_task_is_refused_by_its_path(counter: Counter, path: str) -> None:
    task = await safety(counter)
    status, code, diagnostics = refusal(await patch(counter, task, [operation("replace", path, "amarillo")]))
    assert (status, code) == (422, "not-supported")
    assert path in diagnostics and "amarillo" not in diagnostics
    assert await counter.intake.task("safety") == task


@pytest.mark.parametrize("path", ["", "/", "status", "/for/Robin Amarillo", "/~2", "/Amarillo~1"])
async def test_what_may_be_no_path_is_named_by_its_place(counter: Counter, path: str) -> None:
    task = await safety(counter)
    status, _, diagnostics = refusal(await patch(counter, task, [operation("remove", path)]))
    assert status == 422 and "[0].path" in diagnostics and "marillo" not in diagnostics


async def test_a_test_that_fails_changes_nothing_and_says_which_version_stands(counter: Counter) -> None:
    task = await safety(counter)
    unmet = [operation("test", "/status", "in-progress"), *acknowledged(FIRST)]
    failed = await patch(counter, task, unmet)
    assert refusal(failed)[:2] == (409, "conflict") and failed.headers["ETag"] == 'W/"1"'
    met = [operation("test", "/status", "requested"), *acknowledged(FIRST)]
    assert (await patch(counter, task, met)).status_code == 200


async def test_of_two_that_test_the_same_status_one_finds_it(counter: Counter) -> None:
    task = await safety(counter)
    met = [operation("test", "/status", "requested"), *resolved(FIRST)]
    answers = await asyncio.gather(*(patch(counter, task, met) for _ in range(2)))
    assert sorted(each.status_code for each in answers)[0] == 200
    assert (await counter.intake.emitted()).count("EscalationResolved") == 1


async def test_a_patch_says_who_did_it_and_what_a_put_needs(counter: Counter) -> None:
    task = await safety(counter)
    nobody = await patch(counter, task, [operation("replace", "/status", "accepted")])
    gone = await patch(counter, task, [operation("remove", "/status"), by(FIRST)])
    stranger = await patch(counter, task, acknowledged("amarillo"))
    nowhere = await patch(counter, task, [operation("replace", "/statusReason/text", "x"), by(FIRST)])
    assert [each.status_code for each in (nobody, gone, stranger, nowhere)] == [422, 400, 422, 422]


async def test_a_patch_is_small_json_of_its_own_kind(counter: Counter) -> None:
    task = await safety(counter)
    many = [operation("test", "/status", "requested")] * 21
    large = [operation("add", "/statusReason", {"text": "x" * 20_000})]
    wrong: list[Any] = [many, large, {}, [], [1], [{"op": "move", "path": "/owner"}]]
    answers = [await patch(counter, task, each) for each in wrong]
    assert [each.status_code for each in answers] == [413, 413, 400, 400, 400, 422]
    other = await patch(counter, task, acknowledged(FIRST), **{"Content-Type": "application/fhir+json"})
    assert other.status_code == 415


async def test_a_patch_needs_the_scopes_of_what_it_does(counter: Counter) -> None:
    task = await safety(counter)
    asked = [operation("test", "/status", "requested"), *acknowledged(FIRST)]
    reads, writes = (f"Bearer {counter.issuer.token(scope=f'system/Task.{each}')}" for each in "ru")
    assert [(await patch(counter, task, asked, Authorization=each)).status_code for each in (reads, writes)] == [
        403
    ] * 2
    assert (await patch(counter, task, asked[1:], Authorization=writes)).status_code == 200


async def test_only_tasks_are_patched_and_the_statement_says_so(counter: Counter) -> None:
    await counter.send(bundles.intake("0001"))
    answer = await counter.ask("PATCH", "/fhir/Patient/1", json=[], headers={"Content-Type": JSON_PATCH})
    assert answer.status_code == 405
    stated = (await counter.ask("GET", "/fhir/metadata")).json()
    patching = [each["type"] for each in stated["rest"][0]["resource"] if {"code": "patch"} in each["interaction"]]
    assert (patching, stated["patchFormat"]) == (["Task"], [JSON_PATCH])
