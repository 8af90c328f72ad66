"""A service as data: what the path needs to know of its decisions. The path never imports a service."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Generic, TypeVar

import msgspec

from shared.events.catalogue import BY_NAME, CONSUMES
from shared.events.envelope import Command, Event
from shared.events.internal import Lookup, To
from shared.platform.keys import Keys
from shared.rules.decision import Moment, Refused

PATIENT: Final = "patient"
"""The kind of key that every Kafka record and every command is about."""
STATE_BYTES_MOST = 32_768
"""A state holds only what the next decision needs: of the worst of all stays three quarters of this. More is a bug,
caught before it is stored."""

State = TypeVar("State")
Upcast = Mapping[int, Callable[[Any], Any]]
"""From a stored version to the next one, on plain JSON."""
Emissions = Sequence[Event | To]
Answer = Callable[..., Awaitable[Event]]
"""By the program and the question: the internal event that says what was found."""


class NewerState(Exception):
    """The stored state was written by a newer release. Trouble: stop, never rewrite."""


@dataclass(frozen=True)
class Decider(Generic[State]):
    """The pure functions that decide for one kind of key, and the type of the state they work on."""

    state_type: type[State]
    version: int
    react: Callable[[State, Any, Moment[Any]], Emissions]
    decide: Callable[[State, Any, Moment[Any]], Emissions | Refused]
    evolve: Callable[[State, Event | Command], State]
    due: Callable[[State], datetime | None]
    lives: Callable[[State], bool] = lambda _: True
    """Whether a stay is open or not over for good, or something waits: nothing of such a patient is ever too old."""
    urgent: tuple[type, ...] = ()
    """Events and commands decided even while a key is held: consents and safety, from the event alone."""
    upcast: Upcast = field(default_factory=dict)
    reports: tuple[type[Command], ...] = ()
    """Commands by which its senders show that they speak: with a deadline it hears when the last one was decided."""

    def read(self, version: int, body: str) -> State:
        """The state from its stored text; an empty text is the state of a new key. Raises NewerState."""
        if not body:
            return self.state_type()
        if version > self.version:
            raise NewerState(self.state_type.__module__)
        if version == self.version:
            return msgspec.json.decode(body, type=self.state_type)
        plain = msgspec.json.decode(body)
        for step in range(version, self.version):
            plain = self.upcast[step](plain)
        return msgspec.convert(plain, type=self.state_type)

    def write(self, state: State) -> str:
        """The state as compact text. Raises OverflowError above STATE_BYTES_MOST."""
        body = msgspec.json.encode(state)
        if len(body) > STATE_BYTES_MOST:
            raise OverflowError("state")
        return body.decode()


@dataclass(frozen=True)
class Service:
    """One service: a decider a kind of key, and the types of what it is commanded and notes internally."""

    name: str
    deciders: Mapping[str, Decider[Any]]
    commands: Any
    """Union of its commands, so that a parked one can be stored and decided again."""
    internal: Any
    """Union of its internal events, so that lane `internal` and those of its lookups can be read."""
    keys: Keys | None = None
    contact: Callable[..., Event] | None = None
    """What is coarse of the part that is sealed for it with the Patient, where it decides by it (aftercare)."""
    lookups: Mapping[type[Lookup], Answer] = field(default_factory=dict)
    """Who answers what its decisions ask that no state holds, each in a lane of its own."""
    unsettled: Callable[..., Any] | None = None
    """The Task, as it is stored, that asks a person about a fact that waited for its patient (`Commanded`) and was
    refused once they were known: its sender was answered long ago."""
    ready_without_consents: bool = False
    """Whether it stays ready while its consent ledger is old. Nothing is disclosed then; but what it receives (results)
    must not be turned away because intake is down."""
    guidance: Mapping[str, str] = field(default_factory=dict)
    """By the reason of an escalation, what whoever opens its Task reads there: in the read model, on no topic."""

    @property
    def consumes(self) -> str:
        """The one foreign topic."""
        return CONSUMES[self.name]

    @property
    def consumed_events(self) -> frozenset[str]:
        return frozenset(name for name, entry in BY_NAME.items() if self.name in entry.consumers)

    @cached_property
    def read_commands(self) -> Callable[[bytes | str], tuple[Command, ...]]:
        """Commands from JSON."""
        return msgspec.json.Decoder(tuple[self.commands, ...]).decode  # type: ignore[name-defined]

    @cached_property
    def read_internal(self) -> Callable[[bytes | str], Event]:
        """An internal event from JSON."""
        return msgspec.json.Decoder(self.internal).decode
