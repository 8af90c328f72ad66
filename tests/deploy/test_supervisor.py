"""Keeping parts alive, with real processes that do little."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from deploy.failure import CannotContinueError
from deploy.paths import free_port
from deploy.processes import HubPart
from deploy.runner import answers_ok
from deploy.supervisor import Patience, Supervisor
from tests.deploy.waiting import alive, until

pytestmark = pytest.mark.processes

SLEEPS = "import time; time.sleep(60)"
DIES_SOON = "import time; time.sleep(0.2); raise SystemExit(3)"
WONT_STOP = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
ANSWERS = "import http.server; http.server.test(http.server.SimpleHTTPRequestHandler, bind='127.0.0.1', port="
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


HURRIED = Patience(pause_first=0.2, pause_most=0.8, steady=30.0, never_ready=0.5, silent=0.3, live_every=0.05)


@contextmanager
def watched(*parts: HubPart, patience: Patience = HURRIED) -> Iterator[tuple[Supervisor, list[str]]]:
    """Parts that are started and watched meanwhile, and what is reported of them."""
    emitted: list[str] = []
    supervisor = Supervisor(emitted.append, patience)
    supervisor.start(parts)
    watching = Thread(target=supervisor.watch, args=(lambda: None,))
    watching.start()
    yield supervisor, emitted
    supervisor.stopping = True
    watching.join()
    supervisor.stop()


def test_what_ends_again_and_again_backs_off_and_leaves_the_others_alone(tmp_path: Path) -> None:
    steady = replace(part(tmp_path, SLEEPS), name="steady")
    with watched(replace(part(tmp_path, DIES_SOON), name="dying"), steady) as (supervisor, emitted):
        pid = supervisor.pids["steady"]
        assert until(lambda: sum("dying ended (code 3)" in line for line in emitted) >= 5)
        assert (supervisor.pids["steady"], alive(pid)) == (pid, True)
        pauses = [supervised.pause for stage in supervisor.stages for supervised in stage]
    assert pauses == [0.8, 0.2]
    assert not [line for line in emitted if "steady" in line]


def test_a_part_that_stayed_is_started_again_at_once_and_begins_its_pauses_anew(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda line: None, replace(HURRIED, steady=0.0))
    supervisor.start([part(tmp_path, DIES_SOON)])
    (supervised,) = supervisor.stages[0]
    supervised.pause = 0.8
    assert until(lambda: supervised.process.poll() is not None)
    supervisor._look(supervised, lambda: None)
    supervisor._look(supervised, lambda: None)
    assert (supervised.again_at, supervised.pause) == (None, 0.2)
    assert supervised.process.poll() is None
    supervisor.stop()


def test_a_part_that_runs_and_is_never_ready_is_started_again(tmp_path: Path) -> None:
    ready = iter([True])
    with watched(part(tmp_path, DIES_SOON, ready=lambda: next(ready, False))) as (_, emitted):
        assert until(lambda: sum("started again as pid" in line for line in emitted) >= 1)
    assert not [line for line in emitted if "healthy" in line]


def test_a_part_that_lives_and_is_not_ready_in_time_is_started_again(tmp_path: Path) -> None:
    ready = iter([True])
    once = tmp_path / "once"
    code = f"import pathlib, time; once = pathlib.Path({str(once)!r}); begun = once.exists(); once.touch()"
    with watched(part(tmp_path, f"{code}; time.sleep(60 if begun else 0.1)", ready=lambda: next(ready, False))) as (
        _,
        emitted,
    ):
        assert until(lambda: any("was not ready within" in line for line in emitted))


def test_a_part_that_hangs_is_killed_and_started_again_and_the_others_go_on(tmp_path: Path) -> None:
    port = free_port()
    answers, steady = part(tmp_path, f"{ANSWERS}{port})", ready_seconds_max=30.0), part(tmp_path, SLEEPS)
    hangs = replace(answers, name="hangs", ready=lambda: answers_ok(port, "/"), live=lambda: answers_ok(port, "/"))
    patient = replace(HURRIED, never_ready=30.0)
    with watched(replace(hangs, stop_seconds_max=60.0), steady, patience=patient) as (supervisor, emitted):
        hanging, other = supervisor.pids["hangs"], supervisor.pids["part"]
        os.kill(hanging, signal.SIGSTOP)
        assert until(lambda: any("hangs is healthy again" in line for line in emitted), 30)
        assert "hangs has not answered for 0 s; started again in 0 s" in emitted[0]
        assert not alive(hanging)
        assert supervisor.pids["part"] == other


def test_a_configuration_that_cannot_be_is_said_in_its_own_words(tmp_path: Path) -> None:
    prints = (
        """print('{"event": "clients.toml: client.lab.key is missing", "error": "ConfigurationError"}', flush=True)"""
    )
    supervisor = Supervisor(lambda line: None)
    with pytest.raises(CannotContinueError, match=r"^part can't run as configured: clients.toml: client.lab.key is"):
        supervisor.start(
            [part(tmp_path, f"{prints}; raise SystemExit(78)", ready=lambda: False, ready_seconds_max=30.0)]
        )
    supervisor.stop()


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
