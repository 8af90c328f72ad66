"""The week that runs: the hours and days it will have if what is planned is held, and what can still be given. Pure."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from services.attendance import outcomes, spans, weeks
from services.attendance.fitting import groups_for_make_ups, seat_of_stay
from services.attendance.groups.guest_events import OpenSlot, OpenSlots
from services.attendance.payers import PayerWeek, terms_of, week_from
from services.attendance.record import NOT_OWED, Episode, Projection, RequestKind, Session, minute_of, moment_of
from services.attendance.settings import Settings
from services.attendance.state import State
from services.attendance.weeks import Hours
from shared.events.envelope import name_id
from shared.events.listed import schedule_id

KIND: RequestKind = "week-short"
_HELD = ("planned", "present", "attended")


class Counted(NamedTuple):
    """`delivered`: somebody was present, as far as it is reported; `projected`: these, and what is still planned."""

    delivered: Hours
    projected: Hours


def begun(state: State, now: datetime, settings: Settings) -> Projection:
    """Of the whole week that holds this instant, or of the first one after it. A program that holds no make-ups asks
    nobody."""
    return of_week(weeks.week_holding(state, now, settings) or _next(state, now, settings), settings)


def of_week(week: PayerWeek, settings: Settings) -> Projection:
    """Before anything is found of it."""
    start, end, payer = week
    terms = terms_of(payer, settings)
    return Projection(
        start=minute_of(start),
        end=minute_of(end),
        decides_at=minute_of(min(_decides_at(start, settings), end) if settings.make_up_weekdays else end),
        minimum_minutes=terms.least_minutes,
        minimum_days=terms.least_days,
        day_minutes=terms.day_minutes,
        session_percent=terms.session_percent,
    )


def _next(state: State, now: datetime, settings: Settings) -> PayerWeek:
    """Before the first whole week of a stay, or between those of two payers."""
    episode = state.episode
    assert episode is not None
    return weeks.open_week(episode, settings) if now < episode.week_start else week_from(state.paid, now, settings)


def _decides_at(start: datetime, settings: Settings) -> datetime:
    """The first time of that weekday and hour in the week, by the program's clock."""
    zone, hour = ZoneInfo(settings.timezone), settings.projection_hour
    local = start.astimezone(zone)
    day = local.date() + timedelta(days=(settings.projection_weekday - local.weekday()) % 7)
    found = datetime.combine(day, time(hour), zone)
    return found if found >= local else datetime.combine(day + timedelta(days=7), time(hour), zone)


def looked_at(state: State, known: Projection, now: datetime, settings: Settings) -> Projection:
    """What is found of the week by now; where it lacks nothing, no number is remembered.

    A week that could never have held its hours is not judged: its plan has fewer, the program was closed, the stay is
    paused. What the program called off is owed all the same, and what no group has a seat for: the patient lacks it.
    """
    episode = state.episode
    assert episode is not None
    sessions = [each for each in state.sessions if known.start <= each.minute < known.end]
    is_judged = minute_of(now) >= known.start and not episode.is_over and episode.paused_at is None
    found = msgspec.structs.replace(known, phase=_phase(known, now))
    if not is_judged or not _lacks(state, known, sessions, settings):
        return found.without_finding()
    delivered, projected = counted(episode, sessions, known, settings.timezone)
    found = msgspec.structs.replace(
        found,
        finding="short",
        delivered=delivered.minutes,
        projected=projected.minutes,
        days=delivered.days,
        projected_days=projected.days,
    )
    if found.numbers == known.numbers:
        return found
    return msgspec.structs.replace(found, bookable=bookable(state, moment_of(known.end * 60), now, settings))


def _lacks(state: State, known: Projection, sessions: Sequence[Session], settings: Settings) -> bool:
    """What is owed is looked at of a week that will have too little: of most that is none. Days for which no group has
    a seat lack their minutes too."""
    episode = state.episode
    assert episode is not None
    projected = _hours(episode, sessions, known, settings.timezone, _may_be_whole)
    lacks_minutes, lacks_days = projected.minutes < known.minimum_minutes, projected.days < known.minimum_days
    if not lacks_minutes and not lacks_days:
        return False
    owed = weeks.planned(episode, (each for each in sessions if each.mark not in NOT_OWED), known, settings.timezone)
    unseated = weeks.unseated_minutes(state, known.start, known.end, settings)
    owes_minutes = known.minimum_minutes <= owed.minutes + unseated
    return (lacks_minutes and owes_minutes) or (lacks_days and known.minimum_days <= owed.days)


def counted(episode: Episode, sessions: Iterable[Session], week: Projection, timezone: str) -> Counted:
    """Of these sessions, where two overlap each minute once. What is not known yet is not too little: a session whose
    minutes are not reported, or of which more may be reported, counts whole from when somebody came."""
    known = list(sessions)
    return Counted(
        delivered=_hours(episode, known, week, timezone, weeks.nothing_to_come),
        projected=_hours(episode, known, week, timezone, _may_be_whole),
    )


def _hours(
    episode: Episode,
    sessions: Sequence[Session],
    week: Projection,
    timezone: str,
    whole: Callable[[Session], bool],
) -> Hours:
    if not week.minimum_days:
        return Hours(spans.minutes_expected(episode, sessions, whole), 0)
    return weeks.expected(episode, sessions, week, timezone, whole)


def _may_be_whole(session: Session) -> bool:
    return session.outcome == "planned" or session.lasts or outcomes.is_due(session)


def _phase(known: Projection, now: datetime) -> int:
    return sum(minute_of(now) >= each for each in (known.start, known.decides_at))


def bookable(state: State, end: datetime, now: datetime, settings: Settings) -> int:
    """Minutes that can still be given before the week ends: on each day on which the program may hold make-ups
    (`make_up_weekdays`, its calendar), up to `make_up_day_minutes` with what is or was held then, and today no more
    than is left of it."""
    episode, zone = state.episode, ZoneInfo(settings.timezone)
    assert episode is not None
    last = (end - timedelta(minutes=1)).astimezone(zone).date()
    day, found = now.astimezone(zone).date(), 0
    while day <= last:
        if day.weekday() in settings.make_up_weekdays and day not in settings.calendar.days:
            held = (each for each in state.sessions if each.outcome in _HELD and _on(each, day, zone))
            free = settings.make_up_day_minutes - spans.minutes_planned(episode, held)
            found += max(0, min(free, _left_of(day, now, zone)))
        day += timedelta(days=1)
    return found


def _on(session: Session, day: date, zone: ZoneInfo) -> bool:
    return session.start.astimezone(zone).date() == day


def _left_of(day: date, now: datetime, zone: ZoneInfo) -> int:
    """Minutes."""
    return int((datetime.combine(day + timedelta(days=1), time(), zone) - now).total_seconds()) // 60


def free_slots(state: State, known: Projection, program: str, now: datetime, settings: Settings) -> str:
    """The search that finds, whenever it is asked, the sessions of other groups before the week ends in which a seat is
    free, of the content of what the patient lacks and at their time of day; "" where no group holds any."""
    groups = make_up_groups(state, known, settings)
    if not groups:
        return ""
    schedules = ",".join(f"Schedule/{schedule_id(program, each)}" for each in groups)
    since, until = (f"{each.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for each in (now, moment_of(known.end * 60)))
    return f"Slot?status=free&schedule={schedules}&start=ge{since}&start=lt{until}"


def make_up_groups(state: State, known: Projection, settings: Settings) -> tuple[str, ...]:
    """The other groups of the content of what the patient lacks, at their time of day."""
    episode = state.episode
    assert episode is not None
    here = (each for each in state.sessions if known.start <= each.minute < known.end and _is_lacking(each))
    kinds = {episode.template[each.slot].kind for each in here}
    return groups_for_make_ups(episode, seat_of_stay(episode, state.seat), kinds, settings)


def with_open(state: State, known: Projection, offered: OpenSlots, settings: Settings) -> Projection:
    """With what this group offers now in place of what it did before; nothing beside a session of the patient's own.
    Of more than are named, those that the week needs."""
    episode = state.episode
    assert episode is not None
    here = (each for each in state.sessions if each.outcome in _HELD or each.mark == "asked")
    taken = [(each.minute, each.minute + episode.minutes(each)) for each in here]
    others = (each for each in known.open if each.group != offered.group)
    both = sorted((*others, *offered.slots), key=lambda each: (each.at, each.group))
    free = (each for each in both if not any(start < each.at + each.minutes and each.at < end for start, end in taken))
    found = tuple(free)
    needed = needed_slots(state, msgspec.structs.replace(known, open=found), settings)
    first = sorted(found, key=lambda each: (each not in needed, each.at, each.group))[: settings.make_up_slots_most]
    return msgspec.structs.replace(known, open=tuple(each for each in found if each in first))


def needed_slots(state: State, week: Projection, settings: Settings) -> tuple[OpenSlot, ...]:
    """Those of its open slots that bring the week nearer to what it needs: while it lacks a day, those of a day that
    will count with them. One of a day that counts already gives minutes alone."""
    episode, zone = state.episode, ZoneInfo(settings.timezone)
    assert episode is not None
    if week.projected_days >= week.minimum_days:
        return week.open
    here = [each for each in state.sessions if week.start <= each.minute < week.end]
    adding = set[date]()
    for day in {_day_of(each, zone) for each in week.open}:
        more = [Session(each.at, 0, length=each.minutes) for each in week.open if _day_of(each, zone) == day]
        hours = _hours(episode, [*here, *more], week, settings.timezone, _may_be_whole)
        if hours.days > week.projected_days:
            adding.add(day)
    return tuple(each for each in week.open if _day_of(each, zone) in adding)


def _day_of(slot: OpenSlot, zone: ZoneInfo) -> date:
    return moment_of(slot.at * 60).astimezone(zone).date()


def _is_lacking(session: Session) -> bool:
    return session.mark not in NOT_OWED and not _may_be_whole(session)


def issue_id(episode: Episode, start: int) -> str:
    """Of the week that begins at this minute (since 1970): one finding, while it runs and after it."""
    return name_id(episode.id, f"week:{moment_of(start * 60).isoformat()}")
