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


class SeatAnswer(Event, frozen=True, kw_only=True):
    """To what was asked for this stay, `since` then: an answer may come when the same stay has been asked for anew."""

    episode_id: str
    since: datetime


class SeatGiven(SeatAnswer, frozen=True, kw_only=True, tag=True):
    """The seat is this stay's until it is left."""


class SeatsFull(SeatAnswer, frozen=True, kw_only=True, tag=True):
    """No seat is free. Unless it `waits` in line, the line is full too."""

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


class SeatSought(StateEvent, frozen=True, kw_only=True):
    """Of the patient's own state: which seat was asked for, or (`stays`) taken by a stay that goes on."""

    episode_id: str
    place: str
    rank: int
    since: datetime
    stays: bool = False


class SeatAnswered(StateEvent, frozen=True, kw_only=True):
    """Of the patient's own state, what the place answered. A seat that was `given_at` goes to the next at `until`,
    unless the stay begins; where the line is full too it is asked again at `ask_at`; `start` is the one that was named
    before it turned out that no seat is free."""

    given_at: datetime | None = None
    until: datetime | None = None
    ask_at: datetime | None = None
    start: datetime | None = None


class SeatPassed(StateEvent, frozen=True, kw_only=True):
    """The patient could not be admitted in time: the seat goes to the next."""


class SeatReturned(StateEvent, frozen=True, kw_only=True):
    """Of the patient's own state: no seat is needed any more."""


OfSeats = SeatAsked | SeatOccupied | SeatLeft
SeatAnswers = SeatGiven | SeatsFull
OfOwnSeat = SeatSought | SeatAnswered | SeatPassed | SeatReturned
