"""Starts parts, restarts those that end or fall silent, stops everything. Knows nothing of what the parts are."""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

from deploy import processes
from deploy.failure import CannotContinueError
from deploy.processes import EXIT_CONFIGURATION, HubPart, Process

LOOK_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a part is waited for, in seconds. One that was ready for a minute and ends is started again at once,
    else after 1, 2, 4 and at most 60 seconds. The other parts go on."""

    pause_first: float = 1.0
    pause_most: float = 60.0
    steady: float = 60.0
    never_ready: float = 120.0
    silent: float = 30.0
    live_every: float = 5.0


class StoppedError(Exception):
    """A signal asked the hub to stop."""


@dataclass
class Supervised:
    """One part, the process it is now, and since when (on the monotonic clock) what is true of it."""

    part: HubPart
    process: Process
    pause: float
    ready_since: float | None = None
    launched_at: float = field(default_factory=time.monotonic)
    asked_at: float = field(default_factory=time.monotonic)
    answered_at: float = field(default_factory=time.monotonic)
    again_at: float | None = None


class Supervisor:
    """The parts of one hub, in the order they were started; they are stopped in the opposite one."""

    def __init__(self, report: Callable[[str], None], patience: Patience | None = None) -> None:
        self.report = report
        self.patience = patience or Patience()
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
            supervised.append(Supervised(part, processes.launch(part), self.patience.pause_first))
        while not all(each.ready_since is not None for each in supervised):
            self._raise_if_stopping()
            for starting in supervised:
                self._look_at_start(starting)
            time.sleep(0.02)

    def watch(self, changed: Callable[[], object]) -> None:
        """Restart each part that ends, is never ready or falls silent, calling `changed` when it is ready under a new
        pid; until asked to stop. However often one ends, the others go on."""
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
        now, part = time.monotonic(), supervised.part
        if supervised.again_at is not None:
            if now >= supervised.again_at:
                self._start_again(supervised)
        elif supervised.process.poll() is not None:
            self._ended(supervised, f"ended ({how(supervised.process)})")
        elif supervised.ready_since is None:
            if part.ready():
                supervised.ready_since = supervised.answered_at = now
                self.report(f"{part.name} is healthy again (pid {supervised.process.pid})")
                changed()
            elif now - supervised.launched_at > self.patience.never_ready:
                self._ended(supervised, f"was not ready within {self.patience.never_ready:.0f} s")
        elif now - supervised.asked_at > self.patience.live_every:
            self._ask_for_life(supervised)

    def _ask_for_life(self, supervised: Supervised) -> None:
        if supervised.part.live():
            supervised.answered_at = time.monotonic()
        supervised.asked_at = time.monotonic()
        if supervised.asked_at - supervised.answered_at > self.patience.silent:
            supervised.process.kill()  # asked to stop it would be as silent, and the others would wait for it
            self._ended(supervised, f"has not answered for {self.patience.silent:.0f} s")

    def _look_at_start(self, supervised: Supervised) -> None:
        part = supervised.part
        if supervised.process.poll() == EXIT_CONFIGURATION:
            raise CannotContinueError(f"{part.name} can't run as configured: {processes.last_sentence(part.log)}")
        if supervised.process.poll() is not None:
            raise CannotContinueError(f"{part.name} ended while starting ({how(supervised.process)}); see {part.log}")
        if supervised.ready_since is None and time.monotonic() - supervised.launched_at > part.ready_seconds_max:
            raise CannotContinueError(f"{part.name} was not ready after {part.ready_seconds_max:.0f} s; see {part.log}")
        if supervised.ready_since is None and part.ready():
            supervised.ready_since = time.monotonic()

    def _ended(self, supervised: Supervised, what: str) -> None:
        """End what is left of it, and start it again after a pause that doubles while it does not stay."""
        processes.end(supervised.part, supervised.process)
        now, ready_since = time.monotonic(), supervised.ready_since
        if ready_since is not None and now - ready_since > self.patience.steady:
            pause, supervised.pause = 0.0, self.patience.pause_first
        else:
            pause, supervised.pause = supervised.pause, min(supervised.pause * 2, self.patience.pause_most)
        supervised.again_at = now + pause
        why = f"; {processes.last_sentence(supervised.part.log)}" if _misconfigured(supervised) else ""
        name, log = supervised.part.name, supervised.part.log
        self.report(f"{name} {what}{why}; started again in {pause:.0f} s, see {log}")

    def _start_again(self, supervised: Supervised) -> None:
        supervised.process = processes.launch(supervised.part)
        supervised.again_at = supervised.ready_since = None
        supervised.launched_at = time.monotonic()
        self.report(f"{supervised.part.name} is started again as pid {supervised.process.pid}")

    def _raise_if_stopping(self) -> None:
        if self.stopping:
            raise StoppedError


def _misconfigured(supervised: Supervised) -> bool:
    return supervised.process.returncode == EXIT_CONFIGURATION


def how(process: Process) -> str:
    """How a process ended, for a person."""
    code = process.returncode or 0
    return f"code {code}" if code >= 0 else signal.Signals(-code).name
