"""What becomes of a group's sessions, by chance: called off or moved for all its members at once. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

import msgspec

CALLED_OFF_PERCENT, MOVED_PERCENT = 8, 6
DAYS_BEFORE = (2, 1, 0, 0, -1)
"""So many days before it, in the morning; -1 is the morning after."""
DAY = timedelta(days=1)


CHOICES = ("leave", "individual-therapy")
CHOSEN_PERMILLE, BACK_PERCENT = 12, 25
"""Each morning: of those in groups, and of the others."""


def choice(stands: str, chance: Random) -> str:
    """What a therapist chooses this morning for one patient, of whom they chose last what `stands`; "" for nothing."""
    if stands:
        return "any" if chance.randrange(100) < BACK_PERCENT else ""
    return chance.choice(CHOICES) if chance.randrange(1000) < CHOSEN_PERMILLE else ""


ADVANCED_PERMILLE = 15
"""Each morning, of those who are not in the last stage yet."""


def advances(chance: Random) -> bool:
    """Whether a therapist lets one patient go on with the last stage this morning."""
    return chance.randrange(1000) < ADVANCED_PERMILLE


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
    elif what < CALLED_OFF_PERCENT + MOVED_PERCENT and when >= 0 and meeting.start != midday:
        yield Change(meeting, midday)
