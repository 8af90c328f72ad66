"""What happens when: the clinic's clock goes from event to event, and each finds a quiet hub."""

import heapq
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from deploy.driver import Driver
from deploy.failure import CannotContinueError

Happens = Callable[[], Awaitable[None]]


class Broken(CannotContinueError):
    """Something expected of the hub did not happen: the demo ends, non-zero."""


@dataclass
class Promises:
    """What the hub was expected to do, and did. The first that it did not do ends the demo."""

    fulfilled: list[str] = field(default_factory=list)

    def expect(self, holds: bool, promise: str) -> None:
        """Raises Broken unless it holds."""
        if not holds:
            raise Broken(f"expected, and not so: {promise} (after {len(self.fulfilled)} expectations that held)")
        self.fulfilled.append(promise)


@dataclass
class Agenda:
    """Events by clinic time; those of one moment in the order they were put down."""

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
