"""Words to oneself: a deadline that came, and what became of a disclosure. Plain JSON, never on the bus."""

from datetime import datetime

import msgspec

from shared.words.envelope import Word


class Noted(Word, frozen=True, kw_only=True):
    """Said by a decision to itself alone: it changes the state and goes nowhere."""


class TimePassed(Word, frozen=True, kw_only=True, tag=True):
    """The moment's `now` reached the state's `due_at`."""


class ContactKnown(Word, frozen=True, kw_only=True, tag=True):
    """The part of the patient sealed for this service was opened: only what is coarse enters the state."""

    area: str | None = None
    language: str | None = None


class Outcome(Word, frozen=True, kw_only=True):
    """What became of the disclosure of `focus` (`Type/id`) to `partner`, on its `attempt`."""

    partner: str
    focus: str
    attempt: int


class DisclosureMade(Outcome, frozen=True, kw_only=True, tag=True):
    """The partner accepted it. `consent_id` names the consent that permitted it, None inside the program."""

    consent_id: str | None


class DisclosureWithheld(Outcome, frozen=True, kw_only=True, tag=True):
    """The gate said no. `ledger_version` counts the consent words the gate had read: if more came since, ask again.

    At `until` (clinic time) a consent begins that will permit it: then ask again too.
    """

    because: str
    ledger_version: int
    until: datetime | None = None


class DisclosureRefused(Outcome, frozen=True, kw_only=True, tag=True):
    """The partner refused it for good (4xx): trying again would change nothing."""

    because: str


class DisclosureGaveUp(Outcome, frozen=True, kw_only=True, tag=True):
    """The partner could not be reached within the time for trying."""


InnerWord = TimePassed | ContactKnown | DisclosureMade | DisclosureWithheld | DisclosureRefused | DisclosureGaveUp

decode_inner = msgspec.json.Decoder(InnerWord).decode
encode_inner = msgspec.json.Encoder().encode
