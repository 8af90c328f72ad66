"""What no decision needs any more is forgotten, each after the days its setting says and never before."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

import pytest

from deploy import keys as material
from shared.events.catalogue import CONSUMES
from shared.path.transaction.journal import Journal
from shared.path.transaction.reads import ReadRecords
from shared.platform import db, documents
from shared.platform.clock import Clock
from shared.platform.keys import Keys
from shared.platform.retention import RetentionPolicy, forget, over_in
from shared.platform.settings import Retention, topic_days
from tests.service import DEPLOY
from tests.shared.path.given import MONDAY_NOON

FEBRUARY_1 = datetime(2026, 2, 1, tzinfo=UTC)
SHORT = Retention(documents_days=30, journal_days=90, accounting_days=180)
LONG = Retention(documents_days=60, journal_days=365, accounting_days=1096)
BOTH = {"short": SHORT, "long": LONG}


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Any]:
    async with db.pool(database) as opened:
        yield opened


async def store_document(pool: Any, folder: Path, name: str, program: str, at: datetime, *, unmatched: bool) -> None:
    document = documents.Document(
        id=uuid5(NAMESPACE_OID, name),
        program=program,
        client=name,
        media_type="application/hl7-v2",
        content=Keys.load(folder, "testing").encrypt(b"MSH"),
        digest="of MSH",
        received_at=at,
        unmatched=unmatched,
    )
    async with pool.acquire() as connection:
        await documents.store(connection, [document])


async def journal(pool: Any, *programs: str) -> None:
    for program in programs:
        await pool.execute(
            """INSERT INTO journal
            (now, listening_since, kind, key, program, cause, producer, delivery, event, content, outcome, settings,
            code, emitted) VALUES ($1, $1, 'patient', 'p', $2, $3, '', '', '', '', '', '', '', '{}')""",
            MONDAY_NOON,
            program,
            uuid4(),
        )


async def journalled(pool: Any) -> list[str]:
    return [row["program"] for row in await pool.fetch("SELECT program FROM journal ORDER BY program")]


async def test_a_processed_id_is_forgotten_after_its_days_of_machine_time(pool: Any) -> None:
    insert = "INSERT INTO processed (id, program, at) VALUES ($1, 'demo', now() - make_interval(days => $2))"
    old, young = uuid4(), uuid4()
    await pool.execute(insert, old, 22)
    await pool.execute(insert, young, 20)

    await forget(pool, RetentionPolicy(21, BOTH), MONDAY_NOON)

    assert [row["id"] for row in await pool.fetch("SELECT id FROM processed")] == [young]


async def test_a_page_is_forgotten_after_the_days_of_its_programs_journal(pool: Any) -> None:
    for program, days in (("short", 91), ("short", 89), ("long", 366), ("long", 91)):
        await pool.execute(
            "INSERT INTO pages (id, row_id, program, escalation, person, rung_at) VALUES ($1, $2, $3, '', '', $4)",
            uuid4(),
            days,
            program,
            FEBRUARY_1 - timedelta(days=days),
        )

    await forget(pool, RetentionPolicy(21, BOTH), FEBRUARY_1)

    left = await pool.fetch("SELECT program, row_id FROM pages ORDER BY row_id")
    assert [tuple(row) for row in left] == [("short", 89), ("long", 91)]


async def test_a_processed_id_outlives_every_record_it_may_come_from() -> None:
    for topic in CONSUMES.values():
        assert RetentionPolicy.of(DEPLOY, topic).processed_days == topic_days(DEPLOY, topic) + 7


async def test_a_document_is_deleted_after_its_programs_days_unless_it_waits_for_its_patient(
    pool: Any, tmp_path: Path
) -> None:
    folder = material.make(tmp_path)
    then = MONDAY_NOON - timedelta(days=31)
    await store_document(pool, folder, "old", "short", then, unmatched=False)
    await store_document(pool, folder, "old and waiting", "short", then, unmatched=True)
    await store_document(pool, folder, "young", "short", then + timedelta(days=2), unmatched=False)
    await store_document(pool, folder, "kept longer", "long", then, unmatched=False)

    await forget(pool, RetentionPolicy(21, BOTH), MONDAY_NOON)

    left = [row["client"] for row in await pool.fetch("SELECT client FROM documents ORDER BY client")]
    assert left == ["kept longer", "old and waiting", "young"]


async def test_a_month_of_the_journal_goes_once_every_program_is_done_with_it(database: str, pool: Any) -> None:
    await Journal(database, {}).ensure(MONDAY_NOON)
    await Journal(database, {}).ensure(FEBRUARY_1)
    await journal(pool, "long", "short")

    await forget(pool, RetentionPolicy(21, BOTH), FEBRUARY_1 + timedelta(days=90) - timedelta(seconds=1))
    assert await journalled(pool) == ["long", "short"]
    await forget(pool, RetentionPolicy(21, BOTH), FEBRUARY_1 + timedelta(days=90))
    assert await journalled(pool) == ["long"]
    await forget(pool, RetentionPolicy(21, BOTH), FEBRUARY_1 + timedelta(days=365))
    assert await journalled(pool) == []
    months = await pool.fetch("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'journal'::regclass")
    assert [row["inhrelid"] for row in months] == ["journal_2026_02"]


async def test_who_read_what_is_known_as_long_as_disclosures_are_accounted_for(
    database: str, pool: Any, tmp_path: Path
) -> None:
    (tmp_path / "clock").write_text(MONDAY_NOON.isoformat())
    records = ReadRecords(pool, database, Clock(tmp_path / "clock"))
    for program in BOTH:
        records.add(program, {"p"}, client="ehr", person="", type_="Task", interaction="read")
    await records.write()
    for days, left in ((179, ["long", "short"]), (180, ["long"]), (1096, [])):
        await forget(pool, RetentionPolicy(21, BOTH), FEBRUARY_1 + timedelta(days=days))
        assert [row["program"] for row in await pool.fetch("SELECT program FROM reads ORDER BY program")] == left


async def test_where_no_program_says_for_how_long_the_journal_stays(database: str, pool: Any) -> None:
    await Journal(database, {}).ensure(MONDAY_NOON)
    await journal(pool, "short")
    await forget(pool, RetentionPolicy(21, {}), MONDAY_NOON + timedelta(days=9999))
    assert await journalled(pool) == ["short"]


def test_december_ends_with_the_year() -> None:
    ends_at = datetime(2027, 1, 1, tzinfo=UTC)
    assert over_in("journal_2026_12", {"short": 90}, ends_at + timedelta(days=90)) == {"short"}
    assert over_in("journal_2026_12", {"short": 90}, ends_at + timedelta(days=89)) == set()
