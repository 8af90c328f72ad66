"""No statement reads the more the more patients there are: not of empty tables either, whose plans are remembered."""

from collections.abc import AsyncIterator

import pytest

from shared.path.transaction import resources
from shared.platform import db
from shared.platform.db import Connection
from tests.house.test_rooms import ROOT
from tests.shared.path.plans import LOOKED_UP_BY, SMALL, WALKS, Look, fill, growing, looks, statements

FEW, MANY = 50, 1_000
"""Patients: a new clinic's, and enough for statistics to count."""


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    """As the path has it, with its settings."""
    async with db.pool(database) as pool, pool.acquire() as opened:
        yield opened


async def test_each_table_is_small_or_known_by_what_its_rows_are_looked_up_by(connection: Connection) -> None:
    rows = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    )
    assert {row["relname"] for row in rows} == LOOKED_UP_BY.keys() | SMALL


async def test_the_documents_say_of_each_table_what_bounds_it() -> None:
    table = (ROOT / "docs" / "operate.md").read_text().partition("<!-- tables -->")[2].partition("<!-- /tables -->")[0]
    named = [line.split("|")[1].strip() for line in table.strip().splitlines()[2:]]
    assert named == sorted(LOOKED_UP_BY.keys() | SMALL)


async def test_every_exception_is_a_statement_that_needs_one(connection: Connection) -> None:
    of_some = {name: await looks(connection, statements()[name]) for name in WALKS}
    assert [name for name, planned in of_some.items() if not any(look.grows for look in planned)] == []


async def test_no_statement_planned_while_the_tables_are_empty_reads_all_patients(database: str) -> None:
    assert await growing(database) == {}


@pytest.mark.parametrize("patients", [FEW, MANY])
async def test_no_statement_reads_all_patients_after_a_restore_nor_with_statistics(
    database: str, connection: Connection, patients: int
) -> None:
    await fill(connection, patients)
    assert await growing(database) == {}
    await connection.execute("ANALYZE")
    assert await growing(database) == {}


async def test_a_look_that_ignores_the_patient_is_found(connection: Connection) -> None:
    wrong = "SELECT id FROM resources WHERE type = $1 AND program = $2"
    assert [look.grows for look in await looks(connection, wrong)] == [True]
    assert not any(look.grows for look in await looks(connection, resources._MATCHING))
    assert Look("resources", "").grows
    assert Look("resources", "((patient = ''::text) AND (type = $1))").grows
