"""What a patient asks a group of one of its sessions, for a make-up, and what it answers: internal, on no topic."""

import msgspec

from shared.events.envelope import Event
from shared.events.internal import StateEvent


class AboutGuest(Event, frozen=True, kw_only=True):
    """Of a patient and what they ask a group: `ask` is short for it, another one where they ask anew."""

    patient: str
    group: str
    ask: str


class GuestAsked(AboutGuest, frozen=True, kw_only=True, tag=True):
    """A seat of the session that is held from minute `at` (since 1970) on, for so many `minutes`."""

    at: int
    minutes: int


class GuestLeft(AboutGuest, frozen=True, kw_only=True, tag=True):
    """The seat is free again."""


class OpenSlotsAsked(Event, frozen=True, kw_only=True, tag=True):
    """In which of the group's sessions a seat is free, of those that begin before minute `until` (since 1970)."""

    patient: str
    group: str
    until: int


class OpenSlot(msgspec.Struct, frozen=True, array_like=True):
    """A session of a group, planned for `minute` (since 1970), held from minute `at` on for so many `minutes`."""

    group: str
    minute: int
    at: int
    minutes: int


class OpenSlots(Event, frozen=True, kw_only=True, tag=True):
    """These have a free seat now, the first ones of those that were asked for."""

    group: str
    until: int
    slots: tuple[OpenSlot, ...]


class GuestAnswer(Event, frozen=True, kw_only=True):
    """To what was asked: an answer may come when the patient has left already."""

    group: str
    ask: str


class GuestSeatGiven(GuestAnswer, frozen=True, kw_only=True, tag=True):
    """The seat of this session is the patient's until they leave."""


class GuestSeatRefused(GuestAnswer, frozen=True, kw_only=True, tag=True):
    """No seat of it is free, or it is not held then."""


class GuestMeetingChanged(GuestAnswer, frozen=True, kw_only=True, tag=True):
    """The session is held from minute `at` (since 1970) on, unless it is `off`."""

    at: int
    off: bool


class GuestSeated(StateEvent, frozen=True, kw_only=True):
    """Of the group's own state: a patient, by their packed id, has a seat of the session planned for this minute."""

    patient: str
    ask: str
    minute: int


class GuestSeatSought(StateEvent, frozen=True, kw_only=True):
    """Of the patient's own state: for the session at this place the group is asked for a seat."""

    place: tuple[int, int]
    group: str
    ask: str


class GuestSeatTaken(StateEvent, frozen=True, kw_only=True):
    """Of the patient's own state: the group has given the seat; the session is held from this minute on."""

    ask: str
    minute: int


class GuestSeatReturned(StateEvent, frozen=True, kw_only=True):
    """Of the patient's own state: the seat that this asked for is needed no more, or not to be had."""

    ask: str


OfGuests = GuestAsked | GuestLeft | OpenSlotsAsked
GuestAnswers = GuestSeatGiven | GuestSeatRefused | GuestMeetingChanged
OfOwnGuestSeat = GuestSeatSought | GuestSeatTaken | GuestSeatReturned
