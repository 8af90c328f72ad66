"""What events read of FHIR, as types: an element that is not named here is passed over, one of another type refused."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from shared.events.codes import CLIENT, STAFF
from shared.events.envelope import Event

Emitted = TypeVar("Emitted", bound=Event)
Kind = TypeVar("Kind")
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""One without a time zone is refused: nobody knows when that was."""


class Element(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Part of a resource."""


class Read(Element, frozen=True, gc=False, tag_field="resourceType", tag=lambda name: name.lstrip("_")):
    """A resource, named as in FHIR."""


class Coding(Element, frozen=True):
    code: str
    system: str = ""


class Concept(Element, frozen=True):
    coding: tuple[Coding, ...]

    @property
    def code(self) -> str:
        return self.coding[0].code

    def code_of(self, system: str) -> str:
        """The first code of this system, empty where there is none."""
        return next((each.code for each in self.coding if each.system == system), "")


class Identifier(Element, frozen=True):
    value: str
    system: str = ""


class Reference(Element, frozen=True):
    """A literal reference `Type/id`."""

    reference: str

    @property
    def id(self) -> str:
        return self.reference.partition("/")[2]


class Logical(Element, frozen=True):
    """Who is meant, without an address."""

    identifier: Identifier


class Period(Element, frozen=True):
    start: Instant | None = None
    end: Instant | None = None


class Agent(Element, frozen=True):
    who: Logical


class Provenance(Read, frozen=True):
    recorded: Instant
    agent: tuple[Agent, ...]


class MessageHeader(Read, frozen=True):
    """Says nothing that the record's headers don't."""


class _Entry(msgspec.Struct, Generic[Kind], frozen=True):
    resource: Kind


class _Message(msgspec.Struct, Generic[Kind], frozen=True):
    entry: tuple[_Entry[Kind], ...]


def reads(*kinds: type[Read]) -> Callable[[Callable[[Sequence[Read]], Emitted]], Callable[[bytes], Emitted]]:
    """Makes a reader of these resources one of a record's value. Raises what msgspec raises, a ValueError."""
    known: list[type[Read]] = [MessageHeader, *kinds]
    message: Any = _Message[reduce(or_, known)]  # type: ignore[misc]
    decode = msgspec.json.Decoder(message).decode
    names = {each.__struct_config__.tag for each in known}

    def with_value(read: Callable[[Sequence[Read]], Emitted]) -> Callable[[bytes], Emitted]:
        def read_value(value: bytes) -> Emitted:
            try:
                found = decode(value)
            except msgspec.ValidationError:
                found = msgspec.convert(_without_others(value, names), type=message)
            return read([each.resource for each in found.entry])

        return read_value

    return with_value


def _without_others(value: bytes, names: Iterable[object]) -> dict[str, Any]:
    """Without the resources that a newer release may say beside those that are read."""
    entries = msgspec.json.decode(value)["entry"]
    return {"entry": [each for each in entries if each["resource"]["resourceType"] in names]}


def of_type(resources: Iterable[Read], kind: type[Kind]) -> list[Kind]:
    return [each for each in resources if isinstance(each, kind)]


def required(value: Kind | None) -> Kind:
    """What this event must have. Raises ValueError."""
    if value is None:
        raise ValueError("missing")
    return value


def utc(moment: datetime | None) -> datetime:
    """An instant that this event must have, in UTC. Raises ValueError, OverflowError for one that UTC has not."""
    found = required(moment)
    return found if found.tzinfo is UTC else found.astimezone(UTC)


def optional_utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else utc(moment)


def author_of(provenances: Sequence[Provenance]) -> str | None:
    """The person, where one is named."""
    return next(_agents(provenances, STAFF), None)


def transmitter_of(provenances: Sequence[Provenance]) -> str:
    """The client that sent it, empty where none is named."""
    return next(_agents(provenances, CLIENT), "")


def _agents(provenances: Sequence[Provenance], system: str) -> Any:
    agents = (agent for each in provenances for agent in each.agent)
    return (agent.who.identifier.value for agent in agents if agent.who.identifier.system == system)
