"""Servers of one's own instead of the embedded ones."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from deploy import servers
from deploy.embedded_kafka import RunningKafka
from deploy.embedded_postgres import DATABASES, RunningPostgres


def test_servers_of_ones_own_are_used_and_nothing_is_started(
    own_kafka: RunningKafka, own_postgres: RunningPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", own_kafka.bootstrap)
    monkeypatch.setenv("DATABASE_URL", own_postgres.dsn())

    first = servers.prepare(tmp_path, 0, 0)
    again = servers.prepare(tmp_path, 0, 0)

    assert first == again
    assert first.kafka == own_kafka.bootstrap
    assert first.parts == ()
    assert set(first.postgres) == set(DATABASES)


async def test_each_service_gets_a_database_of_its_own_there(
    own_kafka: RunningKafka, own_postgres: RunningPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", own_kafka.bootstrap)
    monkeypatch.setenv("DATABASE_URL", own_postgres.dsn())
    await asyncio.to_thread(servers.prepare, tmp_path, 0, 0)
    for name in DATABASES:
        connection = await asyncpg.connect(own_postgres.dsn(f"iop_{name}"))
        assert await connection.fetchval("SELECT current_database()") == f"iop_{name}"
        await connection.close()
