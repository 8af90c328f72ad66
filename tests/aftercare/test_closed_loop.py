"""A partner's client at aftercare's edge: it answers its own referrals, and does not learn that there is more."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shared.edge.outcome import HttpRefusal
from shared.edge.paging import Asked
from shared.events import codes, fhir
from shared.events.codes import STAFF
from tests.aftercare.running import DISCHARGED, MRN, Aftercare, admission, asking, consent, discharge, identified
from tests.service import caller

ALUMNI = "riverbend-alumni"
PARTNER = caller(ALUMNI)
Json = dict[str, Any]


async def with_referrals(aftercare: Aftercare) -> Json:
    """The alumni group has one, the clinic's waits for a consent; the Task as the program reads it."""
    await identified(aftercare)
    await aftercare.learn(consent("c1"), admission(aftercare))
    await discharge(aftercare)
    await aftercare.until_tasks((ALUMNI, "requested"), ("riverbend-outpatient", "on-hold"))
    return await task_of(aftercare, ALUMNI)


async def task_of(aftercare: Aftercare, partner: str) -> Json:
    tasks = await aftercare.read("Task")
    return next(each for each in tasks if each.get("owner", {}).get("identifier", {}).get("value") == partner)


async def as_partner(aftercare: Aftercare, task: Json) -> Json:
    return await aftercare.reader.read("Task", task["id"], PARTNER)


def appointment(at: str) -> list[Json]:
    return [{"type": fhir.concept(codes.INPUT, "appointment"), "valueDateTime": at}]


async def test_the_partner_answers_and_the_program_reads_how_far_it_is(aftercare: Aftercare) -> None:
    task = await as_partner(aftercare, await with_referrals(aftercare))
    await aftercare.put_thrice({**task, "status": "accepted"}, ALUMNI)
    planned = {"status": "in-progress", "businessStatus": fhir.concept(codes.TASK, "scheduled")}
    at = (DISCHARGED + timedelta(days=3)).isoformat()
    await aftercare.put_thrice({**task, **planned, "output": appointment(at)}, ALUMNI)
    seen = await task_of(aftercare, ALUMNI)
    assert seen["businessStatus"] == fhir.concept(codes.TASK, "scheduled")
    assert (await as_partner(aftercare, task))["output"] == seen["output"]
    await aftercare.put_thrice({**task, "status": "completed"}, ALUMNI)
    assert (await task_of(aftercare, ALUMNI))["status"] == "completed"
    agents = [each["agent"][0]["who"]["identifier"]["value"] for each in await aftercare.read("Provenance")]
    assert agents == [ALUMNI] * 3


def by_staff(task: Json, **change: Any) -> Json:
    """What a partner said by telephone, as the program's client writes it down."""
    return task | change | {"owner": fhir.logical(STAFF, "case-manager-1")}


async def test_what_a_partner_says_by_telephone_is_written_down_by_the_programs_staff(aftercare: Aftercare) -> None:
    task = await with_referrals(aftercare)
    planned = {"status": "in-progress", "businessStatus": fhir.concept(codes.TASK, "scheduled")}
    at = (DISCHARGED + timedelta(days=3)).isoformat()
    await aftercare.put_thrice(by_staff(task, **planned, output=appointment(at)))
    seen = await task_of(aftercare, ALUMNI)
    assert seen["businessStatus"] == fhir.concept(codes.TASK, "scheduled")
    assert seen["owner"] == fhir.logical(codes.PARTNER, ALUMNI)
    assert (await as_partner(aftercare, task))["output"] == seen["output"]
    (provenance,) = await aftercare.read("Provenance")
    assert [each["who"]["identifier"]["value"] for each in provenance["agent"]] == ["case-manager-1", "ehr", ALUMNI]
    assert [each["type"]["coding"][0]["code"] for each in provenance["agent"]] == ["author", "transmitter", "informant"]
    await aftercare.put_thrice({**await as_partner(aftercare, task), "status": "completed"}, ALUMNI)
    assert (await task_of(aftercare, ALUMNI))["status"] == "completed"
    with pytest.raises(HttpRefusal) as refused:
        await aftercare.put(by_staff(task, status="accepted"))
    assert refused.value.status == 409


async def test_the_staff_names_who_was_told_and_the_partner_is_nobody_of_them(aftercare: Aftercare) -> None:
    task = await with_referrals(aftercare)
    another = fhir.logical(codes.PARTNER, "riverbend-outpatient")
    for owner, code in (({}, "required"), ({"owner": task["owner"]}, "required"), ({"owner": another}, "code-invalid")):
        for change in ({"status": "accepted"}, {"status": "cancelled"}):
            unnamed = {name: value for name, value in task.items() if name != "owner"}
            with pytest.raises(HttpRefusal) as refused:
                await aftercare.put(unnamed | owner | change)
            assert [(each.code, each.expression) for each in refused.value.issues] == [(code, ("Task.owner",))]
    waits = await task_of(aftercare, "riverbend-outpatient")
    with pytest.raises(HttpRefusal) as unsent:
        await aftercare.put(by_staff(waits, status="accepted"))
    assert unsent.value.status == 409
    assert (await task_of(aftercare, ALUMNI))["status"] == "requested"


async def test_it_reads_nothing_but_what_it_was_sent_or_said(aftercare: Aftercare) -> None:
    task = await with_referrals(aftercare)
    seen = await as_partner(aftercare, task)
    assert "for" not in seen and aftercare.patient not in str(seen) and "input" not in seen
    assert seen["identifier"] == [
        {"system": codes.REFERRAL_NUMBER, "value": task["focus"]["reference"].removeprefix("ServiceRequest/")}
    ]
    assert seen["identifier"][0]["value"] in str(aftercare.partner.received)
    found = await aftercare.reader.search("Task", Asked([("status", "requested,on-hold,draft")]), PARTNER)
    assert [each["id"] for each in found.resources] == [task["id"]]


@pytest.mark.parametrize("way", ["read", "update"])
async def test_of_all_else_it_learns_not_that_it_is_there(aftercare: Aftercare, way: str) -> None:
    await with_referrals(aftercare)
    theirs = await task_of(aftercare, "riverbend-outpatient")
    missing = {**theirs, "id": "6f0f4f63-54f8-4d3d-8a1c-3a9e0d5b7c99"}
    refusals = []
    for task in (theirs, missing):
        with pytest.raises(HttpRefusal) as refused:
            await (
                as_partner(aftercare, task) if way == "read" else aftercare.put({**task, "status": "accepted"}, ALUMNI)
            )
        refusals.append((refused.value.status, [each.diagnostics for each in refused.value.issues]))
    assert refusals[0] == refusals[1]
    assert refusals[0][0] == 404
    with pytest.raises(HttpRefusal) as forbidden:
        await aftercare.post(asking(aftercare, ALUMNI, "alumni"), ALUMNI)
    assert forbidden.value.status == 403


async def test_a_search_by_anything_that_tells_of_a_person_is_refused(aftercare: Aftercare) -> None:
    await with_referrals(aftercare)
    for name, value in (("patient", aftercare.patient), ("patient.identifier", f"{MRN.system}|{MRN.value}")):
        with pytest.raises(HttpRefusal):
            await aftercare.reader.search("Task", Asked([(name, value)]), PARTNER)
    with pytest.raises(HttpRefusal):
        await aftercare.reader.search("ServiceRequest", Asked([]), PARTNER)


WRONG: list[tuple[Json, str]] = [
    ({"status": "rejected"}, "Task.statusReason"),
    ({"status": "rejected", "statusReason": fhir.concept(codes.REASON, "because")}, "Task.statusReason"),
    ({"status": "in-progress"}, "Task.businessStatus"),
    ({"status": "cancelled"}, "Task.businessStatus"),
    ({"status": "accepted", "businessStatus": fhir.concept(codes.TASK, "attended")}, "Task.businessStatus"),
    ({"status": "in-progress", "businessStatus": fhir.concept(codes.TASK, "scheduled")}, "Task.output"),
    ({"status": "accepted", "lastModified": "2027-03-30T17:00:00Z"}, "Task.lastModified"),
    ({"status": "accepted", "lastModified": "2026-03-01T17:00:00Z"}, "Task.lastModified"),
]


async def test_what_says_too_little_or_cannot_be_is_refused_at_its_place(aftercare: Aftercare) -> None:
    task = await as_partner(aftercare, await with_referrals(aftercare))
    for change, place in WRONG:
        with pytest.raises(HttpRefusal) as refused:
            await aftercare.put({**task, **change}, ALUMNI)
        assert [each.expression for each in refused.value.issues] == [(place,)]
        assert "2027" not in str(refused.value.issues)
    assert (await task_of(aftercare, ALUMNI))["status"] == "requested"


async def test_after_it_was_taken_back_the_partner_is_refused_and_learns_no_reason(aftercare: Aftercare) -> None:
    task = await with_referrals(aftercare)
    person = {"identifier": {"system": STAFF, "value": "case-manager-1"}}
    await aftercare.put({**task, "status": "cancelled", "owner": person})
    seen = await as_partner(aftercare, task)
    assert seen["status"] == "cancelled"
    assert "statusReason" not in seen
    with pytest.raises(HttpRefusal) as refused:
        await aftercare.put({**seen, "status": "accepted"}, ALUMNI)
    assert refused.value.status == 409


async def test_who_declines_is_followed_by_nobody_and_the_case_manager_is_asked(aftercare: Aftercare) -> None:
    task = await as_partner(aftercare, await with_referrals(aftercare))
    no = {**task, "status": "rejected", "statusReason": fhir.concept(codes.REASON, "no-capacity")}
    await aftercare.put_thrice(no, ALUMNI)
    (found,) = await aftercare.read("DetectedIssue")
    assert found["code"]["coding"][0]["code"] == "partner-declined"


async def test_that_it_reads_is_recorded_of_its_patient(aftercare: Aftercare) -> None:
    task = await with_referrals(aftercare)
    await as_partner(aftercare, task)
    with pytest.raises(HttpRefusal):
        await as_partner(aftercare, await task_of(aftercare, "riverbend-outpatient"))
    running = asyncio.create_task(aftercare.running.reads.run())

    async def recorded() -> bool:
        return await aftercare.count(f"reads WHERE client = '{ALUMNI}' AND type = 'Task'") == 1

    await aftercare.until(recorded)
    running.cancel()
