"""Two replicas of one service on one database: what a client is promised holds whichever of them it meets."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from services.intake import app
from shared.edge.answering import Done
from shared.edge.outcome import HttpRefusal
from tests.intake import bundles
from tests.intake.given import MONDAY
from tests.service import ServiceOnPostgres, StartService
from tests.shared.edge.test_updates import both_wait

Json = dict[str, Any]
Replicas = tuple[ServiceOnPostgres, ServiceOnPostgres]
SYSTEM = "https://ehr.demo.iop-hub.org/observation"


@pytest.fixture
async def replicas(start_service: StartService) -> Replicas:
    one, other = [await start_service(app.assemble, "intake", MONDAY) for _ in range(2)]
    return one, other


def conditional(mrn: str = "0001") -> Json:
    """Creates an Observation of a patient, unless one carries its number."""
    numbered = bundles.fact(bundles.urn(mrn, "patient"), "safe-housing", value=True)
    numbered["identifier"] = [{"system": SYSTEM, "value": "1"}]
    bundle = bundles.transaction(bundles.patient(mrn), numbered)
    bundle["entry"][1]["request"]["ifNoneExist"] = f"identifier={SYSTEM}|1"
    return bundle


async def known(replica: ServiceOnPostgres, mrn: str = "0001") -> str:
    done = await replica.submit(bundles.transaction(bundles.patient(mrn)))
    return str(done.answered[0].location).split("/")[1]


async def at_once(held: ServiceOnPostgres, *asked: Coroutine[Any, Any, Done]) -> list[Done | BaseException]:
    """Both have looked and found nothing before either of them stores: each waits for the patient's row, or for the
    other one."""
    async with held.pool.acquire() as connection:
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM state FOR UPDATE")
            both = [asyncio.create_task(each) for each in asked]
            await both_wait(held)
        return await asyncio.gather(*both, return_exceptions=True)


@pytest.mark.parametrize("clients", [("ehr", "ehr"), ("ehr", "lab")], ids=["one client", "two clients"])
async def test_what_is_created_on_a_condition_is_created_once(replicas: Replicas, clients: tuple[str, str]) -> None:
    one, other = replicas
    await known(one)

    first, second = await at_once(one, one.submit(conditional(), clients[0]), other.submit(conditional(), clients[1]))

    assert isinstance(first, Done) and isinstance(second, Done)
    assert sorted(each.answered[1].status for each in (first, second)) == ["200 OK", "201 Created"]
    assert first.answered[1].location == second.answered[1].location
    assert await one.count("resources WHERE type = 'Observation' AND version = 1") == 1


async def test_another_patients_resource_is_created_beside_it(replicas: Replicas) -> None:
    one, other = replicas
    await known(one)
    await known(one, "0002")

    first, second = await asyncio.gather(one.submit(conditional()), other.submit(conditional("0002"), "lab"))

    assert [each.answered[1].status for each in (first, second)] == ["201 Created", "201 Created"]
    assert await one.count("resources WHERE type = 'Observation'") == 2


async def test_of_two_updates_of_one_version_one_is_refused(replicas: Replicas) -> None:
    one, other = replicas
    await one.submit(conditional())
    (observation,) = await one.found("Observation")
    changed = [{**observation, "valueBoolean": False}, {**observation, "status": "amended"}]

    def put(replica: ServiceOnPostgres, resource: Json) -> Coroutine[Any, Any, Done]:
        bundle = bundles.transaction(resource)
        request = {"method": "PUT", "url": f"Observation/{resource['id']}", "ifMatch": 'W/"1"'}
        bundle["entry"][0] |= {"request": request}
        return replica.submit(bundle)

    answers = await at_once(one, put(one, changed[0]), put(other, changed[1]))

    (refused,) = [each for each in answers if isinstance(each, HttpRefusal)]
    assert refused.status == 412
    assert await one.count("resources WHERE type = 'Observation' AND version = 2") == 1


async def test_the_same_transaction_again_has_one_effect_and_one_answer(replicas: Replicas) -> None:
    one, other = replicas
    bundle = bundles.intake("0001")

    answers = await asyncio.gather(*(each.submit(bundle) for each in (one, other, one, other)))

    assert [each.answered for each in answers] == [answers[0].answered] * 4
    assert await one.count("journal WHERE outcome = 'decided'") == 1
    assert await one.count("resources WHERE type = 'Patient'") == 1


async def test_a_patient_whom_both_take_in_at_once_is_one_patient(replicas: Replicas) -> None:
    asked = [each.submit(bundles.transaction(bundles.patient(mrn))) for mrn in ("1", "2", "3") for each in replicas]

    patients = [str(each.answered[0].location).split("/")[1] for each in await asyncio.gather(*asked)]

    assert patients[::2] == patients[1::2]
    assert len(set(patients)) == 3
