"""`iop doctor` on a running hub: nothing is wrong while it is well, and what is broken is named, each by its check."""

import asyncio
import json
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import copy, copytree

import pytest
from typer.testing import CliRunner

from deploy import embedded_kafka, topics
from deploy.cli import app
from deploy.demo.partner import Partners
from deploy.embedded_kafka import RunningKafka
from deploy.paths import SETTINGS
from shared.events.catalogue import OPERATIONS
from shared.platform.kafka import Cluster
from tests.journey.conftest import StartHub
from tests.journey.pager import ROTA, WITH_A_GAP

WELL_SECONDS_MOST = 90.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningKafka]:
    """A Kafka of our own, so that the hub's runner does not start it again."""
    running = embedded_kafka.start(tmp_path / "server")
    yield running
    running.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Settings whose rota has no gap."""
    folder = tmp_path / "settings"
    folder.mkdir()
    for each in SETTINGS.glob("*.toml"):
        copy(each, folder)
    copytree(SETTINGS / "meetings", folder / "meetings")
    (folder / "rota.toml").write_text(ROTA)
    return folder


def test_a_hub_that_is_well_has_nothing_wrong_and_each_thing_that_is_broken_is_named(
    tmp_path: Path, server: RunningKafka, settings: Path, partners: Partners, start_hub: StartHub
) -> None:
    environment = {**partners.environment(), "KAFKA_BOOTSTRAP_SERVERS": server.bootstrap}
    with start_hub(tmp_path / "hub", environment, "--settings", str(settings)) as data:
        asked = ("--data", str(data), "--settings", str(settings))
        until_nothing_is_wrong(asked)

        (settings / "rota.toml").write_text(WITH_A_GAP)
        (data / "keys" / "digest.key").chmod(0o644)
        asyncio.run(delete(server.bootstrap, OPERATIONS))
        found = wrong(*asked, "--free-mb", "999000000")
        assert {"rota", "file modes", "topics", "disk"} <= found.keys()
        assert "nobody from mon 23:00 on" in found["rota"]
        assert "digest.key can be read by others" in found["file modes"]
        assert f"{OPERATIONS}: topic is absent" in found["topics"]

        server.process.send_signal(signal.SIGSTOP)
        try:
            assert wrong(*asked)["kafka"].startswith("did not answer in 3 s")
        finally:
            server.process.send_signal(signal.SIGCONT)


def wrong(*asked: str) -> Mapping[str, str]:
    """What is wrong, by the name of its check; each says what to do."""
    done = CliRunner().invoke(app, ["doctor", *asked, "--json"])
    found = [each for each in json.loads(done.stdout) if each["status"] == "wrong"]
    assert all(each["remedy"] for each in found)
    assert done.exit_code == bool(found)
    return {each["name"]: each["text"] for each in found}


def until_nothing_is_wrong(asked: tuple[str, ...]) -> None:
    """A hub that has just started joins its groups first, and learns how current its consent ledger is."""
    give_up_at = time.monotonic() + WELL_SECONDS_MOST
    while found := wrong(*asked):
        assert time.monotonic() < give_up_at, found
        time.sleep(1)


async def delete(bootstrap: str, topic: str) -> None:
    admin = Cluster(bootstrap).admin()
    await admin.start()
    try:
        await admin.delete_topics([topic])
        while await topics.partition_counts(admin, {topic}):
            pass
    finally:
        await admin.close()
