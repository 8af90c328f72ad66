"""How much is done at once: much while nobody waits, little while a client does.

A transaction's patients stay locked until its commit, and what is decided without a pause keeps everybody else waiting.
"""

from dataclasses import dataclass

from shared.platform.clock import ticks

CLIENT_SECONDS = 1.0
"""A client that came is followed by another, more often than not."""


@dataclass(frozen=True)
class Portion:
    """Deliveries of one transaction, and those read and decided before others have their turn."""

    transaction: int
    read: int
    decided: int


LARGE, SMALL = Portion(250, 16, 8), Portion(60, 8, 3)


class Portions:
    """Of one process. Small ones cost a fifth of what is consumed, for as long as clients come."""

    def __init__(self) -> None:
        self._small_until = 0.0

    def client_came(self) -> None:
        self._small_until = ticks() + CLIENT_SECONDS

    @property
    def now(self) -> Portion:
        return SMALL if ticks() < self._small_until else LARGE
