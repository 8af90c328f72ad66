"""Who goes through the program: when each comes and leaves, how reliable they are, how their EHR reports. Pure."""

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from typing import Literal, get_args

import msgspec

Manner = Literal["blocks", "groups", "appointments"]
"""What an EHR sends of a group: an Encounter for each block of it, one for the whole, or Appointments only."""
EVERY_MANNER: tuple[Manner, ...] = get_args(Manner)
STAY_WEEKS = (2, 4, 6, 8, 10, 12)
LAST_ARRIVAL_PERCENT = 85
"""Whoever comes later in the simulated time would hardly be seen."""
ABSENT_PERCENT = (3, 8, 8, 15, 15, 30)
"""Of their sessions: most patients are reliable, a few are not."""
STOPS_PERCENT = 8
"""Of the patients: they come no more, and are discharged weeks later."""
EVENING_PERCENT, MEDICAID_PERCENT = 40, 33
GONE_DAYS_MOST = 24


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Days are local; `stops_on` is from when they come no more."""

    number: int
    manner: Manner
    evening: bool
    comes_on: date
    leaves_on: date
    absent_percent: int
    stops_on: date | None = None
    payer: str = "default"
    """As program.toml names it."""

    @property
    def mrn(self) -> str:
        return f"SIM-{self.number:05}"


def people(seed: int, count: int, weeks: int, monday: date) -> Iterator[Person]:
    """So many, whose stays begin in so many weeks from this Monday on; the same ones for the same seed."""
    for number in range(count):
        yield _person(number, weeks, monday, Random(f"{seed}:person:{number}"))


def _person(number: int, weeks: int, monday: date, chance: Random) -> Person:
    last_day = max(0, weeks * 7 * LAST_ARRIVAL_PERCENT // 100 - 1)
    comes_on = _workday(monday + timedelta(days=chance.randint(0, last_day)))
    leaves_on = _workday(comes_on + timedelta(weeks=chance.choice(STAY_WEEKS), days=chance.randint(0, 6)))
    stops_on = None
    if chance.randrange(100) < STOPS_PERCENT:
        stops_on = leaves_on - timedelta(days=chance.randint(3, GONE_DAYS_MOST))
    return Person(
        number=number,
        manner=EVERY_MANNER[number % len(EVERY_MANNER)],
        evening=chance.randrange(100) < EVENING_PERCENT,
        comes_on=comes_on,
        leaves_on=leaves_on,
        absent_percent=chance.choice(ABSENT_PERCENT),
        stops_on=stops_on,
        payer="medicaid" if chance.randrange(100) < MEDICAID_PERCENT else "default",
    )


def _workday(day: date) -> date:
    return day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() > 4 else 0)
