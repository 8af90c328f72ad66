"""Which moments a sender may write, in whatever format: the calendar's ends, and how far ahead a clock may be."""

from datetime import date, datetime, timedelta

YEARS = range(1900, 9999)
"""No patient's life reaches beyond them, and at the ends of the calendar an instant leaves it in another time zone."""
AHEAD_MOST = timedelta(minutes=60)
"""A sender's clock may be ahead of ours, or an hour off: what lies further ahead has not happened."""


def is_in_calendar(day: date) -> bool:
    """Whether an instant, as it is written, or a day lies in a year that can be stored and compared anywhere."""
    return day.year in YEARS


def has_happened(at: datetime, now: datetime, ahead: timedelta = AHEAD_MOST) -> bool:
    """Whether this can be over by now: a wrong year would outlive every later correction."""
    return at <= now + ahead
