"""Real servers for every test that needs one: started once, a fresh database a test.

`KAFKA_BOOTSTRAP_SERVERS` and `DATABASE_URL` point to one's own. In CI Kafka is required; elsewhere a test that can't
have it says so loudly.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import asyncpg
import pytest

from deploy import embedded_kafka, embedded_postgres, topics
from deploy.failure import CannotContinueError
from shared.platform import db


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL server's maintenance database."""
    if "DATABASE_URL" in os.environ:
        yield os.environ["DATABASE_URL"]
        return
    running = embedded_postgres.start(tmp_path_factory.mktemp("postgres"))
    yield running.dsn()
    running.stop()


@pytest.fixture
async def database(postgres: str) -> AsyncIterator[str]:
    """The address of a fresh database with the hub's schema."""
    name = f"test_{uuid4().hex}"
    server = await asyncpg.connect(postgres)
    await server.execute(f'CREATE DATABASE "{name}"')
    base, _, query = postgres.partition("?")
    dsn = f"{base.rsplit('/', 1)[0]}/{name}" + (f"?{query}" if query else "")
    await db.migrate(dsn)
    yield dsn
    await server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await server.close()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Kafka with the hub's topics."""
    if "KAFKA_BOOTSTRAP_SERVERS" in os.environ:
        yield os.environ["KAFKA_BOOTSTRAP_SERVERS"]
        return
    try:
        running = embedded_kafka.start(tmp_path_factory.mktemp("kafka"))
    except CannotContinueError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NO KAFKA, so this promise is NOT tested here: {error}")
    asyncio.run(topics.create(running.bootstrap))
    yield running.bootstrap
    running.stop()
