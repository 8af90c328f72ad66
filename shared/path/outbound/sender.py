"""What comes of one send to a partner, whatever it is sent by, and what a way of sending is."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from shared.events.envelope import Resource

Content = Resource | str
"""A transaction Bundle, or a message of HL7 version 2 without its frame."""
WhyNot = Callable[[], Awaitable[str | None]]
"""Asked right before the first byte: unless it answers None no byte is written."""


@dataclass(frozen=True)
class Delivered:
    """The destination has it."""


@dataclass(frozen=True)
class RefusedForGood:
    """The destination refused it: trying again would change nothing."""

    reason: str


@dataclass(frozen=True)
class Trouble:
    """It may have been received or not; trying again may help."""

    reason: str


@dataclass(frozen=True)
class NotSent:
    """It is known that no byte left."""

    reason: str


Reply = Delivered | RefusedForGood | Trouble | NotSent


Send = Callable[[Content, str, str | None, WhyNot], Awaitable[Reply]]
"""What goes out, the id that every send of its row bears, and its trace, if any. `WhyNot` is asked when the connection
is open, before the first byte."""


class Sender(Protocol):
    """One way to one partner."""

    def opened(self) -> AbstractAsyncContextManager[Send]:
        """How rows are sent while the lane is held. Raises ConfigurationError."""
        ...
