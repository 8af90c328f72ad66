"""What the next decision needs of one patient: the episode, its sessions near now, and what persons are asked."""

from datetime import datetime, timedelta
from typing import get_args

import msgspec

from services.attendance import outcomes
from services.attendance.cap import forgotten
from services.attendance.groups.guest import GuestSeat, guest_seats_after
from services.attendance.groups.seat import GroupSeat, seat_after
from services.attendance.groups.timetable import MeetingChange
from services.attendance.messages import (
    BookedUntil,
    CalendarFollowed,
    CareTeamChanged,
    CoverageRecorded,
    DeathWithdrawn,
    DischargeWithdrawn,
    EpisodeAdmitted,
    EpisodeDischarged,
    EpisodeForgotten,
    EpisodePaused,
    EpisodeResumed,
    EpisodeStepped,
    FlagsChanged,
    MeetingsChanged,
    OfOwnGuestSeat,
    OfOwnSeat,
    OutreachAttempted,
    PatientDied,
    ProjectionChanged,
    RequestAdded,
    RequestsChanged,
    RetentionBegan,
    SessionsChanged,
    SlotAdded,
    StageAdvanced,
    WeekOfGroup,
    WeeksChanged,
)
from services.attendance.record import (
    Episode,
    Projection,
    Request,
    Session,
    SessionSlot,
    SilenceKind,
    Week,
    decides_at,
    minute_of,
    moment_of,
    second_of,
)
from services.attendance.silences import Silence, silences
from services.attendance.upcast import UPCAST as UPCAST
from shared.events.envelope import Command, Event
from shared.events.escalation import EscalationActedOn, EscalationResolved
from shared.events.intake import PayerSpan
from shared.rules.assigning import Team
from shared.rules.outreach import Attempt, attempts_with

VERSION = 12
GRADING = frozenset({"suicide-risk", "overdose-risk", "opioid-history"})
"""The flags a miss is graded by."""
FITTING = frozenset({"evening", "telehealth", "special-assignment", "individual-only", "barrier-language"})
"""Those by which a group fits."""
FLAGS = GRADING | FITTING
"""No other one is stored here."""
REACHED = frozenset({"called", "patient-reached", "reached", "sent-to-ED", "visited"})
"""With what a person says of an escalation that somebody has seen or heard the patient."""
WEEK_SHORT = "projected-week-short"
"""Why a person is asked for the hours of the running week."""
BOOK_AHEAD_DAYS = 13
"""Book again when fewer than this many days are booked (`book_days` is one more)."""


class Meetings(msgspec.Struct, frozen=True, array_like=True):
    """Of a group's sessions from minute `since` on (since 1970), those that are not held as they are planned."""

    group: str
    since: int
    changes: tuple[MeetingChange, ...]


class State(msgspec.Struct, frozen=True, array_like=True):
    """`episode` is None for a patient never admitted here, or (`left`) whose stay was forgotten."""

    episode: Episode | None = None
    sessions: tuple[Session, ...] = ()
    escalations: tuple[Request, ...] = ()
    weeks: tuple[Week, ...] = ()
    left: bool = False
    team: Team = ()
    outreach: tuple[Attempt, ...] = ()
    """During the stay, in order of time."""
    seat: GroupSeat | None = None
    """In a group, of the stay or of the one before it."""
    meetings: Meetings | None = None
    """As the group that last told so holds them."""
    paid: tuple[PayerSpan, ...] = ()
    """Who pays when, also before and between stays."""
    past_misses: tuple[int, ...] = ()
    """When the missed sessions of the stay began that are forgotten, in minutes since 1970, in order of time."""
    projection: Projection | None = None
    """Of the running week, while sessions are owed."""
    guests: tuple[GuestSeat, ...] = ()
    """In single sessions of other groups."""


def evolve(state: State, event: Event | Command) -> State:
    """The state after an event consumed or emitted. Total: what it does not know changes nothing."""
    match event:
        case EpisodeAdmitted():
            return _admitted(state, event)
        case SessionsChanged():
            return _sessions_changed(state, event)
        case RequestsChanged(requests=requests):
            return msgspec.structs.replace(state, escalations=requests)
        case RequestAdded(request=request):
            return msgspec.structs.replace(state, escalations=(*state.escalations, request))
        case OutreachAttempted(attempted_at=at, channel=channel, outcome=outcome):
            attempt = Attempt(second_of(at), channel, outcome)
            return msgspec.structs.replace(state, outreach=attempts_with(state.outreach, attempt))
        case EscalationActedOn(act=code, at=at) | EscalationResolved(reason=code, at=at) if code in REACHED:
            attempt = Attempt(second_of(at), "", "reached")
            reached = msgspec.structs.replace(state, outreach=attempts_with(state.outreach, attempt))
            return _projected(reached, event) if isinstance(event, EscalationResolved) else reached
        case EscalationResolved() | ProjectionChanged():
            return _projected(state, event)
        case CareTeamChanged() | CoverageRecorded():
            return _cared_for(state, event)
        case MeetingsChanged(group=group, since=since, changes=changes):
            return msgspec.structs.replace(state, meetings=Meetings(group, since, changes))
        case EpisodeForgotten():
            return State(
                escalations=state.escalations,
                left=True,
                team=state.team,
                seat=state.seat,
                paid=state.paid,
                guests=state.guests,
            )
        case _ if isinstance(event, Moved):
            return _episode_moved(state, event)
        case _ if isinstance(event, OfOwnSeat | OfOwnGuestSeat):
            return _seated(state, event)
        case _:
            return state


def _seated(state: State, event: OfOwnSeat | OfOwnGuestSeat) -> State:
    """As a member of a group, or as a guest."""
    if isinstance(event, OfOwnSeat):
        return msgspec.structs.replace(state, seat=seat_after(state.seat, event))
    return msgspec.structs.replace(state, guests=guest_seats_after(state.guests, event))


def _cared_for(state: State, event: CareTeamChanged | CoverageRecorded) -> State:
    """Who looks after the patient, and who pays: of whatever stay."""
    if isinstance(event, CareTeamChanged):
        return msgspec.structs.replace(state, team=event.members)
    return msgspec.structs.replace(state, paid=event.payers)


def _projected(state: State, event: EscalationResolved | ProjectionChanged) -> State:
    """Also once a person has answered for the hours of the week."""
    if isinstance(event, ProjectionChanged):
        return msgspec.structs.replace(state, projection=event.projection)
    known = state.projection
    if known is None or event.escalation.reason != WEEK_SHORT or not (event.by or event.client):
        return state
    answered = msgspec.structs.replace(known, answered=known.projected, answered_days=known.projected_days)
    return msgspec.structs.replace(state, projection=answered)


def _sessions_changed(state: State, event: SessionsChanged) -> State:
    if state.episode is None or state.episode.id != event.episode_id:
        return state
    return msgspec.structs.replace(state, sessions=_merged(state.sessions, event.sessions))


def _merged(sessions: tuple[Session, ...], changed: tuple[Session, ...]) -> tuple[Session, ...]:
    """The sessions, those that changed in their place and new ones behind."""
    now = {each.place: each for each in changed}
    before = [now.pop(each.place, each) if now else each for each in sessions]
    return (*before, *now.values())


def _admitted(state: State, event: EpisodeAdmitted) -> State:
    if state.episode is not None and not state.episode.precedes(event):
        return state
    episode = Episode(
        id=event.episode_id,
        admitted_at=event.admitted_at,
        template=tuple(SessionSlot.of(each) for each in event.template),
        flags=_stored(event.flags),
        booked_until=event.admitted_at,
        week_start=event.admitted_at,
        tracks=(event.track, *event.other_tracks),
    )
    return State(
        episode=episode,
        escalations=state.escalations,
        team=state.team,
        seat=state.seat,
        paid=state.paid,
        guests=state.guests,
    )


def _stored(flags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each for each in flags if each in FLAGS)


OfEpisode = (
    FlagsChanged
    | StageAdvanced
    | EpisodeStepped
    | PatientDied
    | DeathWithdrawn
    | EpisodePaused
    | EpisodeResumed
    | EpisodeDischarged
    | DischargeWithdrawn
    | RetentionBegan
    | WeekOfGroup
)
Moved = OfEpisode | BookedUntil | SlotAdded | CalendarFollowed | WeeksChanged


def _episode_moved(state: State, event: Moved) -> State:
    episode = state.episode
    if episode is None:
        return state
    match event:
        case BookedUntil():
            return _booked(state, episode, event)
        case SlotAdded(index=index, slot=slot):
            return msgspec.structs.replace(state, episode=episode.with_slot(index, slot))
        case CalendarFollowed(form=form):
            return msgspec.structs.replace(state, episode=msgspec.structs.replace(episode, calendar=form))
        case WeeksChanged():
            return _weeks_changed(state, episode, event)
        case _:
            return msgspec.structs.replace(state, episode=_moved(episode, event))


def _weeks_changed(state: State, episode: Episode, event: WeeksChanged) -> State:
    gone_since = None if event.gone_since is None else minute_of(event.gone_since)
    stand = (each for each in state.weeks if gone_since is None or each.start < gone_since)
    weeks = {each.start: each for each in (*stand, *event.weeks)}
    after = msgspec.structs.replace(
        episode, week_start=event.next_start, week_end=event.next_end, week_payer=event.next_payer
    )
    return msgspec.structs.replace(state, episode=after, weeks=tuple(weeks.values()))


def _moved(episode: Episode, event: OfEpisode) -> Episode:
    match event:
        case FlagsChanged(flags=flags):
            return msgspec.structs.replace(episode, flags=_stored(flags))
        case (
            StageAdvanced(episode_id=episode_id, template=template, advanced_at=at)
            | EpisodeStepped(episode_id=episode_id, template=template, stepped_at=at)
        ):
            tracks = (event.track, *event.other_tracks) if event.track else ()
            return episode.replanned(template, at, tracks) if episode_id == episode.id and event.plan_id else episode
        case WeekOfGroup(episode_id=episode_id, slots=slots, at=at):
            return episode.grouped(slots, at) if episode_id == episode.id else episode
        case PatientDied(died_at=died_at, reported_at=reported_at):
            return msgspec.structs.replace(episode, died_at=died_at or reported_at)
        case DeathWithdrawn():
            return msgspec.structs.replace(episode, died_at=None, reopened=episode.reopened or episode.is_over)
        case EpisodeDischarged(episode_id=episode_id, discharged_at=at):
            ended = msgspec.structs.replace(episode, discharged_at=at, paused_at=None)
            return ended if episode_id == episode.id else episode
        case EpisodePaused(episode_id=episode_id, at=at):
            return msgspec.structs.replace(episode, paused_at=at) if episode_id == episode.id else episode
        case EpisodeResumed(episode_id=episode_id):
            return msgspec.structs.replace(episode, paused_at=None) if episode_id == episode.id else episode
        case DischargeWithdrawn(episode_id=episode_id) if episode_id == episode.id:
            return msgspec.structs.replace(episode, discharged_at=None, reopened=episode.reopened or episode.is_over)
        case DischargeWithdrawn():
            return episode
        case RetentionBegan(retention_days=days):
            return msgspec.structs.replace(episode, retention_days=days)


def _booked(state: State, episode: Episode, event: BookedUntil) -> State:
    """What is old and decided is forgotten; what still waits for its decision or for a person never is."""
    since = minute_of(event.since)
    after = msgspec.structs.replace(
        episode,
        booked_until=event.until,
        grace_minutes=event.grace_minutes,
        late_hours=event.late_hours,
        unreported_hours=event.unreported_hours,
        silent_hours=event.silent_hours,
    )
    left = [each for each in state.sessions if each.minute >= since or each.waits or each.place in event.places]
    sessions = tuple(each if each.minute >= since else _of_the_past(state, each) for each in left)
    places = {each.place for each in left}
    past = forgotten(state.past_misses, (each for each in state.sessions if each.place not in places))
    weeks = tuple(each for each in state.weeks if each.start >= since)
    outreach = tuple(each for each in state.outreach if each.at >= since * 60)
    return msgspec.structs.replace(
        state, episode=after, sessions=sessions, weeks=weeks, outreach=outreach, past_misses=past
    )


def _of_the_past(state: State, session: Session) -> Session:
    """Which signs of the patient followed it is forgotten: it begins no silence but the one that a person is asked
    about."""
    asked = {each.kind for each in state.escalations if each.place == session.place}
    answered = {*session.answered, *(each for each in get_args(SilenceKind) if each not in asked)}
    return msgspec.structs.replace(session, answered=tuple(sorted(answered)))


def due(state: State) -> datetime | None:
    """The next instant at which something must be decided though nothing is consumed."""
    moments = [moment_of(each.due) for each in state.escalations if each.due is not None]
    if (episode := state.episode) is not None:
        moments += _clinic_moments(state, episode)
    if state.seat is not None and (at := state.seat.looked_at_again) is not None:
        moments.append(at)
    return min(moments, default=None)


def _clinic_moments(state: State, episode: Episode) -> list[datetime]:
    moments = [decides_at(episode, each) for each in state.sessions if each.waits]
    if (at := forgotten_at(state, episode)) is not None:
        moments.append(at)
    if episode.died_at is not None:
        return moments
    moments += [state.projection.looks_at] if state.projection is not None else []
    moments += [moment_of(each.deferred_until) for each in state.sessions if outcomes.is_due(each)]
    moments += [unreported_at(episode, each) for each in state.sessions if lacks_minutes(state, each)]
    if (closes_at := week_closes_at(state, episode)) is not None:
        moments.append(closes_at)
    moments += [each.at for each in silences(episode, state.sessions, state.outreach) if not _is_asked(state, each)]
    if episode.discharged_at is None and episode.paused_at is None:
        moments.append(episode.booked_until - timedelta(days=BOOK_AHEAD_DAYS))
    return moments


def _is_asked(state: State, silence: Silence) -> bool:
    return any((each.kind, each.place) == (silence.kind, silence.misses[0].place) for each in state.escalations)


def lacks_minutes(state: State, session: Session) -> bool:
    """Whether its minutes will have to be asked for: nobody has been asked yet."""
    asked = any(each.kind == "report-minutes" and each.place == session.place for each in state.escalations)
    return session.lasts and not asked and "report-minutes" not in session.answered


def unreported_at(episode: Episode, session: Session) -> datetime:
    """When a person is asked for the minutes: of an Encounter that is over at once, of an open one when it stays so."""
    is_over = any(each.over for each in session.presences)
    return episode.end(session) + timedelta(hours=0 if is_over else episode.unreported_hours[0])


def week_end(episode: Episode) -> datetime:
    return episode.week_end or episode.week_start + timedelta(days=7)


def week_closes_at(state: State, episode: Episode) -> datetime | None:
    """A week is looked at once late check-ins to its last session are over, and none of it waits for its decision.

    Where minutes of it are not reported yet, they are waited for. None for the week in which the stay ends: like the
    first one it is not whole.
    """
    end = week_end(episode)
    if episode.discharged_at is not None and episode.discharged_at < end:
        return None
    since, until = minute_of(episode.week_start), minute_of(end)
    here = [each for each in state.sessions if each.minute < until]
    open_ended = any(each.minute >= since and each.lasts for each in here)
    hours = max(episode.late_hours, episode.unreported_hours[1]) if open_ended else episode.late_hours
    return max([end + timedelta(hours=hours), *(decides_at(episode, each) for each in here if each.waits)])


def lives(state: State) -> bool:
    """Whether a stay has not left the state, or a person is asked something."""
    return state.episode is not None or bool(state.escalations)


def forgotten_at(state: State, episode: Episode) -> datetime | None:
    """When a closed episode leaves the state: none of its sessions waits any more. None while it is open."""
    if episode.discharged_at is None:
        return None
    waiting = [decides_at(episode, each) for each in state.sessions if each.waits]
    return max([episode.discharged_at + timedelta(days=episode.retention_days), *waiting])
