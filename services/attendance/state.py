"""What the next decision needs of one patient: the episode, its sessions near now, the open escalations."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from services.attendance.messages import (
    AbsenceDeferred,
    AttendanceCorrected,
    BookedUntil,
    CheckInWithdrawn,
    EpisodeAdmitted,
    EpisodeDischarged,
    EpisodeForgotten,
    EscalationEvent,
    RetentionBegan,
    SessionAttended,
    SessionCancelled,
    SessionCheckedIn,
    SessionEvent,
    SessionExcused,
    SessionMissed,
    SessionScheduled,
    WeekClosed,
)
from shared.events.envelope import Command, Event, name_id
from shared.events.intake import TemplateSlot
from shared.rules import escalation
from shared.rules.escalation import Open

VERSION = 4
REMEMBERED_DAYS = 15
"""Past sessions stored: one more than the longest window over misses."""
FLAGS = frozenset({"suicide-risk", "overdose-risk", "opioid-history"})
"""The flags a miss is graded by; no other one is stored here."""

SessionOutcome = Literal["planned", "present", "attended", "missed", "excused", "cancelled"]


class Session(msgspec.Struct, frozen=True, array_like=True):
    """One planned session: `slot` is its place in the episode's template, `minutes` those attended.

    `encounter_id` names the Encounter that says who was there, "" without one.
    """

    start: datetime
    slot: int
    outcome: SessionOutcome = "planned"
    minutes: int = 0
    deferred_until: datetime | None = None
    encounter_id: str = ""


class Episode(msgspec.Struct, frozen=True, array_like=True):
    """The stay. `grace_minutes` and `retention_days` are settings of their day: a deadline never moves by a setting."""

    id: str
    admitted_at: datetime
    template: tuple[TemplateSlot, ...]
    flags: tuple[str, ...]
    booked_until: datetime
    week_start: datetime
    grace_minutes: int = 15
    late_hours: int = 24
    discharged_at: datetime | None = None
    retention_days: int = 0
    """Of an ended stay: how long after its end it leaves the state."""

    def session_id(self, session: Session) -> str:
        return name_id(self.id, f"session:{session.start.isoformat()}:{session.slot}")

    def end(self, session: Session) -> datetime:
        return session.start + timedelta(minutes=self.template[session.slot].minutes)

    def precedes(self, event: EpisodeAdmitted) -> bool:
        """Whether that admission begins a later stay; the same or an older one, consumed again, changes nothing."""
        return self.id != event.episode_id and self.admitted_at <= event.admitted_at


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


def _with_retention(stored: Any) -> Any:
    """Version 3 adds how long an ended stay stays in the state: 30 days, where it ended before."""
    episode, *others = stored
    return [episode and [*episode, 30 if episode[-1] is not None else 0], *others]


UPCAST: dict[int, Callable[[Any], Any]] = {1: lambda stored: stored, 2: _with_retention, 3: lambda stored: stored}
"""Version 2 only adds, at the ends: the Encounter of a session, and the hours of the weeks that were looked at;
version 4, at the end of an open escalation: who took it on."""


def find(state: State, session_id: str, near: datetime) -> Session | None:
    """The session with this id, looked for from `near` outwards: an id is derived, and that costs more than sorting."""
    if state.episode is None:
        return None
    nearest = sorted(state.sessions, key=lambda each: abs(each.start - near))
    return next((each for each in nearest if state.episode.session_id(each) == session_id), None)


def evolve(state: State, event: Event | Command) -> State:
    """The state after an event consumed or emitted, or a command. Total: what it does not know changes nothing."""
    match event:
        case EpisodeAdmitted():
            return _admitted(state, event)
        case SessionScheduled(start=start):
            return _scheduled(state, event, start)
        case SessionCheckedIn():
            return _outcome(state, event, "present", encounter_id=event.encounter_id)
        case SessionAttended():
            return _outcome(state, event, "attended", event.minutes, event.encounter_id)
        case CheckInWithdrawn():
            return _outcome(state, event, "planned")
        case AttendanceCorrected():
            return _outcome(state, event, "present")
        case SessionMissed():
            return _outcome(state, event, "missed")
        case SessionExcused():
            return _outcome(state, event, "excused")
        case SessionCancelled():
            return _outcome(state, event, "cancelled")
        case AbsenceDeferred():
            return _deferred(state, event)
        case EscalationEvent():
            return msgspec.structs.replace(state, escalations=escalation.evolve(state.escalations, event))
        case BookedUntil() | WeekClosed() | EpisodeDischarged() | RetentionBegan() | EpisodeForgotten():
            return _episode_moved(state, event)
        case _:
            return state


def _admitted(state: State, event: EpisodeAdmitted) -> State:
    if state.episode is not None and not state.episode.precedes(event):
        return state
    episode = Episode(
        id=event.episode_id,
        admitted_at=event.admitted_at,
        template=event.template,
        flags=tuple(each for each in event.flags if each in FLAGS),
        booked_until=event.admitted_at,
        week_start=event.admitted_at,
    )
    return State(episode=episode, escalations=state.escalations)


def _scheduled(state: State, event: SessionScheduled, start: datetime) -> State:
    episode = state.episode
    if episode is None:
        return state
    slots = (n for n, planned in enumerate(episode.template) if planned.kind == event.kind)
    slot = next((n for n in slots if episode.session_id(Session(start, n)) == event.session_id), None)
    if slot is None:
        return state
    found = next((each for each in state.sessions if each.start == start and each.slot == slot), None)
    if found is None:
        return msgspec.structs.replace(state, sessions=(*state.sessions, Session(start, slot)))
    return _replaced(state, found, Session(start, slot)) if found.outcome in ("cancelled", "excused") else state


def _episode_moved(
    state: State, event: BookedUntil | WeekClosed | EpisodeDischarged | RetentionBegan | EpisodeForgotten
) -> State:
    if state.episode is None:
        return state
    match event:
        case BookedUntil(until=until):
            episode = msgspec.structs.replace(
                state.episode, booked_until=until, grace_minutes=event.grace_minutes, late_hours=event.late_hours
            )
            return _trimmed(msgspec.structs.replace(state, episode=episode), event.now)
        case WeekClosed(next_start=end, minutes=minutes):
            looked_at = [] if minutes is None else [Week(state.episode.week_start, end, minutes, event.minimum_minutes)]
            episode = msgspec.structs.replace(state.episode, week_start=end)
            return msgspec.structs.replace(state, episode=episode, weeks=(*state.weeks, *looked_at))
        case EpisodeDischarged(episode_id=episode_id, discharged_at=at):
            if episode_id != state.episode.id:
                return state
            return msgspec.structs.replace(state, episode=msgspec.structs.replace(state.episode, discharged_at=at))
        case RetentionBegan(retention_days=days):
            return msgspec.structs.replace(state, episode=msgspec.structs.replace(state.episode, retention_days=days))
        case EpisodeForgotten():
            return State(escalations=state.escalations)


def _trimmed(state: State, now: datetime) -> State:
    """What is old and decided is forgotten; what still waits for its decision never is."""
    since = now - timedelta(days=REMEMBERED_DAYS)
    remaining = tuple(each for each in state.sessions if each.start >= since or each.outcome == "planned")
    weeks = tuple(each for each in state.weeks if each.end >= since)
    return msgspec.structs.replace(state, sessions=remaining, weeks=weeks)


def _outcome(
    state: State, event: SessionEvent, outcome: SessionOutcome, minutes: int = 0, encounter_id: str = ""
) -> State:
    episode = state.episode
    if episode is None:
        return state
    at_once = (each for each in state.sessions if each.start == event.start)
    found = next((each for each in at_once if episode.session_id(each) == event.session_id), None)
    if found is None:
        return state
    return _replaced(state, found, Session(found.start, found.slot, outcome, minutes, None, encounter_id))


def _deferred(state: State, event: AbsenceDeferred) -> State:
    found = find(state, event.session_id, event.until)
    if found is None:
        return state
    return _replaced(state, found, msgspec.structs.replace(found, deferred_until=event.until))


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
    """The sessions of which nothing is known yet, each with the instant at which silence makes it a miss."""
    grace = timedelta(minutes=episode.grace_minutes)
    return [(each.deferred_until or each.start + grace, each) for each in state.sessions if each.outcome == "planned"]


def due(state: State) -> datetime | None:
    """The next instant at which something must be decided though nothing is consumed."""
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
    return max([episode.discharged_at + timedelta(days=episode.retention_days), *(at for at, _ in waiting)])
