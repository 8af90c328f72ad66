"""What the next decision needs of one patient: the episode, its sessions near now, the open escalations."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from services.attendance.words import (
    AbsenceDeferred,
    AttendanceCorrected,
    BookedUntil,
    CheckInWithdrawn,
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
    SessionWord,
    WeekClosed,
)
from shared.rules import escalation
from shared.rules.escalation import Open
from shared.words.envelope import Command, Word, name_id
from shared.words.intake import Slot

VERSION = 2
UPCAST: dict[int, Callable[[Any], Any]] = {1: lambda plain: plain}
"""Version 2 only adds, at the ends: the Encounter of a session, and the hours of the weeks that were looked at."""
REMEMBERED_DAYS = 15
"""Past sessions kept: one more than the longest window over misses."""
FLAGS = frozenset({"suicide-risk", "overdose-risk", "opioid-history"})
"""The flags a miss is graded by; no other one is kept here."""
FORGOTTEN_DAYS = 30
"""A closed episode leaves the state so long after its end."""

Outcome = Literal["planned", "present", "attended", "missed", "excused", "cancelled"]


class Session(msgspec.Struct, frozen=True, array_like=True):
    """One planned session: `slot` is its place in the episode's template, `minutes` those attended.

    `encounter_id` names the Encounter that says who was there, "" without one.
    """

    start: datetime
    slot: int
    outcome: Outcome = "planned"
    minutes: int = 0
    deferred_until: datetime | None = None
    encounter_id: str = ""


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


class Week(msgspec.Struct, frozen=True, array_like=True):
    """A whole week [start, end) that was looked at: minutes attended, and the fewest it needed on that day."""

    start: datetime
    end: datetime
    minutes: int
    minimum_minutes: int

    @property
    def short(self) -> bool:
        return self.minutes < self.minimum_minutes


class State(msgspec.Struct, frozen=True, array_like=True):
    """`episode` is None for a patient never admitted here, or whose stay was forgotten."""

    episode: Episode | None = None
    sessions: tuple[Session, ...] = ()
    escalations: tuple[Open, ...] = ()
    weeks: tuple[Week, ...] = ()


def find(state: State, session_id: str, near: datetime) -> Session | None:
    """The session with this id, looked for from `near` outwards: an id is derived, and that costs more than sorting."""
    if state.episode is None:
        return None
    nearest = sorted(state.sessions, key=lambda each: abs(each.start - near))
    return next((each for each in nearest if state.episode.session_id(each) == session_id), None)


def evolve(state: State, word: Word | Command) -> State:
    """The state after a word heard or said, or a command told. Total: what it doesn't know changes nothing."""
    match word:
        case EpisodeAdmitted():
            return _admitted(state, word)
        case SessionScheduled(start=start):
            return _scheduled(state, word, start)
        case SessionCheckedIn():
            return _outcome(state, word, "present", encounter_id=word.encounter_id)
        case SessionAttended():
            return _outcome(state, word, "attended", word.minutes, word.encounter_id)
        case CheckInWithdrawn():
            return _outcome(state, word, "planned")
        case AttendanceCorrected():
            return _outcome(state, word, "present")
        case SessionMissed():
            return _outcome(state, word, "missed")
        case SessionExcused():
            return _outcome(state, word, "excused")
        case SessionCancelled():
            return _outcome(state, word, "cancelled")
        case AbsenceDeferred():
            return _deferred(state, word)
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
    episode = state.episode
    if episode is None:
        return state
    slots = (n for n, planned in enumerate(episode.template) if planned.kind == word.kind)
    slot = next((n for n in slots if episode.session_id(Session(start, n)) == word.session_id), None)
    if slot is None:
        return state
    found = next((each for each in state.sessions if each.start == start and each.slot == slot), None)
    if found is None:
        return msgspec.structs.replace(state, sessions=(*state.sessions, Session(start, slot)))
    return _replaced(state, found, Session(start, slot)) if found.outcome in ("cancelled", "excused") else state


def _episode_moved(state: State, word: BookedUntil | WeekClosed | EpisodeDischarged | EpisodeForgotten) -> State:
    if state.episode is None:
        return state
    match word:
        case BookedUntil(until=until):
            episode = msgspec.structs.replace(
                state.episode, booked_until=until, grace_minutes=word.grace_minutes, late_hours=word.late_hours
            )
            return _trimmed(msgspec.structs.replace(state, episode=episode), word.now)
        case WeekClosed(next_start=end, minutes=minutes):
            looked_at = [] if minutes is None else [Week(state.episode.week_start, end, minutes, word.minimum_minutes)]
            episode = msgspec.structs.replace(state.episode, week_start=end)
            return msgspec.structs.replace(state, episode=episode, weeks=(*state.weeks, *looked_at))
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
    weeks = tuple(each for each in state.weeks if each.end >= since)
    return msgspec.structs.replace(state, sessions=kept, weeks=weeks)


def _outcome(state: State, word: SessionWord, outcome: Outcome, minutes: int = 0, encounter_id: str = "") -> State:
    episode = state.episode
    if episode is None:
        return state
    at_once = (each for each in state.sessions if each.start == word.start)
    found = next((each for each in at_once if episode.session_id(each) == word.session_id), None)
    if found is None:
        return state
    return _replaced(state, found, Session(found.start, found.slot, outcome, minutes, None, encounter_id))


def _deferred(state: State, word: AbsenceDeferred) -> State:
    found = find(state, word.session_id, word.until)
    if found is None:
        return state
    return _replaced(state, found, msgspec.structs.replace(found, deferred_until=word.until))


def _replaced(state: State, found: Session, after: Session) -> State:
    """With this session as it is now, and its minutes in the week it belongs to, though that was looked at before."""
    weeks = state.weeks
    if after.minutes != found.minutes:
        more = after.minutes - found.minutes
        weeks = tuple(_recounted(each, more) if each.start <= found.start < each.end else each for each in weeks)
    sessions = tuple(after if each is found else each for each in state.sessions)
    return msgspec.structs.replace(state, sessions=sessions, weeks=weeks)


def _recounted(week: Week, more: int) -> Week:
    return msgspec.structs.replace(week, minutes=week.minutes + more)


Waiting = Sequence[tuple[datetime, Session]]


def undecided(state: State, episode: Episode) -> Waiting:
    """The sessions that nobody said anything about yet, each with the instant at which silence makes it a miss."""
    grace = timedelta(minutes=episode.grace_minutes)
    return [(each.deferred_until or each.start + grace, each) for each in state.sessions if each.outcome == "planned"]


def due(state: State) -> datetime | None:
    """The next instant at which something must be decided though nobody says anything."""
    moments = [escalation.due(state.escalations)]
    if (episode := state.episode) is not None:
        waiting = undecided(state, episode)
        moments.extend(at for at, _ in waiting)
        moments.append(week_closes_at(episode, waiting))
        moments.append(forgotten_at(episode, waiting) or episode.booked_until - timedelta(days=BOOK_AHEAD_DAYS))
    return min((each for each in moments if each is not None), default=None)


BOOK_AHEAD_DAYS = 13
"""Book again when fewer than this many days are booked (`book_days` is one more)."""


def week_closes_at(episode: Episode, waiting: Waiting) -> datetime | None:
    """A week is looked at once late check-ins to its last session are over, and none of it waits for its decision.

    None for the week in which the stay ends: like the first one it is not whole.
    """
    end = episode.week_start + timedelta(days=7)
    if episode.discharged_at is not None and episode.discharged_at < end:
        return None
    return max([end + timedelta(hours=episode.late_hours), *(at for at, each in waiting if each.start < end)])


def forgotten_at(episode: Episode, waiting: Waiting) -> datetime | None:
    """When a closed episode leaves the state: none of its sessions waits any more. None while it is open."""
    if episode.discharged_at is None:
        return None
    return max([episode.discharged_at + timedelta(days=FORGOTTEN_DAYS), *(at for at, _ in waiting)])
