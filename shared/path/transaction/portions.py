"""How much is done at once: much while nobody waits, little while a client does; and a client goes first.

A transaction's patients stay locked until its commit, and what is decided without a pause keeps everybody else waiting.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass

from shared.platform.clock import ticks

CLIENT_SECONDS = 1.0
"""A client that came is followed by another, more often than not."""
BEHIND_CLIENTS_SECONDS_MOST = 0.030
"""So long a transaction of the backlog waits for clients to be answered: where one always waits, it still drains."""


@dataclass(frozen=True)
class Portion:
    """Deliveries of one transaction, and those read and decided before others have their turn."""

    transaction: int
    read: int
    decided: int


LARGE, SMALL = Portion(250, 16, 8), Portion(60, 8, 3)


class Portions:
    """Of one process. Small ones, one after the other and behind the clients, for as long as clients come."""

    def __init__(self) -> None:
        self._small_until = 0.0
        self._clients = 0
        self._answered = asyncio.Event()
        self._turn = asyncio.Lock()

    @contextmanager
    def client(self) -> Iterator[None]:
        """While a client waits for its answer."""
        self._small_until = ticks() + CLIENT_SECONDS
        self._clients += 1
        self._answered.clear()
        try:
            yield
        finally:
            self._clients -= 1
            if not self._clients:
                self._answered.set()

    @asynccontextmanager
    async def of_backlog(self) -> AsyncIterator[Portion]:
        """One transaction of the backlog, and how large it may be."""
        async with self._turn if self.now is SMALL else nullcontext():
            if self._clients:
                # Not wait_for: before Python 3.12 it may swallow a cancellation.
                with suppress(TimeoutError):
                    async with asyncio.timeout(BEHIND_CLIENTS_SECONDS_MOST):
                        await self._answered.wait()
            yield self.now

    @property
    def now(self) -> Portion:
        return SMALL if ticks() < self._small_until else LARGE
