"""Keeps parts alive: starts them, starts again what dies, stops everything. Knows nothing of what the parts are."""

import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

from deploy import parts
from deploy.failure import CannotContinueError
from deploy.parts import Part, Process

RESTARTS_MOST = 5
RESTARTS_WINDOW_SECONDS = 60.0
# A part that lived shorter than this waits it out: what made it die has time to pass.
BREATH_SECONDS = 2.0
LOOK_SECONDS = 0.1


class StoppedError(Exception):
    """Somebody asked us to stop."""


@dataclass
class Kept:
    """One part, the process it is now, and when it was started again."""

    part: Part
    process: Process
    ready: bool = False
    launched_at: float = field(default_factory=time.monotonic)
    restarted_at: deque[float] = field(default_factory=deque)


class Supervisor:
    """The parts of one hub, in the order they were started; they are stopped in the opposite one."""

    def __init__(self, say: Callable[[str], None], breath_seconds: float = BREATH_SECONDS) -> None:
        self.say = say
        self.breath_seconds = breath_seconds
        self.stages: list[list[Kept]] = []
        self.stopping = False

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each part, as of now."""
        return {kept.part.name: kept.process.pid for stage in self.stages for kept in stage}

    def listen(self) -> None:
        """From now on SIGINT, SIGTERM and SIGHUP ask us to stop instead of ending us."""

        def ask(number: int, frame: FrameType | None) -> None:
            self.stopping = True

        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, ask)

    def start(self, stage: Sequence[Part]) -> None:
        """Start parts side by side and return when all are ready.

        Raises:
            CannotContinueError: one ended or was not ready in time.
            StoppedError: we were asked to stop meanwhile.
        """
        kept: list[Kept] = []
        self.stages.append(kept)
        for part in stage:
            kept.append(Kept(part, parts.launch(part)))
        while not all(each.ready for each in kept):
            self._stop_if_asked()
            for each in kept:
                self._look_at_start(each)
            time.sleep(0.02)

    def watch(self, changed: Callable[[], object]) -> None:
        """Start again what dies, calling `changed` whenever a part is ready under a new pid; until asked to stop.

        Raises:
            CannotContinueError: a part died more often than `RESTARTS_MOST` times a minute.
        """
        while not self.stopping:
            for kept in (each for stage in self.stages for each in stage):
                if kept.process.poll() is not None:
                    if time.monotonic() - kept.launched_at > self.breath_seconds:
                        self._start_again(kept)
                elif not kept.ready and kept.part.ready():
                    kept.ready = True
                    self.say(f"{kept.part.name} is healthy again (pid {kept.process.pid})")
                    changed()
            time.sleep(LOOK_SECONDS)

    def stop(self) -> None:
        """Stop all, last stage first; returns when nothing is left running."""
        while self.stages:
            stage = self.stages.pop()
            for kept in stage:
                parts.ask_to_stop(kept.part, kept.process)
            for kept in stage:
                parts.end(kept.part, kept.process)

    def _look_at_start(self, kept: Kept) -> None:
        part = kept.part
        if kept.process.poll() is not None:
            raise CannotContinueError(f"{part.name} ended while starting ({how(kept.process)}); see {part.log}")
        if not kept.ready and time.monotonic() - kept.launched_at > part.ready_seconds_max:
            raise CannotContinueError(f"{part.name} was not ready after {part.ready_seconds_max:.0f} s; see {part.log}")
        kept.ready = kept.ready or part.ready()

    def _start_again(self, kept: Kept) -> None:
        parts.end(kept.part, kept.process)
        now = time.monotonic()
        while kept.restarted_at and kept.restarted_at[0] < now - RESTARTS_WINDOW_SECONDS:
            kept.restarted_at.popleft()
        if len(kept.restarted_at) >= RESTARTS_MOST:
            raise CannotContinueError(
                f"{kept.part.name} ended {RESTARTS_MOST + 1} times within a minute ({how(kept.process)}); "
                f"see {kept.part.log}"
            )
        ended = how(kept.process)
        kept.restarted_at.append(now)
        kept.process, kept.ready, kept.launched_at = parts.launch(kept.part), False, now
        self.say(f"{kept.part.name} ended ({ended}); started again as pid {kept.process.pid}")

    def _stop_if_asked(self) -> None:
        if self.stopping:
            raise StoppedError


def how(process: Process) -> str:
    """How a process ended, for a person."""
    code = process.returncode or 0
    return f"code {code}" if code >= 0 else signal.Signals(-code).name
