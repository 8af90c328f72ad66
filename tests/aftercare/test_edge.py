"""What a person reads and completes at aftercare's edge."""

import json
from datetime import timedelta

import pytest

from shared.edge.outcome import HttpRefusal
from shared.events import fhir
from shared.events.codes import REASON, STAFF
from tests.aftercare.running import DISCHARGED, Aftercare, admission, asking, discharge, identified
from tests.service import caller


async def test_the_meeting_list_can_be_read_in_full_by_a_person(aftercare: Aftercare) -> None:
    await identified(aftercare)
    await aftercare.learn(admission(aftercare))

    async def is_listed() -> bool:
        return bool(await aftercare.read("Communication"))

    await aftercare.until(is_listed)
    (listed,) = await aftercare.read("Communication")
    assert 7 <= len(listed["payload"]) <= 12
    for each in listed["payload"]:
        identity = each["contentReference"]["reference"].partition("/")[2]
        service = await aftercare.reader.one("HealthcareService", identity, caller("ehr"))
        assert service["name"] and service["providedBy"] == {"display": "Riverbend Intergroup (made up)"}
        assert service["extraDetails"] in service["comment"] and "confirm with the group" in service["extraDetails"]
        assert "meet.example.org" not in json.dumps(service)


async def test_a_follow_up_falls_due_stands_on_the_work_list_and_is_completed(aftercare: Aftercare) -> None:
    await identified(aftercare)
    await aftercare.learn(admission(aftercare))
    await discharge(aftercare, "administrative")
    aftercare.set_clock(DISCHARGED + timedelta(hours=72))

    async def one_is_due() -> bool:
        """And the meeting lists are there, which are looked up beside."""
        waiting = await aftercare.count("outbox WHERE lane = 'internal' OR lane LIKE 'lookup:%'")
        return not waiting and len(await aftercare.read("Task", status="requested")) == 1

    await aftercare.until(one_is_due)
    (task,) = await aftercare.read("Task", status="requested")
    person = {"identifier": {"system": STAFF, "value": "case-manager-1"}}
    await aftercare.put_thrice({**task, "status": "completed", "owner": person})
    assert await aftercare.read("Task", status="requested") == []
    (done,) = await aftercare.read("Task", status="completed")
    assert done["owner"]["identifier"]["value"] == "case-manager"
    (provenance,) = await aftercare.read("Provenance")
    assert [each["who"]["identifier"]["value"] for each in provenance["agent"]] == ["case-manager-1", "ehr"]


async def test_what_the_patient_declines_stands_in_the_plan_with_who_reported_it(aftercare: Aftercare) -> None:
    await identified(aftercare)
    await aftercare.learn(admission(aftercare))
    await discharge(aftercare, "completed")
    (plan,) = await aftercare.read("CarePlan")
    for each in plan["activity"]:
        if each["detail"]["code"]["coding"][0]["code"] == "alumni":
            each["detail"] |= {"status": "cancelled", "statusReason": fhir.concept(REASON, "patient-declined")}
    await aftercare.until_tasks(("riverbend-alumni", "on-hold"), ("riverbend-outpatient", "on-hold"))
    person = {"identifier": {"system": STAFF, "value": "case-manager-1"}}
    await aftercare.put_thrice({**plan, "author": person})
    (stands,) = await aftercare.read("CarePlan")
    assert stands["activity"] == plan["activity"]
    (provenance,) = await aftercare.read("Provenance")
    assert [each["who"]["identifier"]["value"] for each in provenance["agent"]] == ["case-manager-1", "ehr"]


async def test_a_person_takes_back_a_referral_that_is_on_hold(aftercare: Aftercare) -> None:
    await identified(aftercare)
    await aftercare.post(asking(aftercare, "riverbend-alumni", "alumni"))
    await aftercare.until_tasks(("riverbend-alumni", "on-hold"))
    (task,) = await aftercare.read("Task")
    person = {"identifier": {"system": STAFF, "value": "case-manager-1"}}
    with pytest.raises(HttpRefusal, match=r"conflict at Task.status"):
        await aftercare.put({**task, "status": "completed", "owner": person})
    await aftercare.put({**task, "status": "cancelled", "owner": person})
    (task,) = await aftercare.read("Task")
    assert (task["status"], task["statusReason"]["coding"][0]["code"]) == ("cancelled", "withdrawn-by-staff")


async def test_a_referral_of_somebody_unknown_may_be_asked_again_soon(aftercare: Aftercare) -> None:
    with pytest.raises(HttpRefusal) as refused:
        await aftercare.post(asking(aftercare, "riverbend-alumni", "alumni"))
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (409, "5")


async def test_the_contact_is_kept_sealed_and_only_the_area_enters_the_state(aftercare: Aftercare) -> None:
    await identified(aftercare)
    rows = await aftercare.pool.fetch(
        "SELECT body FROM state UNION ALL SELECT body FROM resources UNION ALL SELECT content FROM journal"
    )
    assert not any("Seeded" in row["body"] or "555555" in row["body"] for row in rows)
    assert '"Riverbend"' in await aftercare.pool.fetchval("SELECT body FROM state WHERE key = $1", aftercare.patient)
