"""A small clinic's rota: a nurse by day, a clinician by night and on weekends."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from shared.rules.ringing import Calendar
from shared.rules.rota import DAYS, Exchange, Hours, Rota, Shift

NEW_YORK = ZoneInfo("America/New_York")
WORKDAYS = DAYS[:5]
BY_DAY = Shift(days=WORKDAYS, from_="08:00", to="17:00", person="nurse-1")
BY_NIGHT = Shift(days=WORKDAYS, from_="17:00", to="08:00", person="clinician-1")
WEEKEND = Shift(days=("sat", "sun"), from_="08:00", to="08:00", person="clinician-2")
WEEK = (BY_DAY, BY_NIGHT, WEEKEND)
OFFICE = (Hours(days=WORKDAYS, from_="08:00", to="17:00"),)


def local(text: str) -> datetime:
    """The instant of a local time in New York, `2026-03-02 14:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(UTC)


def rota(*exchanges: Exchange) -> Rota:
    return Rota(NEW_YORK, WEEK, exchanges)


def calendar(*holidays: date, hours: tuple[Hours, ...] = OFFICE, zones: dict[str, ZoneInfo] | None = None) -> Calendar:
    return Calendar(rota(), hours, frozenset(holidays), "08:00", "20:00", timedelta(hours=4), zones or {})
