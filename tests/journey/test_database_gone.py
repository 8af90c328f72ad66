"""The database goes away in the middle of the work, and nothing is lost or done twice."""

import asyncio
from itertools import count
from pathlib import Path

from deploy.demo.partner import Partners
from deploy.evidence import Databases
from tests.intake import bundles
from tests.journey.clinic import Clinic
from tests.journey.conftest import clinic_in
from tests.journey.servers import Servers
from tests.laws import examples

GONE_SECONDS = float(examples(9))
ACCEPTED_AGAIN = 10


async def test_a_database_that_is_gone_and_comes_back(
    hub_on_own_servers: Path, own_servers: Servers, partners: Partners
) -> None:
    async with clinic_in(hub_on_own_servers, partners) as clinic:
        before = await clinic.admit()
        back = asyncio.Event()
        refer = asyncio.create_task(refer_steadily(clinic, back))
        await asyncio.sleep(1.0)
        with own_servers.without_postgres():
            await asyncio.sleep(2.0)
            refused = await clinic.driver.post("intake", bundles.intake("MRN-GONE", clinic.now))
            assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
            await asyncio.sleep(GONE_SECONDS - 2.0)
        back.set()
        accepted = await refer
        await settled(clinic)
        assert len(accepted) > ACCEPTED_AGAIN
        await everything_stands(clinic, accepted)
        assert len(await clinic.sessions(before)) >= 8


async def refer_steadily(clinic: Clinic, back: asyncio.Event) -> list[str]:
    """A referral every quarter second, until some are accepted of a database that is back; those that were accepted."""
    accepted: list[str] = []
    accepted_again = 0
    for number in count():
        answer = await clinic.driver.post("intake", bundles.intake(f"MRN-STEADY-{number}", clinic.now))
        if answer.status_code == 200:
            accepted.append(answer.json()["entry"][0]["response"]["location"].split("/")[1])
            accepted_again += back.is_set()
        if accepted_again == ACCEPTED_AGAIN:
            break
        await asyncio.sleep(0.25)
    return accepted


async def settled(clinic: Clinic) -> None:
    await clinic.driver.settle(120)


async def everything_stands(clinic: Clinic, accepted: list[str]) -> None:
    async with Databases(clinic.driver.hub) as databases:
        records = await clinic.driver.records()
        assert await databases.lost(records) == []
    # One that was sent as its row could not be deleted is sent again, under its id: whoever consumes it counts it once.
    once = {each.id: each.patient for each in records if each.event == "LevelOfCareRecommended"}
    recommended = list(once.values())
    assert sorted(each for each in recommended if each in accepted) == sorted(accepted)
