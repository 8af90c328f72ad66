"""The two servers that the hub needs: embedded ones, or the user's own named in the environment."""

import asyncio
import os
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from deploy import embedded_kafka, embedded_postgres, own_kafka, secure_kafka
from deploy.embedded_postgres import DATABASES
from deploy.failure import CannotContinueError
from deploy.paths import free_port
from deploy.processes import HubPart
from deploy.secure_kafka import Secrets
from shared.platform.kafka import Cluster
from shared.platform.kafka_security import Security


@dataclass(frozen=True)
class Servers:
    """Where Kafka and the four databases are, and what has to be started for it. `cluster` is Kafka as the commands
    reach it, `services` how each service does."""

    cluster: Cluster
    postgres: dict[str, str]
    parts: tuple[HubPart, ...]
    services: Mapping[str, Security] = field(default_factory=dict)

    @property
    def kafka(self) -> str:
        return self.cluster.bootstrap


def prepare(data: Path, kafka_port: int, postgres_port: int, users: Collection[str] = ()) -> Servers:
    """Find the user's own servers, or download and set up embedded ones, side by side. With `users` the embedded Kafka
    is shut to all but these.

    Raises:
        CannotContinueError: one cannot be reached or set up.
    """
    secrets = secure_kafka.make(data, users) if users else None
    with ThreadPoolExecutor(2) as pool:
        kafka = pool.submit(_kafka, data, kafka_port, secrets)
        postgres = pool.submit(_postgres, data, postgres_port)
    (cluster, kafka_parts), (dsns, postgres_parts) = kafka.result(), postgres.result()
    services = {name: secrets.security(name) if secrets else cluster.security for name in dsns}
    return Servers(cluster, dsns, (*kafka_parts, *postgres_parts), services)


def _kafka(data: Path, preferred: int, secrets: Secrets | None) -> tuple[Cluster, tuple[HubPart, ...]]:
    own = own_kafka.named()
    if own is None:
        port = free_port(preferred)
        return embedded_kafka.reached(port, secrets), (embedded_kafka.prepare(data, port, secrets),)
    if secrets is not None:
        raise CannotContinueError(f"--secure shuts the embedded Kafka: unset {own_kafka.VARIABLE}, or leave it out")
    if (wrong := asyncio.run(own_kafka.unreached(own))) is not None:
        raise CannotContinueError(f"{wrong}; or unset {own_kafka.VARIABLE} to use the embedded one")
    return own, ()


def _postgres(data: Path, preferred: int) -> tuple[dict[str, str], tuple[HubPart, ...]]:
    own = os.environ.get("DATABASE_URL")
    if not own:
        port = free_port(preferred)
        part, password = embedded_postgres.prepare(data, port)
        return {name: embedded_postgres.dsn(port, password, name) for name in DATABASES}, (part,)
    dsns = {name: urlunsplit(urlsplit(own)._replace(path=f"/iop_{name}")) for name in DATABASES}
    try:
        asyncio.run(_create_databases(own))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as failure:
        raise CannotContinueError(
            f"the PostgreSQL of DATABASE_URL cannot be used ({type(failure).__name__}): check the address, and that "
            "its user may create databases, or unset it to use the embedded one"
        ) from None
    return dsns, ()


async def _create_databases(dsn: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        for name in DATABASES:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", f"iop_{name}"):
                await connection.execute(f"CREATE DATABASE iop_{name}")
    finally:
        await connection.close()
