"""Each service's `messages.py`, held against the catalogue: who emits an event, and who consumes it."""

from importlib import import_module
from types import ModuleType
from typing import get_args

import msgspec
import pytest

from shared.events import technical
from shared.events.catalogue import BY_TYPE, ENTRIES
from shared.events.envelope import Command, Event
from shared.events.escalation import EscalationEvent
from shared.events.internal import Listed, Lookup, StateEvent, To
from tests.house.test_rooms import SERVICES


def messages(service: str) -> ModuleType:
    return import_module(f"services.{service}.messages")


def concrete(union: object) -> set[type[Event]]:
    """The events of a union; a family that is no event of the catalogue (EscalationEvent) stands for its members."""
    return {kind for member in get_args(union) or (union,) for kind in _members(member)}


def of_every_kind(service: str, union: str) -> set[type[Event]]:
    """What the deciders of all its kinds of keys emit (or consume); what goes to another key is no event itself."""
    here = messages(service)
    named = [each for name, each in vars(here).items() if name in (union, *(f"{union}Of{kind}" for kind in KINDS))]
    return {each for found in named for each in concrete(found)} - {To}


KINDS = ("Seats", "Groups", "Feeds")
REPORTED = {technical.FeedTroubled, technical.FeedRecovered, technical.WorkListAged}
"""Technical facts of one service that no decision of it emits."""


def _members(kind: type[Event]) -> set[type[Event]]:
    families = [] if kind in BY_TYPE else kind.__subclasses__()
    return {member for each in families for member in _members(each)} or {kind}


def state_events(service: str) -> set[type[Event]]:
    return {each for each in concrete(messages(service).Internal) if issubclass(each, StateEvent)}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_emits_what_the_catalogue_says_it_produces(service: str) -> None:
    every = of_every_kind(service, "Emits") - state_events(service)
    emitted = {each for each in every if not issubclass(each, Listed | Lookup)}
    assert emitted >= concrete(EscalationEvent)
    produced, of_any = ({entry.event for entry in ENTRIES if entry.producer == each} for each in (service, "any"))
    assert emitted - of_any == produced - REPORTED


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_consumes_what_the_catalogue_says_and_its_internal_events(service: str) -> None:
    consumed = {entry.event for entry in ENTRIES if service in entry.consumers}
    answered = {each for each in concrete(messages(service).Internal) if issubclass(each, Lookup)}
    internal = concrete(messages(service).Internal) - state_events(service) - answered
    assert of_every_kind(service, "Consumes") == consumed | internal


@pytest.mark.parametrize("service", SERVICES)
def test_every_state_event_of_a_service_is_one_it_emits(service: str) -> None:
    emitted = of_every_kind(service, "Emits")
    assert {each for each in emitted if issubclass(each, StateEvent)} == state_events(service)


@pytest.mark.parametrize("service", SERVICES)
def test_internal_events_and_commands_can_be_stored_and_read_again(service: str) -> None:
    """A union is read by the tag of each member: without one msgspec refuses the decoder."""
    msgspec.json.Decoder(messages(service).Internal)
    msgspec.json.Decoder(messages(service).Commands)
    assert all(issubclass(each, Command) for each in get_args(messages(service).Commands))


@pytest.mark.parametrize("service", SERVICES)
def test_messages_exports_every_message_it_names(service: str) -> None:
    here = messages(service)
    unions = (here.Commands, here.Consumes, here.Internal, here.Emits)
    named = {member.__name__ for union in unions for member in get_args(union)}
    assert named - set(here.__all__) == set()
