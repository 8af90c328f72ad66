"""How PostgreSQL answers a search: from an index, in its order, with and without statistics."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from shared.path.transaction import search as searching
from shared.path.transaction.ordering import Order, Position
from shared.path.transaction.search import Search
from shared.platform import db
from tests.shared.path.plans import planned, rows_read

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
ORDERED = {"resources_happened", "resources_changed", "resources_due"}
FEW = {"resources_patient", "resources_pkey", "resources_numbers", "resources_order_numbers"}
MOST, SORTED = 51, 200
"""With statistics the planner knows where there are few, and may sort so many."""
ORDERS = [Order(by, descending) for by in ("at", "updated_at", "due") for descending in (False, True)]
AFTERS = [None, Position(NOON, "8"), Position(None, "8")]


def at(after: Position | None, order: Order) -> Position | None:
    """The place as it is in this order: of due times it knows how urgent its Task is."""
    return Position(after.moment, after.id, 2) if after is not None and order.by == "due" else after


def searches(*narrowings: Callable[[Search], None], kind: str = "Task") -> list[tuple[Search, Order, Position | None]]:
    """Each of these in each order, from the start and from behind each kind of place."""
    found = []
    for narrow, order, after in product(narrowings, ORDERS, AFTERS):
        search = Search("demo", kind)
        narrow(search)
        if order.by != "updated_at" or after != AFTERS[2]:
            found.append((search, order, at(after, order)))
    return found


def with_status(search: Search) -> None:
    search.statuses(["requested"])


def of_patients(search: Search) -> None:
    search.patients(["p1", "p2"])


def of_patients_with_status(search: Search) -> None:
    with_status(search)
    of_patients(search)


def changed_since(search: Search) -> None:
    search.changed(NOON, None)


def changed_with_status(search: Search) -> None:
    changed_since(search)
    with_status(search)


def changed_on_a_day(search: Search) -> None:
    search.changed(NOON, NOON + timedelta(days=1))


def of_a_role(search: Search) -> None:
    search.naming("owner.identifier", "value", [(None, "clinician")])


def urgent_of_a_role(search: Search) -> None:
    with_status(search)
    of_a_role(search)
    search.urgent([1, 2])


def due_on_a_day(search: Search) -> None:
    search.falls_due(NOON, NOON + timedelta(days=1))


def of_a_day(search: Search) -> None:
    search.happened(NOON, NOON + timedelta(days=1))


WIDE = [
    *searches(
        lambda search: None,
        with_status,
        lambda search: search.statuses(["requested", "completed"]),
        lambda search: search.without_patient(False),
    ),
    *(each for each in searches(changed_since, changed_with_status) if each[1].by == "updated_at"),
]
INSIDE = searches(of_a_role, urgent_of_a_role)
"""Asked of bodies, which no index knows: of each status so many are looked at."""
RANGE = [
    *(each for each in searches(of_a_day) if each[2] is None or each[2].moment),
    *(each for each in searches(changed_on_a_day) if each[1].by == "at"),
    *(each for each in searches(due_on_a_day) if each[2] is None or each[2].moment),
]
"""So few that they are sorted, whichever time they are sorted by."""
NUMBERED = ("DiagnosticReport", "Observation", "Specimen", "ServiceRequest")
NARROW = [
    *searches(
        of_patients,
        of_patients_with_status,
        lambda search: search.without_patient(True),
        lambda search: search.ids(["1", "2"]),
    ),
    *(
        asked
        for kind in NUMBERED
        for asked in searches(lambda search: search.carrying([("urn:lab", "F7"), (None, "F8")]), kind=kind)
    ),
]
FILL = """INSERT INTO resources (type, id, program, patient, status, at, updated_at, body)
    SELECT CASE n % 3 WHEN 0 THEN 'Task' ELSE 'Observation' END, n::text, CASE n % 7 WHEN 0 THEN 'west' ELSE 'demo' END,
        'p' || n % $3, CASE WHEN n % 100 = 0 THEN 'requested' ELSE 'completed' END,
        CASE WHEN n % 9 > 0 THEN $1::timestamptz + n * interval '1 minute' END,
        $1::timestamptz + n * interval '1 minute',
        CASE WHEN n % 4 > 0 THEN format('{"priority": "%s", "restriction": {"period": {"end": "%sZ"}}}',
            (ARRAY['stat', 'asap', 'urgent', 'routine'])[1 + n % 4],
            to_char($1::timestamptz + n * interval '1 minute', 'YYYY-MM-DD"T"HH24:MI:SS')) ELSE '{}' END
    FROM generate_series(1, $2::integer) n"""


class Explaining:
    """A connection that answers with the plan of what it is asked; `knows` whether there are statistics."""

    def __init__(self, connection: Any, knows: bool = False) -> None:
        self._connection, self.knows = connection, knows

    async def fetchval(self, query: str, *values: object) -> Any:
        return await self._connection.fetchval(query, *values)

    async def fetchrow(self, query: str, *values: object) -> Any:
        return await self._connection.fetchrow(query, *values)

    async def fetch(self, query: str, *values: object) -> list[Any]:
        return [(await planned(self._connection, query, values))["Plan"]]


def nodes(plan: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Every step that reads the table, with the steps above it, from the top down."""
    here = (*above, plan["Node Type"])
    if plan.get("Relation Name") == "resources" or "Index Name" in plan:
        yield plan, above
    for each in plan.get("Plans", ()):
        yield from nodes(each, here)


def limited_before_sorted(above: tuple[str, ...]) -> bool:
    """Whether, from the step upwards, a limit comes before any sort."""
    upwards = above[::-1]
    sorts = [place for place, each in enumerate(upwards) if each in ("Sort", "Incremental Sort")]
    return "Limit" in upwards and (not sorts or upwards.index("Limit") < sorts[0])


@pytest.fixture(params=["empty", "filled", "with statistics"])
async def explaining(request: pytest.FixtureRequest, database: str) -> Any:
    connection = await db.connect(database)
    await connection.execute("ALTER TABLE resources SET (autovacuum_enabled = false)")
    if request.param != "empty":
        await connection.execute(FILL, NOON - timedelta(days=7), 5000, 500)
    if request.param == "with statistics":
        await connection.execute("ANALYZE resources")
    yield Explaining(connection, request.param == "with statistics")
    await connection.close()


async def test_a_search_over_all_patients_is_read_in_the_order_of_an_index(explaining: Any) -> None:
    for search, order, after in WIDE:
        ((plan,), _) = await search.page(explaining, order, after, MOST)
        steps = list(nodes(plan))
        assert {step["Index Name"] for step, _ in steps if "Index Name" in step} <= ORDERED
        for step, above in steps:
            assert step["Node Type"] != "Seq Scan"
            assert limited_before_sorted(above) or (explaining.knows and step["Plan Rows"] <= SORTED), json.dumps(plan)


async def test_a_search_that_asks_bodies_reads_a_part_of_an_index(explaining: Any) -> None:
    for search, order, after in INSIDE:
        ((plan,), _) = await search.page(explaining, order, after, MOST)
        for step, above in nodes(plan):
            assert step.get("Index Name", "resources_due") in ORDERED and step["Node Type"] != "Seq Scan"
            assert limited_before_sorted(above) or step["Plan Rows"] <= searching.LOOKED_AT_MOST, json.dumps(plan)


async def test_a_search_of_a_day_reads_nothing_but_that_day(explaining: Any) -> None:
    for search, order, after in RANGE:
        ((plan,), _) = await search.page(explaining, order, after, MOST)
        asked = [step.get("Index Cond", "") for step, _ in nodes(plan)]
        conditions = [each for each in asked if re.search(r"(at|due_of\(body\)) >=", each)]
        assert conditions, json.dumps(plan)
        assert not any(step["Node Type"] == "Seq Scan" for step, _ in nodes(plan))


async def test_a_search_of_a_few_is_looked_up_by_nothing_else(explaining: Any) -> None:
    for search, order, after in NARROW:
        ((plan,), _) = await search.page(explaining, order, after, MOST)
        steps = [step for step, _ in nodes(plan)]
        assert {step["Index Name"] for step in steps if "Index Name" in step} <= FEW, json.dumps(plan)
        assert steps and not any(step["Node Type"] == "Seq Scan" for step in steps)


GROUPS = """INSERT INTO resources (type, id, program, patient, status, at, updated_at, body)
    SELECT 'Appointment', 'a' || n, 'demo', 'p' || n % 500, CASE WHEN n % 5 = 0 THEN 'booked' ELSE 'fulfilled' END,
        $1::timestamptz + n * interval '1 minute', $1, '{"actor": {"reference": "HealthcareService/g' || n % 40 || '"}}'
    FROM generate_series(1, 5000) n"""
_BOOKED = """INSERT INTO resources (type, id, program, patient, status, at, updated_at, body) VALUES
    ('Appointment', $1, 'demo', 'p', 'booked', $2, $2, '{"actor": {"reference": "HealthcareService/g7"}}')"""
OF_GROUP: list[Callable[[Search], None]] = [
    lambda search: None,
    of_a_day,
    lambda search: search.statuses(["booked", "noshow"]),
]


async def test_the_sessions_of_a_group_are_read_in_the_order_of_its_own_index(explaining: Any) -> None:
    await explaining._connection.execute(GROUPS, NOON - timedelta(days=2))
    if explaining.knows:
        await explaining._connection.execute("ANALYZE resources")
    for narrow, order, after in product(OF_GROUP, ORDERS[:2], AFTERS[:2]):
        search = Search("demo", "Appointment")
        search.of_group("g7")
        narrow(search)
        ((plan,), _) = await search.page(explaining, order, after, MOST)
        found = [(step, above) for step, above in nodes(plan) if "HealthcareService" in json.dumps(step)]
        assert {step["Index Name"] for step, _ in found} == {"resources_group"}, json.dumps(plan)
        assert all(limited_before_sorted(above) or explaining.knows for _, above in found), json.dumps(plan)


async def test_the_sessions_of_a_group_are_found_page_by_page_whoever_else_is_booked_meanwhile(database: str) -> None:
    connection = await db.connect(database)
    await connection.execute(GROUPS, NOON)
    after, seen = None, list[str]()
    while True:
        search = Search("demo", "Appointment")
        search.of_group("g7")
        rows, _ = await search.page(connection, Order(), after, 20)
        seen += [row["id"] for row in rows]
        if len(rows) < 20:
            break
        after = Position.of(rows[-1], Order())
        await connection.execute("UPDATE resources SET status = 'noshow' WHERE id = ANY($1)", seen[-3:])
        await connection.execute(_BOOKED, f"b{len(seen)}", NOON)
    await connection.close()
    assert seen == [f"a{n}" for n in range(7, 5001, 40)]


class Counting:
    """A connection that carries out what it is asked, and counts the rows that are read for it."""

    def __init__(self, connection: Any) -> None:
        self._connection, self.read = connection, 0

    async def fetchval(self, query: str, *values: object) -> Any:
        await self._count(query, values)
        return await self._connection.fetchval(query, *values)

    async def fetchrow(self, query: str, *values: object) -> Any:
        await self._count(query, values)
        return await self._connection.fetchrow(query, *values)

    async def fetch(self, query: str, *values: object) -> list[Any]:
        await self._count(query, values)
        found: list[Any] = await self._connection.fetch(query, *values)
        return found

    async def _count(self, query: str, values: tuple[object, ...]) -> None:
        self.read += rows_read((await planned(self._connection, query, values, "ANALYZE"))["Plan"])


HALF = NOON - timedelta(days=7) + timedelta(minutes=2_500)


def of_opposite_halves(search: Search) -> None:
    """Those that were changed late happen, or fall due, late too."""
    search.happened(None, HALF)
    search.falls_due(None, HALF)
    search.changed(HALF, None)


def changed_long_ago(search: Search) -> None:
    """Of those that have no time there is none."""
    search.changed(NOON - timedelta(days=8), NOON - timedelta(days=7))


def of_nobody(search: Search) -> None:
    search.naming("owner.identifier", "value", [(None, "nobody")])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("narrow", [of_opposite_halves, of_nobody])
async def test_a_page_looks_at_so_many_though_few_are_what_is_asked_for(
    explaining: Any, order: Order, narrow: Callable[[Search], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "SORTED_MOST", 20)
    monkeypatch.setattr(searching, "LOOKED_AT_MOST", 20)
    search, counting = Search("demo", "Task"), Counting(explaining._connection)
    narrow(search)
    connection: Any = counting
    rows, _ = await search.page(connection, order, None, MOST)
    assert rows == []
    assert counting.read <= 300


@pytest.mark.parametrize("order", [each for each in ORDERS if each.by != "updated_at"])
async def test_a_page_looks_at_so_many_of_those_that_have_no_time(
    explaining: Any, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "SORTED_MOST", -1)
    monkeypatch.setattr(searching, "LOOKED_AT_MOST", 20)
    search, counting = Search("demo", "Task"), Counting(explaining._connection)
    changed_long_ago(search)
    connection: Any = counting
    rows, _ = await search.page(connection, order, at(AFTERS[2], order), MOST)
    assert rows == []
    assert counting.read <= 300


async def test_the_look_at_a_plan_sees_what_it_forbids(database: str) -> None:
    connection = await db.connect(database)
    query = "SELECT * FROM resources WHERE body = $1 ORDER BY updated_at LIMIT 1"
    (plan,) = await Explaining(connection).fetch(query, "")
    await connection.close()
    ((step, above),) = nodes(plan)
    assert "Index Name" not in step and not limited_before_sorted(above)
