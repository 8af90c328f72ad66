"""The ground to measure on: embedded Kafka and PostgreSQL in a folder that goes away, a database a measurement."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from deploy import embedded_kafka, embedded_postgres, topics
from shared.platform import db

TABLES = (
    "state, resources, journal, processed, outbox, alias, consents, consent_versions, ledger, waiting, service, "
    "parked, "
    "documents"
)


@dataclass(frozen=True)
class Servers:
    """Where Kafka is, and PostgreSQL; `folder` is for whatever else a measurement needs to lay down."""

    folder: Path
    kafka: str
    postgres: embedded_postgres.RunningPostgres

    async def database(self, name: str) -> str:
        """The address of a new database with the hub's schema."""
        server = await asyncpg.connect(self.postgres.dsn())
        try:
            await server.execute(f'CREATE DATABASE "bench_{name}"')
        finally:
            await server.close()
        dsn = self.postgres.dsn(f"bench_{name}")
        await db.migrate(dsn)
        return dsn


async def emptied(dsn: str) -> None:
    """Empty the tables and leave no vacuum or checkpoint to the next measurement."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"TRUNCATE {TABLES}")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


@contextmanager
def servers() -> Iterator[Servers]:
    """Both servers, started, and stopped again; the folder is removed."""
    folder = Path(tempfile.mkdtemp(prefix="iop-bench-"))
    try:
        postgres = embedded_postgres.start(folder)
        try:
            kafka = embedded_kafka.start(folder)
            try:
                asyncio.run(topics.create(kafka.bootstrap))
                yield Servers(folder, kafka.bootstrap, postgres)
            finally:
                kafka.stop()
        finally:
            postgres.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
