"""The journal can be replayed: from an empty state each decision of the demo is made again, to the letter."""

from collections.abc import Iterator

import asyncpg
import pytest

from deploy import embedded_postgres
from deploy.commands.replay import ask, lines, merged, require_some
from deploy.embedded_postgres import RunningPostgres
from deploy.failure import CannotContinueError
from shared.path.transaction.replaying import Asked, Replayed
from shared.platform.build import build
from tests.demo.conftest import Demo
from tests.house.test_rooms import SERVICES
from tests.service import DEPLOY

FLIP = """UPDATE journal SET content = overlay(content placing '#' from length(content) / 2 for 1)
    WHERE sequence = (SELECT max(sequence) FROM journal WHERE outcome = 'decided') RETURNING sequence, key"""


@pytest.fixture(scope="module")
def postgres(demo: Demo) -> Iterator[RunningPostgres]:
    """The demo's own PostgreSQL, once more."""
    running = embedded_postgres.start(demo.data)
    yield running
    running.stop()


def replayed(demo: Demo, postgres: RunningPostgres, *services: str, jobs: int = 1) -> list[Replayed]:
    dsns = {name: postgres.dsn(name) for name in services}
    return merged(ask(dsns, demo.data / "keys", DEPLOY, Asked(), jobs))


async def test_each_decision_of_the_demo_is_made_again_with_the_same_ids_and_bodies(
    demo: Demo, postgres: RunningPostgres
) -> None:
    for each in replayed(demo, postgres, *SERVICES):
        assert (each.differences, each.left_out, each.other_code, each.without_digest) == ([], {}, {}, 0), each.service
        assert each.decisions > 10


async def test_of_nobody_nothing_is_right(demo: Demo, postgres: RunningPostgres) -> None:
    dsns = {name: postgres.dsn(name) for name in SERVICES}
    nobody = Asked(patient="0190a7a0-0000-7000-8000-000000000000")
    with pytest.raises(CannotContinueError, match="nothing was decided of this patient"):
        require_some(merged(ask(dsns, demo.data / "keys", DEPLOY, nobody, 1)))
    require_some(replayed(demo, postgres, "testing"))


async def test_a_flipped_byte_in_one_row_is_found(demo: Demo, postgres: RunningPostgres) -> None:
    connection = await asyncpg.connect(postgres.dsn("testing"))
    async with connection.transaction():
        row = await connection.fetchrow("SELECT * FROM journal WHERE outcome = 'decided' ORDER BY sequence DESC")
        sequence, key = (await connection.fetchrow(FLIP)).values()
    (found,) = replayed(demo, postgres, "testing", jobs=2)
    await connection.execute("UPDATE journal SET content = $2 WHERE sequence = $1", sequence, row["content"])
    await connection.close()
    assert [(each.key, each.sequence, each.path) for each in found.differences] == [(key, sequence, "row")]
    assert lines(found)[1] == f"  {key}  row {sequence}, {row['event']}: row"


async def test_each_decision_names_the_build_that_decided(demo: Demo, postgres: RunningPostgres) -> None:
    for name in SERVICES:
        connection = await asyncpg.connect(postgres.dsn(name))
        codes = await connection.fetch("SELECT DISTINCT code FROM journal")
        await connection.close()
        assert {row["code"] for row in codes} == {build()}
