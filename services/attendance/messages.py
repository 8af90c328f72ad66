"""Every message of attendance: the commands it decides, the events it consumes and emits."""

from datetime import datetime

from shared.events.attendance import (
    AttendanceCorrected,
    CheckInWithdrawn,
    SessionAttended,
    SessionCancelled,
    SessionCheckedIn,
    SessionEvent,
    SessionExcused,
    SessionMissed,
    SessionScheduled,
    WeeklyHoursCorrected,
    WeeklyHoursFellShort,
)
from shared.events.envelope import Command
from shared.events.escalation import EscalationEvent
from shared.events.intake import DeathWithdrawn, EpisodeAdmitted, EpisodeDischarged, PatientDied, PatientIdentified
from shared.events.internal import RetentionBegan, StateEvent, TimePassed
from shared.rules.escalation import AcknowledgeEscalation, EscalationCommand, ResolveEscalation

__all__ = [
    "AbsenceDeferred",
    "AcknowledgeEscalation",
    "AttendanceCorrected",
    "BookedUntil",
    "CallOffSession",
    "CheckIn",
    "CheckInWithdrawn",
    "Commands",
    "Consumes",
    "DeathWithdrawn",
    "Emits",
    "EpisodeAdmitted",
    "EpisodeDischarged",
    "EpisodeForgotten",
    "EscalationCommand",
    "EscalationEvent",
    "ExcuseSession",
    "Internal",
    "MarkMissed",
    "OfSession",
    "PatientDied",
    "PatientIdentified",
    "ReinstateSession",
    "ResolveEscalation",
    "RetentionBegan",
    "SessionAttended",
    "SessionCancelled",
    "SessionCheckedIn",
    "SessionEvent",
    "SessionExcused",
    "SessionMissed",
    "SessionScheduled",
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
    """This Encounter was entered in error (another patient's, another session's): what it reported is not known."""

    session_id: str
    encounter_id: str


class ExcuseSession(Command, frozen=True, kw_only=True, tag=True):
    """The patient asked off and the program agrees: no miss."""

    session_id: str
    reason: str = "excused"


class CallOffSession(Command, frozen=True, kw_only=True, tag=True):
    """The program calls a session off; it never counts against the patient."""

    session_id: str
    reason: str = "called-off"


class ReinstateSession(Command, frozen=True, kw_only=True, tag=True):
    """It was called off or excused by mistake: it takes place as planned."""

    session_id: str


class MarkMissed(Command, frozen=True, kw_only=True, tag=True):
    """A person reports that the patient did not come, before the deadline does."""

    session_id: str


class AbsenceDeferred(StateEvent, frozen=True, kw_only=True):
    """We were not listening through the whole window: the deadline moves."""

    session_id: str
    until: datetime


class BookedUntil(StateEvent, frozen=True, kw_only=True):
    """Sessions are planned up to `until`, with the grace and lateness of today's settings; `now` forgets old ones."""

    until: datetime
    now: datetime
    grace_minutes: int
    late_hours: int


class WeekClosed(StateEvent, frozen=True, kw_only=True):
    """The week before `next_start` was looked at; `minutes` is None for the first, which is not whole."""

    next_start: datetime
    minutes: int | None = None
    minimum_minutes: int = 0


class EpisodeForgotten(StateEvent, frozen=True, kw_only=True):
    """An ended episode leaves the state; what was emitted about it stays readable."""


OfSession = CheckIn | WithdrawCheckIn | ExcuseSession | CallOffSession | ReinstateSession | MarkMissed
Commands = OfSession | EscalationCommand
Internal = TimePassed | AbsenceDeferred | BookedUntil | WeekClosed | RetentionBegan | EpisodeForgotten
Consumes = PatientIdentified | PatientDied | DeathWithdrawn | EpisodeAdmitted | EpisodeDischarged | TimePassed
Emits = (
    SessionScheduled
    | SessionCheckedIn
    | CheckInWithdrawn
    | SessionAttended
    | SessionMissed
    | AttendanceCorrected
    | SessionExcused
    | SessionCancelled
    | WeeklyHoursFellShort
    | WeeklyHoursCorrected
    | EscalationEvent
    | AbsenceDeferred
    | BookedUntil
    | WeekClosed
    | RetentionBegan
    | EpisodeForgotten
)
