"""`iop doctor` on a running hub: nothing is wrong while it is well, and what is broken is named, each by its check."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import embedded_kafka, topics
from deploy.demo.partner import Partners
from deploy.embedded_kafka import RunningKafka
from shared.events.catalogue import OPERATIONS
from shared.platform.kafka import Cluster
from tests.journey.asking_doctor import until_nothing_is_wrong, wrong
from tests.journey.conftest import StartHub
from tests.journey.pager import WITH_A_GAP


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningKafka]:
    """A Kafka of our own, so that the hub's runner does not start it again."""
    running = embedded_kafka.start(tmp_path / "server")
    yield running
    running.stop()


def test_a_hub_that_is_well_has_nothing_wrong_and_each_thing_that_is_broken_is_named(
    tmp_path: Path, server: RunningKafka, settings_without_a_gap: Path, partners: Partners, start_hub: StartHub
) -> None:
    settings = settings_without_a_gap
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


async def delete(bootstrap: str, topic: str) -> None:
    admin = Cluster(bootstrap).admin()
    await admin.start()
    try:
        await admin.delete_topics([topic])
        while await topics.partition_counts(admin, {topic}):
            pass
    finally:
        await admin.close()
