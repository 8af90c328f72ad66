"""A service as data: what the path needs to know of its decisions. The path never imports a service."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from shared.events.catalogue import BY_NAME, CONSUMES
from shared.events.envelope import Command, Event
from shared.rules.decision import Moment, Refused

STATE_BYTES_MOST = 4096
"""A state holds only what the next decision needs; more is a bug, caught before it is stored."""

Upcast = Mapping[int, Callable[[Any], Any]]
"""From a stored version to the next one, on plain JSON."""


class NewerState(Exception):
    """The stored state was written by a newer release. Trouble: stop, never rewrite."""


@dataclass(frozen=True)
class Service:
    """Four pure functions and the type of the state they work on."""

    name: str
    state_type: Any
    version: int
    react: Callable[[Any, Any, Moment[Any]], Sequence[Event]]
    decide: Callable[[Any, Any, Moment[Any]], Sequence[Event] | Refused]
    evolve: Callable[[Any, Event | Command], Any]
    due: Callable[[Any], datetime | None]
    urgent: tuple[type, ...] = ()
    """Events and commands decided even while a patient is parked: consents and safety, from the event alone."""
    commands: Any = None
    """The union of this service's commands, so that a parked one can be stored and told again."""
    stores_contact: bool = False
    """Whether this service keeps the Patient sealed for it (aftercare, whose partner form is filled from it)."""
    keys: Any = None
    """The service's `identity.Keys`, set at start."""
    upcast: Upcast = field(default_factory=dict)

    @property
    def consumes(self) -> str:
        """The one foreign topic."""
        return CONSUMES[self.name]

    @property
    def consumed_events(self) -> frozenset[str]:
        return frozenset(name for name, entry in BY_NAME.items() if self.name in entry.consumers)

    def decode(self, version: int, body: str) -> Any:
        """The state from its stored text; an empty text is the state of a patient never heard of."""
        if not body:
            return self.state_type()
        if version > self.version:
            raise NewerState(self.name)
        if version == self.version:
            return msgspec.json.decode(body, type=self.state_type)
        plain = msgspec.json.decode(body)
        for step in range(version, self.version):
            plain = self.upcast[step](plain)
        return msgspec.convert(plain, type=self.state_type)

    def encode(self, state: Any) -> str:
        """The state as compact text, at most 4 KB."""
        body = msgspec.json.encode(state)
        if len(body) > STATE_BYTES_MOST:
            raise OverflowError("state")
        return body.decode()
