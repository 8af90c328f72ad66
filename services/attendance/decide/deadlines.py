"""What falls due though nothing is consumed: sessions booked on, absences, weeks, the end of the retention."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from services.attendance import outcomes, requests, weeks
from services.attendance.decide.asking import asked
from services.attendance.decide.closing import follow_calendar
from services.attendance.decide.course import Course
from services.attendance.decide.ehr_booking import standing
from services.attendance.decide.replanning import held
from services.attendance.decide.sessions import scheduled, without_presence
from services.attendance.hours import sessions_between
from services.attendance.messages import BookedUntil, Emits, EpisodeForgotten, SilenceCounts, TimePassed
from services.attendance.record import MINUTES_MOST, Episode, Session, decides_at, moment_of, second_after
from services.attendance.settings import Settings
from services.attendance.state import BOOK_AHEAD_DAYS, State, forgotten_at
from shared.rules.decision import Moment


def time_passed(state: State, event: TimePassed, moment: Moment[Settings]) -> list[Emits]:
    """Everything that fell due, in order: what the calendar closes, misses, weeks, bookings,
    forgetting, and what is overdue after it."""
    course = Course(state, moment)
    if state.episode is not None:
        follow_calendar(course)
        _conclude_absences(course, event.reported_at)
        while events := weeks.closed(course.state, moment):
            course.emit(*events)
        if course.episode.discharged_at is not None:
            _forget(course)
        elif _books_on(course.episode, moment):
            book(course)
    course.ask(*requests.overdue(course.state, moment))
    return course.emitted


def silence_counts(state: State, event: SilenceCounts, moment: Moment[Settings]) -> list[Emits]:
    """What the feed answers of sessions that still wait for it; of one that was decided otherwise, or is listened to
    anew, nothing."""
    course, places = Course(state, moment), set(event.places)
    waited = [each for each in state.sessions if each.place in places and each.deferred_until == event.until]
    waited = [each for each in waited if each.waits]
    if event.since > moment.now:
        until = second_after(event.since)
        course.know([msgspec.structs.replace(each, deferred_until=until) for each in waited])
    elif waited:
        _conclude(course, [_concluded(course.episode, each, moment) for each in waited])
    return course.emitted


def book(course: Course) -> None:
    """Sessions from where they are booked, or now, to `book_days` ahead. None in the past: it can't be attended."""
    settings, now = course.moment.settings, course.moment.now
    until = now + timedelta(days=settings.book_days)
    start = max(course.episode.booked_until, now)
    slots = () if settings.books == "ehr" else None
    ahead = sessions_between(course.episode, start, until, settings.timezone, settings.calendar, slots)
    found = tuple(each for each in ahead if not _stands(course, each, start))
    if found:
        course.emit(*(scheduled(course.episode, each) for each in found))
        course.know(found)
    booked = BookedUntil(
        until=until,
        since=now - timedelta(days=settings.correction_days + settings.long_window_days),
        places=requests.evidence(course.state, course.moment),
        grace_minutes=settings.grace_minutes,
        late_hours=settings.week_closes_hours,
        unreported_hours=(settings.report_minutes_hours, settings.week_unknown_hours),
        silent_hours=(settings.no_contact_hours, settings.no_attendance_days * 24),
    )
    course.emit(booked)


def _stands(course: Course, session: Session, since: datetime) -> bool:
    """Whether the EHR has booked it already, or another one at its time; or it was moved before it was booked."""
    if any(each.place == session.place for each in course.state.sessions):
        return True
    episode, most = course.episode, timedelta(minutes=MINUTES_MOST)
    others = held([each for each in course.state.sessions if each.start > since - most])
    kind = episode.template[session.slot].kind
    return standing(course, kind, session.minute) is not None or any(episode.overlap(session, each) for each in others)


def _books_on(episode: Episode, moment: Moment[Settings]) -> bool:
    is_on = episode.died_at is None and episode.paused_at is None
    return is_on and episode.booked_until - moment.now <= timedelta(days=BOOK_AHEAD_DAYS)


def _forget(course: Course) -> None:
    at = forgotten_at(course.state, course.episode)
    if at is not None and at <= course.moment.now:
        course.ask(*requests.closed(course.state, None, "no-longer-remembered", course.moment))
        course.emit(EpisodeForgotten())


def _conclude_absences(course: Course, reported_at: datetime | None) -> None:
    """Also asks for the minutes of Encounters that are open for too long, and counts what was attended late or in
    part."""
    episode, moment = course.episode, course.moment
    waited = [each for each in course.state.sessions if each.waits and decides_at(episode, each) <= moment.now]
    sessions = [_concluded(episode, each, moment) for each in sorted(waited, key=lambda each: each.place)]
    _conclude(course, [*asked(course, sessions, reported_at), *_shortfalls(course)])


def _conclude(course: Course, sessions: Sequence[Session]) -> None:
    missed = [without_presence(course.episode, each) for each in sessions if each.outcome == "missed"]
    course.change(sessions, missed, "minutes-reported")


def _shortfalls(course: Course) -> list[Session]:
    episode, settings, now = course.episode, course.moment.settings, course.moment.now
    due = [each for each in course.state.sessions if outcomes.is_due(each) and moment_of(each.deferred_until) <= now]
    return [outcomes.judged(episode, each, settings, now) for each in due]


def _concluded(episode: Episode, session: Session, moment: Moment[Settings]) -> Session:
    """Silence is evidence only while we were listening through the whole window (architecture, Time)."""
    listened_from = max(session.start, moment.listening_since)
    until = listened_from + timedelta(minutes=episode.grace_minutes)
    if until > moment.now:
        return msgspec.structs.replace(session, deferred_until=second_after(until))
    return msgspec.structs.replace(session, concluded=True, deferred_until=0)
