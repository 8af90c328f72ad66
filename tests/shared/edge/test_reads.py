"""Who read what: each answer about a patient leaves an AuditEvent, without what was asked or answered."""

import json
from typing import Any

import httpx
import pytest

from shared.events.codes import CLIENT
from shared.path.transaction import reads
from tests.intake import bundles
from tests.shared.edge.conftest import Counter

Json = dict[str, Any]


async def intake(counter: Counter, mrn: str) -> Json:
    """A Task of one new patient."""
    before = {each["id"] for each in await counter.intake.found("Task")}
    assert (await counter.send(bundles.intake(mrn))).status_code == 200
    task, *_ = [each for each in await counter.intake.found("Task") if each["id"] not in before]
    await counter.intake.running.reads.write()
    await counter.intake.pool.execute("DELETE FROM reads")
    return task


async def recorded(counter: Counter) -> list[tuple[Any, ...]]:
    await counter.intake.running.reads.write()
    return sorted(await counter.intake.select("SELECT patient, client, person, type, interaction, refused FROM reads"))


def patient_of(task: Json) -> str:
    return str(task["for"]["reference"]).removeprefix("Patient/")


async def audits(counter: Counter, asked: str = "") -> list[Json]:
    answer = await counter.ask("GET", f"/fhir/AuditEvent?_count=500{asked}")
    assert answer.status_code == 200, answer.text
    return [each["resource"] for each in answer.json().get("entry", ())]


async def test_a_read_by_id_leaves_one_record_of_its_patient(counter: Counter) -> None:
    task = await intake(counter, "0001")
    assert (await counter.ask("GET", f"/fhir/Task/{task['id']}")).status_code == 200
    assert await recorded(counter) == [(patient_of(task), "ehr", "", "Task", "read", False)]


@pytest.mark.parametrize("path", ["Task/{id}/$why", "Task/{id}/_history/1"])
async def test_why_and_a_version_are_reads(counter: Counter, path: str) -> None:
    task = await intake(counter, "0001")
    assert (await counter.ask("GET", f"/fhir/{path.format(id=task['id'])}")).status_code == 200
    assert await recorded(counter) == [(patient_of(task), "ehr", "", "Task", "read", False)]


async def test_a_search_leaves_one_record_of_each_patient_in_its_page(counter: Counter) -> None:
    patients = sorted([patient_of(await intake(counter, mrn)) for mrn in ("0001", "0002", "0003")])
    assert (await counter.ask("GET", "/fhir/Observation?_count=500")).status_code == 200
    assert await recorded(counter) == [(each, "ehr", "", "Observation", "search-type", False) for each in patients]


@pytest.mark.parametrize(
    "asked",
    [
        "patient={hub}",
        "subject=Patient/{hub}",
        "patient.identifier=https://clinic.demo.iop-hub.org/mrn|0001",
        "patient={hub}&_summary=count",
    ],
)
async def test_a_search_that_names_a_patient_and_finds_nothing_is_one_too(counter: Counter, asked: str) -> None:
    patient = patient_of(await intake(counter, "0001"))
    answer = await counter.ask("GET", f"/fhir/Encounter?{asked.format(hub=patient)}")
    assert answer.status_code == 200, answer.text
    assert await recorded(counter) == [(patient, "ehr", "", "Encounter", "search-type", False)]


@pytest.mark.parametrize("asked", ["Observation?patient=Robin-Synthetic", "Task?patient=x", "Task?_id=x", "Patient/x"])
async def test_who_is_no_patient_here_is_never_written_down(counter: Counter, asked: str) -> None:
    await intake(counter, "0001")
    await counter.ask("GET", f"/fhir/{asked}")
    assert await recorded(counter) == []


@pytest.mark.parametrize(
    ("path", "interaction"),
    [("Task/{id}", "read"), ("Task/{id}/$why", "read"), ("Task?patient={patient}", "search-type")],
)
async def test_a_read_that_the_token_does_not_allow_is_recorded_as_refused(
    counter: Counter, path: str, interaction: str
) -> None:
    task = await intake(counter, "0001")
    address = path.format(id=task["id"], patient=patient_of(task))
    token = counter.issuer.token(scope="system/Patient.rs")
    answer = await counter.http.get(f"/fhir/{address}", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert await recorded(counter) == [(patient_of(task), "ehr", "", "Task", interaction, True)]


async def test_nobody_who_is_not_known_is_recorded(counter: Counter) -> None:
    task = await intake(counter, "0001")
    assert (await counter.http.get(f"/fhir/Task/{task['id']}")).status_code == 401
    assert await recorded(counter) == []


async def test_a_patients_reads_are_served_as_audit_events(counter: Counter) -> None:
    task, other = await intake(counter, "0001"), await intake(counter, "0002")
    patient = patient_of(task)
    for each in (task, other):
        await counter.ask("GET", f"/fhir/Task/{each['id']}")
    await recorded(counter)
    (event,) = await audits(counter, f"&patient={patient}&subtype=read")
    assert event["type"]["code"] == "rest"
    assert [each["code"] for each in event["subtype"]] == ["read"]
    assert (event["action"], event["outcome"]) == ("R", "0")
    assert event["agent"] == [{"who": {"identifier": {"system": CLIENT, "value": "ehr"}}, "requestor": True}]
    assert event["entity"][0]["what"] == {"reference": f"Patient/{patient}"}
    assert event["entity"][1]["type"]["code"] == "Task"
    again = await counter.ask("GET", f"/fhir/AuditEvent/{event['id']}")
    assert again.json() == event


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("agent=ehr", True),
        (f"agent:identifier={CLIENT}|ehr", True),
        ("agent=lab", False),
        ("type=rest", True),
        ("type=110106", False),
        ("subtype=read,vread", True),
        ("subtype=http://hl7.org/fhir/restful-interaction|read", True),
        ("subtype=search-type", False),
        ("date=ge2026-01-01", True),
        ("date=lt2026-01-01", False),
        ("_lastUpdated=ge2026-01-01&_sort=-_lastUpdated", True),
        ("patient:missing=true", False),
        ("patient:missing=false", True),
        ("_id=x", False),
        ("_total=accurate", True),
    ],
)
async def test_audit_events_are_found_by_whom_when_and_what(counter: Counter, asked: str, found: bool) -> None:
    task = await intake(counter, "0001")
    await counter.ask("GET", f"/fhir/Task/{task['id']}")
    await recorded(counter)
    answer = (await counter.ask("GET", f"/fhir/AuditEvent?{asked}")).json()
    assert len(answer.get("entry", ())) == found
    if "_total" in asked:
        assert answer["total"] == 1


async def test_every_page_of_audit_events_goes_on_where_the_last_one_ended(counter: Counter) -> None:
    task = await intake(counter, "0001")
    for _ in range(7):
        await counter.ask("GET", f"/fhir/Task/{task['id']}")
    await recorded(counter)
    for sort in ("date", "-date"):
        found, address = list[str](), f"/fhir/AuditEvent?subtype=read&_count=3&_sort={sort}"
        while address:
            page = (await counter.ask("GET", address)).json()
            found += [each["resource"]["id"] for each in page.get("entry", ())]
            address = next((each["url"] for each in page["link"] if each["relation"] == "next"), "")
        assert len(found) == len(set(found)) == 7


async def test_no_record_holds_what_was_asked(counter: Counter) -> None:
    await intake(counter, "0001")
    asked = "patient.identifier=https://clinic.demo.iop-hub.org/mrn|0001"
    assert (await counter.ask("GET", f"/fhir/Observation?{asked}&date=ge2024-05-06")).status_code == 200
    await recorded(counter)
    written = json.dumps(await audits(counter))
    assert "mrn" not in written and "2024-05-06" not in written and "Synthetic" not in written


async def test_reading_ends_where_nobody_could_say_who_has_read(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = await intake(counter, "0001")
    monkeypatch.setattr(reads, "WAITING_MOST", 0)
    answer: httpx.Response = await counter.ask("GET", f"/fhir/Task/{task['id']}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_another_programs_reads_are_not_found(counter: Counter) -> None:
    task = await intake(counter, "0001")
    await counter.ask("GET", f"/fhir/Task/{task['id']}")
    await recorded(counter)
    await counter.intake.pool.execute("UPDATE reads SET program = 'west'")
    assert await audits(counter, "&subtype=read") == []
