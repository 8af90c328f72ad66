"""A part of the running hub: one process with its log, its readiness check, and its way to stop."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from deploy.failure import CannotContinueError
from deploy.paths import REPOSITORY

EXIT_CONFIGURATION = 78
"""A part can't run as configured; the last line of its log says why."""
LOG_BYTES_READ = 8_192
PARENT_DEATH = Path(__file__).with_name("parent_death.py")
Process = subprocess.Popen[bytes]


@dataclass(frozen=True, kw_only=True)
class HubPart:
    """What to run and how to treat it.

    `environment` is added to our own, `sockets` are descriptors that it inherits; `stop_with` asks it to stop,
    `die_with` reaches it when this process is killed; `user` is who to become when run by root. `ready`: it has started
    as far as it can without a person; `live`: it answers at all.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    ready: Callable[[], bool]
    live: Callable[[], bool] = lambda: True
    environment: Mapping[str, str] = field(default_factory=dict)
    sockets: tuple[int, ...] = ()
    stop_with: signal.Signals = signal.SIGTERM
    die_with: signal.Signals = signal.SIGKILL
    stop_seconds_max: float = 15.0
    ready_seconds_max: float = 60.0
    user: str | None = None


def launch(part: HubPart) -> Process:
    """Start the part in a process group of its own, its output appended to its log. What it writes is its owner's:
    Kafka's segments hold clinical records."""
    part.log.parent.mkdir(parents=True, exist_ok=True)
    with part.log.open("ab") as log:
        return subprocess.Popen(
            (*dies_with_parent(part.die_with, part.user), *part.command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **part.environment},
            cwd=REPOSITORY,
            start_new_session=True,
            umask=0o077,
            pass_fds=part.sockets,
        )


def dies_with_parent(die_with: signal.Signals, user: str | None) -> tuple[str, ...]:
    """What to put before a command so that it does not outlive this process; see parent_death.py."""
    return (sys.executable, "-I", "-S", str(PARENT_DEATH), str(os.getpid()), str(int(die_with)), user or "-")


def last_sentence(log: Path) -> str:
    """What a part logged last; its words name no patient. Only the log's end is read: it may be huge."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_BYTES_READ))
        lines = file.read().decode("utf-8", "replace").splitlines()
    for line in reversed(lines):
        with suppress(ValueError, TypeError, LookupError):
            return str(json.loads(line)["event"])
    return f"see {log}"


def await_ready(part: HubPart, process: Process) -> None:
    """Return once the part is ready.

    Raises:
        CannotContinueError: it ended, or was not ready in time; the line names its log.
    """
    give_up_at = time.monotonic() + part.ready_seconds_max
    while not part.ready():
        if process.poll() is not None:
            raise CannotContinueError(f"{part.name} ended while starting (code {process.returncode}); see {part.log}")
        if time.monotonic() > give_up_at:
            raise CannotContinueError(f"{part.name} was not ready after {part.ready_seconds_max:.0f} s; see {part.log}")
        time.sleep(0.02)


def start(part: HubPart) -> Process:
    """Launch and wait until ready; a part that does not become ready is ended again."""
    process = launch(part)
    try:
        await_ready(part, process)
    except BaseException:
        end(part, process)
        raise
    return process


def ask_to_stop(part: HubPart, process: Process) -> None:
    """Send the polite signal, without waiting."""
    if process.poll() is None:
        process.send_signal(part.stop_with)


def end(part: HubPart, process: Process) -> None:
    """Ask the part to stop, wait, then kill whatever is left of its group."""
    ask_to_stop(part, process)
    try:
        process.wait(part.stop_seconds_max)
    except subprocess.TimeoutExpired:
        process.kill()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
