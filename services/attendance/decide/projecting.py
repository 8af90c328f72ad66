"""What a decision changes in the hours that the running week will have, and whom that asks.

No decision counts them by itself: after each it is looked at once (`followed`).
"""

from collections.abc import Mapping, Sequence
from typing import TypeGuard

import msgspec

from services.attendance import projection, requests
from services.attendance.decide.course import Course
from services.attendance.decide.sessions import PAUSED
from services.attendance.groups.plan import GROUP, group_key
from services.attendance.messages import (
    Emits,
    OpenSlots,
    OpenSlotsAsked,
    ProjectionChanged,
    WeeklyHoursCorrected,
    WeeklyHoursProjectedShort,
    WeeksChanged,
)
from services.attendance.record import Projection, moment_of
from services.attendance.settings import Settings
from services.attendance.state import State
from shared.events.escalation import Detail, EscalationEvent
from shared.events.internal import To
from shared.events.listed import schedule_id, slot_id
from shared.rules.decision import Moment

WEEK_OVER, ENOUGH = "week-over", "hours-projected"


def followed(course: Course, before: State) -> None:
    """What follows for the running week from all that was decided since `before`."""
    if _is_another_stay(before, course.state):
        course.emit(*_all_taken_back(before, course.moment))
    if course.state.episode is None or not _may_differ(before, course):
        return
    _close_former(course)
    if course.episode.is_over or course.episode.paused_at is not None:
        _end(course)
    else:
        _look(course, is_repaid=before.paid != course.state.paid)


def _is_another_stay(before: State, now: State) -> bool:
    return before.episode is not None and (now.episode is None or now.episode.id != before.episode.id)


def _may_differ(before: State, course: Course) -> bool:
    now, known = course.state, course.state.projection
    if known is None or known.looks_at <= course.moment.now:
        return True
    return (before.episode, before.sessions, before.paid) != (now.episode, now.sessions, now.paid)


def _look(course: Course, *, is_repaid: bool) -> None:
    state, moment = course.state, course.moment
    known = state.projection
    if known is None or is_repaid or moment_of(known.end * 60) <= moment.now:
        known = _turned(course, known, projection.begun(state, moment.now, moment.settings))
    now = projection.looked_at(state, known, moment.now, moment.settings)
    if now == state.projection:
        return
    before, found = course.state, _finding(course, known, now)
    course.emit(*found, ProjectionChanged(projection=now))
    course.follow(before, ENOUGH)
    if _is_asked(course.state) and (found or not _is_asked(before)):
        _ask_groups(course, now)
    if found:
        course.emit(*requests.stated_anew(before, course.state, projection.KIND, moment))


def _is_asked(state: State) -> bool:
    return any(each.kind == projection.KIND for each in state.escalations)


def _ask_groups(course: Course, week: Projection) -> None:
    """Where a seat is free is for each of them to know."""
    moment = course.moment
    groups = (
        projection.make_up_groups(course.state, week, moment.settings) if moment.settings.make_up_slots_most else ()
    )
    for group in groups:
        asks = OpenSlotsAsked(patient=moment.patient, group=group, until=week.end)
        course.emit(To(kind=GROUP, key=group_key(moment.program, group), event=asks))


def offered(state: State, event: OpenSlots, moment: Moment[Settings]) -> list[Emits]:
    """The Task names them, where they are others than it names; of another week, or of one that is enough, none."""
    week, course = state.projection, Course(state, moment)
    if week is None or state.episode is None or not week.finding or week.end != event.until:
        return []
    now = projection.with_open(state, week, event, moment.settings)
    if now != week:
        course.emit(ProjectionChanged(projection=now))
        course.emit(*requests.stated_anew(state, course.state, projection.KIND, moment))
    return course.emitted


def _turned(course: Course, known: Projection | None, week: Projection) -> Projection:
    """Another week runs: the one before is over, or whoever pays has another one."""
    if known is None or known.terms == week.terms:
        return known or week
    former = known.former
    course.ask(*requests.closed(course.state, frozenset({projection.KIND}), WEEK_OVER, course.moment))
    if known.finding and moment_of(known.end * 60) <= course.moment.now:
        former = (*former, (known.start, known.end))
    elif known.finding:
        course.emit(_taken_back(course.state, known, (known.start, known.end), course.moment))
    return msgspec.structs.replace(week, former=former)


def _finding(course: Course, before: Projection, now: Projection) -> Sequence[Emits]:
    """Nothing where the same stands already."""
    if before.numbers == now.numbers:
        return []
    return [_short(course, now) if now.finding else _taken_back(course.state, now, (now.start, now.end), course.moment)]


def _short(course: Course, week: Projection) -> WeeklyHoursProjectedShort:
    return WeeklyHoursProjectedShort(
        issue_id=projection.issue_id(course.episode, week.start),
        episode_id=course.episode.id,
        week_start=moment_of(week.start * 60),
        week_end=moment_of(week.end * 60),
        minutes=week.delivered,
        minimum_minutes=week.minimum_minutes,
        days=week.days,
        minimum_days=week.minimum_days,
        projected_minutes=week.projected,
        projected_days=week.projected_days,
        bookable_minutes=week.bookable,
    )


def _taken_back(
    state: State, known: Projection, week: tuple[int, int], moment: Moment[Settings]
) -> WeeklyHoursCorrected:
    """What was projected of this week, in minutes since 1970, stands no more."""
    episode = state.episode
    assert episode is not None
    start, end = week
    sessions = [each for each in state.sessions if start <= each.minute < end]
    delivered = projection.counted(episode, sessions, known, moment.settings.timezone).delivered
    return WeeklyHoursCorrected(
        issue_id=projection.issue_id(episode, start),
        episode_id=episode.id,
        week_start=moment_of(start * 60),
        week_end=moment_of(end * 60),
        minutes=delivered.minutes,
        minimum_minutes=known.minimum_minutes,
        days=delivered.days,
        minimum_days=known.minimum_days,
    )


def _all_taken_back(state: State, moment: Moment[Settings]) -> list[WeeklyHoursCorrected]:
    known = state.projection
    if known is None:
        return []
    weeks = (*known.former, (known.start, known.end)) if known.finding else known.former
    return [_taken_back(state, known, each, moment) for each in weeks]


def _close_former(course: Course) -> None:
    """Weeks that were looked at, now that they are over: what was projected of them stands no more. Where they are
    short indeed, that was emitted of the same issue."""
    known = course.state.projection
    looked_at = (week for each in course.emitted if isinstance(each, WeeksChanged) for week in each.weeks)
    findings = {week.start: week.finding for week in looked_at}
    if known is None or not (closed := [each for each in known.former if each[0] in findings]):
        return
    enough = (each for each in closed if not findings[each[0]])
    course.emit(*(_taken_back(course.state, known, each, course.moment) for each in enough))
    left = tuple(each for each in known.former if each not in closed)
    course.emit(ProjectionChanged(projection=msgspec.structs.replace(known, former=left)))


def _end(course: Course) -> None:
    """Nobody is asked for hours of a stay that is over or paused; weeks before are looked at when that is due."""
    if course.state.projection is None:
        return
    course.emit(*_all_taken_back(course.state, course.moment))
    course.ask(*requests.closed(course.state, frozenset({projection.KIND}), PAUSED, course.moment))
    course.emit(ProjectionChanged(projection=None))


def detailed(course: Course, before: State) -> Sequence[Emits]:
    """What was emitted; events of escalations about a week state the minutes that it has, and needs, and where a
    make-up may be held."""
    emitted, moment = course.emitted, course.moment
    if not any(_is_about_week(each) for each in emitted):
        return emitted
    known = {
        f"DetectedIssue/{projection.issue_id(state.episode, state.projection.start)}": (
            _details(state.projection),
            projection.free_slots(state, state.projection, moment.program, moment.now, moment.settings),
            _slots(state, state.projection, moment),
        )
        for state in (before, course.state)
        if state.episode is not None and state.projection is not None
    }
    return [_with_details(each, known) if _is_about_week(each) else each for each in emitted]


def _is_about_week(event: Emits) -> TypeGuard[EscalationEvent]:
    return isinstance(event, EscalationEvent) and event.escalation.reason == requests.REASON[projection.KIND]


def _slots(state: State, week: Projection, moment: Moment[Settings]) -> tuple[str, ...]:
    needed = projection.needed_slots(state, week, moment.settings)
    return tuple(slot_id(schedule_id(moment.program, each.group), each.minute) for each in needed)


def _details(week: Projection) -> tuple[Detail, ...]:
    minutes = (
        Detail("least-minutes", week.minimum_minutes),
        Detail("delivered-minutes", week.delivered),
        Detail("projected-minutes", week.projected),
        Detail("bookable-minutes", week.bookable),
    )
    days = (
        Detail("least-days", week.minimum_days),
        Detail("delivered-days", week.days),
        Detail("projected-days", week.projected_days),
    )
    return (*minutes, *days) if week.minimum_days else minutes


def _with_details(
    event: EscalationEvent, known: Mapping[str, tuple[tuple[Detail, ...], str, tuple[str, ...]]]
) -> Emits:
    about = next((each.evidence for each in event.escalation.signals), "")
    details, search, slots = known.get(about, ((), "", ()))
    return msgspec.structs.replace(event, details=details, free_slots=search, slots=slots)
