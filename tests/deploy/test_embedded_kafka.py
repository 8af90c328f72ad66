"""Kafka on this machine: it starts, keeps what was said, and leaves nothing running."""

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy import embedded_kafka, topics
from deploy.embedded_kafka import RunningKafka
from deploy.failure import CannotContinueError
from deploy.paths import REPOSITORY, free_port
from shared.platform.kafka import Cluster
from tests.deploy.waiting import alive, until

pytestmark = pytest.mark.kafka


async def test_topics_are_created_once_with_their_partitions_and_retention(own_kafka: RunningKafka) -> None:
    created = await topics.create(own_kafka.cluster)
    again = await topics.create(own_kafka.cluster)

    assert set(created) == set(topics.load().topic)
    assert again == ()


async def test_a_topic_with_another_number_of_partitions_is_refused(own_kafka: RunningKafka) -> None:
    narrow = topics.Topics(partitions=3, topic={"narrow": topics.Topic("a trial", (), (), 1)})
    await topics.create(own_kafka.cluster, narrow)

    with pytest.raises(CannotContinueError, match="narrow has 3 partitions, 12 are wanted"):
        await topics.create(own_kafka.cluster, topics.Topics(partitions=12, topic=narrow.topic))


def test_its_data_lies_where_it_was_told_whatever_the_folder_is_called(tmp_path: Path) -> None:
    embedded_kafka.prepare(tmp_path / "Zoë's hub 50% ✓", free_port())

    assert (tmp_path / "Zoë's hub 50% ✓" / "kafka" / "topics" / "meta.properties").exists()


def test_classes_that_another_java_loaded_are_left_alone_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "kafka.aot"
    archive.write_text("of another Java")
    monkeypatch.setattr(embedded_kafka, "archive", lambda: archive)
    part = embedded_kafka.prepare(tmp_path / "hub", free_port())

    arguments = part.command[: part.command.index("kafka.Kafka")]
    done = subprocess.run((*arguments, "-version"), capture_output=True, text=True, check=True)

    assert f"-XX:AOTCache={archive}" in arguments
    assert not {"warning", "error"} & set(re.findall(r"\w+", done.stdout + done.stderr))


def test_a_folder_with_a_comma_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotContinueError, match="must not contain a comma"):
        embedded_kafka.prepare(tmp_path / "a, b", free_port())


async def test_a_kafka_that_is_not_there_is_one_clear_line() -> None:
    with pytest.raises(CannotContinueError, match=r"does not answer .* start it, or correct KAFKA_BOOTSTRAP_SERVERS"):
        await topics.create(Cluster(f"127.0.0.1:{free_port()}"))


async def test_what_was_said_outlives_a_kill_and_a_stop(data: Path) -> None:
    emitted = topics.Topics(partitions=1, topic={"emitted": topics.Topic("a trial", (), (), 1)})
    kafka = embedded_kafka.start(data)
    await topics.create(kafka.cluster, emitted)
    await _produce(kafka.bootstrap, b"before the kill")
    kafka.process.kill()
    kafka.process.wait()
    kafka = embedded_kafka.start(data)
    await _produce(kafka.bootstrap, b"before the stop")
    kafka.stop()
    kafka = embedded_kafka.start(data)

    consumed = await _consume(kafka.bootstrap, 2)

    kafka.stop()
    assert consumed == [b"before the kill", b"before the stop"]
    assert not alive(kafka.process.pid)
    assert not embedded_kafka.answers("127.0.0.1", int(kafka.bootstrap.rpartition(":")[2]))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
@pytest.mark.parametrize("module", ["embedded_kafka", "embedded_postgres"])
def test_a_server_does_not_outlive_whoever_started_it_even_when_that_one_is_killed(module: str, data: Path) -> None:
    script = f"""
        import sys, time
        from pathlib import Path
        from deploy import {module}
        print({module}.start(Path(sys.argv[1])).process.pid, flush=True)
        time.sleep(60)
    """
    command = (sys.executable, "-c", textwrap.dedent(script), str(data))
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert alive(pid)
        os.kill(starter.pid, signal.SIGKILL)

        assert until(lambda: not alive(pid))


async def _produce(bootstrap: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        await producer.send_and_wait("emitted", value)


async def _consume(bootstrap: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer("emitted", bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with consumer:
        return [(await consumer.getone()).value for _ in range(count)]
