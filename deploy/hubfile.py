"""hub.json: where a running hub answers. Other programs rely on its shape."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from deploy.failure import CannotContinueError

NAME = "hub.json"


class Service(msgspec.Struct, frozen=True, omit_defaults=True):
    """One service: its FHIR base, its process, and for testing the two doors for HL7 v2."""

    fhir: str
    pid: int
    hl7: str | None = None
    mllp: str | None = None

    @property
    def base(self) -> str:
        """The service's address without `/fhir`."""
        return self.fhir.removesuffix("/fhir")


class Hub(msgspec.Struct, frozen=True):
    """A running hub: Kafka's `host:port`, the issuer's address, services by name, a DSN per service."""

    kafka: str
    issuer: str
    services: dict[str, Service]
    postgres: dict[str, str]


def write(data: Path, hub: Hub) -> None:
    """Replace hub.json whole; it holds passwords, so only its owner reads it."""
    half = data / f"{NAME}.new"
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(hub)) + b"\n")
    half.rename(data / NAME)


def remove(data: Path) -> None:
    """The hub no longer runs."""
    (data / NAME).unlink(missing_ok=True)


def read(data: Path) -> Hub:
    """The hub of this folder.

    Raises:
        CannotContinueError: none runs there.
    """
    try:
        return msgspec.json.decode((data / NAME).read_bytes(), type=Hub)
    except FileNotFoundError:
        raise CannotContinueError(
            f"no hub is running in {data}: start one with `iop up --data {data}`, or name its folder with --data"
        ) from None
    except msgspec.MsgspecError as wrong:
        raise CannotContinueError(f"{data / NAME} is not what a hub writes: {wrong}") from None


@contextmanager
def owned(data: Path) -> Iterator[None]:
    """Hold the folder for one hub; the system lets go of it however this process ends.

    Raises:
        CannotContinueError: another hub runs in it.
    """
    data.mkdir(parents=True, exist_ok=True)
    with (data / "hub.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotContinueError(
                f"a hub already runs in {data}: stop it, or choose another folder with --data"
            ) from None
        yield
