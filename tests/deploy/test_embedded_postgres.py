"""PostgreSQL on this machine: four databases behind a password, durable, and silent about what patients said."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from deploy import embedded_postgres
from deploy.embedded_postgres import DATABASES, RunningPostgres
from shared.platform import db
from tests.deploy.waiting import alive

pytestmark = pytest.mark.postgres


async def test_every_service_has_a_database(own_postgres: RunningPostgres) -> None:
    for name in DATABASES:
        assert await _ask(own_postgres.dsn(name), "SELECT current_database()") == name


async def test_writes_reach_the_disk_before_they_are_answered(own_postgres: RunningPostgres) -> None:
    assert await _ask(own_postgres.dsn(), "SHOW fsync") == "on"
    assert await _ask(own_postgres.dsn(), "SHOW synchronous_commit") == "on"


async def test_nobody_enters_without_the_password(own_postgres: RunningPostgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await _ask(embedded_postgres.dsn(own_postgres.port, "guessed", "intake"), "SELECT 1")


async def test_a_login_proves_the_password_in_one_round(own_postgres: RunningPostgres) -> None:
    stored = await _ask(own_postgres.dsn(), "SELECT rolpassword FROM pg_authid WHERE rolname = current_user")

    assert str(stored).startswith("SCRAM-SHA-256$1:")


async def test_a_failing_statement_leaves_no_value_in_the_log(own_postgres: RunningPostgres) -> None:
    with pytest.raises(asyncpg.DataError):
        await _ask(own_postgres.dsn("intake"), "SELECT 'Rosalind Franklin'::int")

    assert "Rosalind" not in own_postgres.part.log.read_text()


async def test_rows_that_a_lane_has_sent_are_vacuumed_within_seconds(own_postgres: RunningPostgres) -> None:
    dsn = own_postgres.dsn("attendance")
    await db.migrate(dsn)
    rows = "INSERT INTO outbox (lane, headers, body) SELECT 'topic:a', '', '' FROM generate_series(1, 4000)"
    await _ask(dsn, rows)
    await _ask(dsn, "DELETE FROM outbox")
    vacuumed = "SELECT last_autovacuum IS NOT NULL FROM pg_stat_user_tables WHERE relname = 'outbox'"
    for _ in range(75):
        if await _ask(dsn, vacuumed):
            return
        await asyncio.sleep(0.2)
    pytest.fail("no vacuum came")


async def test_what_was_kept_outlives_a_kill_and_a_stop(data: Path) -> None:
    postgres = embedded_postgres.start(data)
    await _ask(postgres.dsn("testing"), "CREATE TABLE kept AS SELECT 12 AS specimens")
    postgres.process.kill()
    postgres.process.wait()
    postgres.stop()
    postgres = embedded_postgres.start(data)

    stored = await _ask(postgres.dsn("testing"), "SELECT specimens FROM kept")

    postgres.stop()
    assert stored == 12
    assert not alive(postgres.process.pid)


def test_a_set_up_that_was_interrupted_is_done_again(data: Path) -> None:
    (data / "postgres" / "base").mkdir(parents=True)

    postgres = embedded_postgres.start(data)

    postgres.stop()
    assert (data / "postgres" / "PG_VERSION").read_text().strip() == "18"


async def _ask(dsn: str, question: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()
