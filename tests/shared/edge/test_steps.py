"""Each step of a person at an escalation leaves an AuditEvent of its own, and a Provenance that none replaces later."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from shared.events.codes import CLIENT, STAFF
from shared.events.fhir import logical
from tests.intake.given import MONDAY
from tests.shared.edge.conftest import Counter
from tests.shared.edge.test_conflicts import FIRST, SECOND, refusal, safety
from tests.shared.edge.test_handing_over import handed_over
from tests.shared.edge.test_patching import acknowledged, acted, operation, patch, resolved

Json = dict[str, Any]


async def all_steps(counter: Counter) -> Json:
    """Taken on, acted on, handed over, taken on by the receiver and resolved, a minute apart."""
    task = await safety(counter)
    steps = (
        acknowledged(FIRST),
        acted(FIRST),
        handed_over(SECOND),
        acknowledged(SECOND),
        resolved(SECOND, "patient-reached"),
    )
    for minute, each in enumerate(steps):
        counter.intake.set_clock(MONDAY + timedelta(minutes=minute))
        assert (await patch(counter, task, each)).status_code == 200
    return task


async def found(counter: Counter, asked: str) -> list[Json]:
    answer = await counter.ask("GET", f"/fhir/{asked}")
    assert answer.status_code == 200, answer.text
    return [each["resource"] for each in answer.json().get("entry", ())]


def summary(audit: Json) -> tuple[str, str, dict[str, str]]:
    who = {each["who"]["identifier"]["system"]: each["who"]["identifier"]["value"] for each in audit["agent"]}
    assert who[CLIENT] == "ehr"
    about = [each for each in audit["entity"] if each["what"]["reference"].startswith("Task/")]
    details = {each["type"]: each["valueString"] for each in about[0]["detail"]}
    return audit["subtype"][0]["code"], who[STAFF], details


async def test_each_step_leaves_an_audit_event_of_its_own_found_by_its_task(counter: Counter) -> None:
    task = await all_steps(counter)
    audits = await found(counter, f"AuditEvent?entity=Task/{task['id']}&_sort=date")
    assert [summary(each) for each in audits] == [
        ("acknowledged", FIRST, {"person": "stated"}),
        ("acted-on", FIRST, {"act": "called", "person": "stated"}),
        ("handed-over", FIRST, {"reason": "shift-ended", "to": f"staff/{SECOND}", "person": "stated"}),
        ("acknowledged", SECOND, {"person": "stated"}),
        ("resolved", SECOND, {"reason": "patient-reached", "person": "stated"}),
    ]
    assert {each["meta"]["versionId"] for each in audits} == {"1"}
    roles = [each["agent"][0]["role"][0]["coding"][0]["code"] for each in audits]
    assert roles == ["clinician"] * 3 + ["on-call-clinician"] * 2
    asked = (
        f"AuditEvent?patient={task['for']['reference']}&entity=Task/{task['id']}&subtype=acknowledged&agent={SECOND}"
    )
    assert [each["id"] for each in await found(counter, asked)] == [audits[3]["id"]]
    assert await found(counter, "AuditEvent?entity=Task/another") == []


async def test_what_was_read_is_found_by_its_patient_as_entity_too(counter: Counter) -> None:
    task = await safety(counter)
    await counter.ask("GET", f"/fhir/Task/{task['id']}")
    await counter.intake.running.reads.write()
    patient = task["for"]["reference"]
    assert await found(counter, f"AuditEvent?entity={patient}&subtype=read")
    assert await found(counter, f"AuditEvent?entity=Task/{task['id']}&subtype=read") == []


@pytest.mark.parametrize("asked", ["amarillo", "Task/", "|Task"])
async def test_an_entity_is_a_reference_with_its_type(counter: Counter, asked: str) -> None:
    answer = await counter.ask("GET", f"/fhir/AuditEvent?entity={asked}")
    assert answer.status_code == 400 and "amarillo" not in answer.text


async def test_no_provenance_takes_the_place_of_an_earlier_one(counter: Counter) -> None:
    task = await all_steps(counter)
    provenances = await found(counter, f"Provenance?patient={task['for']['reference']}&_sort=date")
    mine = [each for each in provenances if each["target"] == [{"reference": f"Task/{task['id']}"}]]
    assert [each["agent"][0]["who"]["identifier"]["value"] for each in mine] == [FIRST] * 3 + [SECOND] * 2
    assert {each["meta"]["versionId"] for each in mine} == {"1"}


async def test_a_conflict_names_who_has_it_now(counter: Counter) -> None:
    task = await safety(counter)
    for minute, each in enumerate((acknowledged(FIRST), handed_over(SECOND), acknowledged(SECOND))):
        counter.intake.set_clock(MONDAY + timedelta(minutes=minute))
        await patch(counter, task, each)
    assert refusal(await patch(counter, task, acknowledged(FIRST)))[2] == f"acknowledged by staff/{SECOND} at 09:02"


async def test_a_person_by_their_own_token_is_proved(counter: Counter) -> None:
    task = await safety(counter)
    token = {"sub": FIRST, "client_id": "ehr", "scope": "user/Task.rus"}
    headers = {"Authorization": f"Bearer {counter.issuer.token(**token)}"}
    answer = await patch(counter, task, acknowledged(FIRST), **headers)
    assert answer.status_code == 200, answer.text
    (audit,) = await found(counter, f"AuditEvent?entity=Task/{task['id']}")
    assert summary(audit) == ("acknowledged", FIRST, {"person": "proved"})


@pytest.fixture
def unattended(counter: Counter) -> Counter:
    """Of a program that lets a client answer in its own name."""
    settings: dict[str, Any] = dict(counter.intake.inbox.settings)
    times = replace(settings["demo"].escalation, acknowledge_needs_person=False)
    counter.intake.inbox.settings = {"demo": replace(settings["demo"], escalation=times)}
    return counter


def without_person(status: str) -> list[Json]:
    return [operation("replace", "/status", status)]


async def test_a_client_without_a_person_reads_and_does_not_acknowledge(counter: Counter) -> None:
    task = await safety(counter)
    status, code, _ = refusal(await patch(counter, task, without_person("accepted")))
    assert (status, code) == (422, "required")
    assert await found(counter, f"AuditEvent?entity=Task/{task['id']}") == []


async def test_a_client_that_may_acts_in_its_own_name_and_no_person_is_recorded(unattended: Counter) -> None:
    task = await safety(unattended)
    taken = await patch(unattended, task, without_person("accepted"))
    assert taken.status_code == 200, taken.text
    (audit,) = await found(unattended, f"AuditEvent?entity=Task/{task['id']}")
    (provenance,) = [
        each
        for each in await found(unattended, f"Provenance?patient={task['for']['reference']}")
        if each["target"] == [{"reference": f"Task/{task['id']}"}]
    ]
    for recorded in (audit, provenance):
        assert [each["who"] for each in recorded["agent"]] == [logical(CLIENT, "ehr")]
    assert "detail" not in audit["entity"][1] and "role" not in audit["agent"][0]
    again = await patch(unattended, task, without_person("accepted"))
    assert (again.status_code, again.headers["ETag"]) == (200, taken.headers["ETag"])
    done = await patch(unattended, task, [*resolved(FIRST)[:2]])
    assert (done.status_code, done.json()["status"]) == (200, "completed")


async def test_a_person_takes_on_what_only_a_client_has_and_no_client_what_a_person_has(unattended: Counter) -> None:
    task = await safety(unattended)
    await patch(unattended, task, without_person("accepted"))
    unattended.intake.set_clock(MONDAY + timedelta(minutes=1))
    assert (await patch(unattended, task, acknowledged(FIRST))).status_code == 200
    refused = await patch(unattended, task, without_person("accepted"))
    assert refusal(refused) == (409, "conflict", f"acknowledged by staff/{FIRST} at 09:01")
