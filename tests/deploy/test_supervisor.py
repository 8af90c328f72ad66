"""Keeping parts alive, with real processes that do little."""

import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.failure import CannotContinueError
from deploy.processes import HubPart
from deploy.supervisor import Supervisor
from tests.deploy.waiting import alive, until

pytestmark = pytest.mark.processes

SLEEPS = "import time; time.sleep(60)"
DIES_SOON = "import time; time.sleep(0.2); raise SystemExit(3)"
WONT_STOP = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
HAS_A_CHILD = """
import subprocess, sys
subprocess.run([sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"])
"""


def part(folder: Path, code: str, ready: Callable[[], bool] = lambda: True, ready_seconds_max: float = 0.5) -> HubPart:
    return HubPart(
        name="part",
        command=(sys.executable, "-c", code),
        log=folder / "part.log",
        ready=ready,
        stop_seconds_max=0.5,
        ready_seconds_max=ready_seconds_max,
    )


def test_what_dies_too_often_stops_the_hub(tmp_path: Path) -> None:
    emitted: list[str] = []
    supervisor = Supervisor(emitted.append, restart_after_seconds=0.0)
    supervisor.start([part(tmp_path, DIES_SOON)])

    with pytest.raises(CannotContinueError, match=r"part ended 6 times within a minute \(code 3\)"):
        supervisor.watch(changed=lambda: None)

    supervisor.stop()
    assert len([line for line in emitted if "started again" in line]) == 5


def test_a_part_that_is_never_ready_is_given_up_and_stopped(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda line: None)

    with pytest.raises(CannotContinueError, match="part was not ready after"):
        supervisor.start([part(tmp_path, SLEEPS, ready=lambda: False)])

    pid = supervisor.pids["part"]
    supervisor.stop()
    assert not alive(pid)


def test_the_part_that_is_not_ready_is_named_not_one_that_is(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda line: None)
    slow = replace(part(tmp_path, SLEEPS, ready=lambda: False), name="slow")

    with pytest.raises(CannotContinueError, match=r"^slow was not ready after"):
        supervisor.start([part(tmp_path, SLEEPS), slow])

    supervisor.stop()


def test_a_part_that_does_not_stop_when_asked_is_killed(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda line: None)
    log = tmp_path / "part.log"
    supervisor.start([part(tmp_path, WONT_STOP, ready=lambda: log.exists() and log.read_text() != "")])
    process = supervisor.stages[0][0].process

    supervisor.stop()

    assert process.returncode == -signal.SIGKILL


def test_what_a_part_started_goes_with_it(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda line: None)
    log = tmp_path / "part.log"
    has_a_child = part(
        tmp_path,
        HAS_A_CHILD,
        ready=lambda: log.exists() and log.read_text().endswith("\n"),
        ready_seconds_max=30.0,
    )
    supervisor.start([has_a_child])
    child = int(log.read_text())

    supervisor.stop()

    assert until(lambda: not alive(child), 5)
