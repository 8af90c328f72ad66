"""Short slices of the floor and of what is measured, by turns: what else the machine does meanwhile meets both."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from bench.processes import LOADER, Reading
from shared.platform.clock import ticks

ROUNDS_LEAST = 2
Measured = TypeVar("Measured")


@dataclass(frozen=True)
class Scale:
    """Rounds of slices, the seconds after which no further one begins, and a slice's size (1.0: a second or two)."""

    rounds: int = 8
    seconds_most: float = 24.0
    size: float = 1.0

    def units(self, full: int) -> int:
        return max(1, int(full * self.size))


FULL, QUICK = Scale(), Scale(rounds=1, size=0.25)


@dataclass(frozen=True)
class Slice:
    """So many units in so many seconds of the wall, and the CPU seconds of each process."""

    units: int
    seconds: float
    cpu: Mapping[str, float]

    @property
    def cpu_a_unit(self) -> float:
        """All but the loader's."""
        return sum(seconds for name, seconds in self.cpu.items() if name != LOADER) / self.units

    @property
    def rate(self) -> float:
        return self.units / self.seconds


def between(first: Reading, last: Reading, units: int) -> Slice:
    return Slice(units, last.at - first.at, last.since(first))


async def alternate(scale: Scale, *acts: Callable[[], Awaitable[Measured]]) -> list[list[Measured]]:
    """Each act once, and again, in the same order; what each gave, by act."""
    rounds: list[list[Measured]] = []
    until = ticks() + scale.seconds_most
    while len(rounds) < scale.rounds and (len(rounds) < ROUNDS_LEAST or ticks() < until):
        rounds.append([await act() for act in acts])
    return [list(each) for each in zip(*rounds, strict=True)]


def ratio(reached: Sequence[Measured], floor: Sequence[Measured], value: Callable[[Measured], float]) -> float:
    """The median of the ratios within a round."""
    return median(value(ours) / value(theirs) for ours, theirs in zip(reached, floor, strict=True))


def microseconds_a_unit(slices: Sequence[Slice]) -> dict[str, float]:
    """The CPU of each process for one unit, of the cheapest slice: whoever else is on the cores makes a unit dearer,
    never cheaper, so that one is nearest to what the code itself costs."""
    cheapest = min(slices, key=lambda each: each.cpu_a_unit)
    return {name: seconds / cheapest.units * 1e6 for name, seconds in cheapest.cpu.items()}
