"""The program's cap on misses: beyond it a person looks at the stay, whom nobody discharges for it. Pure.

Sessions are forgotten before the cap's days are over; of a miss that was, its time is left.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.attendance.record import RequestKind, Session, minute_of
from services.attendance.settings import Settings

OVER_CAP: Final[RequestKind] = "over-cap"
REASON: Final = "misses-over-cap"
PAST_MOST = 30
"""More misses no cap counts."""


def beyond(misses: Sequence[Session], past: Sequence[int], settings: Settings) -> tuple[Session, ...]:
    """Those of the misses, given in their order, with which there were more than the cap within its days, and about
    which no person has been asked; of some only the time is left (`past`, in minutes since 1970)."""
    zone, span = ZoneInfo(settings.timezone), timedelta(days=settings.misses_cap_days)
    minutes = sorted((*past, *(each.minute for each in misses)))
    return tuple(
        each
        for each in misses
        if OVER_CAP not in each.answered
        and 0 < settings.misses_cap < _within(minutes, minute_of(each.start.astimezone(zone) - span), each.minute)
    )


def _within(minutes: Sequence[int], since: int, until: int) -> int:
    return bisect_right(minutes, until) - bisect_right(minutes, since)


def forgotten(past: Sequence[int], gone: Iterable[Session]) -> tuple[int, ...]:
    """With those of these sessions, which leave the state, that were missed: the newest ones, in order of time."""
    return tuple(sorted([*past, *(each.minute for each in gone if each.counts_as_missed)])[-PAST_MOST:])
