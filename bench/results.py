"""What a run found, as `--json` writes it and `--compare` reads it. Names of results stay: two runs meet by them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import process_time_ns

import msgspec

from bench.goals import Goal
from bench.slices import Slice, microseconds_a_unit, ratio

_STEPS = 1_000_000


class Figure(msgspec.Struct, frozen=True):
    """One number that was reached, the floor's, and the ratio of both."""

    what: str
    reached: float
    floor: float | None = None
    ratio: float | None = None
    goals: tuple[Goal, ...] = ()

    @property
    def reasons(self) -> list[str]:
        """Why its goals are missed: a sentence for each."""
        return [why for each in self.goals if (why := each.why(self.reached, self.ratio))]


class Result(msgspec.Struct, frozen=True):
    """One measurement: its figures, and every slice with the CPU it took."""

    name: str
    unit: str
    figures: tuple[Figure, ...]
    reached: Sequence[Slice]
    floor: Sequence[Slice] = ()

    @property
    def cpu(self) -> dict[str, float]:
        """CPU microseconds a unit, by process."""
        return microseconds_a_unit(self.reached)

    @property
    def together(self) -> float:
        """All but the loader's."""
        return min(each.cpu_a_unit for each in self.reached) * 1e6

    @property
    def floor_together(self) -> float | None:
        return min((each.cpu_a_unit for each in self.floor), default=0.0) * 1e6 or None


class Run(msgspec.Struct, frozen=True):
    """All of one run, and how the machine was at its start. `pace` is what a step of a loop in Python takes, in
    nanoseconds: an idle machine may be half as fast as the same one was an hour before."""

    begun_at: datetime
    cores: int
    load: float
    others_share: float
    pace: float = 0.0
    results: list[Result] = []


def figure(
    what: str, reached: Sequence[Slice], floor: Sequence[Slice], value: Callable[[Slice], float], *goals: Goal
) -> Figure:
    """The medians of both, and of their ratio within a round."""
    return Figure(what, median(map(value, reached)), median(map(value, floor)), ratio(reached, floor, value), goals)


def begin(cores: int, load: float, others_share: float) -> Run:
    return Run(datetime.now(UTC), cores, load, others_share, min(_pace() for _ in range(5)))


def _pace() -> float:
    started, added = process_time_ns(), 0
    for each in range(_STEPS):
        added += each
    return (process_time_ns() - started) / _STEPS


def write(run: Run, file: Path) -> None:
    file.write_bytes(msgspec.json.format(msgspec.json.encode(run)) + b"\n")


def read(file: Path) -> Run:
    return msgspec.json.decode(file.read_bytes(), type=Run)
