"""Internal events: a deadline that came, what became of a disclosure, what only the state needs. Never on a topic."""

from datetime import UTC, datetime
from typing import ClassVar

import msgspec

from shared.events.envelope import Event

NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class StateEvent(Event, frozen=True, kw_only=True, tag=True):
    """Emitted by a decision for its own state alone: it is published nowhere."""


class StandsFor(StateEvent, frozen=True, kw_only=True):
    """What a client creates as `given` is this resource of ours, new or not: the answer names it instead."""

    kind: str
    given: str
    id: str


class RetentionBegan(StateEvent, frozen=True, kw_only=True):
    """The episode ended: its record leaves the state so many days later, by the setting of the day it ended."""

    retention_days: int

    @classmethod
    def after(cls, ended_at: datetime, now: datetime, days: int) -> "RetentionBegan":
        """So many days from now on: an end that is told late stays as long as any other."""
        return cls(retention_days=days + max((now - ended_at).days, 0))


class Listed(Event, frozen=True, kw_only=True):
    """What a key has to show: its resources are read in their program alone, and are published on no topic. Those of a
    key that is no patient (a group) are of no patient."""


class Lookup(Event, frozen=True, kw_only=True):
    """What a decision asks that no state holds (which meetings fit). Its lane answers it by an internal event, so that
    the decision about what was found is given it, and can be made again. Never on a topic."""

    lane: ClassVar[str]
    """`lookup:<name>`: the service's own, one for each type of question."""


class OfSilence(Event, frozen=True, kw_only=True):
    """By which silence may count: since when somebody listened is part of why."""


class TimePassed(OfSilence, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """The moment's `now` reached the state's `due_at`. `reported_at` is when the last of the program's reports was
    decided (`Decider.reports`; `NEVER` where there was none), None where nobody looks at them."""

    reported_at: datetime | None = None


class ContactKnown(Event, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """The part of the patient sealed for this service was opened: only what is coarse enters the state."""

    area: str | None = None
    language: str | None = None
    state: str | None = None
    place: tuple[float, float] | None = None
    """The centre of their ZIP code, in degrees of latitude and longitude, rounded to 0.05."""
    zone: str | None = None
    gender: str | None = None
    """`female` or `male`, by the record."""


class DisclosureOutcome(Event, frozen=True, kw_only=True):
    """What became of the disclosure of `focus` (`Type/id`) to `partner`, on its `attempt`."""

    partner: str
    focus: str
    attempt: int


class DisclosureMade(DisclosureOutcome, frozen=True, kw_only=True, tag=True):
    """The partner accepted it. `consent_id` names the consent that permitted it, None inside the program."""

    consent_id: str | None


class DisclosureWithheld(DisclosureOutcome, frozen=True, kw_only=True, tag=True):
    """The gate withheld it. `ledger_version` counts the consent events it had read: if more came since, ask again.

    At `until` (clinic time) a consent begins that will permit it: then ask again too. It may have been received where
    an earlier send of it, permitted then, was not answered.
    """

    reason: str
    ledger_version: int
    until: datetime | None = None
    may_have_been_received: bool = False


class DisclosureRefused(DisclosureOutcome, frozen=True, kw_only=True, tag=True):
    """The partner refused it for good (4xx): trying again would change nothing."""

    reason: str


class DisclosureGaveUp(DisclosureOutcome, frozen=True, kw_only=True, tag=True):
    """The partner could not be reached, or did not take it, within the time for trying."""

    may_have_been_received: bool = False


class DisclosureParked(Event, frozen=True, kw_only=True, tag=True):
    """By a fault of the hub's the disclosure of `focus` is parked in its partner's lane, and the patient's later ones
    wait behind it. Its outcome comes once a person has redriven it, or taken it out."""

    partner: str
    focus: str
    attempt: int
    may_have_been_received: bool = False


class To(msgspec.Struct, frozen=True, kw_only=True):
    """An internal event for another key of the same service (a patient asks a group for a seat): reacted to in a
    transaction of its own, after this one."""

    kind: str
    key: str
    event: Event


encode_internal = msgspec.json.Encoder().encode
