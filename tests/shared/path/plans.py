"""How PostgreSQL would carry out every statement of path and platform, and which looks would grow with the clinic.

Every statement is a constant of its module (tests/house/test_sql.py), so that none is left out here.
"""

import json
import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

import msgspec

from shared.path.outbound.lane import advisory_lock
from shared.platform import db
from shared.platform.db import Connection
from tests.house.test_rooms import ROOT
from tests.house.test_sql import STATEMENT, path_files

LOOKED_UP_BY = {
    "alias": ("digest", "patient"),
    "consent_versions": ("patient",),
    "consents": ("patient",),
    "documents": ("id",),
    "journal": ("key",),
    "outbox": ("lane",),
    "pages": ("id", "handle"),
    "parked": ("key", "sequence"),
    "processed": ("id",),
    "puts": ("id",),
    "reads": ("id", "patient"),
    "quarantine": ("key",),
    "resources": ("id", "patient"),
    "state": ("key", "due_at"),
    "waiting": ("id", "digest"),
    "waiting_results": ("task",),
}
"""Tables that grow with the clinic, and what their rows are looked up by."""
SMALL = {
    "feeds",
    "laboratory_codes",
    "ledger",
    "migrations",
    "offsets",
    "redrives",
    "service",
    "retention",
    "settings",
    "skips",
    "stops",
    "strays",
}
"""A row a partition, feed, mapped code, set of settings or record that a person skips; strays and redrives are only
ever added."""
WALKS = {
    "documents._SINCE": "a person has what a client sent read again",
    "gauges._OF_OPERATORS": "for the metrics, of Tasks of no patient: few",
    "gauges._OPEN": "for the metrics, of the escalations that are open",
    "gauges._PARKED": "for the metrics, of what is parked: few",
    "gauges._PARKED_ROWS": "for the metrics, of parked rows: few",
    "gauges._ROWS": "for the metrics, of what is unsent",
    "lane._OLDEST_UNSENT": "for the metrics, of what is unsent",
    "parking._QUARANTINE": "a person's, of parked rows: few",
    "parking._UNPARK": "a person's, of parked rows: few",
    "places._OPEN": "of a partner with a capacity, at its sends: of the program's Tasks those that are not over",
    "questions._EVERY": "at a change of a code map: Tasks of no patient",
    "questions._OLDER": "of the program's Tasks those that are not over",
    "questions._OPEN": "of the program's Tasks those that are not over",
    "records._KINDS": "once an hour, a step into the index for each type and status",
    "records._UNCHANGED": "once an hour, of what is past its days: a few hundred at a time, in the index's order",
    "records._WAITING": "once an hour, of what is unsent",
    "resources._OF_NOBODY_WITH": "the Questionnaires that were sent to this program: they are of no patient",
    "unlisted._LANES": "once at the start, of what waits for partners",
    "waiting._AWAITED": "an update of what waits for its patient, among what waits for one in this program",
}
"""Statements that may look at more than one patient, thing or lane, and why."""
OF_LANES = ("internal._NEXT", "lookups._NEXT", "gate._NEXT", "on_call._NEXT", "kafka._NEXT", "kafka._HEARTBEAT")
"""Statements that a lane asks on its own connection."""
FRAGMENTS = {"search._EACH_STATUS"}
"""Beginnings of statements; searches are tried whole (test_search_plans.py)."""
_TEMPLATE = re.compile(r"\{[a-z]+\}")
_FILL = """
    CREATE TEMPORARY TABLE patients AS SELECT n, md5(n::text)::uuid AS id, md5(n::text)::uuid::text AS patient,
        CASE WHEN n % 3 = 0 THEN 'west' ELSE 'demo' END AS program, repeat('x', 200) AS body,
        '2026-01-01'::timestamptz + n * interval '1 min' AS at FROM generate_series(1, {count}) AS n;
    INSERT INTO state (key, program, body, due_at) SELECT patient, program, body, at FROM patients;
    INSERT INTO resources (type, id, program, patient, status, at, updated_at, body)
        SELECT type, md5(type || patient)::uuid::text, program, patient, 'active', at, at, body
        FROM patients, unnest('{{Patient,Task,Consent,Observation,Observation2}}'::text[]) AS type;
    INSERT INTO processed (id, program) SELECT id, program FROM patients;
    INSERT INTO outbox (lane, program, key, headers, body)
        SELECT CASE WHEN n % 9 = 0 THEN 'internal' ELSE 'topic:a' END, program, patient, '', body FROM patients;
    INSERT INTO alias SELECT program, 'key:' || which || patient, patient
        FROM patients, unnest('{{a,b}}'::text[]) AS which;
    INSERT INTO consents SELECT program, patient, which, at, body
        FROM patients, unnest('{{a,b}}'::text[]) AS which;
    INSERT INTO consent_versions SELECT patient, program, 2 FROM patients;
    INSERT INTO puts SELECT program, 'Task', patient, 'digest', 1, '[]', false FROM patients;
    INSERT INTO waiting (id, program, digest, producer, content, at)
        SELECT id, program, 'key:c' || patient, 'lab', body, at FROM patients;
    INSERT INTO waiting_results (program, task, result, at) SELECT program, patient, id, at FROM patients;
    INSERT INTO documents SELECT id, program, 'lab', 'text', '', 'digest', false, at FROM patients;
    INSERT INTO parked (id, key, program, class, place, kind, event, headers, content, at)
        SELECT id, patient, program, 'bug', '', 'consumed', '', '', '', at FROM patients;
    DROP TABLE patients"""


class Look(msgspec.Struct, frozen=True):
    """One look into a table, as it is planned; `condition` is what the index is asked, empty where all is read. What
    `collects` reads all that meets it, were it a whole lane, before the first row."""

    table: str
    condition: str
    collects: bool = False

    @property
    def grows(self) -> bool:
        """Whether it reads the more the more patients there are."""
        by = ("id",) if self.table == "outbox" and self.collects else LOOKED_UP_BY.get(self.table, ())
        asked = rf"\b({'|'.join(by)}) <?= (?!'')"
        return self.table in LOOKED_UP_BY and re.search(asked, self.condition) is None


def statements() -> dict[str, str]:
    """Every whole statement of the path and the platform that names a table, by its module and name."""
    modules = [import_module(".".join(file.relative_to(ROOT).with_suffix("").parts)) for file in path_files()]
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}": text
        for module in modules
        for name, text in vars(module).items()
        if isinstance(text, str) and STATEMENT.match(text) and not _TEMPLATE.search(text)
    }


async def fill(connection: Connection, count: int) -> None:
    """So many patients, with some of everything; nobody looks at the tables on their own account."""
    for table in LOOKED_UP_BY:
        if table not in ("journal", "reads"):
            await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    await connection.execute(_FILL.format(count=count))


async def looks(connection: Connection, statement: str) -> list[Look]:
    """Those of the plan that is made once and remembered, whatever the values."""
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    await connection.execute(f"PREPARE planned AS {statement}")
    places = "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'planned'"
    nulls = ", ".join(["NULL"] * await connection.fetchval(places))
    plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE planned{f'({nulls})' if nulls else ''}")
    await connection.execute("DEALLOCATE planned")
    rows = await connection.fetch("SELECT indexrelid::regclass::text, indrelid::regclass::text FROM pg_index")
    return list(_looks(json.loads(plan)[0]["Plan"], {index: table for index, table in rows}))


def _looks(node: dict[str, Any], tables: dict[str, str]) -> Iterator[Look]:
    if node["Node Type"] == "Seq Scan":
        yield Look(node["Relation Name"], "")
    elif "Index Name" in node:
        collects = node["Node Type"] == "Bitmap Index Scan"
        yield Look(tables[node["Index Name"]], node.get("Index Cond", ""), collects)
    for each in node.get("Plans", ()):
        yield from _looks(each, tables)


async def planned(connection: Any, query: str, values: Iterable[object], *options: str) -> Any:
    """The plan of a query as the hub has it carried out: made once, whatever the values."""
    written = ", ".join(_literal(each) for each in values)
    await connection.execute(f"PREPARE planned AS {query}")
    asked = ", ".join(("FORMAT JSON", *options))
    plan = await connection.fetchval(f"EXPLAIN ({asked}) EXECUTE planned{f'({written})' if written else ''}")
    await connection.execute("DEALLOCATE planned")
    return json.loads(plan)[0]


def _literal(value: object) -> str:
    """A value of a search, as SQL has it."""
    text = f"{{{','.join(json.dumps(str(each)) for each in value)}}}" if isinstance(value, list) else str(value)
    return "'" + text.replace("'", "''") + "'"


async def growing(database: str) -> dict[str, list[Look]]:
    """The looks that would grow, by statement, each on such a connection as it has; those that may are left out."""
    async with advisory_lock(database, "planned") as lane, db.pool(database) as pool, pool.acquire() as pooled:
        found = {
            name: [look for look in await looks(lane if name in OF_LANES else pooled, text) if look.grows]
            for name, text in statements().items()
            if name not in WALKS.keys() | FRAGMENTS
        }
    return {name: some for name, some in found.items() if some}


def rows_read(node: dict[str, Any]) -> int:
    """How many rows the scans of a plan, which was carried out, have read."""
    scanned = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) if "Relation Name" in node else 0
    return int(scanned * node["Actual Loops"]) + sum(rows_read(each) for each in node.get("Plans", ()))
