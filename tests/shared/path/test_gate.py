"""A partner's lane takes the first row of each patient that is due, reads a few rows a poll, and starves nobody."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.path.outbound import accounting, gate, parking
from shared.path.outbound.lane import advisory_lock
from shared.platform.db import Connection, Row
from tests.laws import examples
from tests.shared.path.plans import rows_read

LANE = "partner:house"
MANY = 5_000
AT_ONCE = 3
"""Rows that the law's lane takes at once: fewer than there are patients."""
ENDLESS = 200
Act = Literal["ends", "backs off", "is parked"]
Between = Literal["nothing", "a row comes", "redriven", "quarantined", "an hour passes"]
_INSERT = "INSERT INTO outbox (lane, key, headers, body) VALUES ($1, $2, '{}', '{}')"
# What a look at the whole lane would release, of a copy in which nothing is ever put off.
_PLAIN = """SELECT id FROM (SELECT DISTINCT ON (key) id, not_before, parked FROM plain ORDER BY key, id) AS first
    WHERE parked IS NULL AND (not_before IS NULL OR not_before <= now())"""
_COPY = "INSERT INTO plain SELECT id, key, program, not_before, parked, lane FROM outbox ON CONFLICT DO NOTHING"
_QUARANTINED = """DELETE FROM outbox
    WHERE id = (SELECT id FROM outbox WHERE key = $1 AND parked IS NOT NULL ORDER BY id LIMIT 1)"""
_STANDS = {
    "is due": "not_before = NULL",
    "backs off": "not_before = now() + interval '50 min'",
    "is parked": "parked = 'bug: place'",
}
PATIENTS = st.sampled_from("abcde")
WAITING = st.lists(st.tuples(PATIENTS, st.sampled_from([*_STANDS])), max_size=12)
"""The patient of each row, and how it stands where it is its patient's first."""
ACTS = st.lists(st.sampled_from(["ends", "ends", "backs off", "is parked"]), max_size=40)
BETWEEN = st.lists(
    st.tuples(st.sampled_from(["nothing", "a row comes", "redriven", "quarantined", "an hour passes"]), PATIENTS),
    max_size=12,
)


@dataclass
class Lane:
    """One connection for every example of a law, as a lane has it, and a copy of the lane to look at the plain way."""

    connection: Connection
    runner: asyncio.Runner

    async def run(self, rows: list[tuple[str, str]], acts: list[Act], between: list[tuple[Between, str]]) -> None:
        await self._fill(rows)
        for what, patient in between:
            await self._turn(acts)
            await self._between(what, patient)
        await self._minutes_pass(60)
        turns = 0
        while await self._turn(acts):
            turns += 1
            assert turns < ENDLESS
        assert await self.connection.fetch(_PLAIN) == []

    async def _fill(self, rows: list[tuple[str, str]]) -> None:
        await self.connection.execute("TRUNCATE outbox, plain")
        begun = set[str]()
        for patient, stands in rows:
            await self._comes(patient)
            if patient not in begun:
                await self._both(f"UPDATE outbox SET {_STANDS[stands]} WHERE id = (SELECT max(id) FROM outbox)")
            begun.add(patient)

    async def _both(self, statement: str, *values: object) -> None:
        for table in ("outbox", "plain"):
            await self.connection.execute(statement.replace("outbox", table), *values)

    async def _comes(self, patient: str) -> None:
        await self.connection.execute(_INSERT, LANE, patient)
        await self.connection.execute(_COPY)

    async def _turn(self, acts: list[Act]) -> bool:
        """What is released is due, and no row before it waits; where something is due, something is looked at."""
        due = {row["id"] for row in await self.connection.fetch(_PLAIN)}
        looked = await self.connection.fetch(gate._NEXT, LANE, AT_ONCE)
        released = [row for row in looked if not row["behind"]]
        assert {row["id"] for row in released} <= due
        assert looked or not due
        for row in released:
            await self._act(row, acts.pop() if acts else "ends")
        return bool(looked)

    async def _act(self, row: Row, act: Act) -> None:
        if act == "ends":
            await self.connection.execute(accounting._END, LANE, row["id"], row["key"])
            await self.connection.execute("DELETE FROM plain WHERE id = $1", row["id"])
        else:
            await self._both(f"UPDATE outbox SET {_STANDS[act]} WHERE id = $1", row["id"])

    async def _between(self, what: Between, patient: str) -> None:
        match what:
            case "a row comes":
                await self._comes(patient)
            case "redriven":
                await self._both(parking._UNPARK, patient, "")
            case "quarantined":
                await self._both(_QUARANTINED, patient)
                await self._minutes_pass(1)
            case "an hour passes":
                await self._minutes_pass(60)

    async def _minutes_pass(self, minutes: int) -> None:
        await self._both(f"UPDATE outbox SET not_before = not_before - interval '{minutes} min'")


@pytest.fixture
def lane(database: str) -> Iterator[Lane]:
    with asyncio.Runner() as runner:
        opened = advisory_lock(database, LANE)
        connection = runner.run(opened.__aenter__())
        columns = "id bigint PRIMARY KEY, key text, program text, not_before timestamptz, parked text, lane text"
        runner.run(connection.execute(f"CREATE TEMPORARY TABLE plain ({columns})"))
        yield Lane(connection, runner)
        runner.run(opened.__aexit__(None, None, None))


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WAITING, ACTS, BETWEEN)
def test_a_lane_releases_what_a_look_at_all_of_it_would_and_in_the_end_everything(
    lane: Lane, rows: list[tuple[str, str]], acts: list[Act], between: list[tuple[Between, str]]
) -> None:
    lane.runner.run(lane.run(rows, list(acts), between))


SHAPES = {
    "all are due": "'p' || n, NULL::timestamptz, NULL",
    "all back off": "'p' || n, now() + interval '1 h', NULL",
    "all of one patient": "'p', NULL::timestamptz, NULL",
    "behind one that backs off": "'p', CASE WHEN n = 1 THEN now() + interval '1 h' END, NULL",
    "behind one that is parked": "'p', NULL::timestamptz, CASE WHEN n = 1 THEN 'bug: place' END",
    "pairs that back off": "'p' || n / 2, CASE WHEN n % 2 = 0 THEN now() + interval '1 h' END, NULL",
}
"""Of each row: key, not_before, parked."""


@pytest.mark.parametrize("analyzed", [False, True], ids=["never analysed", "analysed"])
@pytest.mark.parametrize("shape", SHAPES)
async def test_a_poll_of_a_long_lane_reads_a_few_rows(database: str, shape: str, analyzed: bool) -> None:
    asked = f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE next('{LANE}', {gate.ROWS_AT_ONCE})"
    async with advisory_lock(database, LANE) as connection:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE next AS {gate._NEXT}")
        await connection.fetchval(asked)
        await connection.execute(
            f"""INSERT INTO outbox (lane, key, not_before, parked, headers, body)
            SELECT '{LANE}', {SHAPES[shape]}, '', repeat('x', 500) FROM generate_series(1, {MANY}) AS n"""
        )
        if analyzed:
            await connection.execute("ANALYZE outbox")
        for _ in range(20):
            plan = json.loads(await connection.fetchval(asked))[0]["Plan"]
            assert rows_read(plan) <= 4 * gate.ROWS_AT_ONCE
