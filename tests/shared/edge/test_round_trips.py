"""What a submission asks the database: no more the more of it is created on a condition, and one commit."""

from contextlib import AsyncExitStack
from typing import Any

import pytest

from services.intake import app
from shared.platform.db import POOL_MOST
from tests.intake import bundles
from tests.intake.given import MONDAY
from tests.service import ServiceOnPostgres, StartService

MRN = "00-1"
SYSTEM = "https://ehr.demo.iop-hub.org/observation"
DRIVERS = ("set_config", "pg_catalog")
"""In what asyncpg asks by itself, once a connection."""
Json = dict[str, Any]


@pytest.fixture
async def intake(start_service: StartService) -> ServiceOnPostgres:
    return await start_service(app.assemble, "intake", MONDAY)


@pytest.fixture
async def statements(intake: ServiceOnPostgres) -> list[str]:
    """All that the service asks from now on."""
    asked: list[str] = []
    async with AsyncExitStack() as held:
        for _ in range(POOL_MOST):
            connection = await held.enter_async_context(intake.pool.acquire())
            connection.add_query_logger(lambda run: asked.append(run.query))
    return asked


async def asked(intake: ServiceOnPostgres, statements: list[str], bundle: Json) -> list[str]:
    """What one submission asks the database."""
    statements.clear()
    await intake.submit(bundle)
    return [each for each in statements if not any(name in each for name in DRIVERS)]


def visit(mrn: str, name: str, conditional: int) -> Json:
    """A Patient with so many facts of one moment, each created unless it exists."""
    who = bundles.urn(mrn, "patient")
    facts = [
        bundles.fact(who, "safe-housing", True) | {"identifier": [{"system": SYSTEM, "value": f"{name}-{n}"}]}
        for n in range(conditional)
    ]
    bundle = bundles.transaction(bundles.patient(mrn), *facts, named=name)
    for entry in bundle["entry"][1:]:
        entry["request"]["ifNoneExist"] = f"identifier={SYSTEM}|{entry['resource']['identifier'][0]['value']}"
        entry["fullUrl"] = bundles.urn(name, entry["request"]["ifNoneExist"])
    return bundle


@pytest.mark.parametrize(("known", "at_most"), [(False, 10), (True, 12)], ids=["a new patient", "a known one"])
async def test_many_conditional_creates_ask_as_often_as_one(
    intake: ServiceOnPostgres, statements: list[str], known: bool, at_most: int
) -> None:
    if known:
        await intake.submit(bundles.intake(MRN))
        await intake.submit(bundles.intake("00-2"))
    of_one = await asked(intake, statements, visit(MRN, "one", 1))
    of_many = await asked(intake, statements, visit("00-2", "many", 12))
    assert of_one == of_many
    assert of_one.count("COMMIT;") == 1
    assert len(of_one) <= at_most


async def test_what_a_known_patient_has_under_another_id_is_found_for_each_condition(intake: ServiceOnPostgres) -> None:
    by_ehr = visit(MRN, "same", 3)
    for entry in by_ehr["entry"][1:]:
        del entry["request"]["ifNoneExist"]
    created = await intake.submit(by_ehr)
    found = await intake.submit(visit(MRN, "same", 3) | {"identifier": {"system": "urn:sent", "value": "again"}})
    assert [each.location for each in found.answered[1:]] == [each.location for each in created.answered[1:]]
    assert await intake.count("resources WHERE type = 'Observation'") == 3
