"""Each search among 1.5 million resources of 100,000 patients: it reads a few pages of the database, never a table."""

import json
from datetime import timedelta
from typing import Any

from shared.path.transaction.ordering import Order, Position
from shared.path.transaction.search import Search
from shared.platform import db
from tests.shared.path.plans import planned
from tests.shared.path.test_search_plans import FILL, INSIDE, MOST, NARROW, NOON, RANGE, WIDE

RESOURCES, PATIENTS = 1_500_000, 100_000
PAGES_MOST = 1_000
"""Of 8 KB: so many are read from memory in some 2 ms. The whole table has some 30,000."""
INSIDE_PAGES_MOST = 11_000
"""Where bodies are asked: 5,000 of each of two statuses are looked at, a page each at most."""


class Measuring:
    """A connection that answers with what a query read."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def fetchval(self, query: str, *values: object) -> Any:
        return await self._connection.fetchval(query, *values)

    async def fetchrow(self, query: str, *values: object) -> Any:
        return await self._connection.fetchrow(query, *values)

    async def fetch(self, query: str, *values: object) -> list[Any]:
        return [await planned(self._connection, query, values, "ANALYZE", "BUFFERS")]


async def test_every_search_reads_a_few_pages_among_a_million_and_a_half(database: str) -> None:
    connection: Any = await db.connect(database)
    await connection.execute(FILL, NOON - timedelta(days=7), RESOURCES, PATIENTS, timeout=600)
    await connection.execute("VACUUM ANALYZE resources", timeout=600)
    measuring: Any = Measuring(connection)
    slowest = 0.0
    asked = [(PAGES_MOST, each) for each in (*WIDE, *NARROW, *RANGE, *far_in())]
    for most, (search, order, after) in [*asked, *((INSIDE_PAGES_MOST, each) for each in INSIDE)]:
        ((measured,), _) = await search.page(measuring, order, after, MOST)
        plan = measured["Plan"]
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= most, json.dumps(plan)
        slowest = max(slowest, measured["Execution Time"])
    print(f"\nthe slowest of all searches took {slowest:.1f} ms")  # noqa: T201
    await connection.close()


def far_in() -> list[tuple[Search, Order, Position]]:
    """Pages that an offset would have reached behind 400,000 others."""
    moment = NOON + timedelta(minutes=1_300_000)
    return [(Search("demo", "Observation"), Order(by), Position(moment, "8")) for by in ("at", "updated_at")]
