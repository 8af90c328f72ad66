"""`iop consumer`: no service has to answer for a stopped one to be seen, skipped past or let go on."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from deploy import hubfile
from deploy.hubfile import Hub
from tests.deploy.in_process import iop

MONDAY = datetime(2026, 1, 5, 14, tzinfo=UTC)
STOP = """INSERT INTO stops (topic, partition, "offset", stored, place, at)
    VALUES ('iop.intake.events', 3, 4711, $1, 'KeyError at records.py:40', $2)"""
RECORD = "iop.intake.events/3/4711"


@pytest.fixture
async def attendance(database: str, tmp_path: Path) -> AsyncIterator[asyncpg.Connection]:
    hubfile.write(tmp_path, Hub(kafka="", issuer="", services={}, postgres={"attendance": database}))
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


def consumer(folder: Path, *arguments: str) -> tuple[int, str]:
    done = iop("consumer", *arguments, "--data", str(folder))
    return done.returncode, done.stdout + done.stderr


async def test_it_is_shown_where_and_why_a_consumer_stopped(attendance: asyncpg.Connection, tmp_path: Path) -> None:
    assert consumer(tmp_path, "show") == (0, "attendance  consumes\n")
    await attendance.execute(STOP, False, MONDAY)
    _, shown = consumer(tmp_path, "show")
    assert f"stopped 2026-01-05 14:00:00 at {RECORD}: KeyError at records.py:40" in shown
    assert f"iop consumer skip {RECORD} --because" in shown


async def test_a_stop_is_lifted(attendance: asyncpg.Connection, tmp_path: Path) -> None:
    assert consumer(tmp_path, "resume") == (1, "iop: no consumer is stopped\n")
    await attendance.execute(STOP, True, MONDAY)
    assert consumer(tmp_path, "resume") == (0, "attendance goes on within a few seconds\n")
    assert await attendance.fetchval("SELECT count(*) FROM stops") == 0


async def test_a_skip_needs_a_reason_and_is_stored_with_it(attendance: asyncpg.Connection, tmp_path: Path) -> None:
    await attendance.execute(STOP, False, MONDAY)
    assert consumer(tmp_path, "skip", RECORD)[0] == 2
    assert consumer(tmp_path, "skip", RECORD, "--because", "the sender is gone")[0] == 0
    assert [tuple(row) for row in await attendance.fetch('SELECT "offset", reason, done FROM skips')] == [
        (4711, "the sender is gone", False)
    ]
    assert await attendance.fetchval("SELECT count(*) FROM stops") == 0


@pytest.mark.parametrize(("record", "stored"), [("iop.intake.events/3/4712", False), (RECORD, True), ("4711", False)])
async def test_only_the_record_at_which_it_stopped_can_be_skipped(
    attendance: asyncpg.Connection, tmp_path: Path, record: str, stored: bool
) -> None:
    await attendance.execute(STOP, stored, MONDAY)
    assert consumer(tmp_path, "skip", record, "--because", "x")[0] == 1
    assert await attendance.fetchval("SELECT count(*) FROM stops") == 1
