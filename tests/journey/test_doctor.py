"""`iop doctor` on a running hub: nothing is wrong while it is well; what is broken is named, each by its check."""

import asyncio
import signal
from pathlib import Path

from deploy import hubfile, topics
from deploy.demo.pager import ROTA
from shared.events.catalogue import OPERATIONS
from shared.platform.kafka import Cluster
from tests.journey.asking_doctor import until_nothing_is_wrong, wrong
from tests.journey.pager import WITH_A_GAP
from tests.journey.servers import Servers


def test_a_hub_that_is_well_has_nothing_wrong_and_each_thing_that_is_broken_is_named_until_it_is_mended(
    hub_on_own_servers: Path, own_servers: Servers
) -> None:
    data, settings = hub_on_own_servers, Path(hubfile.read(hub_on_own_servers).settings)
    asked = ("--data", str(data))
    until_nothing_is_wrong(asked)

    (settings / "rota.toml").write_text(WITH_A_GAP)
    (data / "keys" / "digest.key").chmod(0o644)
    asyncio.run(delete(own_servers.kafka.bootstrap, OPERATIONS))
    found = wrong(*asked, "--free-mb", "999000000")
    assert {"rota", "file modes", "topics", "disk"} <= found.keys()
    assert "nobody from mon 23:00 on" in found["rota"]
    assert "digest.key can be read by others" in found["file modes"]
    assert f"{OPERATIONS}: topic is absent" in found["topics"]

    own_servers.kafka.process.send_signal(signal.SIGSTOP)
    try:
        assert wrong(*asked)["kafka"].startswith("did not answer in 3 s")
    finally:
        own_servers.kafka.process.send_signal(signal.SIGCONT)

    (settings / "rota.toml").write_text(ROTA)
    (data / "keys" / "digest.key").chmod(0o600)
    asyncio.run(topics.create(own_servers.kafka.cluster))
    until_nothing_is_wrong(asked)


async def delete(bootstrap: str, topic: str) -> None:
    admin = Cluster(bootstrap).admin()
    await admin.start()
    try:
        await admin.delete_topics([topic])
        while await topics.partition_counts(admin, {topic}):
            pass
    finally:
        await admin.close()
