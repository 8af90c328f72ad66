"""Kafka's classes, loaded and linked beforehand: a broker with them starts with half of the work. `make test` makes
them once, for it starts some thirty brokers; a hub takes them where they are, and starts without them too.

    python -m deploy.kafka_archive
"""

import asyncio
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy import embedded_kafka, processes, topics
from deploy.paths import free_port

STOP_SECONDS_MAX = 120.0
"""The archive is written once the broker was asked to stop."""


def make() -> None:
    """Run a broker once, with the hub's topics, and keep what it loaded; about 15 s.

    Raises:
        CannotContinueError: Kafka could not be downloaded or did not start.
    """
    archive = embedded_kafka.archive()
    archive.unlink(missing_ok=True)
    with TemporaryDirectory() as folder:
        made = Path(folder, archive.name)
        port = free_port()
        part = embedded_kafka.prepare(Path(folder, "hub"), port)
        java, *arguments = part.command
        learning = replace(
            part, command=(java, f"-XX:AOTCacheOutput={made}", *arguments), stop_seconds_max=STOP_SECONDS_MAX
        )
        process = processes.start(learning)
        try:
            asyncio.run(topics.create(embedded_kafka.reached(port, None)))
        finally:
            processes.end(learning, process)
        whole = archive.with_suffix(".new")
        whole.write_bytes(made.read_bytes())
    whole.replace(archive)


if __name__ == "__main__":
    make()
