"""The one reader of foreign moments, in whatever format they were written: two doors, for what is over and for plans.

`happened`: effective, issued, collected, authored, a period that is over: from 1900 until now, and as far ahead as a
sender's clock may be. `planned`: an Appointment, a consent's or a prescription's period: 1900 to 9998. A day, a month
or a year is given by its first moment, and so lies ahead only when its beginning does.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

YEARS = range(1900, 9999)
"""No patient's life reaches beyond them, and at the ends of the calendar an instant leaves it in another time zone."""


class TimeSettings(Protocol):
    """What every service's settings hold of a program."""

    @property
    def timezone(self) -> str: ...
    @property
    def ahead_minutes(self) -> int: ...


@dataclass(frozen=True, slots=True)
class ProgramTime:
    """By what a program reads foreign moments: its zone, clinic time now, how far ahead a sender's clock may be."""

    zone: ZoneInfo
    now: datetime
    ahead: timedelta

    @classmethod
    def of(cls, settings: TimeSettings, now: datetime) -> "ProgramTime":
        return cls(ZoneInfo(settings.timezone), now, timedelta(minutes=settings.ahead_minutes))


class WrongMoment(Exception):
    """No moment that this door takes: the rule, and its issue type in FHIR."""

    def __init__(self, code: Literal["value", "business-rule"], rule: str) -> None:
        super().__init__(rule)
        self.code = code
        self.rule = rule


def require_in_calendar(day: date) -> None:
    """A day, or an instant as it is written, that can be stored and compared anywhere. Raises WrongMoment."""
    if day.year not in YEARS:
        raise WrongMoment("value", "Year must be 1900 to 9998.")


def planned(at: datetime) -> datetime:
    """A moment of the calendar, ahead or past. Raises WrongMoment."""
    require_in_calendar(at)
    return at


def happened(at: datetime, time: ProgramTime) -> datetime:
    """A moment that can be over by now: a wrong year would outlive every later correction. Raises WrongMoment."""
    if planned(at) > time.now + time.ahead:
        raise WrongMoment("business-rule", "Must not be in the future.")
    return at
