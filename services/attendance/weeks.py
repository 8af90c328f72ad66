"""The hours of a week: looked at when it is over, and again when what is known of it changes. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

import msgspec

from services.attendance import spans
from services.attendance.fitting import held_alone, is_individual, kind_in_groups, seat_of_stay, week_of_care
from services.attendance.hours import ends_of, sessions_between
from services.attendance.messages import (
    Emits,
    WeeklyHoursCorrected,
    WeeklyHoursFellShort,
    WeeklyHoursUnknown,
    WeeksChanged,
)
from services.attendance.payers import PayerWeek, terms_of, week_from
from services.attendance.record import Episode, Session, Week, WeekFinding, minute_of, moment_of
from services.attendance.settings import Settings
from services.attendance.state import State, week_closes_at
from shared.events.attendance import WeekEvent
from shared.events.envelope import name_id
from shared.rules.decision import Moment
from shared.rules.payers import DEFAULT, payer_at

_KINDS: dict[WeekFinding, type[WeekEvent]] = {"": WeeklyHoursCorrected, "unknown": WeeklyHoursUnknown}


class CountsDays(Protocol):
    """From how much of it on a session counts for its day, and a day with how many minutes in such sessions."""

    @property
    def session_percent(self) -> int: ...
    @property
    def day_minutes(self) -> int: ...


class Hours(NamedTuple):
    """Minutes in sessions, each once, and the days that count."""

    minutes: int
    days: int


def week_holding(state: State, at: datetime, settings: Settings) -> PayerWeek | None:
    """The whole week of the stay that holds this instant, by who is known to pay. None before the first one, and
    between the weeks of two payers."""
    episode = state.episode
    if episode is None or at < episode.admitted_at:
        return None
    if at < episode.week_start:
        known = (each for each in state.weeks if each.start <= minute_of(at) < each.end)
        return next((_bounds_of(each) for each in known), None)
    week = open_week(episode, settings)
    while week.end <= at:
        week = week_from(state.paid, week.end, settings)
    return week if week.start <= at else None


def _bounds_of(week: Week) -> PayerWeek:
    return PayerWeek(moment_of(week.start * 60), moment_of(week.end * 60), week.payer)


def week_around(state: State, at: datetime, settings: Settings) -> PayerWeek:
    """The same, and where none holds it that of whoever pays then, as if the stay had lasted through it."""
    if (found := week_holding(state, at, settings)) is not None:
        return found
    name, zone, day = payer_at(state.paid, at, settings.payers), ZoneInfo(settings.timezone), timedelta(days=1)
    payer = settings.payers[name]
    before = payer.boundary_from(at - 8 * day, zone)
    start = max(each for each in (before, payer.boundary_from(before + day, zone)) if each <= at)
    return PayerWeek(start, payer.boundary_from(start + day, zone), name)


def open_week(episode: Episode, settings: Settings) -> PayerWeek:
    """The week that is looked at next."""
    if episode.week_end is not None:
        return PayerWeek(episode.week_start, episode.week_end, episode.week_payer)
    zone, begun = ZoneInfo(settings.timezone), episode.week_start
    return PayerWeek(begun, settings.payers[DEFAULT].boundary_from(begun + timedelta(days=1), zone), DEFAULT)


def nothing_to_come(_: Session) -> bool:
    return False


def delivered(episode: Episode, sessions: Iterable[Session], terms: CountsDays, timezone: str) -> Hours:
    """What was attended of these sessions. Minutes that are not reported yet are in none of it."""
    return expected(episode, sessions, terms, timezone, nothing_to_come)


def expected(
    episode: Episode, sessions: Iterable[Session], terms: CountsDays, timezone: str, whole: Callable[[Session], bool]
) -> Hours:
    """What was attended of these sessions, and of those that may be attended `whole` all from when somebody came."""
    known = list(sessions)
    counted = [each for each in known if _counts(episode, each, terms, whole)]
    days = (spans.minutes_expected(episode, each, whole) for each in _by_day(counted, timezone))
    return Hours(spans.minutes_expected(episode, known, whole), sum(each >= terms.day_minutes for each in days))


def offered(episode: Episode, sessions: Iterable[Session], terms: CountsDays, timezone: str) -> Hours:
    """What somebody could have attended of these sessions, but of those that were called off."""
    return planned(episode, (each for each in sessions if each.outcome != "cancelled"), terms, timezone)


def planned(episode: Episode, sessions: Iterable[Session], terms: CountsDays, timezone: str) -> Hours:
    """What somebody could attend of these sessions: nobody is in two at once."""
    known = list(sessions)
    days = (spans.minutes_planned(episode, each) for each in _by_day(known, timezone))
    return Hours(spans.minutes_planned(episode, known), sum(each >= terms.day_minutes for each in days))


def _counts(episode: Episode, session: Session, terms: CountsDays, whole: Callable[[Session], bool]) -> bool:
    minutes = spans.minutes_expected(episode, (session,), whole)
    return minutes > 0 and minutes * 100 >= terms.session_percent * episode.minutes(session)


def _by_day(sessions: Sequence[Session], timezone: str) -> Iterator[list[Session]]:
    """By the program's day on which they begin."""
    zone = ZoneInfo(timezone)

    def day(session: Session) -> date:
        return session.start.astimezone(zone).date()

    return (list(each) for _, each in groupby(sorted(sessions, key=lambda each: each.place), day))


def closed(state: State, moment: Moment[Settings]) -> Sequence[Emits]:
    """The next whole week that may be looked at by now, with its finding. The first, partial week has none."""
    episode = state.episode
    assert episode is not None
    closes_at = week_closes_at(state, episode) if episode.died_at is None else None
    if closes_at is None or closes_at > moment.now:
        return []
    empty = _empty(open_week(episode, moment.settings), moment.settings)
    unseated = unseated_minutes(state, empty.start, empty.end, moment.settings)
    empty = msgspec.structs.replace(empty, unseated_minutes=unseated)
    week = _counted(state, episode, empty, moment.settings)
    following = week_from(state.paid, moment_of(week.end * 60), moment.settings)
    return [*_finding(episode, empty, week), _changed((week,), following)]


def unseated_minutes(state: State, start: int, end: int, settings: Settings) -> int:
    """Of the group sessions that the plan of care has in these minutes (since 1970): what no group had a seat for, and
    nobody held alone. What was booked was not one of them, whatever became of it, and of seat and choice since."""
    episode = state.episode
    assert episode is not None
    seat = seat_of_stay(episode, state.seat)
    if settings.books == "ehr" and (is_individual(episode, seat) or (seat is not None and seat.group)):
        return 0
    kind = kind_in_groups(episode, settings)
    since = max(start, minute_of(episode.planned_at)) if episode.planned_at is not None else start
    slots = [each for each in episode.slots_of_care if episode.template[each].kind == kind]
    bounds = moment_of(since * 60), moment_of(end * 60)
    planned = sessions_between(episode, *bounds, settings.timezone, settings.calendar, slots)
    alone = {held_alone(episode.template[each]) for each in slots} - {*week_of_care(episode)}
    booked = (
        each
        for each in state.sessions
        if since <= each.minute < end
        and (episode.template[each.slot].kind == kind or episode.template[each.slot] in alone)
        and not episode.is_by_itself(each)
        and each.mark not in ("replanned", "moved")
    )
    lacking = sum(episode.minutes(each) for each in planned) - sum(episode.minutes(each) for each in booked)
    return max(0, lacking)


def _empty(week: PayerWeek, settings: Settings) -> Week:
    payer = terms_of(week.payer, settings)
    return Week(
        start=minute_of(week.start),
        end=minute_of(week.end),
        minimum_minutes=payer.least_minutes,
        minutes=0,
        payer=week.payer,
        minimum_days=payer.least_days,
        day_minutes=payer.day_minutes,
        session_percent=payer.session_percent,
    )


def _changed(weeks: tuple[Week, ...], following: PayerWeek, gone_since: datetime | None = None) -> WeeksChanged:
    return WeeksChanged(
        weeks=weeks,
        next_start=following.start,
        next_end=following.end,
        next_payer=following.payer,
        gone_since=gone_since,
    )


def begun(state: State, settings: Settings) -> WeeksChanged:
    """The stay begins in the middle of a week: the next one is its first whole one."""
    assert state.episode is not None
    return _changed((), week_from(state.paid, state.episode.admitted_at, settings))


def repaid(state: State, moment: Moment[Settings]) -> Sequence[Emits]:
    """It is known otherwise who pays. From the first week on that is not theirs, what was found is taken back, and the
    weeks are looked at anew when these are over: the same as if it had been known from the beginning."""
    episode, settings = state.episode, moment.settings
    if episode is None:
        return []
    weeks = sorted(state.weeks, key=lambda each: each.start)
    since = _first_remembered(episode, weeks, moment)
    while weeks and _stands(state, weeks[0], since, settings):
        since = moment_of(weeks.pop(0).end * 60)
    following = week_from(state.paid, since, settings)
    if not weeks and following == open_week(episode, settings):
        return []
    taken_back = (_finding(episode, each, msgspec.structs.replace(each, finding="")) for each in weeks)
    found = [event for events in taken_back for event in events]
    return [*found, _changed((), following, since)]


def _first_remembered(episode: Episode, weeks: Sequence[Week], moment: Moment[Settings]) -> datetime:
    """The admission, while every session since then is remembered; else the first week of which all are."""
    days = moment.settings.correction_days + moment.settings.long_window_days
    if episode.admitted_at > moment.now - timedelta(days=days):
        return episode.admitted_at
    return moment_of(weeks[0].start * 60) if weeks else episode.week_start


def _stands(state: State, week: Week, since: datetime, settings: Settings) -> bool:
    """Whether it is the week of whoever pays at its beginning: where the one before it ended, or the next one that
    begins then."""
    start = moment_of(week.start * 60)
    if payer_at(state.paid, start, settings.payers) != week.payer:
        return False
    return start == since or week_from(state.paid, since, settings).start == start


def recounted(state: State, changed: Sequence[Session], settings: Settings) -> Sequence[Emits]:
    """What is found anew of the weeks of these sessions that were looked at: other minutes, or taken back."""
    episode = state.episode
    if episode is None or not state.weeks:
        return []
    concerned = [each for each in state.weeks if episode.is_over or any(each.holds(one) for one in changed)]
    pairs = [(week, _counted(state, episode, week, settings)) for week in concerned]
    other = [(before, now) for before, now in pairs if before != now]
    if not other:
        return []
    found = [event for before, now in other for event in _finding(episode, before, now)]
    return [*found, _changed(tuple(now for _, now in other), open_week(episode, settings))]


def _counted(state: State, episode: Episode, week: Week, settings: Settings) -> Week:
    """A week whose hours the sessions that took place couldn't have filled is not judged by its hours, nor by its days
    where they couldn't have filled those. What lacks for want of a seat in a group was owed.

    Nor is one that the stay did not last through. Minutes that are not reported yet are unknown, never zero.
    """
    sessions = [each for each in state.sessions if week.holds(each)]
    found = delivered(episode, sessions, week, settings.timezone)
    could = offered(episode, sessions, week, settings.timezone)
    lacks_minutes = found.minutes < week.minimum_minutes <= could.minutes + week.unseated_minutes
    lacks_days = found.days < week.minimum_days <= could.days
    finding: WeekFinding = "short"
    if not (lacks_minutes or lacks_days) or _left_within(episode, week, settings):
        finding = ""
    elif any(each.lasts for each in sessions):
        finding = "unknown"
    return msgspec.structs.replace(week, minutes=found.minutes, days=found.days, finding=finding)


def _left_within(episode: Episode, week: Week, settings: Settings) -> bool:
    return any(minute_of(each) < week.end for each in ends_of(episode, settings.timezone))


def _finding(episode: Episode, before: Week, now: Week) -> list[Emits]:
    if not before.finding and not now.finding:
        return []
    if (before.finding, before.minutes, before.days) == (now.finding, now.minutes, now.days):
        return []
    start = moment_of(now.start * 60)
    kind = _KINDS.get(now.finding, WeeklyHoursFellShort)
    found = kind(
        issue_id=name_id(episode.id, f"week:{start.isoformat()}"),
        episode_id=episode.id,
        week_start=start,
        week_end=moment_of(now.end * 60),
        minutes=now.minutes,
        minimum_minutes=now.minimum_minutes,
        days=now.days,
        minimum_days=now.minimum_days,
    )
    return [found]  # type: ignore[list-item]
