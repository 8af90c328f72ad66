"""What a decision is given, and how it refuses."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

import msgspec

from shared.events.envelope import Event, name_id

Settings = TypeVar("Settings")


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
    asks: tuple[Event, ...] = ()
    """What a person is asked though nothing is done: emitted all the same."""
