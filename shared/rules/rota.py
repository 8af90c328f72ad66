"""Who is on call: a weekly pattern without a gap, its exceptions, in a zone. Pure.

A shift begins at a time of the wall's clock and lasts until the next one begins, so nobody is on call twice or not at
all in the hour that is skipped or repeated when the clocks change.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec

Role = Literal["on-call", "deputy"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TimeOfDay = Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
"""`HH:MM`, as the clock on the wall shows it."""
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES
YEARS = range(1900, 9999)
"""Beyond them a local time may have no instant."""
_LOOK_BACK_DAYS = 2
"""A shift lasts at most a day, so the present one began on this date, the one before or, when clocks change, before."""


class Hours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same hours on several days; where `to` is not after `from` they end on the next day."""

    days: Annotated[tuple[Day, ...], msgspec.Meta(min_length=1)]
    from_: TimeOfDay = msgspec.field(name="from")
    to: TimeOfDay


class Shift(Hours, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hours of the week and whose they are."""

    person: str


class Exchange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another person than the weekly pattern's, from one local time to another."""

    role: Role
    from_: datetime = msgspec.field(name="from")
    to: datetime
    person: str


@dataclass(frozen=True)
class Rota:
    """Who has one role at which hour."""

    zone: ZoneInfo
    shifts: Sequence[Shift]
    exchanges: Sequence[Exchange] = ()

    def who(self, at: datetime) -> str:
        """Who has the role at this instant."""
        exchanged = next((each.person for each in self.exchanges if self._spans(each, at)), None)
        return exchanged or max(start for start in self._starts(at) if self._has_begun(start[0], at))[1]

    def changes(self, since: datetime, until: datetime) -> Iterator[datetime]:
        """The instants from `since` to `until` at which another person may begin, in no order."""
        day = since
        while day < until + timedelta(days=1):
            yield from self._between(since, until, *(start for start, _ in self._starts(day)))
            day += timedelta(days=1)
        for each in self.exchanges:
            yield from self._between(since, until, each.from_, each.to)

    def people(self) -> set[str]:
        """Everybody whom it names."""
        return {each.person for each in self.shifts} | {each.person for each in self.exchanges}

    def _between(self, since: datetime, until: datetime, *local: datetime) -> Iterator[datetime]:
        return (at for at in (instant(each, self.zone) for each in local) if since <= at <= until)

    def _has_begun(self, start: datetime, at: datetime) -> bool:
        """In an hour that comes twice it begins in the first; one that is skipped has begun behind it."""
        return instant(start, self.zone) <= at or start <= at.astimezone(self.zone).replace(tzinfo=None)

    def _starts(self, at: datetime) -> Iterator[tuple[datetime, str]]:
        """The shifts that begin on the date of this instant or shortly before: when, in local time, and whose."""
        today = at.astimezone(self.zone).date()
        for on in (today - timedelta(days=back) for back in range(_LOOK_BACK_DAYS + 1)):
            for shift in self.shifts:
                if DAYS[on.weekday()] in shift.days:
                    yield datetime.combine(on, time.fromisoformat(shift.from_)), shift.person

    def _spans(self, exchange: Exchange, at: datetime) -> bool:
        return instant(exchange.from_, self.zone) <= at < instant(exchange.to, self.zone)


def on_date(on: date, at: TimeOfDay, zone: ZoneInfo) -> datetime:
    """The instant at which the clock on the wall shows this time on this date."""
    return instant(datetime.combine(on, time.fromisoformat(at)), zone)


def instant(local: datetime, zone: ZoneInfo) -> datetime:
    """UTC of a local time; of one that comes twice the first, of one that is skipped an hour later."""
    return local.replace(tzinfo=zone).astimezone(UTC)


def minutes(hours: Hours) -> Iterator[tuple[int, int]]:
    """From and to of each day's hours as minutes of the week, which begins on Monday; those past its end go on at 0."""
    start, end = (time.fromisoformat(each) for each in (hours.from_, hours.to))
    length = (end.hour - start.hour) * 60 + end.minute - start.minute
    for day in hours.days:
        begins = DAYS.index(day) * DAY_MINUTES + start.hour * 60 + start.minute
        ends = begins + (length if length > 0 else length + DAY_MINUTES)
        yield begins, min(ends, WEEK_MINUTES)
        if ends > WEEK_MINUTES:
            yield 0, ends - WEEK_MINUTES


def require_whole(shifts: Sequence[Shift]) -> None:
    """One person at each minute of the week. Raises ValueError naming the first that has none, or two."""
    until, uncovered = 0, list[int]()
    for begins, ends in sorted(each for shift in shifts for each in minutes(shift)):
        if begins > until:
            uncovered.append(until)
        if begins < until:
            raise ValueError(f"two shifts from {_written(begins)} on")
        until = ends
    if until < WEEK_MINUTES:
        uncovered.append(until)
    if uncovered:
        # A gap over the end of the week begins before it.
        first = uncovered[-1 if uncovered[0] == 0 and until < WEEK_MINUTES else 0]
        raise ValueError(f"nobody from {_written(first)} on")


def require_orderly(exchanges: Sequence[Exchange]) -> None:
    """Each begins before it ends, in local time, and no two of a role overlap. Raises ValueError."""
    for each in exchanges:
        if each.from_.tzinfo or each.to.tzinfo:
            raise ValueError(f"{_of(each)}: from and to must be local times, without an offset")
        if not YEARS[0] <= each.from_.year <= each.to.year <= YEARS[-1] and each.from_ < each.to:
            raise ValueError(f"{_of(each)}: a year must be {YEARS[0]} to {YEARS[-1]}")
        if each.from_ >= each.to:
            raise ValueError(f"{_of(each)}: from must be before to")
    ordered = sorted(exchanges, key=lambda each: (each.role, each.from_))
    for before, after in pairwise(ordered):
        if before.role == after.role and after.from_ < before.to:
            raise ValueError(f"{_of(after)}: begins before the one from {before.from_:%Y-%m-%d %H:%M} on ends")


def _of(exchange: Exchange) -> str:
    return f"exchange of {exchange.role} from {exchange.from_:%Y-%m-%d %H:%M} on"


def _written(minute: int) -> str:
    day, rest = divmod(minute, DAY_MINUTES)
    return f"{DAYS[day]} {rest // 60:02}:{rest % 60:02}"
