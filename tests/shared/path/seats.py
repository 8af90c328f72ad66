"""A service with two kinds of keys: patients ask for a seat, a group counts how many are left."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from services.attendance.settings import Settings
from shared.edge.contract import Edge, Interpretation
from shared.events.envelope import Command, Event
from shared.events.internal import TimePassed, To
from shared.path.service import PATIENT, Decider, Service
from shared.platform.keys import Keys
from shared.platform.settings import load
from shared.process import ServiceAssembly
from shared.rules.decision import Moment

GROUP = "group"
EVENING = "evening-group"


class AskForSeat(Command, frozen=True, kw_only=True, tag=True):
    group: str


class SeatAsked(Event, frozen=True, kw_only=True, tag=True):
    patient: str


class SeatGiven(Event, frozen=True, kw_only=True, tag=True):
    pass


class SeatDenied(Event, frozen=True, kw_only=True, tag=True):
    pass


class Asker(msgspec.Struct, frozen=True):
    answer: str = ""


class Seats(msgspec.Struct, frozen=True):
    taken: tuple[str, ...] = ()


@dataclass
class Group:
    """Its decisions, with so many seats; one that is `closed` fails by a bug."""

    seats: int
    closed: bool = False

    def react(self, state: Seats, event: SeatAsked, moment: Moment[Settings]) -> list[Event | To]:
        if self.closed:
            raise ZeroDivisionError
        answer = SeatGiven() if len(state.taken) < self.seats else SeatDenied()
        return [To(kind=PATIENT, key=event.patient, event=answer)]

    def evolve(self, state: Seats, event: Event | Command) -> Seats:
        if isinstance(event, SeatAsked) and len(state.taken) < self.seats:
            return Seats((*state.taken, event.patient))
        return state


def ask(state: Asker, command: AskForSeat, moment: Moment[Settings]) -> list[Event | To]:
    return [To(kind=GROUP, key=command.group, event=SeatAsked(patient=moment.patient))]


def react(state: Asker, event: Event, moment: Moment[Settings]) -> list[Event | To]:
    return []


def remember(state: Asker, event: Event | Command) -> Asker:
    return Asker(type(event).__name__) if isinstance(event, SeatGiven | SeatDenied) else state


def never(state: object) -> datetime | None:
    return None


def assemble(keys: Keys, group: Group) -> ServiceAssembly:
    service = Service(
        name="attendance",
        deciders={
            PATIENT: Decider(Asker, 1, react=react, decide=ask, evolve=remember, due=never),
            GROUP: Decider(Seats, 1, react=group.react, decide=ask, evolve=group.evolve, due=never),
        },
        commands=AskForSeat,
        internal=SeatAsked | SeatGiven | SeatDenied | TimePassed,
        keys=keys,
    )
    edge = Edge(takes={}, interpret=lambda entries, context: Interpretation(()))
    return ServiceAssembly(service, edge, lambda process: load(process.deploy, "attendance", Settings))
