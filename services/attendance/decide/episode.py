"""How a stay begins and ends for its sessions; what a patient's flags and death change."""

from datetime import datetime

import msgspec

from services.attendance import requests, weeks
from services.attendance.decide import week_of_groups
from services.attendance.decide.course import Course
from services.attendance.decide.deadlines import book
from services.attendance.decide.replanning import book_missing
from services.attendance.decide.sessions import DIED, ENDED, PAUSED, cancelled, closed, closed_for, without_presence
from services.attendance.hours import left_at
from services.attendance.messages import (
    CoverageRecorded,
    DeathWithdrawn,
    DischargeWithdrawn,
    Emits,
    EpisodeAdmitted,
    EpisodeDischarged,
    EpisodePaused,
    EpisodeResumed,
    FlagsChanged,
    PatientDied,
    RetentionBegan,
)
from services.attendance.record import CANCELLED, PRESENT, Session
from services.attendance.settings import Settings
from services.attendance.state import State, evolve
from shared.rules.decision import Moment


def admitted(state: State, event: EpisodeAdmitted, moment: Moment[Settings]) -> list[Emits]:
    """A stay begins: its sessions are booked ahead, and those of a stay before it are called off."""
    before = state.episode
    if before is not None and not before.precedes(event):
        return []
    left = [cancelled(before, each, ENDED) for each in state.sessions if each.waits] if before is not None else []
    emitted, now_open = requests.closed(state, None, ENDED, moment)
    course = Course(evolve(state, event), moment)
    course.emit(*left)
    course.ask(emitted, now_open)
    course.emit(weeks.begun(course.state, moment.settings))
    week_of_groups.followed(course)
    book(course)
    return course.emitted


def discharged(state: State, event: EpisodeDischarged, moment: Moment[Settings]) -> list[Emits]:
    """A session that has begun stays open to its minutes, or to silence; those after the stay were never owed.

    Where it is known now that the stay ended later, the misses until then come back.
    """
    episode = state.episode
    if episode is None or episode.id != event.episode_id or episode.discharged_at == event.discharged_at:
        return []
    left = left_at(event.discharged_at, moment.settings.timezone)
    course = Course(evolve(state, event), moment)
    _bring_back(course, [each for each in _retracted(state) if each.start < left], "discharge-corrected")
    course.ask(*requests.closed(state, requests.OF_THE_STAY, ENDED, moment))
    ahead = [each for each in state.sessions if _not_owed(each, left, moment.now)]
    _call_off(course, ahead, ENDED)
    course.emit(RetentionBegan.after(event.discharged_at, moment.now, moment.settings.retention_days))
    return course.emitted


def died(state: State, event: PatientDied, moment: Moment[Settings]) -> list[Emits]:
    """Nobody is looked for any more, from the first instant at which they may have died."""
    episode = state.episode
    if episode is None or episode.died_at == (event.died_at or event.reported_at):
        return []
    at = event.died_at or event.reported_at
    course = Course(evolve(state, event), moment)
    course.ask(*requests.closed(state, None, DIED, moment))
    _call_off(course, [each for each in state.sessions if each.waits or _missed_since(each, at)], DIED)
    return course.emitted


def revived(state: State, event: DeathWithdrawn, moment: Moment[Settings]) -> list[Emits]:
    """The report of a death was wrong: sessions ahead take place, and outreach that stopped begins again."""
    episode = state.episode
    if episode is None or episode.died_at is None:
        return []
    course = Course(evolve(state, event), moment)
    if episode.discharged_at is None:
        _bring_back(course, [*_ahead(state, moment.now), *_retracted(state)], "death-withdrawn")
        book_missing(course)
    return course.emitted


def resumed(state: State, event: DischargeWithdrawn, moment: Moment[Settings]) -> list[Emits]:
    """The discharge was wrong: sessions ahead take place, and the misses and weeks that it took back come back. Those
    that were called off meanwhile, and that nobody could attend, stay called off."""
    episode = state.episode
    if episode is None or episode.id != event.episode_id or episode.discharged_at is None:
        return []
    course = Course(evolve(state, event), moment)
    if episode.died_at is None:
        _bring_back(course, [*_ahead(state, moment.now), *_retracted(state)], "discharge-withdrawn")
        book_missing(course)
        course.emit(*weeks.recounted(course.state, course.state.sessions, moment.settings))
    return course.emitted


def paused(state: State, event: EpisodePaused, moment: Moment[Settings]) -> list[Emits]:
    """Nights elsewhere: sessions since then are called off, and silence about them was no absence. None is booked."""
    episode = state.episode
    if episode is None or episode.id != event.episode_id or episode.is_over or episode.paused_at == event.at:
        return []
    course = Course(evolve(state, event), moment)
    course.ask(*requests.closed(state, requests.SILENT, PAUSED, moment))
    since = [each for each in state.sessions if each.start >= event.at]
    _call_off(course, [each for each in since if each.waits or each.counts_as_missed], PAUSED)
    return course.emitted


def goes_on(state: State, event: EpisodeResumed, moment: Moment[Settings]) -> list[Emits]:
    """Sessions ahead take place; absences since then that the pause took back come back. What was called off meanwhile,
    and nobody could attend, stays called off."""
    episode = state.episode
    if episode is None or episode.id != event.episode_id or episode.paused_at is None:
        return []
    course = Course(evolve(state, event), moment)
    if not episode.is_over:
        missed = [each for each in _retracted(state) if each.start >= event.at]
        _bring_back(course, [*_ahead(state, moment.now), *missed], "care-elsewhere-ended")
        book_missing(course)
        book(course)
    return course.emitted


def covered(state: State, event: CoverageRecorded, moment: Moment[Settings]) -> list[Emits]:
    """Who pays says where a week begins and what it needs."""
    course = Course(evolve(state, event), moment)
    if course.state != state:
        course.emit(*weeks.repaid(course.state, moment))
    return course.emitted


def flagged(state: State, event: FlagsChanged, moment: Moment[Settings]) -> list[Emits]:
    """Misses that somebody is asked about rise to the tier of today's flags; none falls."""
    course = Course(evolve(state, event), moment)
    if state.episode is not None:
        course.follow(state, "flags-changed")
    return course.emitted


def _not_owed(session: Session, left: datetime, now: datetime) -> bool:
    if session.waits:
        return session.start >= min(left, now)
    return session.start >= left and not session.presences and session.mark not in PRESENT | CANCELLED


def _missed_since(session: Session, moment: datetime) -> bool:
    return session.counts_as_missed and session.start >= moment


def _ahead(state: State, now: datetime) -> list[Session]:
    return [each for each in state.sessions if each.mark == "ended" and each.start > now]


def _retracted(state: State) -> list[Session]:
    """Absences that were decided already when the end of the stay took them back; and who was there all the same."""
    return [each for each in state.sessions if each.mark == "ended" and (each.concluded or each.presences)]


def _bring_back(course: Course, sessions: list[Session], reason: str) -> None:
    """But for those of a pause, and of a week that is planned no more. On a closed day they stay called off."""
    episode, settings = course.episode, course.moment.settings
    owed = (each for each in sessions if not episode.is_paused_for(each) and not episode.is_replanned(each))
    back = (msgspec.structs.replace(each, mark="") for each in owed)
    again = [closed(each, why) if (why := closed_for(each, settings)) else each for each in back]
    course.change(again, [without_presence(course.episode, each) for each in again if not each.presences], reason)


def _call_off(course: Course, sessions: list[Session], reason: str) -> None:
    ended = [msgspec.structs.replace(each, mark="ended", deferred_until=0) for each in sessions]
    course.change(ended, [cancelled(course.episode, each, reason) for each in ended], reason)
