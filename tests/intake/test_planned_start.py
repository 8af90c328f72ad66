"""How an EHR plans the start of a stay whose level it signs, and what it may make of it until the stay begins."""

from datetime import timedelta
from typing import Any

import pytest

from services.intake import app
from shared.edge.outcome import HttpRefusal
from shared.events import codes
from shared.path.inbound.deadlines import run_due
from tests.intake import bundles
from tests.intake.bundles import MONDAY
from tests.service import ServiceOnPostgres, StartService

Json = dict[str, Any]
FRIDAY = MONDAY + timedelta(days=4)


@pytest.fixture
async def intake(start_service: StartService) -> ServiceOnPostgres:
    return await start_service(app.assemble, "intake", MONDAY)


def output(name: str, **value: Any) -> Json:
    return {"type": {"coding": [{"system": codes.INPUT, "code": name}]}, **value}


async def sign(intake: ServiceOnPostgres, *outputs: Json) -> Json:
    """The Task of the signature, completed with these beside the level; the EpisodeOfCare of it."""
    await intake.submit(bundles.intake("0001"))
    signed = bundles.signed(await intake.task("sign-placement"))
    await intake.put_thrice({**signed, "output": [*signed["output"], *outputs]})
    (episode,) = await intake.found("EpisodeOfCare")
    return episode


async def state_of(intake: ServiceOnPostgres) -> tuple[str, str]:
    task = await intake.task("referral")
    return task["businessStatus"]["coding"][0]["code"], task["status"]


async def refusal(intake: ServiceOnPostgres, resource: Json) -> tuple[int, str, str]:
    with pytest.raises(HttpRefusal) as refused:
        await intake.put(resource)
    issue = refused.value.issues[0]
    return refused.value.status, issue.code, " ".join(issue.expression)


def reason(code: str) -> Json:
    concept = {"coding": [{"system": codes.REASON, "code": code}]}
    return {"extension": [{"url": codes.STATUS_REASON, "valueCodeableConcept": concept}]}


async def test_a_signature_with_a_start_plans_the_stay(intake: ServiceOnPostgres) -> None:
    episode = await sign(intake, output("start", valueDateTime=FRIDAY.isoformat()))
    assert (episode["status"], episode["type"][0]["coding"][0]["code"]) == ("planned", "2.1")
    assert episode["period"]["start"].startswith("2026-01-09T14:00:00")
    assert episode["referralRequest"] and await intake.found("CarePlan") == []
    assert await state_of(intake) == ("planned", "accepted")
    (provenance,) = [
        each for each in await intake.found("Provenance") if each["target"][0]["reference"].startswith("EpisodeOfCare/")
    ]
    task = await intake.task("sign-placement")
    assert provenance["entity"] == [{"role": "source", "what": {"reference": f"Task/{task['id']}"}}]


async def test_the_referral_alone_says_where_it_stands_and_who_signed_whatever_its_sender_sends_again(
    intake: ServiceOnPostgres,
) -> None:
    episode = await sign(intake, output("start", valueDateTime=FRIDAY.isoformat()))
    (referral,) = [each for each in await intake.found("ServiceRequest") if each["intent"] == "order"]
    (answer,) = referral["_status"]["extension"]
    stated = {each["url"]: each for each in answer["extension"]}
    assert [stated[each]["valueCoding"]["code"] for each in ("state", "reason")] == ["planned", "start-planned"]
    assert stated["by"]["valueDateTime"].startswith("2026-01-09T14:00:00")
    assert f"EpisodeOfCare/{episode['id']}" in str(referral["relevantHistory"])
    bare = {name: each for name, each in referral.items() if name not in ("_status", "relevantHistory", "meta")}
    await intake.put_thrice({**bare, "status": "active", "asNeededBoolean": False})
    (again,) = [each for each in await intake.found("ServiceRequest") if each["intent"] == "order"]
    assert again["asNeededBoolean"] is False
    assert again["relevantHistory"] == referral["relevantHistory"]
    assert "start-planned" in str(again["_status"])
    await intake.put_thrice({**again, "priority": "stat"})
    (as_read,) = [each for each in await intake.found("ServiceRequest") if each["intent"] == "order"]
    assert (as_read["priority"], as_read["relevantHistory"]) == ("stat", referral["relevantHistory"])
    assert "start-planned" in str(as_read["_status"])


async def test_at_the_start_the_stay_begins_by_itself_and_shows_what_it_was(intake: ServiceOnPostgres) -> None:
    episode = await sign(intake, output("start", valueDateTime=FRIDAY.isoformat()))
    intake.set_clock(FRIDAY - timedelta(minutes=1))
    assert await run_due(intake.inbox) == 0
    intake.set_clock(FRIDAY)
    assert await run_due(intake.inbox) == 1
    (begun,) = await intake.found("EpisodeOfCare")
    assert (begun["id"], begun["status"]) == (episode["id"], "active")
    assert [each["status"] for each in begun["statusHistory"]] == ["planned"]
    (plan,) = await intake.found("CarePlan")
    assert plan["status"] == "active"
    assert await state_of(intake) == ("admitted", "completed")
    assert await run_due(intake.inbox) == 0


async def test_a_day_is_the_programs_day_and_today_is_now(intake: ServiceOnPostgres) -> None:
    episode = await sign(intake, output("start", valueDate="2026-01-05"))
    assert episode["status"] == "active"


async def test_a_later_day_begins_at_its_midnight_where_the_program_is(intake: ServiceOnPostgres) -> None:
    episode = await sign(intake, output("start", valueDate="2026-01-09"))
    assert (episode["status"], episode["period"]["start"]) == ("planned", "2026-01-09T05:00:00Z")


async def test_a_signature_may_ask_for_the_wait_list_and_the_ehr_gives_the_seat(intake: ServiceOnPostgres) -> None:
    episode = await sign(intake, output("wait-list", valueBoolean=True))
    assert (episode["status"], "period" in episode) == ("waitlist", False)
    assert await state_of(intake) == ("wait-listed", "accepted")
    contact = await intake.task("contact")
    assert contact["owner"]["identifier"]["value"] == "case-manager"
    intake.set_clock(MONDAY + timedelta(days=2))
    await intake.put_thrice({**episode, "status": "active"})
    (begun,) = await intake.found("EpisodeOfCare")
    assert (begun["id"], begun["status"]) == (episode["id"], "active")
    assert [each["status"] for each in begun["statusHistory"]] == ["waitlist"]
    assert await state_of(intake) == ("admitted", "completed")
    assert (await intake.task("contact"))["status"] == "cancelled"


async def test_a_false_wait_list_asks_for_nothing(intake: ServiceOnPostgres) -> None:
    assert (await sign(intake, output("wait-list", valueBoolean=False)))["status"] == "active"


@pytest.mark.parametrize(
    ("outputs", "issue", "place"),
    [
        ([output("start", valueString="next week")], "value", "output[1].value"),
        ([output("start", valueDateTime="2026-01")], "value", "output[1].valueDateTime"),
        ([output("start", valueDate="2026-01-09"), output("start", valueDate="2026-01-12")], "business-rule", "output"),
        ([output("wait-list", valueString="yes")], "value", "output[1].value"),
        ([output("start", valueDate="2026-01-09"), output("wait-list", valueBoolean=True)], "business-rule", "output"),
        ([output("start", valueDate="2025-01-09")], "business-rule", "output"),
        ([output("start", valueDate="2027-01-09")], "business-rule", "output"),
    ],
)
async def test_what_is_no_start_is_refused_with_its_place(
    intake: ServiceOnPostgres, outputs: list[Json], issue: str, place: str
) -> None:
    await intake.submit(bundles.intake("0001"))
    signed = bundles.signed(await intake.task("sign-placement"))
    status, code, where = await refusal(intake, {**signed, "output": [*signed["output"], *outputs]})
    assert (status, code, where.endswith(place)) == (422, issue, True), where
    assert (await intake.task("sign-placement"))["status"] == "requested"


async def test_an_ehr_moves_the_start_and_cancels_it_with_a_reason(intake: ServiceOnPostgres) -> None:
    episode = await sign(intake, output("start", valueDateTime=FRIDAY.isoformat()))
    later = (FRIDAY + timedelta(days=1)).isoformat()
    await intake.put_thrice({**episode, "period": {"start": later}})
    (moved,) = await intake.found("EpisodeOfCare")
    assert moved["period"]["start"].startswith("2026-01-10T14:00:00")
    await intake.put_thrice({**moved, "status": "cancelled", **reason("patient-declined")})
    (over,) = await intake.found("EpisodeOfCare")
    assert (over["status"], over["extension"]) == ("cancelled", reason("patient-declined")["extension"])
    assert await state_of(intake) == ("withdrawn", "cancelled")
    status, code, _ = await refusal(intake, {**over, "status": "active"})
    assert (status, code) == (409, "conflict")


@pytest.mark.parametrize(
    ("changed", "issue", "place"),
    [
        ({"status": "planned"}, "value", "period.start"),
        ({"status": "planned", "period": {"start": "2025-12-01"}}, "business-rule", "period.start"),
        ({"status": "cancelled", **reason("bored")}, "code-invalid", "extension"),
        ({"status": "active", "period": {"start": FRIDAY.isoformat()}}, "business-rule", "period.start"),
        ({"status": "onhold"}, "business-rule", "status"),
        ({"type": [{"coding": [{"system": codes.LEVEL, "code": "3.5"}]}]}, "business-rule", "type"),
    ],
)
async def test_what_an_episode_can_not_be_is_refused_with_its_place(
    intake: ServiceOnPostgres, changed: Json, issue: str, place: str
) -> None:
    episode = await sign(intake, output("wait-list", valueBoolean=True))
    _, code, where = await refusal(intake, {**episode, **changed})
    assert (code, where.endswith(place)) == (issue, True), where


async def test_a_stay_that_has_begun_is_planned_no_more(intake: ServiceOnPostgres) -> None:
    episode = await sign(intake)
    status, code, _ = await refusal(intake, {**episode, "status": "planned", "period": {"start": FRIDAY.isoformat()}})
    assert (status, code) == (409, "conflict")


async def test_old_needs_are_confirmed_by_their_task(intake: ServiceOnPostgres) -> None:
    episode = await sign(intake, output("wait-list", valueBoolean=True))
    intake.set_clock(MONDAY + timedelta(days=8))
    status, code, _ = await refusal(intake, {**episode, "status": "active"})
    assert (status, code) == (409, "conflict")
    asked = await intake.task("confirm-needs")
    assert asked["owner"]["identifier"]["value"] == "licensed-clinician"
    with_start = bundles.answered(asked, "completed", "clinician-1")
    assert (await refusal(intake, {**with_start, "output": [output("start", valueDate="2026-01-20")]}))[1] == "required"
    await intake.put_thrice(bundles.answered(asked, "completed", "clinician-1", "still-true"))
    await intake.put_thrice({**episode, "status": "active"})
    (begun,) = await intake.found("EpisodeOfCare")
    assert begun["status"] == "active"
