"""The CareTeam, Goals and CarePlans as an EHR sends them, on a real database."""

from typing import Any

import pytest

from services.intake import app
from shared.edge.outcome import HttpRefusal
from shared.events import codes
from shared.events.intake import team_id
from tests.intake import bundles
from tests.intake.bundles import MONDAY, MRN_SYSTEM
from tests.service import ServiceOnPostgres, StartService

Json = dict[str, Any]
NUCC, SNOMED = "http://nucc.org/provider-taxonomy", "http://snomed.info/sct"
WHO = {"type": "Patient", "identifier": {"system": MRN_SYSTEM, "value": "0001"}}
OWN_WORDS = "I want my kids to trust me again"


@pytest.fixture
async def intake(start_service: StartService) -> ServiceOnPostgres:
    service = await start_service(app.assemble, "intake", MONDAY)
    await service.submit(bundles.intake("0001"))
    await service.put_thrice(bundles.signed(await service.task("sign-placement")))
    return service


def concept(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def participant(member: Json, *roles: Json) -> Json:
    return {"member": member, **({"role": list(roles)} if roles else {})}


def staff(name: str) -> Json:
    return {"identifier": {"system": codes.STAFF, "value": name}}


THERAPIST = {"reference": f"{bundles.EHR}/Practitioner/therapist-1"}


def team(*participants: Json, **more: Any) -> Json:
    return {"resourceType": "CareTeam", "status": "active", "subject": WHO, "participant": list(participants), **more}


def goal(*codings: Json, status: str = "active", **more: Any) -> Json:
    return {
        "resourceType": "Goal",
        "lifecycleStatus": status,
        "description": {"text": OWN_WORDS, **({"coding": list(codings)} if codings else {})},
        "subject": WHO,
        **more,
    }


def activity(system: str, code: str, status: str = "not-started") -> Json:
    return {"detail": {"code": concept(system, code), "status": status, "description": OWN_WORDS}}


def plan(*activities: Json, **more: Any) -> Json:
    return {
        "resourceType": "CarePlan",
        "status": "active",
        "intent": "plan",
        "subject": WHO,
        "activity": list(activities),
        **more,
    }


async def own_plan(intake: ServiceOnPostgres) -> Json:
    """The plan of the stay as it can be read."""
    (found,) = [each for each in await intake.found("CarePlan") if "category" in each]
    return found


async def planned(intake: ServiceOnPostgres) -> list[tuple[str, str]]:
    """Code and FHIR status of what is planned beside the sessions."""
    details = [each["detail"] for each in (await own_plan(intake))["activity"]]
    return [
        (each["code"]["coding"][0]["code"], each["status"])
        for each in details
        if each["code"]["coding"][0]["system"] == codes.ACTIVITY
    ]


async def unread(intake: ServiceOnPostgres) -> list[tuple[str, str]]:
    found = [each for each in await intake.found("Task") if each.get("code", {}) == concept(codes.TASK, "read-plan")]
    inputs = [one for each in found for one in each.get("input", ())]
    return [(each["type"]["coding"][1]["code"], each["valueString"].partition(": ")[2]) for each in inputs]


async def team_of(intake: ServiceOnPostgres) -> list[tuple[str, str]]:
    found = [each for each in await intake.found("CareTeam") if each["id"] == team_id(each["subject"]["reference"][8:])]
    named = [one for each in found for one in each.get("participant", ())]
    return [(each["role"][0]["coding"][0]["code"], each["member"]["identifier"]["value"]) for each in named]


async def test_the_team_is_read_by_the_staff_table_and_the_patients_own_people_are_no_staff(
    intake: ServiceOnPostgres,
) -> None:
    await intake.post(
        team(
            participant(THERAPIST, concept(NUCC, "101YA0400X")),
            participant(staff("case-manager-1"), concept(SNOMED, "768832004")),
            participant(staff("prescriber-1")),
            participant({"reference": f"{bundles.EHR}/RelatedPerson/mother", "type": "RelatedPerson"}),
        )
    )
    assert await team_of(intake) == [
        ("case-manager", "case-manager-1"),
        ("prescriber", "prescriber-1"),
        ("primary-therapist", "primary-therapist-1"),
    ]
    assert await unread(intake) == []


@pytest.mark.parametrize(
    ("strange", "why", "place"),
    [
        (participant(staff("nobody"), concept(codes.OWNER, "case-manager")), "unknown-member", "participant[0].member"),
        (participant(staff("case-manager-1"), concept(SNOMED, "1")), "unknown-role", "participant[0].role"),
        (
            participant(staff("prescriber-1"), concept(codes.OWNER, "case-manager")),
            "role-not-held",
            "participant[0].role",
        ),
    ],
)
async def test_whom_nobody_knows_is_stored_and_asked_about(
    intake: ServiceOnPostgres, strange: Json, why: str, place: str
) -> None:
    identity = await intake.post(team(strange, participant(THERAPIST)))
    assert await unread(intake) == [(why, place)]
    assert await team_of(intake) == [("primary-therapist", "primary-therapist-1")]
    assert identity in [each["id"] for each in await intake.found("CareTeam")]


async def test_who_has_left_the_team_is_in_it_no_more(intake: ServiceOnPostgres) -> None:
    await intake.post(team({**participant(THERAPIST), "period": {"end": "2026-01-01"}}))
    assert await team_of(intake) == []


async def test_a_nurse_of_the_team_owns_nothing_and_asks_nobody(intake: ServiceOnPostgres) -> None:
    await intake.post(team(participant(staff("clinician-1"), concept(SNOMED, "224535009"))))
    assert (await team_of(intake), await unread(intake)) == ([], [])


async def test_a_goal_stands_on_the_topic_as_a_coded_aim_and_in_the_hub_in_the_patients_words(
    intake: ServiceOnPostgres,
) -> None:
    identity = await intake.post(goal({"system": codes.GOAL_AIM, "code": "family"}))
    own, ehrs = sorted(await intake.found("Goal"), key=lambda each: each["id"] == identity)
    assert own["description"] == concept(codes.GOAL_AIM, "family")
    assert own["extension"][0]["valueReference"] == {"reference": f"Goal/{identity}"}
    assert ehrs["description"]["text"] == OWN_WORDS
    assert (await own_plan(intake))["goal"] == [{"reference": f"Goal/{own['id']}"}]


async def test_no_word_of_a_patient_reaches_a_topic(intake: ServiceOnPostgres) -> None:
    await intake.post(goal({"system": "urn:oid:1.2.3", "code": OWN_WORDS[:4]}, note=[{"text": OWN_WORDS}]))
    await intake.post(plan(activity("urn:oid:1.2.3", "x"), activity(codes.ACTIVITY, "workshop"), title=OWN_WORDS))
    await intake.post(team(name=OWN_WORDS, note=[{"text": OWN_WORDS}]))
    sent = "\n".join(map(str, await intake.select("SELECT key, headers, body FROM outbox")))
    journal = "\n".join(map(str, await intake.select("SELECT content, kind, key, event FROM journal")))
    assert "PlanRevised" in sent
    assert OWN_WORDS not in sent and OWN_WORDS not in journal


async def test_an_aim_in_words_alone_is_a_goal_and_an_unknown_code_is_asked_about(intake: ServiceOnPostgres) -> None:
    await intake.post(goal())
    assert await unread(intake) == []
    await intake.post(goal({"system": SNOMED, "code": "1"}))
    assert await unread(intake) == [("unknown-goal-aim", "description.coding")]
    assert len((await own_plan(intake))["goal"]) == 2


async def test_what_an_ehr_plans_stands_in_the_plan_of_the_stay_beside_its_sessions(intake: ServiceOnPostgres) -> None:
    before = await own_plan(intake)
    await intake.post(
        plan(
            activity(codes.ACTIVITY, "relapse-prevention-plan", "in-progress"),
            activity(codes.TOPIC, "stress", "completed"),
            activity(codes.ACTIVITY, "mutual-help", "cancelled"),
            activity(SNOMED, "1"),
            {"reference": {"reference": f"{bundles.EHR}/Appointment/1"}},
        )
    )
    after = await own_plan(intake)
    assert after["activity"][: len(before["activity"])] == before["activity"]
    assert {name: after[name] for name in ("category", "supportingInfo")} == {
        name: before[name] for name in ("category", "supportingInfo")
    }
    assert await planned(intake) == [
        ("relapse-prevention-plan", "in-progress"),
        ("workshop", "completed"),
        ("mutual-help", "cancelled"),
    ]
    assert await unread(intake) == [
        ("unknown-activity", "activity[3].detail.code"),
        ("unknown-activity", "activity[4].reference"),
    ]


async def test_the_plan_of_the_stay_is_read_changed_and_put_back(intake: ServiceOnPostgres) -> None:
    await intake.post(plan(activity(codes.ACTIVITY, "family-session")))
    read = await own_plan(intake)
    read["activity"][-1]["detail"]["status"] = "completed"
    read["activity"].append(activity(codes.ACTIVITY, "help-with-work"))
    await intake.put(read)
    assert await planned(intake) == [("family-session", "completed"), ("help-with-work", "not-started")]
    emitted = await intake.emitted()
    await intake.put(await own_plan(intake))
    assert await intake.emitted() == emitted


async def test_a_plan_taken_back_leaves_the_plan_of_the_stay(intake: ServiceOnPostgres) -> None:
    identity = await intake.post(plan(activity(codes.ACTIVITY, "family-session")))
    await intake.put({**plan(activity(codes.ACTIVITY, "family-session")), "id": identity, "status": "entered-in-error"})
    assert await planned(intake) == []


async def test_the_plan_of_a_stay_that_is_over_can_not_be_changed(intake: ServiceOnPostgres) -> None:
    (episode,) = await intake.found("EpisodeOfCare")
    await intake.submit(bundles.discharge(episode, "completed", MONDAY))
    read = await own_plan(intake)
    with pytest.raises(HttpRefusal) as refused:
        await intake.put({**read, "activity": [*read["activity"], activity(codes.ACTIVITY, "workshop")]})
    assert refused.value.status == 409


async def test_who_reads_it_says_so_in_its_task(intake: ServiceOnPostgres) -> None:
    await intake.post(plan(activity(SNOMED, "1")))
    await intake.put({**await intake.task("read-plan"), "status": "completed", "owner": staff("case-manager-1")})
    assert (await intake.task("read-plan"))["status"] == "completed"


async def test_a_work_list_finds_a_task_by_its_role_and_by_who_of_the_team_has_it(intake: ServiceOnPostgres) -> None:
    await intake.post(team(participant(staff("case-manager-1"))))
    await intake.post(plan(activity(SNOMED, "1")))
    task = await intake.task("read-plan")
    for asked in ("case-manager", "case-manager-1", f"{codes.STAFF}|case-manager-1"):
        assert task["id"] in [each["id"] for each in await intake.found("Task", ("owner", asked))]
    assert await intake.found("Task", ("owner", "prescriber-1")) == []


async def test_who_puts_a_task_back_as_it_was_read_is_nobody_of_the_team(intake: ServiceOnPostgres) -> None:
    await intake.post(team(participant(staff("case-manager-1"))))
    await intake.post(plan(activity(SNOMED, "1")))
    with pytest.raises(HttpRefusal) as refused:
        await intake.put({**await intake.task("read-plan"), "status": "completed"})
    assert refused.value.status == 422
