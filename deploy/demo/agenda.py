"""The agenda of the demo: the clinic's clock steps from event to event, and each starts with a quiet hub."""

import heapq
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from deploy.driver import Driver
from deploy.failure import CannotContinueError

Happens = Callable[[], Awaitable[None]]


class Broken(CannotContinueError):
    """An expectation of the hub did not hold: the demo ends with code 1."""


@dataclass
class Promises:
    """The expectations of the hub that held. The first that does not hold ends the demo."""

    fulfilled: list[str] = field(default_factory=list)

    def expect(self, holds: bool, promise: str) -> None:
        """Raises Broken unless it holds."""
        if not holds:
            raise Broken(f"not as expected: {promise} ({len(self.fulfilled)} expectations before it held)")
        self.fulfilled.append(promise)


@dataclass
class Agenda:
    """Events by clinic time; those of one moment in the order in which they were put."""

    ahead: list[tuple[datetime, int, Happens]] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=count)

    def put(self, at: datetime, happens: Happens) -> None:
        heapq.heappush(self.ahead, (at, next(self.numbers), happens))

    async def run(self, driver: Driver, after: Callable[[], Awaitable[None]]) -> None:
        """Step the clock from event to event. Whatever fell due before is decided first; `after` sees each result."""
        while self.ahead:
            moment = self.ahead[0][0]
            if moment > driver.now:
                driver.clock_set(moment)
                await driver.settle()
            while self.ahead and self.ahead[0][0] <= moment:
                await heapq.heappop(self.ahead)[2]()
            await driver.settle()
            await after()
