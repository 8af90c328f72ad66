"""The law of paging, on a real PostgreSQL: what stands unchanged is seen once, whatever happens between two pages."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.events.codes import ROLE
from shared.path.transaction import search as searching
from shared.path.transaction.ordering import Order, Position
from shared.path.transaction.search import Search, Token
from shared.platform import db
from tests.laws import examples

OURS, THEIRS = "demo", "west"
DAYS = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 5)]


class Stored(msgspec.Struct, frozen=True):
    """A row of the read model, as far as searches look at it."""

    id: str
    program: str
    patient: str
    status: str | None
    at: datetime | None
    updated_at: datetime
    due: datetime | None = None
    urgency: int = 4


class Asked(msgspec.Struct, frozen=True):
    patients: tuple[str, ...] | None
    statuses: list[tuple[str, ...]]
    """Each must hold."""
    since: datetime | None
    changed_since: datetime | None
    order: Order
    count: int
    due_until: datetime | None = None
    urgencies: tuple[int, ...] | None = None
    owner: Token | None = None

    def query(self) -> Search:
        search = Search(OURS, "Task")
        if self.patients is not None:
            search.patients(self.patients)
        for each in self.statuses:
            search.statuses(each)
        if self.since is not None:
            search.happened(self.since, None)
        if self.changed_since is not None:
            search.changed(self.changed_since, None)
        if self.due_until is not None:
            search.falls_due(None, self.due_until)
        if self.urgencies is not None:
            search.urgent(self.urgencies)
        if self.owner is not None:
            search.naming("owner.identifier", "value", [self.owner])
        return search

    def expected(self, rows: Sequence[Stored]) -> list[str]:
        """The ids, in their order, written apart from the database."""
        found = [each for each in rows if each.program == OURS and self._asks_for(each)]
        return [each.id for each in sorted(found, key=self._place)]

    def _asks_for(self, row: Stored) -> bool:
        return (
            (self.patients is None or row.patient in self.patients)
            and all(row.status in each for each in self.statuses)
            and (self.since is None or (row.at is not None and row.at >= self.since))
            and (self.changed_since is None or row.updated_at >= self.changed_since)
            and (self.due_until is None or (row.due is not None and row.due < self.due_until))
            and (self.urgencies is None or row.urgency in self.urgencies)
            and (self.owner is None or self.owner[1] == owner_of(row))
        )

    def _place(self, row: Stored) -> tuple[bool, float, int, int]:
        way = -1 if self.order.descending else 1
        moment = getattr(row, self.order.by)
        urgency = row.urgency if self.order.by == "due" else 0
        return moment is None, way * (moment.timestamp() if moment else 0), way * urgency, way * int(row.id)


def owner_of(row: Stored) -> str:
    return "clinician" if row.urgency < 3 else "case-manager"


IDS = st.sampled_from([f"{number:02}" for number in range(12)])
ROWS = st.builds(
    Stored,
    IDS,
    st.sampled_from([OURS, OURS, OURS, THEIRS]),
    st.sampled_from(["p", "q", ""]),
    st.sampled_from([None, "requested", "completed"]),
    st.none() | st.sampled_from(DAYS),
    st.sampled_from(DAYS),
    st.none() | st.sampled_from(DAYS),
    st.integers(1, 4),
)
SEARCHES = st.builds(
    Asked,
    st.none() | st.sampled_from([("p",), ("p", "q"), ("",)]),
    st.sampled_from(
        [
            [],
            [("requested",)],
            [("requested", "completed", "requested")],
            [("held",)],
            [("completed", "held"), ("requested", "completed")],
        ]
    ),
    st.none() | st.sampled_from(DAYS),
    st.none() | st.sampled_from(DAYS),
    st.builds(Order, st.sampled_from(["at", "updated_at", "due"]), st.booleans()),
    st.integers(1, 4),
    st.none() | st.sampled_from(DAYS),
    st.none() | st.sampled_from([(1,), (2, 3)]),
    st.none() | st.sampled_from([(None, "clinician"), (ROLE, "case-manager"), ("urn:other", "nobody"), ("", "nobody")]),
)
CHANGES = st.lists(st.lists(st.tuples(st.booleans(), ROWS), max_size=3), max_size=6)
"""Between two pages: rows that are deleted (True), or inserted or updated to this."""

ENDLESS = 200

PRIORITIES = ("stat", "asap", "urgent", "routine")
_STORE = """INSERT INTO resources (type, id, program, patient, status, at, updated_at, body)
    VALUES ('Task', $1, $2, $3, $4, $5, $6, $7) ON CONFLICT (type, id, program) DO UPDATE
    SET patient = excluded.patient, status = excluded.status, at = excluded.at, updated_at = excluded.updated_at,
        body = excluded.body"""


async def store(connection: Any, row: Stored) -> None:
    """When it is due, how urgent it is and whose stand in its body."""
    ends = {} if row.due is None else {"restriction": {"period": {"end": row.due}}}
    owner = {"identifier": {"system": ROLE, "value": owner_of(row)}}
    body = msgspec.json.encode({"priority": PRIORITIES[row.urgency - 1], "owner": owner, **ends}).decode()
    await connection.execute(_STORE, *msgspec.structs.astuple(row)[:6], body)


async def change(connection: Any, changes: Sequence[tuple[bool, Stored]]) -> None:
    for deleted, row in changes:
        if deleted:
            await connection.execute("DELETE FROM resources WHERE id = $1 AND program = $2", row.id, row.program)
        else:
            await store(connection, row)


@dataclass
class Database:
    """One connection for every example of a law."""

    connection: Any
    runner: asyncio.Runner

    def pages(self, rows: Sequence[Stored], asked: Asked, changes: list[list[tuple[bool, Stored]]]) -> list[str]:
        """The ids on all pages, with changes between one page and the next."""
        return self.runner.run(self._pages(rows, asked, list(changes)))

    async def _pages(self, rows: Sequence[Stored], asked: Asked, changes: list[list[tuple[bool, Stored]]]) -> list[str]:
        await self.connection.execute("TRUNCATE resources")
        for row in rows:
            await store(self.connection, row)
        seen: list[str] = []
        after: Position | None = None
        for _ in range(ENDLESS):
            page, ended = await asked.query().page(self.connection, asked.order, after, asked.count)
            seen += [row["id"] for row in page]
            if len(page) < asked.count and ended is None:
                assert await asked.query().total(self.connection) == await asked.query().estimate(self.connection)
                return seen
            after = ended or Position.of(page[-1], asked.order)
            await change(self.connection, changes.pop() if changes else [])
        raise AssertionError("the pages never end")


@pytest.fixture(params=[None, 0, 2], ids=["few are sorted", "each is looked at", "two more are"])
def search_database(
    database: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    if request.param is not None:
        monkeypatch.setattr(searching, "SORTED_MOST", 1)
        monkeypatch.setattr(searching, "LOOKED_AT_MOST", request.param)
    with asyncio.Runner() as runner:
        connection = runner.run(db.connect(database))
        yield Database(connection, runner)
        runner.run(connection.close())


def unique(rows: Sequence[Stored]) -> list[Stored]:
    return list({(row.program, row.id): row for row in rows}.values())


@settings(max_examples=examples(50), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROWS, max_size=14).map(unique), SEARCHES)
def test_all_that_is_asked_for_is_on_the_pages_in_its_order(
    search_database: Database, rows: list[Stored], asked: Asked
) -> None:
    assert search_database.pages(rows, asked, []) == asked.expected(rows)


@settings(max_examples=examples(50), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROWS, max_size=14).map(unique), SEARCHES, CHANGES)
def test_what_stands_unchanged_is_seen_exactly_once_whatever_changes_between_pages(
    search_database: Database, rows: list[Stored], asked: Asked, changes: list[list[tuple[bool, Stored]]]
) -> None:
    touched = {(row.program, row.id) for each in changes for _, row in each}
    unchanged = asked.expected([row for row in rows if (row.program, row.id) not in touched])
    seen = search_database.pages(rows, asked, changes)
    assert [each for each in seen if each in unchanged] == unchanged


def test_a_page_that_stops_looking_goes_on_where_it_stopped(search_database: Database) -> None:
    rows = [Stored(f"{n:02}", OURS, "p", "requested", DAYS[n % 4], DAYS[n % 3], DAYS[0], 1 + n % 4) for n in range(9)]
    for descending, count in product((False, True), (1, 2, 3, 4)):
        changed = Asked(None, [], None, DAYS[1], Order("at", descending), count)
        happened = Asked(None, [], DAYS[1], None, Order("updated_at", descending), count)
        due = Asked(None, [], DAYS[1], DAYS[1], Order("due", descending), count)
        theirs = Asked(None, [], None, None, Order("due", descending), count, owner=(ROLE, "clinician"))
        for asked in (changed, happened, due, theirs):
            assert search_database.pages(rows, asked, []) == asked.expected(rows)


def test_what_has_no_time_is_looked_at_part_by_part_too(search_database: Database) -> None:
    rows = [Stored(f"{n:02}", OURS, "p", "requested", None if n % 2 else DAYS[0], DAYS[n % 3]) for n in range(12)]
    orders = [Order("at"), Order("at", descending=True), Order("due"), Order("due", descending=True)]
    for order, count in product(orders, (1, 3)):
        asked = Asked(None, [], None, DAYS[1], order, count)
        assert search_database.pages(rows, asked, []) == asked.expected(rows)


@pytest.mark.parametrize(
    "end",
    [
        "2026-02-30T10:00:00Z",
        "2026-01-05",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-12:00",
        "infinity",
        "",
        7,
        None,
    ],
)
async def test_a_task_whose_end_is_no_instant_is_stored_and_due_at_no_time(database: str, end: object) -> None:
    connection: Any = await db.connect(database)
    bodies = [msgspec.json.encode({"restriction": {"period": {"end": end}}}).decode(), '{"x": "\\u0000"}', "sealed"]
    for number, body in enumerate(bodies):
        await connection.execute(_STORE, f"{number}", OURS, "p", "requested", None, DAYS[0], body)
    rows, _ = await Search(OURS, "Task").page(connection, Order("due"), None, 5)
    await connection.close()
    assert [(row["id"], row["due"], row["urgency"]) for row in rows] == [(f"{n}", None, 4) for n in range(3)]
