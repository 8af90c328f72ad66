"""A work list is a search for Tasks: whose, how urgent, about what, due when; the next to fall due comes first."""

from datetime import timedelta
from typing import Any

import pytest

from shared.events.codes import ESCALATION, ROLE, STAFF
from tests.intake import bundles
from tests.intake.given import MONDAY
from tests.shared.edge.conftest import Counter
from tests.shared.edge.test_paging import followed, ids, link

Json = dict[str, Any]
WHO = bundles.urn("0000", "patient")
URGENCY = ("stat", "asap", "urgent", "routine")


async def listed(counter: Counter) -> list[Json]:
    """Tasks of three patients: each with a placement to sign, two with a suicidal answer a minute apart."""
    for number, minutes in enumerate((0, 1, 1)):
        counter.intake.set_clock(MONDAY + timedelta(minutes=minutes))
        facts = {"c-ssrs-q4": True} if number else {}
        assert (await counter.send(bundles.intake(f"000{number}", facts=facts))).status_code == 200
    return [each for each in await counter.intake.found("Task", ("_count", "200")) if "restriction" in each]


async def found(counter: Counter, asked: str) -> list[str]:
    answer = await counter.ask("GET", f"/fhir/Task?{asked}")
    assert answer.status_code == 200, answer.text
    return ids(answer.json())


def due(task: Json) -> tuple[str, int, str]:
    return task["restriction"]["period"]["end"], URGENCY.index(task.get("priority", "routine")), task["id"]


def coded(task: Json, code: str) -> bool:
    return any(each["code"] == code for each in task["code"]["coding"])


async def test_a_work_list_goes_by_when_its_tasks_are_due_and_then_by_how_urgent_they_are(counter: Counter) -> None:
    tasks = sorted(await listed(counter), key=due)
    page = (await counter.ask("GET", "/fhir/Task?period=ge2020&_sort=period,-priority&_count=1")).json()
    assert await followed(counter, page) == [each["id"] for each in tasks] and len(tasks) > 4
    page = (await counter.ask("GET", "/fhir/Task?period=ge2020&_sort=-period&_count=2")).json()
    assert await followed(counter, page) == [each["id"] for each in tasks[::-1]]


async def test_what_is_never_due_comes_last(counter: Counter) -> None:
    tasks = sorted(await listed(counter), key=due)
    theirs = {"resourceType": "Task", "status": "requested", "intent": "order", "for": {"reference": WHO}}
    assert (await counter.send(bundles.transaction(bundles.patient("0000"), theirs))).status_code == 200
    everything = await followed(counter, (await counter.ask("GET", "/fhir/Task?_sort=period&_count=2")).json())
    assert everything[: len(tasks)] == [each["id"] for each in tasks]
    assert len(everything) == len(set(everything)) > len(tasks)


async def test_a_work_list_is_of_a_role_a_code_a_priority_or_a_time(counter: Counter) -> None:
    tasks = await listed(counter)
    safety = {each["id"] for each in tasks if coded(each, "safety")}
    owner = next(each["owner"]["identifier"]["value"] for each in tasks if coded(each, "safety"))
    theirs = {each["id"] for each in tasks if each["owner"]["identifier"]["value"] == owner}
    stat = {each["id"] for each in tasks if each.get("priority") == "stat"}
    late = f"{MONDAY + timedelta(seconds=30):%Y-%m-%dT%H:%M:%SZ}"
    assert len(safety) == 2 and stat and theirs
    asked = {
        f"code={ESCALATION}|safety": safety,
        "code=safety,nothing": safety,
        "code=urn:other|safety": set(),
        "code=|safety": set(),
        f"owner={owner}": theirs,
        f"owner:identifier={ROLE}|{owner}": theirs,
        f"owner:identifier={STAFF}|{owner}": set(),
        "priority=stat": stat,
        "priority=unheard,urn:other|stat": set(),
        "priority=stat,asap,urgent,routine&code=safety": safety,
        f"code=safety&authored-on=ge{late}": safety,
        f"code=safety&authored-on=lt{late}": set(),
        f"code=safety&modified=ge{late}&_sort=modified": safety,
        f"code=safety&status=requested&owner={owner}&priority=stat&period=lt2027&_sort=period": safety & theirs & stat,
    }
    assert {each: set(await found(counter, each)) for each in asked} == asked


async def test_one_that_is_acknowledged_moves_from_one_list_to_the_other(counter: Counter) -> None:
    await listed(counter)
    (first, second) = await found(counter, "code=safety&status=requested&_sort=period")
    task = (await counter.ask("GET", f"/fhir/Task/{first}")).json()
    await counter.intake.put(bundles.answered(task, "accepted", "clinician-1"))
    assert await found(counter, "code=safety&status=requested&_sort=period") == [second]
    assert await found(counter, "code=safety&status=accepted,completed&_sort=period") == [first]


@pytest.mark.parametrize(
    "asked",
    [
        "period=amarillo",
        "owner=Practitioner/amarillo",
        "owner=a,staff/amarillo",
        "owner=",
        "code=a,",
        "_sort=priority",
        "_sort=period,status",
        "owner.name=x",
    ],
)
async def test_what_no_work_list_can_be_asked_is_refused_and_not_repeated(counter: Counter, asked: str) -> None:
    answer = await counter.ask("GET", f"/fhir/Task?{asked}")
    assert answer.status_code == 400 and "amarillo" not in answer.text
    assert (await counter.ask("GET", "/fhir/Consent?priority=stat")).status_code == 400
    assert (await counter.ask("GET", "/fhir/Consent?_sort=period")).status_code == 400


async def test_a_page_has_at_most_two_hundred(counter: Counter) -> None:
    await counter.send(bundles.intake("0001"))
    await counter.intake.pool.execute(
        "INSERT INTO resources (type, id, program, patient, status, updated_at, body)"
        " SELECT 'Task', 'many-' || n, 'demo', 'p', 'requested', now(), '{}' FROM generate_series(1, 250) n"
    )
    page = (await counter.ask("GET", "/fhir/Task?_count=500")).json()
    assert len(ids(page)) == 200
    assert all("_count=200" in link(page, each) for each in ("self", "next"))
    assert len(await followed(counter, page)) > 250
