"""An Encounter that names no session: where the EHR books it makes its own, else a person is asked which one is meant.

Nothing is guessed: what is not unmistakable goes to a person, with the sessions of that day.
"""

from datetime import datetime, time, timedelta
from math import ceil
from zoneinfo import ZoneInfo

import msgspec

from services.attendance import requests
from services.attendance.decide import ehr_booking, presence
from services.attendance.decide.course import Course
from services.attendance.decide.reporting import NOT_ADMITTED, too_late
from services.attendance.decide.sessions import scheduled
from services.attendance.messages import CheckIn, Emits
from services.attendance.record import (
    BY_ITSELF,
    MINUTES_MOST,
    NOT_OWED,
    OF_A_DAY,
    Session,
    SessionSlot,
    encounter_name,
    minute_of,
)
from services.attendance.settings import Settings
from services.attendance.state import State
from shared.events.attendance import VIDEO
from shared.rules.decision import Moment, Refused

AS_HELD = "as-held"


def checked_in(state: State, command: CheckIn, moment: Moment[Settings]) -> list[Emits] | Refused:
    """Refused is only what is of no stay here, or of one too long ago."""
    about, came_at = f"Encounter/{command.encounter_id}", command.periods[0][0]
    if state.episode is None:
        return too_late(state, None, moment, about) if state.left else NOT_ADMITTED
    if came_at < moment.now - timedelta(days=moment.settings.correction_days):
        return too_late(state, None, moment, about)
    course = Course(state, moment)
    meant = _meant(course, command) if moment.settings.books == "ehr" else ()
    if not meant:
        presence.report(course, {}, command)
        day = minute_of(_midnight(came_at, moment.settings.timezone))
        course.ask(*requests.question(course.state, "check-presence", (day, OF_A_DAY), about, moment))
        return course.emitted
    ids = tuple(course.episode.session_id(each) for each in meant)
    named = msgspec.structs.replace(command, session_ids=ids, names_others=False)
    followed = presence.checked_in(course.state, named, moment)
    return followed if isinstance(followed, Refused) else [*course.emitted, *followed]


def _meant(course: Course, command: CheckIn) -> tuple[Session, ...]:
    """Its own, those of its kind that it touches, or a new one where there is none at its time. None of these: ()."""
    minute = minute_of(command.periods[0][0])
    own = _own(course, command)
    if own is not None and own.minute == minute:
        return (_as_long_as_held(course, own, command),)
    if own is not None:
        presence.report(course, {}, command)
    touched = [each for each in course.state.sessions if _touches(course, each, command)]
    kinds = {course.episode.template[each.slot].kind for each in touched}
    if touched:
        return tuple(touched) if kinds == {command.kind or course.episode.template[touched[0].slot].kind} else ()
    made = _made(course, command) if command.kind else None
    return () if made is None else (made,)


def _own(course: Course, command: CheckIn) -> Session | None:
    """The session that nobody booked, and that this Encounter reported before."""
    name = encounter_name(command.encounter_id)
    reported = (each for each in course.state.sessions if any(one.encounter == name for one in each.presences))
    return next((each for each in reported if each.mark == "mistaken"), None)


def _touches(course: Course, session: Session, command: CheckIn) -> bool:
    owed = bool(session.presences) or session.mark not in NOT_OWED
    return owed and presence.within(course, session, command) is not None


def _made(course: Course, command: CheckIn) -> Session | None:
    """Planned as it was held, and called off at once: that somebody was there is all that is known of it."""
    start, settings = command.periods[0][0], course.moment.settings
    modality = VIDEO if command.class_code == "VR" else ""
    slot = SessionSlot(command.kind, BY_ITSELF, "", settings.unplanned_minutes, modality=modality)
    wanted = ehr_booking.at(course, start.replace(second=0, microsecond=0), slot)
    planned = msgspec.structs.replace(wanted, mark="mistaken", length=_minutes(wanted, command))
    length = planned.length or slot.minutes
    if ehr_booking.may_be_held(course, planned, msgspec.structs.replace(slot, minutes=length), "") is not None:
        return None
    return ehr_booking.book(course, planned, slot)


def _as_long_as_held(course: Course, session: Session, command: CheckIn) -> Session:
    length = _minutes(session, command)
    if length in (0, session.length):
        return session
    now = msgspec.structs.replace(session, length=length)
    course.change([now], [scheduled(course.episode, now)], AS_HELD)
    return now


def _minutes(session: Session, command: CheckIn) -> int:
    """0 while nobody knows when it ended."""
    end = command.periods[-1][1]
    if end is None or not command.minutes_known:
        return 0
    return max(1, min(MINUTES_MOST, ceil((end - session.start).total_seconds() / 60)))


def _midnight(moment: datetime, timezone: str) -> datetime:
    zone = ZoneInfo(timezone)
    return datetime.combine(moment.astimezone(zone).date(), time(), zone)
