"""A make-up in one session of another group: its Appointment is pending until that group has answered.

No decision asks for such a seat or returns one by itself: after each it is looked at which sessions need one now
(`followed`). The session is held, and waits for the patient, once the seat is given.
"""

from typing import Final

import msgspec

from services.attendance import requests
from services.attendance.decide import meetings
from services.attendance.decide.course import Course
from services.attendance.decide.making_up import is_of_its_week
from services.attendance.decide.sessions import NO_SEAT, requested, undecided, without_presence
from services.attendance.groups.guest import GuestSeat
from services.attendance.groups.plan import GROUP, group_key
from services.attendance.messages import (
    Emits,
    GuestAnswers,
    GuestAsked,
    GuestLeft,
    GuestMeetingChanged,
    GuestSeatGiven,
    GuestSeatRefused,
    GuestSeatReturned,
    GuestSeatSought,
    GuestSeatTaken,
)
from services.attendance.record import AWAY, BY_ITSELF, Session
from services.attendance.settings import Settings
from services.attendance.state import State
from shared.events.internal import To
from shared.rules.decision import Moment
from shared.rules.packing import pack_id

REFUSED: Final = "guest-seat-refused"
MADE_UP = "made-up"
_TAKES_PLACE = frozenset({"planned", "present", "attended"})


def answered(state: State, event: GuestAnswers, moment: Moment[Settings]) -> list[Emits]:
    """What a group answers. Of what is not asked any more it changes nothing: that was returned."""
    seat = next((each for each in state.guests if each.ask == event.ask), None)
    session = None if seat is None else _session(state, seat)
    if state.episode is None or seat is None or session is None:
        return []
    course = Course(state, moment)
    match event:
        case GuestSeatGiven():
            _take(course, seat, session)
        case GuestSeatRefused():
            course.emit(GuestSeatReturned(ask=seat.ask))
            _refuse(course, session)
        case GuestMeetingChanged():
            _change(course, seat, session, event)
    return course.emitted


def followed(course: Course) -> None:
    """Seats that no session needs any more are returned, and for sessions that need one it is asked for."""
    if course.state.episode is None:
        course.emit(*(event for each in course.state.guests for event in _returned(course, each)))
        return
    for seat in course.state.guests:
        session = _session(course.state, seat)
        if session is None or not _needs(session):
            course.emit(*_returned(course, seat))
    template = course.episode.template
    slots = {slot for slot, each in enumerate(template) if each.group and each.weekday == BY_ITSELF}
    asked = {each.place for each in course.state.guests}
    for session in course.state.sessions if slots else ():
        if session.slot in slots and session.place not in asked:
            _seek(course, session, template[session.slot].group)
    _close_made_up(course)


def _close_made_up(course: Course) -> None:
    """Of a miss that has a make-up by now nobody looks for one any more."""
    asked = {each.place: each.about for each in course.state.escalations if each.kind == REFUSED}
    if not asked:
        return
    sessions = course.state.sessions
    made_up = {each.makes_up for each in sessions if each.makes_up and each.outcome in _TAKES_PLACE}
    about = frozenset(asked[each.place] for each in sessions if each.place in asked and each.makes_up in made_up)
    course.ask(*requests.closed(course.state, frozenset({REFUSED}), MADE_UP, course.moment, about))


def _seek(course: Course, session: Session, group: str) -> None:
    """Also of one that was called off for this patient alone, and is booked again."""
    if session.start <= course.moment.now or (session.mark != "asked" and session.outcome != "planned"):
        return
    if session.mark != "asked":
        waiting = msgspec.structs.replace(session, mark="asked")
        course.change([waiting], [requested(course.episode, waiting)], NO_SEAT)
    moment = course.moment
    ask = pack_id(moment.new_id(f"guest-seat:{session.place}"))[:8]
    minutes = course.episode.minutes(session)
    asks = GuestAsked(patient=moment.patient, group=group, ask=ask, at=session.minute, minutes=minutes)
    course.emit(
        GuestSeatSought(place=session.place, group=group, ask=ask),
        To(kind=GROUP, key=group_key(moment.program, group), event=asks),
    )


def _session(state: State, seat: GuestSeat) -> Session | None:
    return next((each for each in state.sessions if each.place == seat.place), None)


def _needs(session: Session) -> bool:
    """What the group called off may be held after all."""
    return session.mark == "asked" or meetings.is_off(session) or session.outcome not in AWAY


def _returned(course: Course, seat: GuestSeat) -> list[Emits]:
    left = GuestLeft(patient=course.moment.patient, group=seat.group, ask=seat.ask)
    return [
        GuestSeatReturned(ask=seat.ask),
        To(kind=GROUP, key=group_key(course.moment.program, seat.group), event=left),
    ]


def _take(course: Course, seat: GuestSeat, session: Session) -> None:
    """An answer that comes once the session has begun books nothing: nobody could have known of it."""
    if session.mark == "asked" and session.start <= course.moment.now:
        course.emit(*_returned(course, seat))
        _refuse(course, session)
        return
    course.emit(GuestSeatTaken(ask=seat.ask, minute=session.minute))
    if session.mark == "asked":
        booked = undecided(course.episode, msgspec.structs.replace(session, mark=""), course.moment)
        course.change([booked], [] if booked.presences else [without_presence(course.episode, booked)], NO_SEAT)


def _refuse(course: Course, session: Session) -> None:
    """A person is asked to find another session: the hours are still missing."""
    if session.mark != "asked":
        return
    refused = msgspec.structs.replace(session, mark="unseated")
    course.change([refused], [] if refused.presences else [without_presence(course.episode, refused)], NO_SEAT)
    about = f"Appointment/{course.episode.session_id(refused)}"
    course.ask(*requests.question(course.state, REFUSED, refused.place, about, course.moment))


def _change(course: Course, seat: GuestSeat, session: Session, event: GuestMeetingChanged) -> None:
    """Where it is held outside the week of the miss, or while the patient is elsewhere, it is called off for them."""
    there = msgspec.structs.replace(session, minute=event.at, mark="", concluded=False, deferred_until=0, presences=())
    if there.minute == session.minute:
        if event.off:
            meetings.call_off(course, session)
        elif meetings.is_off(session):
            meetings.take_back(course, [session])
        return
    owed = session.outcome in meetings.OWED or meetings.is_off(session)
    ahead = there.start > course.moment.now and is_of_its_week(course, there)
    if owed and ahead and meetings.is_free(course, session, there):
        meetings.move(course, session, there, off=event.off)
        course.emit(GuestSeatTaken(ask=seat.ask, minute=there.minute))
    else:
        meetings.call_off(course, session)
