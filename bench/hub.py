"""A whole hub to measure: `iop up` as anybody runs it, in a folder that goes away; and what its processes use."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from bench.processes import LOADER, Processes
from deploy import hubfile
from deploy.hubfile import Hub
from deploy.paths import REPOSITORY

START_SECONDS_MOST = 120.0
STOP_SECONDS_MOST = 60.0
_OWN = ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL")
_SERVERS = {"java": "Kafka", "postgres": "PostgreSQL"}


@contextmanager
def running(folder: Path) -> Iterator[tuple[Hub, Processes]]:
    """The hub in this folder, with embedded servers whatever the environment says; stopped afterwards."""
    environment = {name: value for name, value in os.environ.items() if name not in _OWN}
    command = (sys.executable, "-m", "deploy.cli", "up", "--data", str(folder), "--any-ports")
    with (folder.parent / "up.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log)
    try:
        found = _healthy(folder, process)
        yield found, _processes(found, process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS_MOST)


def _healthy(folder: Path, process: "subprocess.Popen[bytes]") -> Hub:
    until = time.monotonic() + START_SECONDS_MOST
    while not (folder / hubfile.NAME).exists():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"the hub did not start; see {folder.parent / 'up.log'}")
        time.sleep(0.1)
    return hubfile.read(folder)


def _processes(hub: Hub, up: int) -> Processes:
    """All that `iop up` has started, itself, and this process, which makes the load."""
    services = {service.pid: name for name, service in hub.services.items()}
    children = psutil.Process(up).children()
    named = {services.get(each.pid) or _SERVERS.get(each.name(), "issuer"): each.pid for each in children}
    trees = {"PostgreSQL": named.pop("PostgreSQL")}
    return Processes({**named, "iop up": up, LOADER: os.getpid()}, trees)


def memory_megabytes(pid: int) -> tuple[float, float | None]:
    """Resident set, and the proportional one where it may be read (shared pages counted by their share)."""
    resident = _kilobytes(Path(f"/proc/{pid}/status"), "VmRSS")
    try:
        proportional = _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss")
    except OSError:
        return (resident or 0.0) / 1024, None
    return (resident or 0.0) / 1024, None if proportional is None else proportional / 1024


def _kilobytes(path: Path, name: str) -> float | None:
    for line in path.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return float(line.split()[1])
    return None
