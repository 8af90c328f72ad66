"""A patient's list of meetings, from the question to what fits: internal events, on no topic."""

from datetime import datetime
from typing import ClassVar

from services.aftercare.meetings.matching import Offer
from services.aftercare.meetings.wishes import Wishes
from shared.events.envelope import Event
from shared.events.internal import Lookup
from shared.rules.packing import pack_id

ASKED_MOST = 8
"""Lists of one patient that are looked for at once; of more the oldest is given up."""


class MeetingsAsked(Lookup, frozen=True, kw_only=True, tag=True):
    """Which of the program's meetings fit these wishes, at most `most` of them."""

    lane: ClassVar[str] = "lookup:meetings"
    list_id: str
    plan_id: str
    wishes: Wishes
    most: int
    asked_at: datetime
    request_id: str = ""
    """What a person asked for it by, where one did."""


class MeetingsMatched(Event, frozen=True, kw_only=True, tag=True):
    """What fits, of the snapshot of this digest: none where nothing does; `is_near` where one of all that fit can be
    gone to."""

    list_id: str
    plan_id: str
    offers: tuple[Offer, ...]
    snapshot: str
    is_near: bool = True
    request_id: str = ""


def after(lists: tuple[str, ...], event: MeetingsAsked | MeetingsMatched) -> tuple[str, ...]:
    """The lists that are looked for, by id (packed): with what is asked, without what is answered."""
    others = tuple(each for each in lists if each != pack_id(event.list_id))
    return (*others, pack_id(event.list_id))[-ASKED_MOST:] if isinstance(event, MeetingsAsked) else others


def is_awaited(lists: tuple[str, ...], event: MeetingsMatched) -> bool:
    return pack_id(event.list_id) in lists
