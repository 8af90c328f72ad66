"""Every decision of attendance: an event is never refused, a command can be. Pure; the `match` is the contents."""

from collections.abc import Sequence
from typing import assert_never

from services.attendance import requests
from services.attendance.decide import (
    ehr_booking,
    episode,
    grouping,
    guesting,
    making_up,
    marks,
    moving,
    outreach,
    presence,
    projecting,
    replanning,
    unnamed,
)
from services.attendance.decide.course import Course
from services.attendance.decide.deadlines import silence_counts, time_passed
from services.attendance.messages import (
    AcceptSession,
    AcknowledgeEscalation,
    ActOnEscalation,
    BookSession,
    CallOffSession,
    CancelSession,
    CareTeamChanged,
    CheckIn,
    ChooseGroup,
    Commands,
    ConfirmAttendance,
    Consumes,
    CoverageRecorded,
    DeathWithdrawn,
    DischargeWithdrawn,
    Emits,
    EpisodeAdmitted,
    EpisodeDischarged,
    EpisodePaused,
    EpisodeResumed,
    EpisodeStepped,
    FlagsChanged,
    GroupFull,
    GuestMeetingChanged,
    GuestSeatGiven,
    GuestSeatRefused,
    HandOverEscalation,
    MakeUpMiss,
    MarkMissed,
    MeetingsChanged,
    MoveSession,
    OpenSlots,
    PatientDied,
    PatientIdentified,
    RecordOutreach,
    ReinstateSession,
    ReopenEscalation,
    ResolveEscalation,
    SeatGiven,
    SilenceCounts,
    StageAdvanced,
    TimePassed,
    WithdrawBooking,
    WithdrawCheckIn,
)
from services.attendance.settings import Settings
from services.attendance.state import State, evolve
from shared.events.envelope import Command, Event
from shared.rules.assigning import assigned
from shared.rules.decision import Moment, Refused

__all__ = ["decide", "react"]


def react(state: State, event: Consumes, moment: Moment[Settings]) -> Sequence[Emits]:
    """What attendance emits after an event. Consumed again, it emits nothing new."""
    return assigned(_followed(state, event, _react(state, event, moment), moment), state.team)


def _followed(
    state: State, cause: Event | Command, decided: Sequence[Emits], moment: Moment[Settings]
) -> Sequence[Emits]:
    """And what follows from it for the patient's seats, then for the week."""
    course = Course(evolve(state, cause), moment)
    course.emit(*decided)
    grouping.followed(course, state)
    guesting.followed(course)
    projecting.followed(course, state)
    return projecting.detailed(course, state)


def _react(state: State, event: Consumes, moment: Moment[Settings]) -> Sequence[Emits]:
    match event:
        case PatientIdentified() | CareTeamChanged() | MeetingsChanged():
            return []
        case EpisodeAdmitted():
            return episode.admitted(state, event, moment)
        case CoverageRecorded():
            return episode.covered(state, event, moment)
        case FlagsChanged():
            return episode.flagged(state, event, moment)
        case StageAdvanced() | EpisodeStepped():
            return replanning.replanned(state, event, moment)
        case EpisodePaused():
            return episode.paused(state, event, moment)
        case EpisodeResumed():
            return episode.goes_on(state, event, moment)
        case EpisodeDischarged():
            return episode.discharged(state, event, moment)
        case DischargeWithdrawn():
            return episode.resumed(state, event, moment)
        case PatientDied():
            return episode.died(state, event, moment)
        case DeathWithdrawn():
            return episode.revived(state, event, moment)
        case SeatGiven() | GroupFull():
            return grouping.answered(state, event, moment)
        case GuestSeatGiven() | GuestSeatRefused() | GuestMeetingChanged():
            return guesting.answered(state, event, moment)
        case OpenSlots():
            return projecting.offered(state, event, moment)
        case SilenceCounts():
            return silence_counts(state, event, moment)
        case TimePassed():
            return time_passed(state, event, moment)
        case _:
            assert_never(event)


def decide(state: State, command: Commands, moment: Moment[Settings]) -> Sequence[Emits] | Refused:
    """What attendance emits on a command, or why it cannot be."""
    decided = _decide(state, command, moment)
    if isinstance(decided, Refused):
        return decided
    return assigned(_followed(state, command, decided, moment), state.team)


def _decide(state: State, command: Commands, moment: Moment[Settings]) -> Sequence[Emits] | Refused:
    match command:
        case CheckIn(session_ids=()):
            return unnamed.checked_in(state, command, moment)
        case CheckIn():
            return presence.checked_in(state, command, moment)
        case WithdrawCheckIn():
            return presence.withdrawn(state, command, moment)
        case (
            ConfirmAttendance()
            | CancelSession()
            | AcceptSession()
            | CallOffSession()
            | ReinstateSession()
            | MarkMissed()
            | WithdrawBooking()
        ):
            return marks.marked(state, command, moment)
        case BookSession():
            return ehr_booking.booked(state, command, moment)
        case MakeUpMiss():
            return making_up.made_up(state, command, moment)
        case MoveSession():
            return moving.moved(state, command, moment)
        case ChooseGroup():
            return grouping.chosen(state, command, moment)
        case AcknowledgeEscalation() | ActOnEscalation() | HandOverEscalation():
            return outreach.answered(state, requests.stays_open(state, command, moment), moment)
        case RecordOutreach():
            return outreach.attempted(state, command, moment)
        case ReopenEscalation():
            return requests.reopen(state, command, moment)
        case ResolveEscalation():
            return _resolved(state, command, moment)
        case _:
            assert_never(command)


def _resolved(state: State, command: ResolveEscalation, moment: Moment[Settings]) -> Sequence[Emits] | Refused:
    """Who reached out may have found the reason of the absence: then it is excused."""
    missed = requests.excused_session(state, command.escalation_id)
    resolved = requests.resolve(state, command, moment)
    if isinstance(resolved, Refused) or missed is None or command.reason not in moment.settings.excuse_reasons:
        return outreach.answered(state, resolved, moment)
    course = Course(state, moment)
    course.emit(*resolved)
    marks.excuse(course, missed)
    return course.emitted
