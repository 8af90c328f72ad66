"""What a patient's group does not hold as it is planned: called off and moved for all its members at once.

The group tells a member all of that; after each decision it is looked at which of the member's own sessions it concerns
(`followed`), so that one booked later follows too. Who was there was there, and whoever is excused stays so.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from services.attendance.decide.course import Course
from services.attendance.decide.replanning import held
from services.attendance.decide.sessions import MOVED, cancelled, undecided, without_presence
from services.attendance.groups.timetable import MeetingChange, as_planned
from services.attendance.hours import sessions_between
from services.attendance.messages import Emits
from services.attendance.record import BY_THE_GROUP, PRESENT, Session, moment_of, where_it_went
from services.attendance.state import Meetings, State

OWED = ("planned", "missed", "cancelled-late")
"""The outcomes that calling a session off changes: all others count against nobody already."""
CALLED_OFF: Final = "called-off"
BOOKED_AGAIN: Final = "booked-again"


def followed(course: Course, before: State) -> None:
    """The patient's sessions of the group as it holds them; `before` is the state in which something was decided."""
    known = course.state.meetings
    if known is None or course.state.episode is None:
        return
    was = _known_before(before, known)
    changes = {each.minute: each for each in (*(as_planned(each) for each in was.values()), *known.changes)}
    off = [_follow(course, each, was.get(each.minute, each).at) for each in changes.values()]
    back = [each for each in _of_group(course) if is_off(each) and each.minute >= known.since and each.place not in off]
    take_back(course, back)


def _known_before(before: State, known: Meetings) -> Mapping[int, MeetingChange]:
    """By the minutes for which the sessions were planned: as the same group had it."""
    earlier = before.meetings.changes if before.meetings is not None and before.meetings.group == known.group else ()
    return {each.minute: each for each in earlier if each.last >= known.since}


def _follow(course: Course, change: MeetingChange, was: int) -> tuple[int, int] | None:
    """Where the session is now that does not take place; None where it does, or none of the patient's is meant. One
    that a person moved away for this patient alone is none of the group's any more."""
    session = _found(course, change, was)
    if session is None:
        return None
    there = Session(change.at, session.slot, length=session.length, makes_up=session.makes_up)
    if there.minute == session.minute:
        if not change.off and is_off(session):
            take_back(course, [session])
    elif there.start > course.moment.now and is_free(course, session, there):
        if session.outcome in OWED or is_off(session):
            move(course, session, there, off=change.off)
        return there.place if change.off else None
    if change.off or there.minute != session.minute:
        call_off(course, session)
        return session.place
    return None


def _found(course: Course, change: MeetingChange, was: int) -> Session | None:
    stay = {each.minute: each for each in _of_group(course) if each.mark != "moved"}
    known = next((stay[each] for each in (change.at, was, change.minute) if each in stay), None)
    return known or _not_booked_yet(course, change)


def _of_group(course: Course) -> Sequence[Session]:
    template, meetings = course.episode.template, course.state.meetings
    return [each for each in course.state.sessions if meetings and template[each.slot].group == meetings.group]


def _not_booked_yet(course: Course, change: MeetingChange) -> Session | None:
    """One behind what is booked, that is moved: it may be held before the day on which it would be booked."""
    episode, settings, start = course.episode, course.moment.settings, moment_of(change.minute * 60)
    if episode.is_over or start < episode.booked_until or change.at == change.minute:
        return None
    until, group = start + timedelta(minutes=1), course.state.meetings and course.state.meetings.group
    planned = sessions_between(episode, start, until, settings.timezone, settings.calendar)
    own = (each for each in planned if episode.template[each.slot].group == group)
    return next((each for each in own if each.place not in {each.place for each in course.state.sessions}), None)


def is_off(session: Session) -> bool:
    return session.mark == "off" and session.stated == BY_THE_GROUP


def is_free(course: Course, session: Session, there: Session) -> bool:
    """Nobody is in two rooms; and what was moved away from a place is still found by it."""
    others = [each for each in course.state.sessions if each.place != session.place]
    taken = any(course.episode.overlap(there, each) for each in held(others) if each.place != there.place)
    left = (each for each in others if each.place == there.place and each.mark == "moved")
    return not taken and all(where_it_went(each, course.state.sessions) == session for each in left)


def call_off(course: Course, session: Session) -> None:
    if session.outcome in OWED and not session.presences and session.mark not in PRESENT:
        off = msgspec.structs.replace(session, mark="off", answered=(), stated=BY_THE_GROUP)
        course.change([off], [without_presence(course.episode, off)], CALLED_OFF)


def take_back(course: Course, sessions: Sequence[Session]) -> None:
    if not sessions:
        return
    planned = (msgspec.structs.replace(each, mark="", answered=(), stated="") for each in sessions)
    again = [undecided(course.episode, each, course.moment) for each in planned]
    events = [without_presence(course.episode, each) for each in again if not each.presences]
    course.change(again, events, BOOKED_AGAIN)


def move(course: Course, session: Session, there: Session, *, off: bool) -> None:
    """Also one that was missed before this patient's own was known to be moved."""
    booked = any(each.place == session.place for each in course.state.sessions)
    left = msgspec.structs.replace(session, mark="moved", deferred_until=0, answered=(), stated=str(there.minute))
    now = undecided(course.episode, there, course.moment)
    now = msgspec.structs.replace(now, mark="off", stated=BY_THE_GROUP) if off else now
    events: list[Emits] = [cancelled(course.episode, left, MOVED)] if booked else []
    course.change([left, now], [*events, without_presence(course.episode, now)], MOVED)
