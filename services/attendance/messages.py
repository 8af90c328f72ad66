"""Every message of attendance: the commands it decides, the events it consumes and emits."""

from datetime import datetime

from services.attendance.feed_events import AbsenceAsked, AnswerFeed, FeedChanged, SilenceCounts
from services.attendance.groups.guest_events import (
    GuestAnswers,
    GuestAsked,
    GuestLeft,
    GuestMeetingChanged,
    GuestSeated,
    GuestSeatGiven,
    GuestSeatRefused,
    GuestSeatReturned,
    GuestSeatSought,
    GuestSeatTaken,
    OfGuests,
    OfOwnGuestSeat,
    OpenSlot,
    OpenSlots,
    OpenSlotsAsked,
)
from services.attendance.groups.seat_events import (
    GroupChosen,
    GroupFull,
    GroupShown,
    LineEnded,
    LineLookedAt,
    OfGroups,
    OfGroupStates,
    OfOwnSeat,
    SeatAnswered,
    SeatAnswers,
    SeatAsked,
    SeatGiven,
    SeatLeft,
    SeatLookedAt,
    SeatReturned,
    SeatsFilled,
    SeatSought,
    WeekOfGroup,
)
from services.attendance.groups.timetable_events import ChangeMeeting, MeetingsChanged, TimetableChanged
from services.attendance.record import Period, Projection, Request, Session, SessionSlot, Week
from shared.events.attendance import (
    AttendanceCorrected,
    BookingNumber,
    CheckInWithdrawn,
    Coding,
    SessionAttended,
    SessionCancelled,
    SessionCancelledLate,
    SessionCheckedIn,
    SessionEvent,
    SessionExcused,
    SessionMissed,
    SessionRequested,
    SessionScheduled,
    WeeklyHoursCorrected,
    WeeklyHoursFellShort,
    WeeklyHoursProjectedShort,
    WeeklyHoursUnknown,
)
from shared.events.envelope import Command
from shared.events.escalation import EscalationEvent, SignalsCorrected
from shared.events.group_listed import GroupListed
from shared.events.intake import (
    CareTeamChanged,
    CoverageRecorded,
    DeathWithdrawn,
    DischargeWithdrawn,
    EpisodeAdmitted,
    EpisodeDischarged,
    EpisodePaused,
    EpisodeResumed,
    EpisodeStepped,
    FlagsChanged,
    PatientDied,
    PatientIdentified,
    StageAdvanced,
)
from shared.events.internal import RetentionBegan, StandsFor, StateEvent, TimePassed, To
from shared.events.listed import FeedQuestioned, SlotsListed
from shared.events.outreach import Channel, OutreachAttempted, OutreachOutcome
from shared.events.technical import FeedSilent, FeedSpoke
from shared.rules.escalation import (
    AcknowledgeEscalation,
    ActOnEscalation,
    EscalationCommand,
    HandOverEscalation,
    ReopenEscalation,
    ResolveEscalation,
)
from shared.rules.payers import DEFAULT

__all__ = [
    "REPORTS",
    "AbsenceAsked",
    "AcceptSession",
    "AcknowledgeEscalation",
    "ActOnEscalation",
    "AnswerFeed",
    "AttendanceCorrected",
    "BookReportedSession",
    "BookSession",
    "BookedUntil",
    "BookingNumber",
    "CalendarFollowed",
    "CallOffSession",
    "CancelSession",
    "CareTeamChanged",
    "ChangeMeeting",
    "CheckIn",
    "CheckInWithdrawn",
    "ChooseGroup",
    "Coding",
    "Commands",
    "CommandsOfFeeds",
    "CommandsOfGroups",
    "ConfirmAttendance",
    "Consumes",
    "ConsumesOfFeeds",
    "ConsumesOfGroups",
    "CoverageRecorded",
    "DeathWithdrawn",
    "DischargeWithdrawn",
    "Emits",
    "EmitsOfFeeds",
    "EmitsOfGroups",
    "EpisodeAdmitted",
    "EpisodeDischarged",
    "EpisodeForgotten",
    "EpisodePaused",
    "EpisodeResumed",
    "EpisodeStepped",
    "EscalationCommand",
    "EscalationEvent",
    "FeedChanged",
    "FeedQuestioned",
    "FeedSilent",
    "FeedSpoke",
    "FlagsChanged",
    "GroupChosen",
    "GroupFull",
    "GroupListed",
    "GroupShown",
    "GuestAnswers",
    "GuestAsked",
    "GuestLeft",
    "GuestMeetingChanged",
    "GuestSeatGiven",
    "GuestSeatRefused",
    "GuestSeatReturned",
    "GuestSeatSought",
    "GuestSeatTaken",
    "GuestSeated",
    "HandOverEscalation",
    "Internal",
    "LineEnded",
    "LineLookedAt",
    "MakeUpMiss",
    "MarkMissed",
    "MeetingsChanged",
    "MoveSession",
    "OfGroupStates",
    "OfGroups",
    "OfGuests",
    "OfOneSession",
    "OfOwnGuestSeat",
    "OfOwnSeat",
    "OfSession",
    "OpenSlot",
    "OpenSlots",
    "OpenSlotsAsked",
    "OutreachAttempted",
    "PatientDied",
    "PatientIdentified",
    "PlansWeek",
    "ProjectionChanged",
    "RecordOutreach",
    "ReinstateSession",
    "ReopenEscalation",
    "RequestAdded",
    "RequestsChanged",
    "ResolveEscalation",
    "RetentionBegan",
    "SeatAnswered",
    "SeatAnswers",
    "SeatAsked",
    "SeatGiven",
    "SeatLeft",
    "SeatLookedAt",
    "SeatReturned",
    "SeatSought",
    "SeatsFilled",
    "SessionAttended",
    "SessionCancelled",
    "SessionCancelledLate",
    "SessionCheckedIn",
    "SessionEvent",
    "SessionExcused",
    "SessionMissed",
    "SessionRequested",
    "SessionScheduled",
    "SessionsChanged",
    "SignalsCorrected",
    "SilenceCounts",
    "SlotAdded",
    "SlotsListed",
    "StageAdvanced",
    "StandsFor",
    "TimePassed",
    "TimetableChanged",
    "To",
    "WeekOfGroup",
    "WeeklyHoursCorrected",
    "WeeklyHoursFellShort",
    "WeeklyHoursProjectedShort",
    "WeeklyHoursUnknown",
    "WeeksChanged",
    "WithdrawBooking",
    "WithdrawCheckIn",
]


class CheckIn(Command, frozen=True, kw_only=True, tag=True):
    """An Encounter reports `periods` of presence and the sessions it was for; None ends one that lasts.

    Where not `minutes_known`, there is one period, and it is over: what is stated does not tell how long somebody
    stayed. `names_others`: also something in which no session can be read. `kind` is that of the session where the
    Encounter names none; "" where it does not tell.
    """

    session_ids: tuple[str, ...]
    encounter_id: str
    periods: tuple[Period, ...]
    class_code: str = "AMB"
    minutes_known: bool = True
    names_others: bool = False
    kind: str = ""


class WithdrawCheckIn(Command, frozen=True, kw_only=True, tag=True):
    """This Encounter was entered in error (another patient's, another session's): what it reported is not known."""

    encounter_id: str


class ConfirmAttendance(Command, frozen=True, kw_only=True, tag=True):
    """The session's own Appointment reports presence: the patient came, or (`held`) the session took place."""

    session_id: str
    held: bool


class CancelSession(Command, frozen=True, kw_only=True, tag=True):
    """The patient does not come. `reason` is a code, "" without one; `stated` are all that the Appointment names.

    `declined` by an answer to the Appointment, `by_encounter` by an Encounter that does not take place: beside the
    Appointment, these correct nothing that it says.
    """

    session_id: str
    reason: str = ""
    declined: bool = False
    by_encounter: bool = False
    stated: tuple[Coding, ...] = ()


class AcceptSession(Command, frozen=True, kw_only=True, tag=True):
    """The patient comes after all: an earlier decline is taken back."""

    session_id: str


class CallOffSession(Command, frozen=True, kw_only=True, tag=True):
    """The program calls a session off, for the reasons `stated`; it never counts against the patient."""

    session_id: str
    stated: tuple[Coding, ...] = ()


class ReinstateSession(Command, frozen=True, kw_only=True, tag=True):
    """It was called off or excused by mistake: it takes place as planned."""

    session_id: str


class MarkMissed(Command, frozen=True, kw_only=True, tag=True):
    """A person reports that the patient did not come, before the deadline does."""

    session_id: str


class RecordOutreach(Command, frozen=True, kw_only=True, tag=True):
    """A person tried to reach the patient of this escalation, then and by this channel. `by` is their id in the staff,
    empty where a client reports it in its own name."""

    escalation_id: str
    channel: Channel
    outcome: OutreachOutcome
    at: datetime
    by: str = ""


class ChooseGroup(Command, frozen=True, kw_only=True, tag=True):
    """A person of the staff puts the patient into this group for the stay, or chooses `ALONE`, `LEFT` or `ANY` of
    `services/attendance/groups/seat.py` instead. `by` is their id in the staff."""

    episode_id: str
    group: str
    by: str


class MoveSession(Command, frozen=True, kw_only=True, tag=True):
    """It is held from `start` on instead; `end`, where it is stated, must be as long after it as planned."""

    session_id: str
    start: datetime
    end: datetime | None = None


class MakeUpMiss(Command, frozen=True, kw_only=True, tag=True):
    """The session makes up the miss of another one: its hours, never the miss."""

    session_id: str
    missed_id: str


class WithdrawBooking(Command, frozen=True, kw_only=True, tag=True):
    """The EHR booked it in error: it was never owed."""

    session_id: str


class SessionsChanged(StateEvent, frozen=True, kw_only=True):
    """These sessions of the episode, as they are known now."""

    episode_id: str
    sessions: tuple[Session, ...]


class RequestsChanged(StateEvent, frozen=True, kw_only=True):
    """Everything that persons are asked now."""

    requests: tuple[Request, ...]


class RequestAdded(StateEvent, frozen=True, kw_only=True):
    """One more is asked of a person, about a report that was refused."""

    request: Request


class WeeksChanged(StateEvent, frozen=True, kw_only=True):
    """These weeks were looked at, or again; the next one is [next_start, next_end), counted for `next_payer`. What was
    known since `gone_since` is none any more: another payer's begin elsewhere."""

    weeks: tuple[Week, ...]
    next_start: datetime
    next_end: datetime | None = None
    next_payer: str = DEFAULT
    gone_since: datetime | None = None


class BookedUntil(StateEvent, frozen=True, kw_only=True):
    """Sessions are planned up to `until`, with the times of today's settings; older ones than `since` are forgotten.

    But those at `places` are evidence of what a person is still asked.
    """

    until: datetime
    since: datetime
    places: tuple[tuple[int, int], ...]
    grace_minutes: int
    late_hours: int
    unreported_hours: tuple[int, int]
    silent_hours: tuple[int, int] = (72, 336)


class SlotAdded(StateEvent, frozen=True, kw_only=True):
    """Sessions of this slot, which no week holds, are booked one by one; it is known by its `index` in the template."""

    index: int
    slot: SessionSlot


class CalendarFollowed(StateEvent, frozen=True, kw_only=True):
    """The sessions are those of the program's calendar as `form` is short for it."""

    form: str


class ProjectionChanged(StateEvent, frozen=True, kw_only=True):
    """What is known of the hours of the running week; None while nobody is asked for any."""

    projection: Projection | None


class EpisodeForgotten(StateEvent, frozen=True, kw_only=True):
    """An ended episode leaves the state; what was emitted about it stays readable."""


OfOneSession = (
    ConfirmAttendance | CancelSession | AcceptSession | CallOffSession | ReinstateSession | MarkMissed | WithdrawBooking
)


class BookSession(Command, frozen=True, kw_only=True, tag=True):
    """A session of no week, from `start` on, as the EHR booked it under `appointment_id`; where its slot names a group,
    as a guest of that one.

    `numbers` are those it is known by there. `makes_up` is the session whose miss it makes up, "" for none.
    `report` is what its Appointment reports, of whichever session it is.
    """

    appointment_id: str
    start: datetime
    slot: SessionSlot
    report: OfOneSession
    numbers: tuple[BookingNumber, ...] = ()
    makes_up: str = ""


class BookReportedSession(BookSession, frozen=True, kw_only=True, tag=True):
    """The same, where its Appointment says who came: by this name it is a report of the program's feed."""


OfSession = CheckIn | WithdrawCheckIn | OfOneSession | MoveSession | BookSession | BookReportedSession | MakeUpMiss
Commands = OfSession | ChooseGroup | EscalationCommand | ReopenEscalation | RecordOutreach
REPORTS = (CheckIn, WithdrawCheckIn, ConfirmAttendance, MarkMissed, BookReportedSession)
"""By these a program's feed says who came: what else is sent of sessions, plans and cancellations, may come from others
while it stands still."""
StateEvents = (
    SessionsChanged
    | RequestsChanged
    | RequestAdded
    | WeeksChanged
    | BookedUntil
    | SlotAdded
    | StandsFor
    | CalendarFollowed
    | ProjectionChanged
    | OfOwnSeat
    | OfOwnGuestSeat
    | WeekOfGroup
    | RetentionBegan
    | EpisodeForgotten
)
PlansWeek = StageAdvanced | EpisodeStepped
"""After which another week is planned."""
Internal = (
    TimePassed
    | OfGroups
    | SeatAnswers
    | OfGuests
    | GuestAnswers
    | OpenSlots
    | GuestSeated
    | MeetingsChanged
    | AbsenceAsked
    | SilenceCounts
    | StateEvents
    | OfGroupStates
    | TimetableChanged
    | FeedChanged
)
Consumes = (
    PatientIdentified
    | CareTeamChanged
    | CoverageRecorded
    | PatientDied
    | DeathWithdrawn
    | EpisodeAdmitted
    | FlagsChanged
    | PlansWeek
    | EpisodePaused
    | EpisodeResumed
    | EpisodeDischarged
    | DischargeWithdrawn
    | SeatAnswers
    | GuestAnswers
    | OpenSlots
    | SilenceCounts
    | MeetingsChanged
    | TimePassed
)
Emits = (
    SessionScheduled
    | SessionRequested
    | SessionCheckedIn
    | CheckInWithdrawn
    | SessionAttended
    | SessionMissed
    | AttendanceCorrected
    | SessionExcused
    | SessionCancelled
    | SessionCancelledLate
    | WeeklyHoursFellShort
    | WeeklyHoursUnknown
    | WeeklyHoursCorrected
    | WeeklyHoursProjectedShort
    | EscalationEvent
    | SignalsCorrected
    | OutreachAttempted
    | StateEvents
    | To
)
ConsumesOfGroups = OfGroups | OfGuests | TimePassed
EmitsOfGroups = OfGroupStates | GuestSeated | TimetableChanged | SlotsListed | GroupListed | To
CommandsOfGroups = ChangeMeeting
ConsumesOfFeeds = AbsenceAsked | TimePassed
EmitsOfFeeds = FeedChanged | FeedQuestioned | FeedSilent | FeedSpoke | To
CommandsOfFeeds = AnswerFeed
"""Of the other kinds of keys: a group, a program's feed."""
