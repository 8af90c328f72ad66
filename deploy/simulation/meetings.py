"""What becomes of a group's sessions, by chance: called off or moved for all its members at once. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

import msgspec

CALLED_OFF_PERCENT, MOVED_PERCENT = 8, 6
DAYS_BEFORE = (2, 1, 0, 0, -1)
"""So many days before it, in the morning; -1 is the morning after."""
DAY = timedelta(days=1)


class Meeting(msgspec.Struct, frozen=True):
    """A session of a group as its Slot has it, `id`."""

    group: str
    id: str
    start: datetime
    end: datetime


class Change(msgspec.Struct, frozen=True):
    """It is held from `to` on; where that is None, it does not take place."""

    meeting: Meeting
    to: datetime | None


def change(meeting: Meeting, days_before: int, midday: datetime, chance: Random) -> Iterator[Change]:
    """What is said of it in this morning; `midday` is of its day. What was held does not move."""
    when, what = chance.choice(DAYS_BEFORE), chance.randrange(100)
    if when != days_before:
        return
    if what < CALLED_OFF_PERCENT:
        yield Change(meeting, None)
    elif what < CALLED_OFF_PERCENT + MOVED_PERCENT and when >= 0:
        yield Change(meeting, midday)
