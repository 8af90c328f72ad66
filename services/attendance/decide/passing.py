"""What time brings though nobody says anything: sessions booked on, absences, weeks, forgetting."""

from datetime import timedelta

from services.attendance.decide.sessions import Now, missed, scheduled
from services.attendance.hours import minutes_between, next_monday, sessions_between
from services.attendance.state import FORGOTTEN_DAYS, Episode, Session, State, evolve, week_closes_at
from services.attendance.words import (
    AbsenceDeferred,
    BookedUntil,
    EpisodeForgotten,
    WeekClosed,
    WeeklyHoursFellShort,
)
from shared.rules import escalation
from shared.words.envelope import Word


def time_passed(state: State, moment: Now) -> list[Word]:
    """Everything that fell due, in order: misses, weeks, bookings, overdue escalations, forgetting."""
    said: list[Word] = list(escalation.say_overdue(state.escalations, moment.now))
    for word in said:
        state = evolve(state, word)
    if state.episode is None:
        return said
    if state.episode.discharged_at is not None:
        return [*said, *_forget(state.episode, moment)]
    for step in (_conclude_absences, _close_weeks, _book_on):
        words = step(state, moment)
        for word in words:
            state = evolve(state, word)
        said.extend(words)
    return said


def book(episode: Episode, moment: Now) -> list[Word]:
    """Sessions from where they are booked, or now, to `book_days` ahead. None in the past: it can't be attended."""
    settings = moment.settings
    until = moment.now + timedelta(days=settings.book_days)
    start = max(episode.booked_until, moment.now)
    found = sessions_between(episode, start, until, settings.timezone)
    booked = BookedUntil(
        until=until, now=moment.now, grace_minutes=settings.grace_minutes, late_hours=settings.late_check_in_hours
    )
    return [*(scheduled(episode, each) for each in found), booked]


def _forget(episode: Episode, moment: Now) -> list[Word]:
    ended = episode.discharged_at
    assert ended is not None
    return [EpisodeForgotten()] if moment.now >= ended + timedelta(days=FORGOTTEN_DAYS) else []


def _conclude_absences(state: State, moment: Now) -> list[Word]:
    assert state.episode is not None
    said: list[Word] = []
    waited = [
        each for each in state.sessions if each.outcome == "planned" and state.episode.decide_at(each) <= moment.now
    ]
    for session in sorted(waited, key=lambda each: each.start):
        words = _conclude_absence(state, state.episode, session, moment)
        for word in words:
            state = evolve(state, word)
        said.extend(words)
    return said


def _conclude_absence(state: State, episode: Episode, session: Session, moment: Now) -> list[Word]:
    """Silence is evidence only while we were listening through the whole window (design of time, README)."""
    heard_from = max(session.start, moment.listening_since)
    until = heard_from + timedelta(minutes=episode.grace_minutes)
    if until > moment.now:
        return [AbsenceDeferred(session_id=episode.session_id(session), until=until)]
    return missed(state, episode, session, moment)


def _close_weeks(state: State, moment: Now) -> list[Word]:
    """Say each whole week that ended below its hours. The first, partial week of an episode is not looked at."""
    assert state.episode is not None
    episode, said = state.episode, list[Word]()
    while week_closes_at(state, episode) <= moment.now:
        start, settings = episode.week_start, moment.settings
        end = next_monday(start + timedelta(days=1), settings.timezone)
        minutes = minutes_between(state.sessions, start, end)
        if minutes < settings.weekly_minimum_minutes:
            said.append(
                WeeklyHoursFellShort(
                    issue_id=moment.new_id(f"week:{start.isoformat()}"),
                    episode_id=episode.id,
                    week_start=start,
                    week_end=end,
                    minutes=minutes,
                    minimum_minutes=settings.weekly_minimum_minutes,
                )
            )
        closed = WeekClosed(next_start=end)
        said.append(closed)
        state = evolve(state, closed)
        assert state.episode is not None
        episode = state.episode
    return said


def _book_on(state: State, moment: Now) -> list[Word]:
    assert state.episode is not None
    booked_days_ahead = state.episode.booked_until - moment.now
    return [] if booked_days_ahead > timedelta(days=moment.settings.book_days - 1) else book(state.episode, moment)
