"""What falls due though nothing is consumed: sessions booked on, absences, weeks, the end of the retention."""

from datetime import timedelta

from services.attendance.decide.sessions import missed, scheduled
from services.attendance.decide.weeks import close_weeks
from services.attendance.hours import sessions_between
from services.attendance.messages import AbsenceDeferred, BookedUntil, Emits, EpisodeForgotten
from services.attendance.settings import Settings
from services.attendance.state import Episode, Session, State, evolve, forgotten_at, undecided
from shared.rules import escalation
from shared.rules.decision import Moment


def time_passed(state: State, moment: Moment[Settings]) -> list[Emits]:
    """Everything that fell due, in order: misses, weeks, bookings, overdue escalations, forgetting."""
    emitted: list[Emits] = [*escalation.emit_overdue(state.escalations, moment.now)]
    for event in emitted:
        state = evolve(state, event)
    if state.episode is None:
        return emitted
    for step in (_conclude_absences, close_weeks, _book_on if state.episode.discharged_at is None else _forget):
        events = step(state, moment)
        for event in events:
            state = evolve(state, event)
        emitted.extend(events)
    return emitted


def book(episode: Episode, moment: Moment[Settings]) -> list[Emits]:
    """Sessions from where they are booked, or now, to `book_days` ahead. None in the past: it can't be attended."""
    settings = moment.settings
    until = moment.now + timedelta(days=settings.book_days)
    start = max(episode.booked_until, moment.now)
    found = sessions_between(episode, start, until, settings.timezone)
    booked = BookedUntil(
        until=until, now=moment.now, grace_minutes=settings.grace_minutes, late_hours=settings.late_check_in_hours
    )
    return [*(scheduled(episode, each) for each in found), booked]


def _forget(state: State, moment: Moment[Settings]) -> list[Emits]:
    assert state.episode is not None
    at = forgotten_at(state.episode, undecided(state, state.episode))
    return [EpisodeForgotten()] if at is not None and at <= moment.now else []


def _conclude_absences(state: State, moment: Moment[Settings]) -> list[Emits]:
    assert state.episode is not None
    emitted: list[Emits] = []
    waited = [each for at, each in undecided(state, state.episode) if at <= moment.now]
    for session in sorted(waited, key=lambda each: each.start):
        events = _conclude_absence(state, state.episode, session, moment)
        for event in events:
            state = evolve(state, event)
        emitted.extend(events)
    return emitted


def _conclude_absence(state: State, episode: Episode, session: Session, moment: Moment[Settings]) -> list[Emits]:
    """Silence is evidence only while we were listening through the whole window (design of time, README)."""
    listened_from = max(session.start, moment.listening_since)
    until = listened_from + timedelta(minutes=episode.grace_minutes)
    if until > moment.now:
        return [AbsenceDeferred(session_id=episode.session_id(session), until=until)]
    return missed(state, episode, session, moment)


def _book_on(state: State, moment: Moment[Settings]) -> list[Emits]:
    assert state.episode is not None
    booked_days_ahead = state.episode.booked_until - moment.now
    return [] if booked_days_ahead > timedelta(days=moment.settings.book_days - 1) else book(state.episode, moment)
