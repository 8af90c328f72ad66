"""Destinations as data: where events go when they leave a service. One routing table, no question of an event's type.

A further destination (an EHR, a laboratory) is a further row of the table that `outbound/destinations.py` makes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from shared.events.envelope import Event, PatientId, Resource
from shared.events.wire import Written
from shared.rules.consent import Partner, Permitted, Withheld
from shared.rules.partner_access import NO_ACCESS, Access

Kind = Literal["topic", "partner"]
Subscribed = TypeVar("Subscribed", bound=Event)
Contact = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Release:
    """What a form is filled in with, besides its event.

    `patient` is the hub's id of them, `contact` the opened Patient (empty where the hub has none), `row_id` a UUID that
    stays the same however often the row is sent, `now` clinic time.
    """

    patient: str
    program: str
    permitted: Permitted
    partner: Partner
    contact: Contact
    row_id: str
    now: datetime


Form = Callable[[Any, Release], Resource | str | Withheld]
"""What goes out, as a transaction Bundle or a message of HL7 version 2, or why it can't be filled in. Asked twice about
the same, it answers the same."""


@dataclass(frozen=True)
class Transport:
    """Where a partner is, how long (seconds) and how much (bytes) of an answer is waited for in all, and how the hub
    proves who it is."""

    url: str
    seconds_most: float = 10.0
    answer_bytes_most: int = 65_536
    access: Access = NO_ACCESS


@dataclass(frozen=True, kw_only=True)
class Destination(Generic[Subscribed]):
    """One lane out of the service: which events it takes, what a row of it holds, and who may open the way.

    `selects` narrows `subscribes` by the event itself; `key` is the row's, the patient unless said otherwise; `headers`
    are what the sender needs besides the record's own; `body` is the record (None for a null) or, for a form, the
    event. `gate` is the partner the consent gate is asked about.
    """

    name: str
    kind: Kind
    subscribes: frozenset[type[Subscribed]]
    body: Callable[[Subscribed, Written], bytes | None]
    selects: Callable[[Subscribed], bool] = lambda event: True
    key: Callable[[Subscribed, PatientId | None], str | None] = lambda event, patient: patient
    headers: Callable[[Subscribed], Mapping[str, str]] = lambda event: {}
    gate: Partner | None = None
    form: Form | None = None
    transport: Transport | None = None
    """None where it is no partner, or one whose referrals are printed."""
    closed: Withheld | None = None
    """Why nothing goes this way any more; None where it is open."""

    @property
    def lane(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True)
class Routes:
    """The routing table of one service, looked up by the type of the event."""

    destinations: Sequence[Destination[Any]]
    _by_type: dict[type[Event], tuple[Destination[Any], ...]] = field(default_factory=dict, init=False)

    def of(self, event: Event) -> Iterable[Destination[Any]]:
        """Where this event goes."""
        kind = type(event)
        known = self._by_type.get(kind)
        if known is None:
            known = tuple(each for each in self.destinations if kind in each.subscribes)
            self._by_type[kind] = known
        return (each for each in known if each.selects(event))
