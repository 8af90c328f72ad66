"""The two servers that the hub needs: embedded ones, or the user's own named in the environment."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from deploy import embedded_kafka, embedded_postgres
from deploy.embedded_postgres import DATABASES
from deploy.failure import CannotContinueError
from deploy.paths import LOOPBACK, free_port
from deploy.processes import HubPart


@dataclass(frozen=True)
class Servers:
    """Where Kafka and the four databases are, and what has to be started for it."""

    kafka: str
    postgres: dict[str, str]
    parts: tuple[HubPart, ...]


def prepare(data: Path, kafka_port: int, postgres_port: int) -> Servers:
    """Find the user's own servers, or download and set up embedded ones, side by side.

    Raises:
        CannotContinueError: one cannot be reached or set up.
    """
    with ThreadPoolExecutor(2) as pool:
        kafka = pool.submit(_kafka, data, kafka_port)
        postgres = pool.submit(_postgres, data, postgres_port)
    (bootstrap, kafka_parts), (dsns, postgres_parts) = kafka.result(), postgres.result()
    return Servers(bootstrap, dsns, (*kafka_parts, *postgres_parts))


def _kafka(data: Path, preferred: int) -> tuple[str, tuple[HubPart, ...]]:
    own = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if not own:
        port = free_port(preferred)
        return f"{LOOPBACK}:{port}", (embedded_kafka.prepare(data, port),)
    for address in own.split(","):
        host, _, port_text = address.strip().rpartition(":")
        if port_text.isdigit() and embedded_kafka.answers(host, int(port_text)):
            return own, ()
    raise CannotContinueError(
        f"no Kafka answers at KAFKA_BOOTSTRAP_SERVERS={own}: start it, correct the address, or unset it to use the "
        "embedded one"
    )


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
