"""The program's calendar has changed: what it closes counts against nobody, what it opens is booked."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from services.attendance.decide.course import Course
from services.attendance.decide.replanning import book_missing
from services.attendance.decide.sessions import PROGRAM_CLOSED, closed, closed_for, without_presence
from services.attendance.hours import sessions_between
from services.attendance.messages import CalendarFollowed
from services.attendance.record import CANCELLED, PRESENT, Session

REPLACED_NO_MORE = "replacement-withdrawn"
"""Of a session on a day that was to replace a closed one, and does not any more."""


def follow_calendar(course: Course) -> None:
    """Before silence is judged, so that nobody misses what was not held; a day that is closed afterwards takes back its
    misses. Who was there was there. Nothing is booked for a stay that is over or paused: once it goes on."""
    episode, form = course.episode, course.moment.settings.calendar.short_form()
    if episode.calendar == form:
        return
    course.emit(CalendarFollowed(form=form))
    gone = [*_on_closed_days(course), *_replacing_no_more(course)]
    if gone:
        course.change(gone, [without_presence(episode, each) for each in gone], PROGRAM_CLOSED)
    if not episode.is_over and episode.paused_at is None:
        book_missing(course)


def _on_closed_days(course: Course) -> Sequence[Session]:
    owed = [each for each in course.state.sessions if not each.presences and each.mark not in PRESENT | CANCELLED]
    reasons = [(each, closed_for(each, course.moment.settings)) for each in owed]
    return [closed(each, reason) for each, reason in reasons if reason]


def _replacing_no_more(course: Course) -> Sequence[Session]:
    episode, settings, now = course.episode, course.moment.settings, course.moment.now
    zone, slots = ZoneInfo(settings.timezone), range(len(episode.template))
    ahead = [
        each for each in course.state.sessions if each.waits and each.start > now and not episode.is_by_itself(each)
    ]
    moved_to = {(int(each.stated), each.slot) for each in course.state.sessions if each.mark == "moved"}
    planned = [each for each in ahead if each.place not in moved_to]
    instead = [each for each in planned if each.start.astimezone(zone).weekday() != _weekday(course, each)]
    held = {
        each.place
        for each in sessions_between(episode, now, episode.booked_until, settings.timezone, settings.calendar, slots)
    }
    gone = (each for each in instead if each.place not in held and not closed_for(each, settings))
    return [closed(each, REPLACED_NO_MORE) for each in gone]


def _weekday(course: Course, session: Session) -> int:
    return course.episode.template[session.slot].weekday
