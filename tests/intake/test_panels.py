"""A panel's total is summed from its members, whether they came with it or long before, and follows them."""

from datetime import timedelta
from typing import Any

import pytest

from services.intake import app
from services.intake.instruments import INSTRUMENTS
from shared.events import codes
from tests.intake import bundles
from tests.intake.bundles import MONDAY, MRN_SYSTEM
from tests.intake.test_interpret import loinc
from tests.service import ServiceOnPostgres, StartService

Json = dict[str, Any]
ABOUT = {"identifier": {"system": MRN_SYSTEM, "value": "0001"}}
PHQ_9 = INSTRUMENTS.sum["phq-9"].items
COWS = INSTRUMENTS.sum["cows"].items


@pytest.fixture
async def intake(start_service: StartService) -> ServiceOnPostgres:
    started = await start_service(app.assemble, "intake", MONDAY)
    await started.submit(bundles.intake("0001"))
    return started


def items(asked: tuple[str, ...], points: int) -> list[Json]:
    """Each of another hour, by another performer: nothing but their panel says that they belong together."""
    return [
        bundles.score("", code, points, MONDAY - timedelta(hours=hour + 1))
        | {"subject": ABOUT, "performer": [{"display": f"nurse {hour}"}]}
        for hour, code in enumerate(asked)
    ]


def panel(ids: list[str], code: str = "44249-1", **changed: Any) -> Json:
    named = [{"reference": f"Observation/{each}"} for each in ids]
    return loinc(code, subject=ABOUT, hasMember=named, effectiveDateTime=MONDAY.isoformat()) | changed


async def sent_before(intake: ServiceOnPostgres, asked: tuple[str, ...], points: int) -> list[str]:
    return [await intake.post(each) for each in items(asked, points)]


async def lines(intake: ServiceOnPostgres, *resources: Json) -> list[str]:
    done = await intake.submit(bundles.transaction(*resources))
    return [each["diagnostics"] for each in (done.answered[-1].outcome or {}).get("issue", ())]


async def test_a_panel_is_summed_from_members_that_were_sent_before(intake: ServiceOnPostgres) -> None:
    ids = await sent_before(intake, PHQ_9, 2)
    assert "read as phq-9: summed from its members" in await lines(intake, panel(ids))
    assert "read as phq-9: summed from its members" not in await lines(intake, panel(ids[:-1]))


async def test_a_panel_is_summed_from_members_of_its_bundle_whenever_they_were_answered(
    intake: ServiceOnPostgres,
) -> None:
    """Some came before, the others come with it."""
    before = await sent_before(intake, COWS[:6], 2)
    others = [each | {"fullUrl": bundles.urn("item", str(n))} for n, each in enumerate(items(COWS, 2)[6:])]
    whole = panel(before, "1-8")
    whole["hasMember"] += [{"reference": each["fullUrl"]} for each in others]
    assert "read as cows: summed from its members" in await lines(intake, *others, whole)
    assert [each["reasonCode"]["coding"][0]["code"] for each in await escalations(intake)] == [
        "same-day-medical-evaluation"
    ]


async def escalations(intake: ServiceOnPostgres) -> list[Json]:
    tasks = await intake.found("Task")
    return [each for each in tasks if "escalation" in each["code"]["coding"][0]["system"]]


async def test_of_a_stated_total_beside_its_members_the_higher_counts(intake: ServiceOnPostgres) -> None:
    ids = await sent_before(intake, COWS, 2)
    await lines(intake, panel(ids) | {"code": {"coding": [{"system": codes.FACT, "code": "cows"}]}, "valueInteger": 3})
    assert len(await escalations(intake)) == 1


async def test_a_member_that_is_corrected_changes_the_total_of_its_panel(intake: ServiceOnPostgres) -> None:
    ids = await sent_before(intake, COWS, 1)
    await lines(intake, panel(ids, "1-8"))
    assert await escalations(intake) == []
    for identity, item in list(zip(ids, items(COWS, 3), strict=True))[:2]:
        await intake.put(item | {"id": identity})
    assert [each["reasonCode"]["coding"][0]["code"] for each in await escalations(intake)] == [
        "same-day-medical-evaluation"
    ]


async def test_a_withdrawn_member_takes_the_total_with_it_and_asks_a_person_where_it_was_about_safety(
    intake: ServiceOnPostgres,
) -> None:
    ids = await sent_before(intake, COWS, 2)
    await lines(intake, panel(ids, "1-8"))
    await intake.put(items(COWS, 2)[0] | {"id": ids[0], "status": "entered-in-error"})
    reasons = {each["reasonCode"]["coding"][0]["code"]: each["status"] for each in await escalations(intake)}
    assert reasons == {"same-day-medical-evaluation": "cancelled", "screen-unreadable": "requested"}


async def test_a_member_of_another_patient_counts_for_nothing(intake: ServiceOnPostgres) -> None:
    await intake.submit(bundles.intake("0002"))
    other = {"identifier": {"system": MRN_SYSTEM, "value": "0002"}}
    ids = [await intake.post(each | {"subject": other}) for each in items(PHQ_9, 2)]
    assert await lines(intake, panel(ids)) == ["not read: a panel; each of its members is read by itself"]
