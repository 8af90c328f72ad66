"""What a patient asks a place of, and what it answers: internal, from one key to another, on no topic."""

from datetime import datetime

from shared.events.envelope import Event
from shared.events.internal import StateEvent


class AboutSeat(Event, frozen=True, kw_only=True):
    """Of a patient and the stay that the seat is for."""

    patient: str
    episode_id: str


class SeatAsked(AboutSeat, frozen=True, kw_only=True, tag=True):
    """`since` is when the wait began, whatever asked again later; another `rank` gives another turn."""

    place: str
    rank: int
    since: datetime


class SeatOccupied(AboutSeat, frozen=True, kw_only=True, tag=True):
    """The patient is in the stay already, whatever the count: a discharge was taken back, or nobody counted before."""

    place: str


class SeatLeft(AboutSeat, frozen=True, kw_only=True, tag=True):
    """Whether it was taken or waited for."""


class SeatGiven(Event, frozen=True, kw_only=True, tag=True):
    """The answer: the seat is this stay's until it is left."""

    episode_id: str


class SeatsFull(Event, frozen=True, kw_only=True, tag=True):
    """The answer: no seat is free. Unless it `waits` in line, the line is full too."""

    episode_id: str
    waits: bool = True


class SeatsFilled(StateEvent, frozen=True, kw_only=True):
    """Those who waited and have their seats now, by their packed ids."""

    patients: tuple[str, ...]


class SeatsLookedAt(StateEvent, frozen=True, kw_only=True):
    """The place looks again by itself at `look_at`, if at all."""

    look_at: datetime | None


class CapacityWatched(StateEvent, frozen=True, kw_only=True):
    """Whether so many seats are taken that operations were warned; once for each time that it comes to be so."""

    is_near: bool


OfSeats = SeatAsked | SeatOccupied | SeatLeft
SeatAnswers = SeatGiven | SeatsFull
