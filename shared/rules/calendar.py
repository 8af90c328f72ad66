"""The days on which a program holds no session, and those on which it holds them instead. Pure; days are local."""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cached_property
from hashlib import sha256

import msgspec

REASONS = ("building", "emergency", "holiday", "staff", "training", "weather")
CLOSED_DAYS_MOST = 366
"""Of one line: more is a year mistyped."""
APART_DAYS_MOST = 31
"""Between a closed day and the one that replaces it, the same."""


class Calendar(msgspec.Struct, frozen=True, dict=True, forbid_unknown_fields=True):
    """`closed`: a day (`2026-11-26`), or the first and the last one (`2026-12-24/2026-12-26`), and one of `REASONS`.
    `replaced`: a closed day, and the day on which its sessions are held instead, at their hours."""

    closed: dict[str, object] = {}
    replaced: dict[str, object] = {}

    def __post_init__(self) -> None:
        """Raises ValueError, which names the line."""
        _ = self.days, self.replacements

    @cached_property
    def days(self) -> Mapping[date, str]:
        """Every closed day, and its reason."""
        found: dict[date, str] = {}
        for line, reason in self.closed.items():
            place = f'calendar.closed: "{line}"'
            if reason not in REASONS:
                raise ValueError(f"{place}: the reason must be one of {', '.join(REASONS)}")
            for day in _days(line, place):
                if day in found:
                    raise ValueError(f"{place}: another line closes {day} already")
                found[day] = str(reason)
        return found

    @cached_property
    def replacements(self) -> Mapping[date, tuple[date, ...]]:
        """A day -> the closed days whose sessions are held on it."""
        found: dict[date, tuple[date, ...]] = {}
        for line, instead in sorted(self.replaced.items()):
            place = f'calendar.replaced: "{line}"'
            closed, day = _day(line, place), _day(str(instead), place)
            if closed not in self.days:
                raise ValueError(f"{place}: only a day in calendar.closed is replaced")
            if day in self.days:
                raise ValueError(f"{place}: the program is closed on the day instead, too")
            if abs(day - closed) > timedelta(days=APART_DAYS_MOST):
                raise ValueError(f"{place}: the day instead must be at most {APART_DAYS_MOST} days away")
            found[day] = (*found.get(day, ()), closed)
        return found

    def short_form(self) -> str:
        """Another one where anything is other; "" where no day is closed."""
        return self._form

    @cached_property
    def _form(self) -> str:
        stated = sorted(self.days.items()), sorted(self.replacements.items())
        return sha256(msgspec.json.encode(stated)).hexdigest()[:8] if self.days else ""

    def owed_on(self, day: date) -> tuple[date, ...]:
        """The days of the plan whose sessions are held on this one, its own first."""
        return () if day in self.days else (day, *self.replacements.get(day, ()))


OPEN = Calendar()
"""Closed on no day."""


def _days(line: str, place: str) -> list[date]:
    first, slash, last = line.partition("/")
    since = _day(first, place)
    until = _day(last, place) if slash else since
    if until < since:
        raise ValueError(f"{place}: the first day must not be after the last one")
    if until - since >= timedelta(days=CLOSED_DAYS_MOST):
        raise ValueError(f"{place}: must be at most {CLOSED_DAYS_MOST} days")
    return [since + timedelta(days=each) for each in range((until - since).days + 1)]


def _day(text: str, place: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or str(found) != text:
        raise ValueError(
            f"{place}: must be a day like 2026-11-26, closed ones also a first and a last one with / between"
        )
    return found
