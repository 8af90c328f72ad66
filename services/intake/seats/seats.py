"""Seats of a level of care, or of a track with seats of its own: who has one, who waits, whom the next is offered to.

A key of its own kind (`place_key`), so that of two patients who ask for the last seat one gets it, always. The answers
go to the patient's own key by `To`; what is emitted besides says how many seats are taken, never whose.
"""

from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from services.intake import messages
from services.intake.settings import Settings
from shared.events.envelope import Command, Event
from shared.events.internal import To
from shared.path.service import PATIENT
from shared.rules.decision import Moment, Refused
from shared.rules.packing import instant, pack_id, seconds, unpack_id

VERSION = 1
WAITING_MOST = 180
"""In line for one place; whoever is beyond asks again later: a state stays small."""
TAKEN_MOST = 200
"""More than any capacity, for a stay that goes on takes its seat whatever the count."""
LOOK_HOURS = 1
"""While anybody waits the place looks again by itself: its capacity may have been raised."""

STATE_DAYS = 7
"""So long a block-grant program has to tell its State that it is nearly full (45 CFR 96.126(a))."""


class Holder(msgspec.Struct, frozen=True, array_like=True):
    """Of a seat; ids are packed."""

    patient: str
    episode: str


class Waiting(Holder, frozen=True, array_like=True):
    """In line; `since` in seconds (UTC)."""

    rank: int
    since: int

    @property
    def turn(self) -> tuple[int, int, str]:
        return self.rank, self.since, self.patient


AnyHolder = TypeVar("AnyHolder", bound=Holder)


class Seats(msgspec.Struct, frozen=True, array_like=True):
    """Of one place; a patient has or waits for one seat in it. The line stands in its order."""

    place: str = ""
    taken: tuple[Holder, ...] = ()
    line: tuple[Waiting, ...] = ()
    look_at: datetime | None = None
    is_near: bool = False


def react(state: Seats, event: messages.ConsumesOfSeats, moment: Moment[Settings]) -> list[messages.EmitsOfSeats]:
    """Whom free seats are given, what the others are answered, and what operations hear. Total: a repeat is deaf."""
    after = evolve(state, event)
    capacity = moment.settings.capacity.get(after.place)
    given = after.line if capacity is None else after.line[: max(capacity - len(after.taken), 0)]
    filled = messages.SeatsFilled(patients=tuple(each.patient for each in given))
    then = evolve(after, filled) if given else after
    return [
        *([filled] if given else []),
        *(_answer(each, messages.SeatGiven(**_asked(each))) for each in given),
        *_refusals(state, event, then),
        *_watched(then, capacity, moment),
        *_looks_again(then, event, moment),
    ]


def _answer(to: Waiting, event: messages.SeatAnswers) -> To:
    return To(kind=PATIENT, key=unpack_id(to.patient), event=event)


def _refusals(state: Seats, event: messages.ConsumesOfSeats, then: Seats) -> list[To]:
    """To whoever came and waits, and to whoever has to make room in the line."""
    if not isinstance(event, messages.SeatAsked):
        return []
    came, served = _asker(event), {each.patient for each in (*then.taken, *then.line)}
    others = [each for each in state.line if each.patient != came.patient]
    full = [_full(each, waits=False) for each in (*others, came) if each.patient not in served]
    was_in_line = any((each.patient, each.episode) == (came.patient, came.episode) for each in state.line)
    return full if was_in_line or came not in then.line else [*full, _full(came, waits=True)]


def _full(to: Waiting, *, waits: bool) -> To:
    return _answer(to, messages.SeatsFull(**_asked(to), waits=waits))


def _asked(to: Waiting) -> dict[str, Any]:
    """What an answer is to."""
    return {"episode_id": unpack_id(to.episode), "since": instant(to.since)}


def _watched(then: Seats, capacity: int | None, moment: Moment[Settings]) -> list[messages.EmitsOfSeats]:
    """At so many percent of its capacity the State has to be told in time: a person does."""
    taken = len(then.taken)
    is_near = capacity is not None and taken * 100 >= moment.settings.capacity_percent * capacity
    if is_near == then.is_near:
        return []
    due_at = moment.now + timedelta(days=STATE_DAYS)
    warned = messages.CapacityNearlyReached(
        outcome_id=moment.new_id("capacity"),
        service="intake",
        details=f"Of program {moment.program}, level {then.place}, {taken} of {capacity} seats are taken. "
        f"A block-grant program tells its State by {due_at:%Y-%m-%d} (45 CFR 96.126(a)).",
    )
    return [messages.CapacityWatched(is_near=is_near), *([warned] if is_near else [])]


def _looks_again(then: Seats, event: messages.ConsumesOfSeats, moment: Moment[Settings]) -> list[messages.EmitsOfSeats]:
    if (then.look_at is not None) == bool(then.line) and not isinstance(event, messages.TimePassed):
        return []
    return [messages.SeatsLookedAt(look_at=moment.now + timedelta(hours=LOOK_HOURS) if then.line else None)]


def decide(state: Seats, command: Command, moment: Moment[Settings]) -> Refused:
    """Every command is about a patient."""
    return Refused("not-supported", "No command is about seats.")


def evolve(state: Seats, event: Event | Command) -> Seats:
    """The state after an event. Total: what it does not know changes nothing."""
    change = msgspec.structs.replace
    match event:
        case messages.SeatAsked(place=place):
            return change(_in_line(state, _asker(event)), place=place)
        case messages.SeatOccupied(place=place):
            return change(_occupied(state, Holder(pack_id(event.patient), pack_id(event.episode_id))), place=place)
        case messages.SeatLeft():
            gone = pack_id(event.patient), pack_id(event.episode_id)
            return change(state, taken=_without(state.taken, *gone), line=_without(state.line, *gone))
        case messages.SeatsFilled(patients=patients):
            given = tuple(Holder(each.patient, each.episode) for each in state.line if each.patient in patients)
            line = tuple(each for each in state.line if each.patient not in patients)
            return change(state, taken=(*state.taken, *given), line=line)
        case messages.SeatsLookedAt(look_at=at):
            return change(state, look_at=at)
        case messages.CapacityWatched(is_near=is_near):
            return change(state, is_near=is_near)
        case _:
            return state


def _asker(event: messages.SeatAsked) -> Waiting:
    return Waiting(pack_id(event.patient), pack_id(event.episode_id), event.rank, seconds(event.since))


def _in_line(state: Seats, came: Waiting) -> Seats:
    """Whoever has a seat for this stay is not in line for it; another stay of the same patient comes in its place."""
    taken = tuple(each for each in state.taken if each.patient != came.patient or each.episode == came.episode)
    if any(each.patient == came.patient for each in taken):
        return state
    others = (each for each in state.line if each.patient != came.patient)
    line = sorted((*others, came), key=lambda each: each.turn)[:WAITING_MOST]
    return msgspec.structs.replace(state, taken=taken, line=tuple(line))


def _occupied(state: Seats, holder: Holder) -> Seats:
    others = tuple(each for each in state.taken if each.patient != holder.patient)
    line = tuple(each for each in state.line if each.patient != holder.patient)
    if len(others) >= TAKEN_MOST or holder in state.taken:
        return msgspec.structs.replace(state, line=line)
    return msgspec.structs.replace(state, taken=(*others, holder), line=line)


def _without(holders: tuple[AnyHolder, ...], patient: str, episode: str) -> tuple[AnyHolder, ...]:
    return tuple(each for each in holders if (each.patient, each.episode) != (patient, episode))


def due(state: Seats) -> datetime | None:
    return state.look_at
