"""When an escalation rings: the grave ones at once, the others in hours at which somebody can act. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from shared.rules.rota import DAYS, Hours, Rota, on_date

AT_ONCE_FROM_TIER = 3


@dataclass(frozen=True)
class Calendar:
    """A program's business hours and holidays, and the daytime of whoever is on call (`zones`: of those who live in
    another zone than the program's)."""

    rota: Rota
    business_hours: Sequence[Hours]
    holidays: frozenset[date]
    daytime_from: str
    daytime_to: str
    before_due: timedelta
    zones: Mapping[str, ZoneInfo] = field(default_factory=dict)

    def rings_at(self, tier: int, since: datetime, due: datetime) -> datetime:
        """When an escalation of this tier, that stands since then, rings.

        T3 and T4 at once. T1 and T2 at the next business hour, but never later than `before_due` before they are due;
        where none lies before that, in the next daytime of whoever is on call; at once where there is none either.
        """
        latest = due - self.before_due
        if tier >= AT_ONCE_FROM_TIER or latest <= since:
            return since
        return self._next_business_hour(since, latest) or self._next_daytime(since, latest) or since

    def _next_business_hour(self, since: datetime, latest: datetime) -> datetime | None:
        zone = self.rota.zone
        found = [
            max(since, on_date(on, each.from_, zone))
            for on in _dates(since, latest, zone)
            if on not in self.holidays
            for each in self.business_hours
            if DAYS[on.weekday()] in each.days and since < on_date(on, each.to, zone)
        ]
        return min((each for each in found if each <= latest), default=None)

    def _next_daytime(self, since: datetime, latest: datetime) -> datetime | None:
        """It begins with the day of whoever is on call, or with a shift of somebody whose day it is already."""
        mornings = [
            on_date(on, self.daytime_from, zone)
            for zone in {self.rota.zone, *self.zones.values()}
            for on in _dates(since, latest, zone)
        ]
        candidates = sorted({since, *mornings, *self.rota.changes(since, latest)})
        return next((each for each in candidates if since <= each <= latest and self._is_daytime(each)), None)

    def _is_daytime(self, at: datetime) -> bool:
        zone = self.zones.get(self.rota.who(at), self.rota.zone)
        wall = at.astimezone(zone).time()
        return time.fromisoformat(self.daytime_from) <= wall < time.fromisoformat(self.daytime_to)


def _dates(since: datetime, until: datetime, zone: ZoneInfo) -> list[date]:
    first, last = since.astimezone(zone).date(), until.astimezone(zone).date()
    return [first + timedelta(days=day) for day in range((last - first).days + 1)]
