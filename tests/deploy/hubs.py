"""Hubs run as a process, as a person would run them."""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from deploy.paths import REPOSITORY
from tests.deploy.waiting import alive, children, until

HEALTHY_SECONDS_MOST = 120.0


@dataclass
class Running:
    """A hub with idle services, and everything it said."""

    data: Path
    process: subprocess.Popen[bytes]
    output_file: Path

    @property
    def hub(self) -> dict[str, Any]:
        written: dict[str, Any] = json.loads((self.data / "hub.json").read_text())
        return written

    @property
    def pids(self) -> list[int]:
        """Every process started by it that still runs."""
        return children(self.process.pid)


def begin(data: Path, *arguments: str, wait: bool = False) -> Running:
    """Start an idle hub; `wait` until it is healthy."""
    output_file = data.with_suffix(".told")
    command = (sys.executable, "-m", "tests.deploy.idle_hub", str(data), *arguments)
    with output_file.open("ab") as output:
        begun = Running(data, subprocess.Popen(command, stderr=output, cwd=REPOSITORY), output_file)
    if wait and not until((data / "hub.json").exists, HEALTHY_SECONDS_MOST):
        finish(begun)
        raise AssertionError(output_file.read_text())
    return begun


class StartIdleHub(Protocol):
    def __call__(self, data: Path, *arguments: str, wait: bool = False) -> Running: ...


def finish(begun: Running) -> None:
    """Stop it, politely and successfully: nothing of it is left."""
    started = begun.pids
    begun.process.send_signal(signal.SIGTERM)
    assert begun.process.wait(30) == 0
    assert not [pid for pid in started if alive(pid)]
    assert not (begun.data / "hub.json").exists()
