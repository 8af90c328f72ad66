"""One hub for the journeys: `iop up` as a person runs it, real Kafka, real PostgreSQL, a clock that is set forward."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from shutil import copy, copytree
from typing import Protocol

import pytest

from deploy.demo.pager import ROTA
from deploy.demo.partner import Partners, running
from deploy.driver import Driver
from deploy.paths import REPOSITORY, SETTINGS
from tests.journey.clinic import FIRST_MONDAY, Clinic
from tests.journey.collector import Collector, collecting
from tests.journey.laboratory import JourneyLaboratory
from tests.journey.pager import Pager, ringing
from tests.journey.programs import with_a_second_program
from tests.journey.servers import Servers

START_SECONDS_MOST = 120.0


@contextmanager
def hub(data: Path, environment: Mapping[str, str], *options: str) -> Iterator[Path]:
    """A hub in its own process group of this test run; politely stopped, and it must end well."""
    command = (sys.executable, "-m", "deploy.cli", "up", "--data", str(data), "--any-ports", "--clock", "manual")
    begun = subprocess.Popen(
        (*command, "--clock-start", FIRST_MONDAY.isoformat(), *options),
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(data / "hub.json", begun)
        yield data
    finally:
        begun.send_signal(signal.SIGTERM)
        assert begun.wait(60) == 0


def _await(file: Path, begun: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_SECONDS_MOST
    while not file.exists():
        assert begun.poll() is None and time.monotonic() < until, "the hub did not start; see its logs folder"
        time.sleep(0.1)


@asynccontextmanager
async def clinic_in(data: Path, partners: Partners) -> AsyncIterator[Clinic]:
    async with Driver.of(data) as driver:
        await driver.settle()
        yield Clinic(driver, partners)


@pytest.fixture(scope="session")
def partners() -> Iterator[Partners]:
    with running() as opened:
        yield opened


@pytest.fixture(scope="session")
def pager() -> Iterator[Pager]:
    with ringing() as opened:
        yield opened


@pytest.fixture(scope="session")
def laboratory() -> Iterator[JourneyLaboratory]:
    there = JourneyLaboratory()
    yield there
    there.close()


class StartHub(Protocol):
    def __call__(self, data: Path, environment: Mapping[str, str], *options: str) -> AbstractContextManager[Path]: ...


@pytest.fixture(scope="session")
def start_hub() -> StartHub:
    """Starts a whole hub; whoever asks for it runs on a Kafka and a PostgreSQL."""
    return hub


@pytest.fixture(scope="session")
def hub_data(
    tmp_path_factory: pytest.TempPathFactory,
    partners: Partners,
    pager: Pager,
    laboratory: JourneyLaboratory,
    start_hub: StartHub,
) -> Iterator[Path]:
    """One hub of two programs, with settings of its own; in the first somebody is on call, the second draws the days of
    drug tests, which it orders of a laboratory."""
    folder = tmp_path_factory.mktemp("journey")
    settings = with_a_second_program(folder / "settings", draws=True)
    pager.on_call(settings)
    laboratory.ordered_of(settings, folder / "hub")
    with start_hub(folder / "hub", partners.environment(), "--mllp-tls", "--settings", str(settings)) as data:
        yield data


@pytest.fixture
async def clinic(hub_data: Path, partners: Partners) -> AsyncIterator[Clinic]:
    async with clinic_in(hub_data, partners) as opened:
        yield opened


@pytest.fixture(scope="session")
def own_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    servers = Servers(tmp_path_factory.mktemp("servers"))
    yield servers
    servers.stop()


@pytest.fixture(scope="session")
def hub_on_own_servers(
    tmp_path_factory: pytest.TempPathFactory, partners: Partners, own_servers: Servers, start_hub: StartHub
) -> Iterator[Path]:
    """One hub for all who take its Kafka or its PostgreSQL away, file by file: the doctor finds nothing wrong with it
    before the faults of a day leave strays."""
    folder = tmp_path_factory.mktemp("on-own-servers")
    environment = {**partners.environment(), **own_servers.environment()}
    with start_hub(folder / "hub", environment, "--settings", str(without_a_gap(folder / "settings"))) as data:
        yield data


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    with collecting() as opened:
        yield opened


@pytest.fixture(scope="session")
def shut_hub(
    tmp_path_factory: pytest.TempPathFactory, collector: Collector, partners: Partners, start_hub: StartHub
) -> Iterator[Path]:
    """One hub on a Kafka that is shut, every trace of which is collected, and so is what a partner is sent."""
    folder = tmp_path_factory.mktemp("shut")
    environment = partners.environment() | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_TRACES_SAMPLER_ARG": "1",
        "IOP_PARTNER_URL_RIVERBEND_ALUMNI": f"{collector.address}/alumni",
    }
    options = ("--secure", "--settings", str(without_a_gap(folder / "settings")))
    with start_hub(folder / "hub", environment, *options) as data:
        yield data


def without_a_gap(folder: Path) -> Path:
    """A folder of settings whose rota has no gap."""
    folder.mkdir()
    for each in SETTINGS.glob("*.toml"):
        copy(each, folder)
    copytree(SETTINGS / "meetings", folder / "meetings")
    (folder / "rota.toml").write_text(ROTA)
    return folder
