"""The sessions of one group, ahead as far as patients' are booked: as they are planned, moved, and called off. Pure.

Minutes are since 1970 (UTC). A session keeps its name, the minute for which it was planned, wherever it is held.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from services.attendance.groups.plan import GroupPlan
from services.attendance.settings import Settings
from shared.rules.calendar import Calendar
from shared.rules.decision import Moment

BOOK_AHEAD_DAYS = 13
"""Fewer days than these booked are booked on, as of patients."""
FORMER_MOST = 20
"""Former members who are remembered, the last to leave: what was held while they were there concerns them."""

MeetingMark = Literal["", "off", "closed", "unplanned"]
"""`off`: called off by a person. `closed`: the program's calendar holds none on its day. `unplanned`: the group does
not meet then any more."""


class GroupSession(msgspec.Struct, frozen=True, array_like=True):
    """Planned for `minute`, so many `minutes` long, held at minute `at` instead where that is not 0."""

    minute: int
    minutes: int
    at: int = 0
    mark: MeetingMark = ""

    @property
    def held(self) -> int:
        return self.at or self.minute

    @property
    def last(self) -> int:
        """The later of the two."""
        return max(self.minute, self.at)

    @property
    def start(self) -> datetime:
        return datetime.fromtimestamp(self.held * 60, UTC)

    @property
    def end(self) -> datetime:
        return self.start + timedelta(minutes=self.minutes)

    @property
    def change(self) -> "MeetingChange | None":
        """What a member's own plan does not tell of it."""
        if self.at or self.mark == "off":
            return MeetingChange(self.minute, self.held, self.mark == "off")
        return None


class MeetingChange(msgspec.Struct, frozen=True, array_like=True):
    """A session that was planned for `minute` is held at minute `at`, unless it is `off`."""

    minute: int
    at: int
    off: bool

    @property
    def last(self) -> int:
        """The later of the two."""
        return max(self.minute, self.at)


class FormerMember(msgspec.Struct, frozen=True, array_like=True):
    """The packed id of a patient, and in which minute they left."""

    patient: str
    minute: int


class Timetable(msgspec.Struct, frozen=True, array_like=True):
    """Sessions in order of the minutes for which they were planned, booked up to minute `until`; `seats` are those of
    the group when it was last looked at."""

    until: int = 0
    seats: int = 0
    sessions: tuple[GroupSession, ...] = ()
    former: tuple[FormerMember, ...] = ()

    @property
    def books_on_at(self) -> datetime | None:
        return datetime.fromtimestamp((self.until - BOOK_AHEAD_DAYS * 1440) * 60, UTC) if self.until else None

    def with_session(self, changed: GroupSession) -> "Timetable":
        sessions = tuple(changed if each.minute == changed.minute else each for each in self.sessions)
        return msgspec.structs.replace(self, sessions=sessions)

    def changes(self, since: int) -> tuple[MeetingChange, ...]:
        """Of the sessions that were planned, or are held, from minute `since` on."""
        found = (each.change for each in self.sessions if each.last >= since)
        return tuple(each for each in found if each is not None)


def as_planned(change: MeetingChange) -> MeetingChange:
    """Changed no more."""
    return MeetingChange(change.minute, change.minute, off=False)


def minute(moment: datetime) -> int:
    return int(moment.timestamp()) // 60


def oldest(moment: Moment[Settings]) -> int:
    """The minute from which on a session can still be corrected."""
    return minute(moment.now - timedelta(days=moment.settings.correction_days))


def looked_at(known: Timetable, plan: GroupPlan | None, moment: Moment[Settings]) -> Timetable:
    """The timetable as the group's meetings, its seats and the calendar make it now: booked on where few days are
    booked, without what is too old to be corrected. What has begun is never touched."""
    until, since, now = known.until, oldest(moment), minute(moment.now)
    if until - now <= BOOK_AHEAD_DAYS * 1440:
        until = minute(moment.now + timedelta(days=moment.settings.book_days))
    planned = {each.minute: each for each in _planned(plan, now + 1, until, moment.settings)}
    remembered = {each.minute: each for each in known.sessions if each.last >= since}
    for origin, session in remembered.items():
        if session.held > now:
            remembered[origin] = _followed(session, planned.get(origin), moment.settings)
    both = {**planned, **remembered}
    return Timetable(
        until=until,
        seats=0 if plan is None else plan.seats,
        sessions=tuple(both[each] for each in sorted(both)),
        former=tuple(each for each in known.former if each.minute >= since)[-FORMER_MOST:],
    )


def _followed(session: GroupSession, planned: GroupSession | None, settings: Settings) -> GroupSession:
    """What a person called off stays so, and what they moved stays where it is, unless that day is closed."""
    if session.mark == "off":
        return session
    if is_closed(session.start, settings):
        return msgspec.structs.replace(session, mark="closed")
    if session.at:
        return msgspec.structs.replace(session, mark="")
    if planned is None:
        return msgspec.structs.replace(session, mark="unplanned")
    return planned


def is_closed(start: datetime, settings: Settings) -> bool:
    return start.astimezone(ZoneInfo(settings.timezone)).date() in settings.calendar.days


def _planned(plan: GroupPlan | None, since: int, until: int, settings: Settings) -> Iterable[GroupSession]:
    """The meetings that begin in the minutes [since, until), on the days on which the calendar holds them."""
    zone = ZoneInfo(settings.timezone)
    day, last = _day(since, zone), _day(until, zone)
    while plan is not None and day <= last:
        yield from (each for each in _held_on(day, plan, settings.calendar, zone) if since <= each.minute < until)
        day += timedelta(days=1)


def _held_on(day: date, plan: GroupPlan, calendar: Calendar, zone: ZoneInfo) -> list[GroupSession]:
    """Those of the day itself, and where these leave it free, of the closed days that it replaces."""
    held: list[GroupSession] = []
    for owed_on in calendar.owed_on(day):
        meetings = (each for each in plan.meetings if each.weekday == owed_on.weekday())
        found = [GroupSession(_begins(day, each.start, zone), each.minutes) for each in meetings]
        held += [each for each in found if owed_on == day or not any(overlap(each, one) for one in held)]
    return held


def _begins(day: date, start: str, zone: ZoneInfo) -> int:
    return minute(datetime.combine(day, time.fromisoformat(start), zone))


def _day(at: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(at * 60, UTC).astimezone(zone).date()


def overlap(one: GroupSession, other: GroupSession) -> bool:
    return one.start < other.end and other.start < one.end
