"""Real servers for every test that needs one: started once, an empty database a test; and the marks that say who does.

`KAFKA_BOOTSTRAP_SERVERS` and `DATABASE_URL` point to one's own. In CI Kafka is required; elsewhere a test that can't
have it says so loudly.
"""

import asyncio
import gc
import os
import shutil
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from deploy import embedded_kafka, embedded_postgres, topics
from deploy.failure import CannotContinueError
from shared.platform import db
from tests.databases import Databases

pytest_plugins = ("tests.laws", "tests.service", "tests.traced")
MEMORY = Path("/dev/shm")
MEMORY_BYTES_LEAST = 8 * 2**30
"""Three workers' servers with all their write-ahead log (2 GB each), and 100 MB of each hub."""
HUBS = {"start_hub", "start_idle_hub", "readme_hub", "demo", "month"}
"""Fixtures that start whole hubs, each with a Kafka and a PostgreSQL of its own."""
SHARED = {"kafka", "own_kafka", "shut", "demo", "month", "hub_data", "own_servers", "shut_hub", "idle_hub"}
"""Fixtures that are started once for the tests of several files."""
ENDS = pytest.StashKey[set[str]]()
"""Which of them nobody asks for after this test."""
MARKED = {
    "postgres": {"postgres", "own_postgres"} | HUBS,
    "kafka": {"kafka", "own_kafka", "shut"} | HUBS,
    "browser": {"browser"},
}
"""Marker -> the fixtures that need it."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """What tests write is kept in memory where there is room: a server's thousands of small files are made there with
    less work, and gone in a tenth of the time. Of a run that failed they stay, there."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES_LEAST:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays until the end: looking for garbage in it takes two fifths of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the servers it starts. What starts them runs in one worker, file by file, and begins first."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        for marker in (name for name, needed in MARKED.items() if needed & fixtures):
            item.add_marker(marker)
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    if "PYTEST_XDIST_WORKER" in os.environ:
        servers: dict[str, int] = {}
        for item in items:
            servers[_group(item)] = max(servers.get(_group(item), 0), _servers(item))
        items.sort(key=lambda item: -servers[_group(item)])


def _group(item: pytest.Item) -> str:
    """Tests that share a server or a hub stay together, others by file."""
    return "".join(sorted(SHARED & set(getattr(item, "fixturenames", ())))) or str(item.path)


def _servers(item: pytest.Item) -> int:
    """How much it starts: what starts most takes longest, and no worker shall be left alone with it at the end."""
    return len({each.name for each in item.iter_markers()} & {"postgres", "kafka", "processes"})


def pytest_collection_finish(session: pytest.Session) -> None:
    """Which test is the last that asks for what is shared; other workers' tests change nothing of it."""
    last = {name: item for item in session.items for name in SHARED & set(getattr(item, "fixturenames", ()))}
    for name, item in last.items():
        item.stash.setdefault(ENDS, set()).add(name)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """What is shared ends with the last test that asks for it: an idle hub takes from all tests that come after."""
    if isinstance(item, pytest.Function):
        for name in item.stash.get(ENDS, set[str]()):
            item._fixtureinfo.name2fixturedefs[name][-1].finish(item._request)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL server's maintenance database."""
    if "DATABASE_URL" in os.environ:
        yield os.environ["DATABASE_URL"]
        return
    running = embedded_postgres.start(tmp_path_factory.mktemp("postgres"))
    yield running.dsn()
    running.stop()


@pytest.fixture(scope="session")
async def maintenance(postgres: str) -> AsyncIterator[asyncpg.Connection]:
    """The connection that makes and drops databases."""
    connection = await asyncpg.connect(postgres)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
async def empty_databases(postgres: str, maintenance: asyncpg.Connection) -> AsyncIterator[Databases]:
    """Copies of a database with the hub's schema, which is migrated once."""
    name = f"test_{uuid4().hex}"
    await maintenance.execute(f'CREATE DATABASE "{name}"')
    await db.migrate(_dsn(postgres, name))
    opened = Databases(maintenance, name, _dsn(postgres, "{}"))
    yield opened
    await opened.drop()
    await maintenance.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def database(empty_databases: Databases) -> AsyncIterator[str]:
    """The address of a database with the hub's schema, in which nothing is."""
    async with empty_databases.one() as address:
        yield address


_SERVICES = ("intake", "attendance", "aftercare")


@pytest.fixture
async def databases(empty_databases: Databases) -> AsyncIterator[dict[str, str]]:
    """One for each of these services, as a hub has them."""
    async with AsyncExitStack() as stack:
        yield {service: await stack.enter_async_context(empty_databases.one()) for service in _SERVICES}


def _dsn(server: str, name: str) -> str:
    base, _, query = server.partition("?")
    return f"{base.rsplit('/', 1)[0]}/{name}" + (f"?{query}" if query else "")


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
    asyncio.run(topics.create(running.cluster))
    yield running.bootstrap
    running.stop()
