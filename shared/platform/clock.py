"""The only reader of clocks. Clinic time and machine time are two things.

Clinic time is what decisions are given. Started with a manual clock it stands still until it is set forward, so that
twelve weeks pass in a minute, the same way every time. Back-off, leases and the ledger's age use machine time.
"""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

from shared.platform.settings import ConfigurationError, Process, configuration

LOOK_SECONDS, LOOK_SECONDS_STILL = 0.025, 0.100
STILL_SECONDS = 1.0
"""A manual clock that was not set for so long is looked at less often: forty looks a second are a third of what an idle
service does."""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class ManualClockRefused(ConfigurationError):
    """A manual clock outside loopback would let anybody with the file bend every deadline."""


class Clock:
    """`file` holds one instant, set forward by a person or the demo; without one, clinic time is the machine's."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._seen: tuple[int, datetime] | None = None
        self._set_at = ticks()

    @classmethod
    def of(cls, process: Process) -> "Clock":
        """Raises ConfigurationError where the file holds no instant."""
        if process.clock_file is not None and process.host not in _LOOPBACK:
            raise ManualClockRefused("IOP_CLOCK_FILE: a manual clock is allowed on loopback only (IOP_HOST).")
        clock = cls(process.clock_file)
        with configuration(process.clock_file):
            clock.now()
        return clock

    @property
    def is_manual(self) -> bool:
        return self._file is not None

    def now(self) -> datetime:
        """Clinic time, aware, UTC."""
        if self._file is None:
            return machine_now()
        changed = self._file.stat().st_mtime_ns
        if self._seen is None or self._seen[0] != changed:
            self._seen = (changed, datetime.fromisoformat(self._file.read_text().strip()).astimezone(UTC))
            self._set_at = ticks()
        return self._seen[1]

    async def passing(self, since: datetime, seconds: float) -> None:
        """Return after so many seconds of machine time; a manual clock also when it no longer shows `since`."""
        if self._file is None:
            await asyncio.sleep(seconds)
            return
        until = ticks() + seconds
        while self.now() == since and ticks() < until:  # noqa: ASYNC110 - a file wakes nobody
            await asyncio.sleep(self._look_seconds())

    def _look_seconds(self) -> float:
        return LOOK_SECONDS if ticks() - self._set_at < STILL_SECONDS else LOOK_SECONDS_STILL


def machine_now() -> datetime:
    """Machine time, aware, UTC."""
    return datetime.now(UTC)


def nanoseconds() -> int:
    """Machine time as a trace counts it, since 1970."""
    return time.time_ns()


def ticks() -> float:
    """Seconds that only grow: for measuring, never for a date."""
    return time.monotonic()
