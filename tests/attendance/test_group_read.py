"""A group and its Schedule as an EHR reads them: who is in it by opaque ids alone, in its program alone."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from services.attendance.groups.plan import group_id
from shared.edge.outcome import HttpRefusal
from shared.events import codes
from shared.events.group_listed import GroupListed
from tests.attendance.given import ADMISSION, discharged
from tests.attendance.grouping_story import EVENING_A
from tests.attendance.test_last_seats_of_a_group import SEATS, admits, stay_id
from tests.attendance.test_slots import MEMBERS, Clinic, Json
from tests.attendance.test_slots import clinic as clinic
from tests.attendance.test_slots import issuer as issuer
from tests.service import caller, consumed, internal_lane

GROUP = group_id("demo", EVENING_A)
NEWCOMER = MEMBERS[0].replace(MEMBERS[0][:8], "00000000")


async def group(clinic: Clinic) -> Json:
    answer = await clinic.ask("GET", f"Group/{GROUP}")
    assert answer.status_code == 200
    return dict(answer.json())


def members(found: Json) -> list[str]:
    return [each["entity"]["reference"] for each in found.get("member", ())]


async def searched(clinic: Clinic, kind: str, **asked: str) -> Sequence[str]:
    found = (await clinic.ask("GET", kind, params=asked)).json()
    return [each["resource"]["id"] for each in found.get("entry", ())]


async def test_a_group_shows_its_members_its_seats_and_for_whom_it_is(clinic: Clinic) -> None:
    found = await group(clinic)
    assert sorted(members(found)) == sorted(f"Patient/{each}" for each in MEMBERS)
    assert (found["active"], found["quantity"], found["identifier"]) == (
        True,
        SEATS,
        [{"system": codes.GROUP, "value": EVENING_A}],
    )
    traits = {each["code"]["coding"][0]["code"]: each for each in found["characteristic"]}
    assert traits["seats"]["valueQuantity"] == {"value": SEATS}
    assert traits["time"]["valueCodeableConcept"]["coding"][0]["code"] == "evening"


async def test_its_sessions_are_found_by_its_name_and_by_the_group_itself(clinic: Clinic) -> None:
    found = await searched(clinic, "Appointment", group=EVENING_A, _count="500")
    assert len(found) >= SEATS
    for each in (f"Group/{GROUP}", f"http://hub.example.org/fhir/Group/{GROUP}", f"{codes.GROUP}|{EVENING_A}"):
        assert await searched(clinic, "Appointment", group=each, _count="500") == found
    assert await searched(clinic, "Appointment", group=f"Group/{NEWCOMER}") == []
    for each in (f"urn:other|{EVENING_A}", f"{EVENING_A},{EVENING_A}"):
        assert (await clinic.ask("GET", "Appointment", params={"group": each})).status_code == 400


async def test_who_leaves_is_in_it_no_more_and_who_waited_is(clinic: Clinic) -> None:
    async with internal_lane(clinic.here):
        await admits(clinic.here, NEWCOMER)
        leaving = discharged(ADMISSION, episode=stay_id(MEMBERS[0]))
        await clinic.here.deliver(consumed(leaving, MEMBERS[0], at=ADMISSION))
    found = members(await group(clinic))
    assert f"Patient/{MEMBERS[0]}" not in found and f"Patient/{NEWCOMER}" in found


async def test_it_is_found_by_its_name_and_by_who_is_in_it(clinic: Clinic) -> None:
    name = f"{codes.GROUP}|{EVENING_A}"
    assert await searched(clinic, "Group", identifier=name) == [GROUP]
    assert await searched(clinic, "Group", member=f"Patient/{MEMBERS[3]}") == [GROUP]
    assert await searched(clinic, "Group", member=f"Patient/{NEWCOMER}") == []
    assert await searched(clinic, "Group", identifier=f"{codes.GROUP}|evening-z") == []
    assert [f"Schedule/{each}" for each in await searched(clinic, "Schedule", identifier=name)] == [clinic.schedule]


async def test_its_schedule_is_of_the_service_that_the_group_is(clinic: Clinic) -> None:
    found = (await clinic.ask("GET", clinic.schedule)).json()
    assert found["actor"] == [{"type": "HealthcareService", "identifier": {"system": codes.GROUP, "value": EVENING_A}}]


async def test_who_reads_or_finds_it_is_accounted_for_of_each_member(clinic: Clinic) -> None:
    await group(clinic)
    await searched(clinic, "Group", identifier=f"{codes.GROUP}|{EVENING_A}")
    await searched(clinic, "Schedule", identifier=f"{codes.GROUP}|{EVENING_A}")
    await clinic.here.running.reads.write()
    rows = await clinic.here.select("SELECT patient, type, interaction FROM reads")
    assert sorted(rows) == sorted((who, "Group", how) for who in MEMBERS for how in ("read", "search-type"))


async def test_another_program_and_a_client_without_the_scope_read_nothing_of_it(clinic: Clinic) -> None:
    stranger = replace(caller("ehr"), program="other")
    with pytest.raises(HttpRefusal) as refused:
        await clinic.here.reader.read("Group", GROUP, stranger)
    assert refused.value.status == 404
    headers = {"Authorization": f"Bearer {clinic.issuer.token(scope='system/Appointment.rs')}"}
    assert (await clinic.ask("GET", f"Group/{GROUP}", headers=headers)).status_code == 403


async def test_no_topic_carries_it_and_no_client_writes_it(clinic: Clinic) -> None:
    assert await clinic.here.count("outbox WHERE body LIKE '%\"Group\"%' OR body LIKE '%\"Schedule\"%'") == 0
    found = await group(clinic)
    answer = await clinic.ask("PUT", f"Group/{GROUP}", content=json.dumps(found))
    assert answer.status_code == 405


def test_one_that_the_program_does_not_have_any_more_is_not_active() -> None:
    gone = GroupListed(group_id=GROUP, schedule_id="s", group=EVENING_A, active=False, members=())
    shown, schedule = gone.write("")
    assert (shown["active"], shown["quantity"], schedule["active"]) == (False, 0, False)
    assert not {"code", "characteristic", "member"} & shown.keys()
