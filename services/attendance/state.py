"""What the next decision needs of one patient: the episode, its sessions near now, the open escalations."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from services.attendance.words import (
    AbsenceDeferred,
    AttendanceCorrected,
    BookedUntil,
    EpisodeAdmitted,
    EpisodeDischarged,
    EpisodeForgotten,
    EscalationWord,
    SessionAttended,
    SessionCancelled,
    SessionCheckedIn,
    SessionExcused,
    SessionMissed,
    SessionScheduled,
    WeekClosed,
)
from shared.rules import escalation
from shared.rules.escalation import Open
from shared.words.envelope import Command, Word, name_id
from shared.words.intake import Slot

VERSION = 1
REMEMBERED_DAYS = 15
"""Past sessions kept: one more than the longest window over misses."""
FLAGS = frozenset({"suicide-risk", "overdose-risk", "opioid-history"})
"""The flags a miss is graded by; no other one is kept here."""
FORGOTTEN_DAYS = 30
"""A closed episode leaves the state so long after its end."""

Outcome = Literal["planned", "present", "attended", "missed", "excused", "cancelled"]


class Session(msgspec.Struct, frozen=True, array_like=True):
    """One planned session: `slot` is its place in the episode's template, `minutes` those attended."""

    start: datetime
    slot: int
    outcome: Outcome = "planned"
    minutes: int = 0
    deferred_until: datetime | None = None


class Episode(msgspec.Struct, frozen=True, array_like=True):
    """The stay. `grace_minutes` is the setting of the day it began, so that a deadline never moves by a setting."""

    id: str
    admitted_at: datetime
    template: tuple[Slot, ...]
    flags: tuple[str, ...]
    booked_until: datetime
    week_start: datetime
    grace_minutes: int = 15
    late_hours: int = 24
    discharged_at: datetime | None = None

    def session_id(self, session: Session) -> str:
        return name_id(self.id, f"session:{session.start.isoformat()}:{session.slot}")

    def end(self, session: Session) -> datetime:
        return session.start + timedelta(minutes=self.template[session.slot].minutes)

    def precedes(self, word: EpisodeAdmitted) -> bool:
        """Whether that admission begins a later stay; the same or an older one, heard again, changes nothing."""
        return self.id != word.episode_id and self.admitted_at <= word.admitted_at

    def decide_at(self, session: Session) -> datetime:
        """When silence about this session becomes a miss."""
        return session.deferred_until or session.start + timedelta(minutes=self.grace_minutes)


class State(msgspec.Struct, frozen=True, array_like=True):
    """`episode` is None for a patient never admitted here, or whose stay was forgotten."""

    episode: Episode | None = None
    sessions: tuple[Session, ...] = ()
    escalations: tuple[Open, ...] = ()


def find(state: State, session_id: str) -> Session | None:
    if state.episode is None:
        return None
    return next((each for each in state.sessions if state.episode.session_id(each) == session_id), None)


def evolve(state: State, word: Word | Command) -> State:
    """The state after a word heard or said, or a command told. Total: what it doesn't know changes nothing."""
    match word:
        case EpisodeAdmitted():
            return _admitted(state, word)
        case SessionScheduled(start=start):
            return _scheduled(state, word, start)
        case SessionCheckedIn(session_id=session_id):
            return _outcome(state, session_id, "present")
        case SessionAttended(session_id=session_id, minutes=minutes):
            return _outcome(state, session_id, "attended", minutes)
        case SessionMissed(session_id=session_id):
            return _outcome(state, session_id, "missed")
        case AttendanceCorrected(session_id=session_id):
            return _outcome(state, session_id, "present")
        case SessionExcused(session_id=session_id):
            return _outcome(state, session_id, "excused")
        case SessionCancelled(session_id=session_id):
            return _outcome(state, session_id, "cancelled")
        case AbsenceDeferred(session_id=session_id, until=until):
            return _replace(state, session_id, lambda each: msgspec.structs.replace(each, deferred_until=until))
        case EscalationWord():
            return msgspec.structs.replace(state, escalations=escalation.evolve(state.escalations, word))
        case BookedUntil() | WeekClosed() | EpisodeDischarged() | EpisodeForgotten():
            return _episode_moved(state, word)
        case _:
            return state


def _admitted(state: State, word: EpisodeAdmitted) -> State:
    if state.episode is not None and not state.episode.precedes(word):
        return state
    episode = Episode(
        id=word.episode_id,
        admitted_at=word.admitted_at,
        template=word.template,
        flags=tuple(each for each in word.flags if each in FLAGS),
        booked_until=word.admitted_at,
        week_start=word.admitted_at,
    )
    return State(episode=episode, escalations=state.escalations)


def _scheduled(state: State, word: SessionScheduled, start: datetime) -> State:
    if state.episode is None:
        return state
    slots = range(len(state.episode.template))
    slot = next((n for n in slots if state.episode.session_id(Session(start, n)) == word.session_id), None)
    if slot is None or any(each.start == start and each.slot == slot for each in state.sessions):
        return state
    return msgspec.structs.replace(state, sessions=(*state.sessions, Session(start, slot)))


def _episode_moved(state: State, word: BookedUntil | WeekClosed | EpisodeDischarged | EpisodeForgotten) -> State:
    if state.episode is None:
        return state
    match word:
        case BookedUntil(until=until):
            episode = msgspec.structs.replace(
                state.episode, booked_until=until, grace_minutes=word.grace_minutes, late_hours=word.late_hours
            )
            return _trimmed(msgspec.structs.replace(state, episode=episode), word.now)
        case WeekClosed(next_start=next_start):
            return msgspec.structs.replace(state, episode=msgspec.structs.replace(state.episode, week_start=next_start))
        case EpisodeDischarged(episode_id=episode_id, discharged_at=at):
            if episode_id != state.episode.id:
                return state
            return msgspec.structs.replace(state, episode=msgspec.structs.replace(state.episode, discharged_at=at))
        case EpisodeForgotten():
            return State(escalations=state.escalations)


def _trimmed(state: State, now: datetime) -> State:
    """What is old and decided is forgotten; what still waits for its decision never is."""
    since = now - timedelta(days=REMEMBERED_DAYS)
    kept = tuple(each for each in state.sessions if each.start >= since or each.outcome == "planned")
    return msgspec.structs.replace(state, sessions=kept)


def _outcome(state: State, session_id: str, outcome: Outcome, minutes: int = 0) -> State:
    return _replace(state, session_id, lambda each: Session(each.start, each.slot, outcome, minutes))


def _replace(state: State, session_id: str, change: Callable[[Session], Session]) -> State:
    found = find(state, session_id)
    if found is None:
        return state
    return msgspec.structs.replace(
        state, sessions=tuple(change(each) if each is found else each for each in state.sessions)
    )


def due(state: State) -> datetime | None:
    """The next instant at which something must be decided though nobody says anything."""
    moments = [escalation.due(state.escalations)]
    episode = state.episode
    if episode is not None and episode.discharged_at is not None:
        moments.append(episode.discharged_at + timedelta(days=FORGOTTEN_DAYS))
    elif episode is not None:
        moments.extend(episode.decide_at(each) for each in state.sessions if each.outcome == "planned")
        moments.append(episode.booked_until - timedelta(days=BOOK_AHEAD_DAYS))
        moments.append(week_closes_at(state, episode))
    return min((each for each in moments if each is not None), default=None)


BOOK_AHEAD_DAYS = 13
"""Book again when fewer than this many days are booked (`book_days` is one more)."""


def week_closes_at(state: State, episode: Episode) -> datetime:
    """A week is looked at once late check-ins to its last session are over, and none of it waits for its decision."""
    end = episode.week_start + timedelta(days=7)
    waits = [episode.decide_at(each) for each in state.sessions if each.outcome == "planned" and each.start < end]
    return max([end + timedelta(hours=episode.late_hours), *waits])
