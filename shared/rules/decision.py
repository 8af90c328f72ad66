"""What a decision is given, and how it refuses."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Generic, TypeVar
from uuid import UUID

import msgspec

from shared.events.envelope import Event, name_id
from shared.events.internal import To

Settings = TypeVar("Settings")
Before = TypeVar("Before")
Cause = TypeVar("Cause")
After = TypeVar("After")


class Moment(msgspec.Struct, Generic[Settings], frozen=True):
    """Everything a decision may know besides its state and the event: nothing else is read.

    `now` is clinic time; `listening_since` the instant from which silence counts as evidence; `cause` the id of what
    is being decided, from which every new id is made; `by` the client that commands, or the event's producer.
    """

    now: datetime
    listening_since: datetime
    settings: Settings
    cause: UUID
    patient: str
    program: str
    by: str = ""

    def new_id(self, name: str | int) -> str:
        """A deterministic id: the same cause and name give the same id, so a replay emits the same."""
        return name_id(self.cause, name)


@dataclass(frozen=True, slots=True)
class Refused:
    """A command that cannot be. `code` is a FHIR issue type; `expression` the place; the value is never echoed."""

    code: str
    reason: str
    expression: str = ""
    asks: tuple[Event | To, ...] = ()
    """What a person is asked though nothing is done: emitted all the same."""


def computed_once(change: Callable[[Before, Cause], After]) -> Callable[[Before, Cause], After]:
    """A pure function of two immutable values, asked about one and the same pair by `react` and then by `evolve`: the
    second time it answers from memory. It remembers the last pair alone, and by identity: comparing costs more."""
    last: tuple[Before, Cause, After] | None = None

    @wraps(change)
    def changed(before: Before, cause: Cause) -> After:
        nonlocal last
        if last is None or last[0] is not before or last[1] is not cause:
            last = (before, cause, change(before, cause))
        return last[2]

    return changed
