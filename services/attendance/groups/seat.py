"""The seat of one patient in a group: asked for, waited for, given; as the patient's own state remembers it."""

from datetime import datetime
from typing import Literal

import msgspec

from services.attendance.groups import seat_events as w
from shared.rules.packing import instant, pack_id, seconds, unpack_id

ALONE, LEFT, ANY = "-alone", "-left", ""
"""What a person chooses instead of a group: individual therapy, none until they choose again, or the hub's choice.
No group has such a name."""


class GroupAsk(msgspec.Struct, frozen=True, array_like=True):
    """What is asked of a group; nothing is answered yet, or the patient `waits` in line, or not even that."""

    group: str
    ask: str
    answer: Literal["", "waits", "refused"] = ""


class GroupSeat(msgspec.Struct, frozen=True, array_like=True):
    """Of one stay, whose id is packed. Times are seconds (UTC): `since` when its wait began, `look_at` when it is
    looked at again. `group` is the one in which it has a seat, "" for none; `chosen` the one that a person chose."""

    episode: str
    since: int = 0
    asks: tuple[GroupAsk, ...] = ()
    group: str = ""
    ask: str = ""
    chosen: str = ""
    look_at: int | None = None
    asks_a_person: bool = False

    @property
    def episode_id(self) -> str:
        return unpack_id(self.episode)

    @property
    def looked_at_again(self) -> datetime | None:
        return instant(self.look_at)

    @property
    def waits_for_answer(self) -> bool:
        return any(not each.answer for each in self.asks)

    def is_answered_by(self, event: w.SeatAnswers) -> bool:
        return any((each.group, each.ask) == (event.group, event.ask) for each in self.asks)


def seat_after(known: GroupSeat | None, event: w.OfOwnSeat) -> GroupSeat | None:
    """The seat after this event."""
    change = msgspec.structs.replace
    match event:
        case w.SeatSought():
            seat = _of_stay(known, event.episode_id)
            others = tuple(each for each in seat.asks if each.group != event.group)
            return change(seat, since=seconds(event.since), asks=(*others, GroupAsk(event.group, event.ask)))
        case w.GroupChosen():
            return change(_of_stay(known, event.episode_id), chosen=event.group)
        case w.SeatLookedAt(look_at=at):
            seat = _of_stay(known, event.episode_id)
            return change(seat, look_at=seconds(at), asks_a_person=event.asks_a_person)
        case _ if known is None:
            return None
        case w.SeatAnswered(answer="given"):
            others = tuple(each for each in known.asks if each.ask != event.ask)
            return change(known, asks=others, group=event.group, ask=event.ask)
        case w.SeatAnswered(answer=answer):
            now = (change(each, answer=answer) if each.ask == event.ask else each for each in known.asks)
            return change(known, asks=tuple(now))
        case w.SeatReturned(ask=ask):
            left = change(known, asks=tuple(each for each in known.asks if each.ask != ask))
            return change(left, group="", ask="") if known.ask == ask else left


def _of_stay(known: GroupSeat | None, episode_id: str) -> GroupSeat:
    packed = pack_id(episode_id)
    return known if known is not None and known.episode == packed else GroupSeat(packed)
