"""Another week is planned: what has not begun is called off and booked anew, and what has begun is never touched."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from services.attendance.decide import week_of_groups
from services.attendance.decide.course import Course
from services.attendance.decide.sessions import PLAN_CHANGED, cancelled, scheduled
from services.attendance.hours import sessions_between
from services.attendance.messages import Emits, PlansWeek
from services.attendance.record import AWAY, Episode, Session, where_it_went
from services.attendance.settings import Settings
from services.attendance.state import State, evolve
from shared.rules.decision import Moment


def replanned(state: State, event: PlansWeek, moment: Moment[Settings]) -> list[Emits]:
    after = evolve(state, event)
    if after.episode is None or after.episode is state.episode:
        return []
    course = Course(after, moment)
    week_of_groups.followed(course)
    follow_week(course)
    return course.emitted


def follow_week(course: Course) -> None:
    """Sessions ahead that are of the former week alone are called off, which counts against nobody; those of the new
    one are booked as far as sessions are. Nothing is booked for a stay that is over or paused: once it goes on."""
    now = course.moment.now
    former = [each for each in course.state.sessions if each.waits and each.start > now and _is_former(course, each)]
    gone = [msgspec.structs.replace(each, mark="replanned", deferred_until=0) for each in former]
    if gone:
        course.change(gone, [cancelled(course.episode, each, PLAN_CHANGED) for each in gone], PLAN_CHANGED)
    if not course.episode.is_over and course.episode.paused_at is None:
        book_missing(course)


def _is_former(course: Course, session: Session) -> bool:
    return session.slot not in course.episode.slots and not course.episode.is_by_itself(session)


def book_missing(course: Course) -> None:
    """Sessions of the week that is planned now, up to where sessions are booked; one that was called off for another
    week, or by the calendar of before, takes place again."""
    episode, now, settings = course.episode, course.moment.now, course.moment.settings
    zone, known = settings.timezone, {each.place: each for each in course.state.sessions}
    slots = () if settings.books == "ehr" else None
    ahead = sessions_between(episode, now, episode.booked_until, zone, settings.calendar, slots)
    missing = [each for each in ahead if each.place not in known or _is_owed_again(course, known[each.place])]
    taken = held(course.state.sessions)
    found = [each for each in missing if not _is_taken(episode, each, taken, now, zone)]
    if found:
        course.change(found, [scheduled(episode, each) for each in found], PLAN_CHANGED)


def _is_owed_again(course: Course, session: Session) -> bool:
    """Also of one that was called off where it had moved to."""
    return session.mark == "closed" or where_it_went(session, course.state.sessions).mark == "replanned"


def held(sessions: Sequence[Session]) -> list[Session]:
    """Those that take place, or took place, whoever came; and those for which a group is asked for a seat."""
    return [each for each in sessions if each.outcome not in AWAY or each.mark == "asked"]


def _is_taken(episode: Episode, session: Session, held: Sequence[Session], now: datetime, zone: str) -> bool:
    """Nobody is in two rooms; and on the day of the change what has begun was that day's session of its kind."""
    kinds = {each.place: episode.template[each.slot].kind for each in (session, *held)}
    return any(
        episode.overlap(session, each)
        or (each.start <= now and kinds[each.place] == kinds[session.place] and _day(each, zone) == _day(session, zone))
        for each in held
    )


def _day(session: Session, zone: str) -> object:
    return session.start.astimezone(ZoneInfo(zone)).date()
