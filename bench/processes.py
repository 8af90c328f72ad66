"""What the processes of a measurement have used of the cores, to the nanosecond (Linux)."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import psutil  # type: ignore[import-untyped]

from shared.platform.clock import ticks

LOADER = "loader"
"""This process where it only makes the load: its CPU is shown apart."""
LOOK_SECONDS = 1.0
BUSY_SHARE = 0.1


@dataclass(frozen=True)
class Reading:
    """A moment, and the CPU seconds that each process has used by then."""

    at: float
    cpu: Mapping[str, float]

    def since(self, earlier: "Reading") -> dict[str, float]:
        return {name: seconds - earlier.cpu[name] for name, seconds in self.cpu.items()}


@dataclass(frozen=True)
class Processes:
    """The processes involved, by name; of `trees` all descendants count, those that ended included."""

    single: Mapping[str, int]
    trees: Mapping[str, int]

    def read(self) -> Reading:
        now = ticks()
        single = {name: _seconds(pid) for name, pid in self.single.items()}
        return Reading(now, single | {name: _tree_seconds(pid) for name, pid in self.trees.items()})

    def only(self, *names: str, **added: int) -> "Processes":
        """Those of these names, and others that are involved too."""
        single = {name: pid for name, pid in self.single.items() if name in names}
        trees = {name: pid for name, pid in self.trees.items() if name in names}
        return replace(self, single=single | added, trees=trees)


def others_share() -> float:
    """Which share of all cores others use, by a look of a second while we do nothing."""
    return float(psutil.cpu_percent(LOOK_SECONDS)) / 100


def _seconds(pid: int) -> float:
    # The id of another process' CPU clock, as clock_getcpuclockid(3) makes it: /proc gives whole hundredths only, and
    # a slice is short.
    return time.clock_gettime((~pid << 3) | 2)


def _tree_seconds(pid: int) -> float:
    """A process, the children it has waited for, and those that live."""
    root = psutil.Process(pid)
    ended = root.cpu_times()
    used = _seconds(pid) + float(ended.children_user) + float(ended.children_system)
    for child in root.children(recursive=True):
        # It may have ended since.
        with suppress(OSError):
            used += _seconds(child.pid)
    return used
