"""The schema: numbered files, each once; a database begun with an earlier release is brought up with its rows."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from shared.path import db, parking
from shared.words.escalation import Escalation, Signal

PATIENT = "11111111-1111-4111-8111-111111111111"
KNOWS_NO_PATIENT = {"ledger", "migrations", "service"}
"""Tables of the service itself: how it listens, and how current its ledger is."""
HEARD, PARKED, WAITING, FORGOTTEN = (UUID(int=each) for each in range(1, 5))
MONDAY_NOON, TUESDAY_NOON = datetime(2026, 1, 5, 12, tzinfo=UTC), datetime(2026, 1, 6, 12, tzinfo=UTC)
HOLD = msgspec.json.encode(
    Escalation(
        id="1f0c6a3e-0000-4000-8000-000000000001",
        category="hub-hold",
        reason="words-parked",
        tier=2,
        owner="case-manager",
        rule="attendance/hub-hold|1",
        raised_at=MONDAY_NOON,
        acknowledge_by=TUESDAY_NOON,
        act_by=TUESDAY_NOON,
        signals=(Signal("words-parked", MONDAY_NOON, f"Patient/{PATIENT}"),),
    )
).decode()
"""A hold as the first release kept it: the bare escalation."""
FIRST_RELEASE_ROWS = f"""
CREATE TABLE heard_2026_01 PARTITION OF heard FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
INSERT INTO claims (id, digest, answer) VALUES ('{HEARD}', 'd', '{{}}'), ('{PARKED}', NULL, NULL),
    ('{WAITING}', NULL, NULL), ('{FORGOTTEN}', NULL, NULL);
INSERT INTO heard (now, listening_since, key, program, cause, said_by, word, content, settings, code, said)
    VALUES ('2026-01-05', '2026-01-05', '{PATIENT}', 'demo', '{HEARD}', 'ehr', 'CheckIn', '{{}}', '', '', '{{}}');
INSERT INTO parked (id, key, program, class, place, kind, word, head, content, at)
    VALUES ('{PARKED}', '{PATIENT}', 'demo', 'bug', '', 'heard', '', '{{}}', '', '2026-01-05');
INSERT INTO waiting (id, program, digest, said_by, content, at)
    VALUES ('{WAITING}', 'demo', 'k:1', 'lab', '[]', '2026-01-05');
INSERT INTO consents (program, patient, consent_id) VALUES ('demo', '{PATIENT}', 'c1'), ('demo', '{PATIENT}', 'c2');
INSERT INTO consent_versions (patient, version) VALUES ('{PATIENT}', 2);
INSERT INTO state (key, program, hold) VALUES ('{PATIENT}', 'demo', '{HOLD}'), ('nobody', '', '{{}}'),
    ('free', '', NULL);
"""


@pytest.fixture
async def first_release(postgres: str) -> AsyncIterator[str]:
    """A database as the first file of the schema left it, with rows in it."""
    name = f"test_{uuid4().hex}"
    server = await asyncpg.connect(postgres)
    await server.execute(f'CREATE DATABASE "{name}"')
    dsn = f"{postgres.rsplit('/', 1)[0]}/{name}"
    old = await asyncpg.connect(dsn)
    await old.execute((db.SCHEMA / "0001_tables.sql").read_text())
    await old.execute("CREATE TABLE migrations (name text PRIMARY KEY)")
    await old.execute("INSERT INTO migrations VALUES ('0001_tables.sql')")
    await old.execute(FIRST_RELEASE_ROWS)
    await old.close()
    yield dsn
    await server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await server.close()


async def test_a_database_of_the_first_release_is_brought_up_with_its_rows(first_release: str) -> None:
    await db.migrate(first_release)
    await db.migrate(first_release)

    now = await asyncpg.connect(first_release)
    files = [row["name"] for row in await now.fetch("SELECT name FROM migrations ORDER BY name")]
    claims = {row["id"]: (row["program"], row["digest"]) for row in await now.fetch("SELECT * FROM claims")}
    versions = [tuple(row) for row in await now.fetch("SELECT program, patient, version FROM consent_versions")]
    await now.close()
    assert files == sorted(file.name for file in db.SCHEMA.glob("*.sql"))
    assert claims == {
        HEARD: ("demo", "d"),
        PARKED: ("demo", None),
        WAITING: ("demo", None),
        FORGOTTEN: ("", None),
    }
    assert versions == [("demo", PATIENT, 2)]


async def test_a_patient_held_by_the_first_release_gets_the_deadline_of_the_hold(first_release: str) -> None:
    await db.migrate(first_release)

    now = await asyncpg.connect(first_release)
    held = {row["key"]: (row["hold"], row["due_at"]) for row in await now.fetch("SELECT key, hold, due_at FROM state")}
    await now.close()
    assert held["nobody"] == ("{}", None) and held["free"] == (None, None)
    hold, due_at = held[PATIENT]
    assert parking.due(hold) == due_at == TUESDAY_NOON


async def test_two_processes_that_start_together_migrate_once(first_release: str) -> None:
    await asyncio.gather(*(db.migrate(first_release) for _ in range(4)))


async def test_every_table_that_may_be_about_a_patient_carries_the_program(database: str) -> None:
    connection = await asyncpg.connect(database)
    rows = await connection.fetch(
        """SELECT table_name, bool_or(column_name = 'program') AS carries FROM information_schema.columns
        WHERE table_schema = 'public' GROUP BY table_name"""
    )
    await connection.close()
    assert len(rows) > 10
    assert {row["table_name"] for row in rows if not row["carries"]} == KNOWS_NO_PATIENT
