"""The hub the demo drives: `iop up --clock manual` as a process of its own, gone again when the block ends."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from signal import SIGTERM

from deploy import hubfile, jars, processes
from deploy.failure import CannotContinueError
from deploy.hubfile import Hub
from deploy.processes import HubPart
from shared.platform.cache import cache

READY_SECONDS_MOST = 180.0
STOP_SECONDS_MOST = 60.0
LOG = "hub.log"


@contextmanager
def running(data: Path, starts_at: datetime, environment: Mapping[str, str], settings: Path) -> Iterator[Hub]:
    """A hub in this folder on a clock set by hand, with these addresses of partners and this folder of settings.

    Raises:
        CannotContinueError: it cannot start; the line is the hub's own.
    """
    if not os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        # Downloaded here and not by the hub, whose progress would not be shown.
        jars.classpath(jars.KAFKA, cache())
    hub = _part(data, starts_at, environment, settings)
    try:
        process = processes.start(hub)
    except CannotContinueError as failure:
        raise CannotContinueError(f"{failure}: {_last_line(hub.log)}") from None
    try:
        yield hubfile.read(data)
    finally:
        processes.end(hub, process)


def _part(data: Path, starts_at: datetime, environment: Mapping[str, str], settings: Path) -> HubPart:
    clock = ("--clock", "manual", "--clock-start", starts_at.isoformat())
    options = ("--data", str(data), *clock, "--any-ports", "--settings", str(settings))
    return HubPart(
        name="the hub",
        command=(sys.executable, "-m", "deploy.cli", "up", *options),
        log=data / "logs" / LOG,
        ready=(data / hubfile.NAME).exists,
        environment=environment,
        die_with=SIGTERM,
        stop_seconds_max=STOP_SECONDS_MOST,
        ready_seconds_max=READY_SECONDS_MOST,
    )


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return next((line for line in reversed(lines) if line.startswith("iop: ")), f"it printed nothing; see {log}")
