"""Who read what is written behind the answers, none of it twice, and all of it before the process ends."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.path.transaction.reads import NotRecordable, ReadRecords
from shared.platform import db
from shared.platform.clock import Clock
from tests.shared.path.given import MONDAY_NOON


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Any]:
    async with db.pool(database) as opened:
        yield opened


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    (tmp_path / "clock").write_text(MONDAY_NOON.isoformat())
    return Clock(tmp_path / "clock")


def add(records: ReadRecords, *patients: str) -> None:
    records.add("demo", patients, client="ehr", person="", type_="Task", interaction="read")


async def written(pool: Any) -> list[str]:
    return [row["patient"] for row in await pool.fetch("SELECT patient FROM reads ORDER BY at, patient")]


async def test_what_was_read_is_written_before_the_process_ends(pool: Any, database: str, clock: Clock) -> None:
    records = ReadRecords(pool, database, clock)
    running = asyncio.create_task(records.run())
    await asyncio.sleep(0)
    add(records, "a", "b")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await written(pool) == ["a", "b"]
    with pytest.raises(NotRecordable):
        add(records, "c")


class LosingAnswers:
    """A pool whose first statement is carried out, and whose connection breaks before that is known."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.has_failed = False

    async def execute(self, query: str, *values: Any) -> None:
        await self.pool.execute(query, *values)
        if not self.has_failed:
            self.has_failed = True
            raise ConnectionResetError


async def test_what_is_written_again_since_its_answer_was_lost_stands_once(
    pool: Any, database: str, clock: Clock
) -> None:
    records = ReadRecords(LosingAnswers(pool), database, clock)  # type: ignore[arg-type]
    add(records, "a")
    with pytest.raises(ConnectionResetError):
        await records.write()
    await records.write()
    assert await written(pool) == ["a"]


async def test_each_month_of_reads_has_its_partition(pool: Any, database: str, clock: Clock, tmp_path: Path) -> None:
    records = ReadRecords(pool, database, clock)
    for number, later in enumerate((timedelta(), timedelta(days=40), timedelta(days=400))):
        (tmp_path / "clock").write_text((MONDAY_NOON + later).isoformat())
        clock._seen = None
        add(records, f"p{number}")
    await records.write()
    assert await written(pool) == ["p0", "p1", "p2"]
    months = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'reads'::regclass"
    assert await pool.fetchval(months) == 3
