"""What a patient asks a group, and what it answers: internal, from one key to another, on no topic."""

from datetime import datetime
from typing import Literal

from services.attendance.record import SessionSlot
from shared.events.envelope import Event
from shared.events.internal import StateEvent


class AboutMember(Event, frozen=True, kw_only=True):
    """Of a patient and what they ask a group: `ask` is short for it, another one where they ask anew."""

    patient: str
    group: str
    ask: str


class SeatAsked(AboutMember, frozen=True, kw_only=True, tag=True):
    """`since` is when the wait began, whatever was asked later; in its order a free seat is given."""

    since: datetime


class SeatLeft(AboutMember, frozen=True, kw_only=True, tag=True):
    """Whether it was taken or waited for."""


class SeatAnswer(Event, frozen=True, kw_only=True):
    """To what was asked: an answer may come when the patient has left already."""

    group: str
    ask: str


class SeatGiven(SeatAnswer, frozen=True, kw_only=True, tag=True):
    """The seat is the patient's until they leave."""


class GroupFull(SeatAnswer, frozen=True, kw_only=True, tag=True):
    """No seat is free. Unless it `waits` in line, the line is full too, or nobody joins the group any more."""

    waits: bool = True


class SeatsFilled(StateEvent, frozen=True, kw_only=True):
    """Those who waited and have their seats now, by their packed ids."""

    patients: tuple[str, ...]


class LineEnded(StateEvent, frozen=True, kw_only=True):
    """Nobody waits any more: nobody joins the group from now on."""


class LineLookedAt(StateEvent, frozen=True, kw_only=True):
    """The group looks again by itself at `look_at`, if at all."""

    look_at: datetime | None


class GroupShown(StateEvent, frozen=True, kw_only=True):
    """Its Group and its Schedule were listed, as `form` is short for them."""

    form: str


AnswerKind = Literal["given", "waits", "refused"]


class SeatSought(StateEvent, frozen=True, kw_only=True):
    """Of the patient's own state: this group is asked for a seat in this stay."""

    episode_id: str
    group: str
    ask: str
    since: datetime


class SeatAnswered(StateEvent, frozen=True, kw_only=True):
    """Of the patient's own state, what the group answered."""

    group: str
    ask: str
    answer: AnswerKind


class SeatReturned(StateEvent, frozen=True, kw_only=True):
    """Of the patient's own state: the seat, or the place in line, that this asked for is needed no more."""

    ask: str


class SeatLookedAt(StateEvent, frozen=True, kw_only=True):
    """Of the patient's own state: it is looked at again then, if at all; `asks_a_person` whether one was asked
    to find a seat, for none is to be had."""

    episode_id: str
    look_at: datetime | None
    asks_a_person: bool


class GroupChosen(StateEvent, frozen=True, kw_only=True):
    """Of the patient's own state: a person chose this group for the stay, or `ALONE`, `LEFT` or `ANY` instead."""

    episode_id: str
    group: str


class WeekOfGroup(StateEvent, frozen=True, kw_only=True):
    """The week is made of these slots from then on: those that a group holds stand for those of the plan of care."""

    episode_id: str
    slots: tuple[SessionSlot, ...]
    at: datetime


OfGroups = SeatAsked | SeatLeft
SeatAnswers = SeatGiven | GroupFull
OfGroupStates = SeatsFilled | LineEnded | LineLookedAt | GroupShown
OfOwnSeat = SeatSought | SeatAnswered | SeatReturned | SeatLookedAt | GroupChosen
