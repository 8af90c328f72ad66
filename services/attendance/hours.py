"""The weekly template as sessions. Pure; local times are the program's timezone."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.attendance.record import Episode, Session, minute_of
from shared.rules.calendar import OPEN, Calendar


def sessions_between(
    episode: Episode,
    start: datetime,
    end: datetime,
    timezone: str,
    calendar: Calendar = OPEN,
    slots: Sequence[int] | None = None,
) -> Iterator[Session]:
    """Every session of the week, or of these slots of the template, that starts in [start, end), in order of time.

    A slot every two weeks falls on the first, third, ... week of the episode. Clock changes keep the local hour. On
    a closed day there is none; what is held instead on another keeps its hour, where that day's own sessions leave it
    free.
    """
    zone, planned = ZoneInfo(timezone), episode.slots if slots is None else slots
    day, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    while day <= last:
        held: list[Session] = []
        for owed_on in calendar.owed_on(day):
            owed = _owed(episode, owed_on, day, planned, zone)
            held += [each for each in owed if owed_on == day or not any(episode.overlap(each, one) for one in held)]
        yield from sorted((each for each in held if start <= each.start < end), key=lambda each: each.place)
        day += timedelta(days=1)


def _owed(episode: Episode, owed_on: date, held_on: date, slots: Sequence[int], zone: ZoneInfo) -> list[Session]:
    """The sessions of one day of the plan, on the day on which they are held."""
    week = (owed_on - _monday(episode.admitted_at, zone).date()).days // 7
    planned = [(slot, episode.template[slot]) for slot in slots]
    return [
        Session(minute_of(datetime.combine(held_on, time.fromisoformat(each.start), zone)), slot)
        for slot, each in planned
        if each.weekday == owed_on.weekday() and week % each.every_weeks == 0
    ]


def _monday(moment: datetime, zone: ZoneInfo) -> datetime:
    local = moment.astimezone(zone)
    return datetime.combine(local.date() - timedelta(days=local.weekday()), time(), zone)


def left_at(discharged_at: datetime, timezone: str) -> datetime:
    """From when the patient owes no session. A date alone comes as its first moment, and lasts to the day's end."""
    local = discharged_at.astimezone(ZoneInfo(timezone))
    return local + timedelta(days=1) if local.time() == time() else local


def ends_of(episode: Episode, timezone: str) -> list[datetime]:
    """From when the patient owes no session: by the discharge, the death that is reported, nights elsewhere."""
    ends = [] if episode.discharged_at is None else [left_at(episode.discharged_at, timezone)]
    return [*ends, *(each for each in (episode.died_at, episode.paused_at) if each is not None)]
