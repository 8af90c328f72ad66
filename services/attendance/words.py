"""The doorway: what attendance is told, what it hears, what it says."""

from datetime import datetime

from shared.words.attendance import (
    AttendanceCorrected,
    CheckInWithdrawn,
    SessionAttended,
    SessionCancelled,
    SessionCheckedIn,
    SessionExcused,
    SessionMissed,
    SessionScheduled,
    SessionWord,
    WeeklyHoursCorrected,
    WeeklyHoursFellShort,
)
from shared.words.envelope import Command
from shared.words.escalation import EscalationWord
from shared.words.inner import Noted, TimePassed
from shared.words.intake import EpisodeAdmitted, EpisodeDischarged, PatientIdentified

__all__ = [
    "AbsenceDeferred",
    "AcknowledgeEscalation",
    "AttendanceCorrected",
    "BookedUntil",
    "CallOffSession",
    "CheckIn",
    "CheckInWithdrawn",
    "Commands",
    "EpisodeAdmitted",
    "EpisodeDischarged",
    "EpisodeForgotten",
    "EscalationWord",
    "ExcuseSession",
    "Hears",
    "MarkMissed",
    "OfSession",
    "PatientIdentified",
    "ReinstateSession",
    "ResolveEscalation",
    "Says",
    "SessionAttended",
    "SessionCancelled",
    "SessionCheckedIn",
    "SessionExcused",
    "SessionMissed",
    "SessionScheduled",
    "SessionWord",
    "TimePassed",
    "WeekClosed",
    "WeeklyHoursCorrected",
    "WeeklyHoursFellShort",
    "WithdrawCheckIn",
]


class CheckIn(Command, frozen=True, kw_only=True, tag=True):
    """The patient is (or was) there from `came_at`; `minutes` once the session is over, None while it lasts.

    `encounter_id` is None where the session's own Appointment says so: then its Encounter is the one it has.
    """

    session_id: str
    encounter_id: str | None
    came_at: datetime
    minutes: int | None = None


class WithdrawCheckIn(Command, frozen=True, kw_only=True, tag=True):
    """This Encounter was entered in error (another patient's, another session's): what it said is not known."""

    session_id: str
    encounter_id: str


class ExcuseSession(Command, frozen=True, kw_only=True, tag=True):
    """The patient asked off and the program agrees: no miss."""

    session_id: str
    because: str = "excused"


class CallOffSession(Command, frozen=True, kw_only=True, tag=True):
    """The program calls a session off; it never counts against the patient."""

    session_id: str
    because: str = "called-off"


class ReinstateSession(Command, frozen=True, kw_only=True, tag=True):
    """It was called off or excused by mistake: it takes place as planned."""

    session_id: str


class MarkMissed(Command, frozen=True, kw_only=True, tag=True):
    """A person says that the patient did not come, before the deadline does."""

    session_id: str


class AcknowledgeEscalation(Command, frozen=True, kw_only=True, tag=True):
    escalation_id: str


class ResolveEscalation(Command, frozen=True, kw_only=True, tag=True):
    escalation_id: str
    because: str


class AbsenceDeferred(Noted, frozen=True, kw_only=True):
    """We were not listening through the whole window: the deadline moves."""

    session_id: str
    until: datetime


class BookedUntil(Noted, frozen=True, kw_only=True):
    """Sessions are planned up to `until`, with the grace and lateness of today's settings; `now` forgets old ones."""

    until: datetime
    now: datetime
    grace_minutes: int
    late_hours: int


class WeekClosed(Noted, frozen=True, kw_only=True):
    """The week before `next_start` was looked at; `minutes` is None for the first, which is not whole."""

    next_start: datetime
    minutes: int | None = None
    minimum_minutes: int = 0


class EpisodeForgotten(Noted, frozen=True, kw_only=True):
    """A closed episode leaves the state; what was said of it stays readable."""


OfSession = CheckIn | WithdrawCheckIn | ExcuseSession | CallOffSession | ReinstateSession | MarkMissed
Commands = OfSession | AcknowledgeEscalation | ResolveEscalation
Hears = PatientIdentified | EpisodeAdmitted | EpisodeDischarged | TimePassed
Says = (
    SessionScheduled
    | SessionMissed
    | SessionExcused
    | SessionCancelled
    | SessionAttended
    | AttendanceCorrected
    | WeeklyHoursFellShort
    | WeeklyHoursCorrected
    | EscalationWord
    | SessionCheckedIn
    | CheckInWithdrawn
    | AbsenceDeferred
    | BookedUntil
    | WeekClosed
    | EpisodeForgotten
)
