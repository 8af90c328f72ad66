"""The ground to measure on: embedded Kafka and PostgreSQL in a folder that goes away, a database a measurement."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.processes import Processes
from deploy import embedded_kafka, embedded_postgres, topics
from shared.platform import db
from shared.platform.kafka import Cluster

TABLES = (
    "state, resources, journal, settings, processed, outbox, alias, consents, consent_versions, ledger, waiting, "
    "service, parked, quarantine, documents"
)


@dataclass(frozen=True)
class Servers:
    """Where Kafka is, and PostgreSQL; `folder` is for whatever else a measurement needs to lay down."""

    folder: Path
    broker: embedded_kafka.RunningKafka
    postgres: embedded_postgres.RunningPostgres

    @property
    def kafka(self) -> Cluster:
        return self.broker.cluster

    def processes(self, ourselves: str) -> Processes:
        """The servers, and this process under the name of what it is here."""
        single = {ourselves: os.getpid(), "Kafka": self.broker.process.pid}
        return Processes(single, {"PostgreSQL": self.postgres.process.pid})

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


async def _without_autovacuum(dsn: str) -> None:
    """It comes once a minute and changes plans: a slice after it is not like one before."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("ALTER SYSTEM SET autovacuum = off")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()


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
                asyncio.run(topics.create(kafka.cluster))
                asyncio.run(_without_autovacuum(postgres.dsn()))
                yield Servers(folder, kafka, postgres)
            finally:
                kafka.stop()
        finally:
            postgres.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
