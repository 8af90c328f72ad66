"""Starts parts, restarts those that end, stops everything. Knows nothing of what the parts are."""

import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

from deploy import processes
from deploy.failure import CannotContinueError
from deploy.processes import HubPart, Process

RESTARTS_MOST = 5
RESTARTS_WINDOW_SECONDS = 60.0
# The least time between two starts of a part: what ended it has time to pass.
RESTART_AFTER_SECONDS = 2.0
LOOK_SECONDS = 0.1


class StoppedError(Exception):
    """A signal asked the hub to stop."""


@dataclass
class Supervised:
    """One part, the process it is now, and when it was started again."""

    part: HubPart
    process: Process
    ready: bool = False
    launched_at: float = field(default_factory=time.monotonic)
    restarted_at: deque[float] = field(default_factory=deque)


class Supervisor:
    """The parts of one hub, in the order they were started; they are stopped in the opposite one."""

    def __init__(self, report: Callable[[str], None], restart_after_seconds: float = RESTART_AFTER_SECONDS) -> None:
        self.report = report
        self.restart_after_seconds = restart_after_seconds
        self.stages: list[list[Supervised]] = []
        self.stopping = False

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each part, as of now."""
        return {supervised.part.name: supervised.process.pid for stage in self.stages for supervised in stage}

    def listen(self) -> None:
        """From now on SIGINT, SIGTERM and SIGHUP ask the hub to stop instead of ending this process."""

        def ask(number: int, frame: FrameType | None) -> None:
            self.stopping = True

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, ask)

    def start(self, stage: Sequence[HubPart]) -> None:
        """Start parts side by side and return when all are ready.

        Raises:
            CannotContinueError: one ended or was not ready in time.
            StoppedError: a signal asked to stop meanwhile.
        """
        supervised: list[Supervised] = []
        self.stages.append(supervised)
        for part in stage:
            supervised.append(Supervised(part, processes.launch(part)))
        while not all(each.ready for each in supervised):
            self._raise_if_stopping()
            for starting in supervised:
                self._look_at_start(starting)
            time.sleep(0.02)

    def watch(self, changed: Callable[[], object]) -> None:
        """Restart each part that ends, calling `changed` when it is ready under a new pid; until asked to stop.

        Raises:
            CannotContinueError: a part ended more often than `RESTARTS_MOST` times a minute.
        """
        while not self.stopping:
            for supervised in (each for stage in self.stages for each in stage):
                self._look(supervised, changed)
            time.sleep(LOOK_SECONDS)

    def stop(self) -> None:
        """Stop all, last stage first; returns when nothing is left running."""
        while self.stages:
            stage = self.stages.pop()
            for supervised in stage:
                processes.ask_to_stop(supervised.part, supervised.process)
            for supervised in stage:
                processes.end(supervised.part, supervised.process)

    def _look(self, supervised: Supervised, changed: Callable[[], object]) -> None:
        if supervised.process.poll() is not None:
            if time.monotonic() - supervised.launched_at > self.restart_after_seconds:
                self._start_again(supervised)
        elif not supervised.ready and supervised.part.ready():
            supervised.ready = True
            self.report(f"{supervised.part.name} is healthy again (pid {supervised.process.pid})")
            changed()

    def _look_at_start(self, supervised: Supervised) -> None:
        part = supervised.part
        if supervised.process.poll() is not None:
            raise CannotContinueError(f"{part.name} ended while starting ({how(supervised.process)}); see {part.log}")
        if not supervised.ready and time.monotonic() - supervised.launched_at > part.ready_seconds_max:
            raise CannotContinueError(f"{part.name} was not ready after {part.ready_seconds_max:.0f} s; see {part.log}")
        supervised.ready = supervised.ready or part.ready()

    def _start_again(self, supervised: Supervised) -> None:
        processes.end(supervised.part, supervised.process)
        now = time.monotonic()
        while supervised.restarted_at and supervised.restarted_at[0] < now - RESTARTS_WINDOW_SECONDS:
            supervised.restarted_at.popleft()
        if len(supervised.restarted_at) >= RESTARTS_MOST:
            raise CannotContinueError(
                f"{supervised.part.name} ended {RESTARTS_MOST + 1} times within a minute ({how(supervised.process)}); "
                f"see {supervised.part.log}"
            )
        ended = how(supervised.process)
        supervised.restarted_at.append(now)
        supervised.process, supervised.ready, supervised.launched_at = processes.launch(supervised.part), False, now
        self.report(f"{supervised.part.name} ended ({ended}); started again as pid {supervised.process.pid}")

    def _raise_if_stopping(self) -> None:
        if self.stopping:
            raise StoppedError


def how(process: Process) -> str:
    """How a process ended, for a person."""
    code = process.returncode or 0
    return f"code {code}" if code >= 0 else signal.Signals(-code).name
