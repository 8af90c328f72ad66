"""Real servers for the tests of the runner, started once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import embedded_kafka, embedded_postgres
from deploy.embedded_kafka import RunningKafka
from deploy.embedded_postgres import RunningPostgres
from tests.deploy.hubs import Running, StartIdleHub, begin, finish
from tests.deploy.shut_kafka import Shut, beginning
from tests.deploy.token_server import TokenServer, answering


@pytest.fixture(scope="session")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningKafka]:
    running = embedded_kafka.start(tmp_path_factory.mktemp("kafka"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def token_server() -> Iterator[TokenServer]:
    with answering() as server:
        yield server


@pytest.fixture(scope="session")
def shut(tmp_path_factory: pytest.TempPathFactory, token_server: TokenServer) -> Iterator[Shut]:
    """A Kafka that takes nobody without a password or a token."""
    with beginning(tmp_path_factory.mktemp("shut"), token_server) as begun:
        yield begun


@pytest.fixture(scope="session")
def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPostgres]:
    running = embedded_postgres.start(tmp_path_factory.mktemp("postgres"))
    yield running
    running.stop()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A hub's folder."""
    return tmp_path / "hub"


@pytest.fixture(scope="session")
def start_idle_hub() -> StartIdleHub:
    """Starts a hub with idle services; whoever asks for it runs on a Kafka and a PostgreSQL."""
    return begin


@pytest.fixture(scope="session")
def idle_hub(tmp_path_factory: pytest.TempPathFactory, start_idle_hub: StartIdleHub) -> Iterator[Running]:
    """One for all who need nothing but a hub that runs."""
    begun = start_idle_hub(tmp_path_factory.mktemp("idle") / "hub", wait=True)
    yield begun
    finish(begun)
