"""hub.json: where a running hub answers. Other programs rely on its shape."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from deploy.failure import CannotContinueError
from deploy.own_kafka import CLIENT
from deploy.paths import SETTINGS
from shared.platform import private_files
from shared.platform.kafka import Cluster
from shared.platform.kafka_security import PLAIN, Security

NAME, LOCK = "hub.json", "hub.lock"
LOOKS_MOST, BETWEEN_LOOKS_SECONDS = 3, 0.05


class Replica(msgspec.Struct, frozen=True):
    """A further process of a service: its address for operators, where its health and metrics are too."""

    admin: str
    pid: int


class Service(msgspec.Struct, frozen=True, omit_defaults=True):
    """One service: its FHIR base, its address for operators, its process, and for testing those for HL7 v2. Where it
    has several processes, `replicas` are the others; clients have one address for all."""

    fhir: str
    admin: str
    pid: int
    hl7: str | None = None
    mllp: str | None = None
    mllp_tls: str | None = None
    replicas: tuple[Replica, ...] = ()

    @property
    def base(self) -> str:
        """The service's address without `/fhir`."""
        return self.fhir.removesuffix("/fhir")


class Hub(msgspec.Struct, frozen=True, omit_defaults=True):
    """A running hub: Kafka's `host:port`, the issuer's address, services by name, a DSN per service, and its folder of
    settings. How commands prove to Kafka who they are stands in `kafka_security`, secrets by the path
    of their file."""

    kafka: str
    issuer: str
    services: dict[str, Service]
    postgres: dict[str, str]
    settings: str = str(SETTINGS)
    kafka_security: Security = PLAIN

    @property
    def cluster(self) -> Cluster:
        """Its Kafka, for the commands."""
        return Cluster(self.kafka, CLIENT, self.kafka_security)


def write(data: Path, hub: Hub) -> None:
    """Replace hub.json whole; it holds passwords, so only its owner reads it."""
    private_files.store(data / NAME, msgspec.json.format(msgspec.json.encode(hub)) + b"\n")


def remove(data: Path) -> None:
    """The hub no longer runs."""
    (data / NAME).unlink(missing_ok=True)


def read(data: Path) -> Hub:
    """The hub of this folder.

    Raises:
        CannotContinueError: none runs there, or it was killed and left its hub.json behind.
    """
    try:
        hub = msgspec.json.decode((data / NAME).read_bytes(), type=Hub)
    except FileNotFoundError:
        raise CannotContinueError(
            f"no hub is running in {data}: start one with `iop up --data {data}`, or name its folder with --data"
        ) from None
    except msgspec.MsgspecError as wrong:
        raise CannotContinueError(
            f"{data / NAME} is not as a hub writes it: {wrong}; remove it and start the hub again"
        ) from None
    if not _is_held(data):
        raise CannotContinueError(f"the hub in {data} was killed: start it again with `iop up --data {data}`")
    return hub


@contextmanager
def owned(data: Path) -> Iterator[None]:
    """Hold the folder for one hub; the system releases it however this process ends.

    Raises:
        CannotContinueError: another hub runs in it.
    """
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        data.chmod(0o700)
        lock = (data / LOCK).open("w")
    except OSError as failure:
        raise CannotContinueError(
            f"{data} cannot be a hub's folder ({failure.strerror}): choose another one with --data"
        ) from None
    with lock:
        if not _locked(lock):
            raise CannotContinueError(f"a hub already runs in {data}: stop it, or choose another folder with --data")
        yield


def _locked(lock: IO[str]) -> bool:
    """Whether this process holds the lock now. One that only looks holds it for a moment."""
    for _ in range(LOOKS_MOST):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(BETWEEN_LOOKS_SECONDS)
        else:
            return True
    return False


def _is_held(data: Path) -> bool:
    """Whether a hub holds the folder; a hub.json without a lock beside it comes from elsewhere."""
    try:
        with (data / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return True
    return False
