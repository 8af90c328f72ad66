"""hear and tell: one match over every word, each answered by a small pure function below."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, assert_never

from services.attendance import misses
from services.attendance.hours import minutes_between, next_monday, sessions_between
from services.attendance.settings import Settings
from services.attendance.state import FORGOTTEN_DAYS, Episode, Session, State, evolve, find, week_closes_at
from services.attendance.words import (
    AbsenceDeferred,
    AcknowledgeEscalation,
    AttendanceCorrected,
    BookedUntil,
    CallOffSession,
    CheckIn,
    Commands,
    EpisodeAdmitted,
    EpisodeDischarged,
    EpisodeForgotten,
    ExcuseSession,
    Hears,
    MarkMissed,
    PatientIdentified,
    ResolveEscalation,
    SessionAttended,
    SessionCancelled,
    SessionCheckedIn,
    SessionExcused,
    SessionMissed,
    SessionScheduled,
    TimePassed,
    WeekClosed,
    WeeklyHoursFellShort,
)
from shared.rules import escalation
from shared.rules.decision import Moment, Refused
from shared.words.envelope import Word
from shared.words.escalation import EscalationRetracted

Now = Moment[Settings]


def hear(state: State, word: Hears, moment: Now) -> list[Word]:
    """What attendance says to a fact."""
    match word:
        case PatientIdentified():
            return []
        case EpisodeAdmitted():
            return _admitted(state, word, moment)
        case EpisodeDischarged():
            return _discharged(state, word, moment)
        case TimePassed():
            return _time_passed(state, moment)
        case _:
            assert_never(word)


def tell(state: State, command: Commands, moment: Now) -> list[Word] | Refused:
    """What attendance says to a command, or why it can't be."""
    match command:
        case CheckIn():
            return _with_session(state, command.session_id, lambda e, s: _checked_in(state, e, s, command, moment))
        case ExcuseSession():
            return _with_session(state, command.session_id, lambda e, s: _excused(state, e, s, command, moment))
        case CallOffSession():
            return _with_session(state, command.session_id, lambda e, s: _called_off(state, e, s, command, moment))
        case MarkMissed():
            return _with_session(state, command.session_id, lambda e, s: _marked_missed(state, e, s, moment))
        case AcknowledgeEscalation():
            return escalation.acknowledge(state.escalations, command.escalation_id, moment)
        case ResolveEscalation():
            return escalation.resolve(state.escalations, command.escalation_id, command.because, moment)
        case _:
            assert_never(command)


def _admitted(state: State, word: EpisodeAdmitted, moment: Now) -> list[Word]:
    if state.episode is not None and not state.episode.precedes(word):
        return []
    admitted = evolve(state, word)
    assert admitted.episode is not None
    week = WeekClosed(next_start=next_monday(word.admitted_at, moment.settings.timezone))
    return [week, *_book(admitted.episode, moment)]


def _book(episode: Episode, moment: Now) -> list[Word]:
    """Sessions from where they are booked, or now, to `book_days` ahead. None in the past: it can't be attended."""
    settings = moment.settings
    until = moment.now + timedelta(days=settings.book_days)
    start = max(episode.booked_until, moment.now)
    found = sessions_between(episode, start, until, settings.timezone)
    booked = BookedUntil(
        until=until, now=moment.now, grace_minutes=settings.grace_minutes, late_hours=settings.late_check_in_hours
    )
    return [*(_scheduled(episode, each) for each in found), booked]


def _discharged(state: State, word: EpisodeDischarged, moment: Now) -> list[Word]:
    episode = state.episode
    if episode is None or episode.id != word.episode_id or episode.discharged_at is not None:
        return []
    ahead = [each for each in state.sessions if each.outcome == "planned"]
    return [
        *(_cancelled(episode, each, "episode-discharged") for each in ahead),
        *escalation.close_all(state.escalations, "episode-discharged", moment.now),
    ]


def _time_passed(state: State, moment: Now) -> list[Word]:
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
    return _missed(state, episode, session, moment)


def _missed(state: State, episode: Episode, session: Session, moment: Now) -> list[Word]:
    missed = SessionMissed(**_planned(episode, session))
    after = evolve(state, missed)
    found = find(after, missed.session_id)
    assert found is not None
    reasons = [each.escalation.reason for each in after.escalations]
    triggers = misses.asked_once(misses.triggers(episode, after.sessions, found, moment.settings), reasons)
    raised = escalation.raise_or_update(after.escalations, triggers, moment, moment.settings.escalation)
    return [missed, *raised]


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
    return [] if booked_days_ahead > timedelta(days=moment.settings.book_days - 1) else _book(state.episode, moment)


def _checked_in(
    state: State, episode: Episode, session: Session, command: CheckIn, moment: Now
) -> list[Word] | Refused:
    if session.outcome == "cancelled":
        return Refused("conflict", "this session was called off", "Encounter.appointment")
    if not _could_be_there(session, command, moment):
        return Refused(
            "business-rule", "this is too early or too late to be a check-in to that session", "Encounter.period.start"
        )
    said: list[Word] = []
    if session.outcome == "missed":
        said = _taken_back(
            state, AttendanceCorrected(because="late-check-in", **_planned(episode, session)), "late-check-in", moment
        )
    if command.minutes is None:
        known = session.outcome in ("present", "attended")
        return said if known else [*said, _present(episode, session, command)]
    attended = _attended(episode, session, command, command.minutes)
    if session.outcome == "attended" and session.minutes == attended.minutes:
        return said
    return [*said, attended]


def _could_be_there(session: Session, command: CheckIn, moment: Now) -> bool:
    """Within a day of the start on both sides: an arrival said of next week's session would hide an absence."""
    day = timedelta(hours=moment.settings.late_check_in_hours)
    return session.start - day <= min(command.came_at, moment.now) and command.came_at <= session.start + day


def _present(episode: Episode, session: Session, command: CheckIn) -> SessionCheckedIn:
    return SessionCheckedIn(encounter_id=command.encounter_id, came_at=command.came_at, **_planned(episode, session))


def _attended(episode: Episode, session: Session, command: CheckIn, minutes: int) -> SessionAttended:
    return SessionAttended(
        encounter_id=command.encounter_id,
        minutes=min(minutes, episode.template[session.slot].minutes),
        **_planned(episode, session),
    )


def _excused(
    state: State, episode: Episode, session: Session, command: ExcuseSession, moment: Now
) -> list[Word] | Refused:
    if session.outcome in ("excused", "cancelled"):
        return []
    if session.outcome == "attended":
        return Refused("conflict", "this session was attended", "Appointment.status")
    return _taken_back(state, SessionExcused(because=command.because, **_planned(episode, session)), "excused", moment)


def _called_off(
    state: State, episode: Episode, session: Session, command: CallOffSession, moment: Now
) -> list[Word] | Refused:
    if session.outcome == "cancelled":
        return []
    if session.outcome == "attended":
        return Refused("conflict", "this session was attended", "Appointment.status")
    return _taken_back(state, _cancelled(episode, session, command.because), "called-off", moment)


def _marked_missed(state: State, episode: Episode, session: Session, moment: Now) -> list[Word] | Refused:
    if session.outcome == "missed":
        return []
    if session.outcome != "planned" or session.start > moment.now:
        return Refused("conflict", "this session can't be called missed", "Appointment.status")
    return _missed(state, episode, session, moment)


def _taken_back(state: State, word: AttendanceCorrected | SessionCancelled, because: str, moment: Now) -> list[Word]:
    """This word, and what the miss raised that it takes back; a reason that other misses still give stays.

    Where a row of three is broken, those left may still be three in their window: that is asked in its place.
    """
    after = evolve(state, word)
    assert state.episode is not None
    left = misses.standing(state.episode, after.sessions, moment.settings)
    proof = misses.evidence_of(word.session_id)
    withdrawn = escalation.withdraw_evidence(state.escalations, proof, left, because, moment.now)
    for each in withdrawn:
        after = evolve(after, each)
    gone = {each.escalation.reason for each in withdrawn if isinstance(each, EscalationRetracted)}
    instead = [trigger for reason, trigger in left.items() if gone & misses.THREE and reason in misses.THREE]
    raised = escalation.raise_or_update(after.escalations, instead, moment, moment.settings.escalation)
    return [word, *withdrawn, *raised]


def _with_session(
    state: State, session_id: str, then: Callable[[Episode, Session], list[Word] | Refused]
) -> list[Word] | Refused:
    if state.episode is None:
        return Refused("transient", "this patient is not admitted here yet; try again soon", "appointment")
    session = find(state, session_id)
    if session is None:
        return Refused("not-found", "no such session is planned for this patient", "appointment")
    return then(state.episode, session)


def _planned(episode: Episode, session: Session) -> dict[str, Any]:
    return {
        "session_id": episode.session_id(session),
        "episode_id": episode.id,
        "kind": episode.template[session.slot].kind,
        "start": session.start,
        "end": episode.end(session),
    }


def _scheduled(episode: Episode, session: Session) -> SessionScheduled:
    return SessionScheduled(**_planned(episode, session))


def _cancelled(episode: Episode, session: Session, because: str) -> SessionCancelled:
    return SessionCancelled(because=because, **_planned(episode, session))
