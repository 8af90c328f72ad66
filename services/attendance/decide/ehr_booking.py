"""The EHR books a session: one that no week holds, or one that stands already. Of both there is one."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from services.attendance.decide import making_up, marks, reporting
from services.attendance.decide.course import Course
from services.attendance.decide.moving import TWO_ROOMS
from services.attendance.decide.replanning import held
from services.attendance.decide.sessions import closed_for, requested, scheduled, undecided
from services.attendance.fitting import seat_of_stay
from services.attendance.hours import ends_of
from services.attendance.messages import BookingNumber, BookSession, Emits, ReinstateSession, SlotAdded, StandsFor
from services.attendance.record import AWAY, BY_ITSELF, Mark, Session, SessionSlot, minute_of
from services.attendance.settings import Settings
from services.attendance.state import State
from shared.rules.decision import Moment, Refused

PLACE, SLOT = "Appointment.start", "Appointment.slot"
BOOKED = "booked-by-ehr"
SESSIONS_MOST = 150
"""Of a stay that are remembered at once, where the EHR books: more would not fit into a state."""
SLOTS_MOST = 60
"""Kinds, lengths, topics, therapists and rooms of sessions booked one by one that are remembered at once, together."""
STAY_FORGOTTEN = Refused("conflict", "The episode has ended: no session of it is booked.", PLACE)
BEFORE_STAY = Refused("business-rule", "Must not be before the admission: a session is of a stay.", PLACE)
AFTER_STAY = Refused("business-rule", "Must be before the stay ended: after it no session is owed.", PLACE)
PAUSED = Refused(
    "conflict", "The stay is paused, for the patient is treated elsewhere: book it once the stay goes on.", PLACE
)
TOO_FAR = Refused(
    "business-rule", "Must be at most book_days ahead (program.toml): send it again when it is nearer.", PLACE
)
CLOSED = Refused("conflict", "The program is closed on this day (calendar of program.toml): choose another.", PLACE)
TOO_MANY = Refused(
    "business-rule", f"A patient has at most {SESSIONS_MOST} sessions within the days that are remembered.", PLACE
)
TOO_MANY_SLOTS = Refused(
    "business-rule",
    f"A patient has at most {SLOTS_MOST} sessions that differ in kind, length, topic, therapist or room.",
    "Appointment.serviceType",
)
OTHER_GROUP = Refused("business-rule", "Must be the Slot of a group that holds sessions of this kind.", SLOT)
NO_MAKE_UP = Refused(
    "business-rule",
    "A seat of one session is for a make-up: name the missed Appointment too (supportingInformation).",
    SLOT,
)
BEGUN = Refused("conflict", "The session of this Slot has begun: choose a later one.", SLOT)
OWN_GROUP = Refused("conflict", "The patient is a member of this group: choose a session of another one.", SLOT)
_ELSEWHERE: frozenset[Mark] = frozenset({"moved", "replanned", "unseated"})
"""Of a session that is none any more at its time: another one may be booked there."""


def booked(state: State, command: BookSession, moment: Moment[Settings]) -> Sequence[Emits] | Refused:
    """The one that stands is named where it is of the same kind and no further away than `same_session_minutes`; what
    the Appointment reports beside is about that one."""
    if state.episode is None:
        return STAY_FORGOTTEN if state.left else reporting.NOT_ADMITTED
    course = Course(state, moment)
    session = _session(course, command)
    if isinstance(session, Refused):
        return session
    identity = course.episode.session_id(session)
    course.emit(StandsFor(kind="Appointment", given=command.appointment_id, id=identity))
    if isinstance(command.report, ReinstateSession) and not _is_booked_again(course, session):
        return course.emitted
    followed = marks.marked(course.state, msgspec.structs.replace(command.report, session_id=identity), moment)
    return followed if isinstance(followed, Refused) else [*course.emitted, *followed]


def _session(course: Course, command: BookSession) -> Session | Refused:
    """The one that stands, or a new one; it makes up the miss that is named."""
    found, group = standing(course, command.slot.kind, minute_of(command.start)), command.slot.group
    if found is None or (group and found.outcome in AWAY and found.mark != "asked"):
        return _new(course, command)
    if group not in ("", course.episode.template[found.slot].group):
        return TWO_ROOMS
    refused = making_up.link(course, found, command.makes_up) if command.makes_up else None
    return refused or found


def _new(course: Course, command: BookSession) -> Session | Refused:
    wanted = at(course, command.start, command.slot)
    about = f"Appointment/{command.appointment_id}"
    refused = may_be_held(course, wanted, command.slot, about) or _may_be_booked(course, wanted)
    refused = refused or _may_be_guest(course, command)
    if refused is not None:
        return refused
    if command.makes_up:
        made = making_up.making_up(course, wanted, command.slot.kind, command.makes_up)
        if isinstance(made, Refused):
            return made
        wanted = made
    if command.slot.group:
        wanted = msgspec.structs.replace(wanted, mark="asked")
    return book(course, wanted, command.slot, command.numbers)


def _may_be_guest(course: Course, command: BookSession) -> Refused | None:
    """A seat of one session is for whoever makes up a miss, and is in another group or in none."""
    if not command.slot.group:
        return None
    plan = course.moment.settings.groups.get(command.slot.group)
    if plan is None or plan.kind != command.slot.kind:
        return OTHER_GROUP
    if not command.makes_up:
        return NO_MAKE_UP
    if command.start <= course.moment.now:
        return BEGUN
    seat = seat_of_stay(course.episode, course.state.seat)
    return OWN_GROUP if seat is not None and seat.group == command.slot.group else None


def standing(course: Course, kind: str, minute: int) -> Session | None:
    """The session of this kind that begins then, or near it: one that takes place before one that does not."""
    episode, most = course.episode, course.moment.settings.same_session_minutes
    near = (
        each
        for each in course.state.sessions
        if abs(each.minute - minute) <= most
        and episode.template[each.slot].kind == kind
        and each.mark not in _ELSEWHERE
    )
    return min(near, key=lambda each: (each.outcome in AWAY, abs(each.minute - minute), each.place), default=None)


def _is_booked_again(course: Course, session: Session) -> bool:
    """What was agreed of a session that has begun stays so: that it was booked tells nothing of who was there."""
    return session.outcome in AWAY and session.mark != "asked" and session.start > course.moment.now


def at(course: Course, start: datetime, slot: SessionSlot) -> Session:
    """A new one of this slot, which may not be in the template yet."""
    return Session(minute_of(start), _index(course, slot, minute_of(start)))


def book(course: Course, wanted: Session, slot: SessionSlot, numbers: tuple[BookingNumber, ...] = ()) -> Session:
    """One whose time is past is waited for as long as any other: who knows who was there may say so next."""
    if wanted.slot == len(course.episode.template) or course.episode.template[wanted.slot] != slot:
        course.emit(SlotAdded(index=wanted.slot, slot=slot))
    session = wanted if wanted.mark else undecided(course.episode, wanted, course.moment)
    event = requested if session.mark == "asked" else scheduled
    course.change([session], [event(course.episode, session, numbers)], BOOKED)
    return session


def _index(course: Course, slot: SessionSlot, minute: int) -> int:
    """Of this slot in the template; of one whose sessions are all forgotten; or behind the others. None of its sessions
    is named by the same place."""
    template, sessions = course.episode.template, course.state.sessions
    places, used = {each.place for each in sessions}, {each.slot for each in sessions}
    by_themselves = [index for index, each in enumerate(template) if each.weekday == BY_ITSELF]
    same = (index for index in by_themselves if template[index] == slot and (minute, index) not in places)
    free = (index for index in by_themselves if index not in used)
    return next((index for found in (same, free) for index in found), len(template))


def _may_be_booked(course: Course, wanted: Session) -> Refused | None:
    settings = course.moment.settings
    if wanted.start >= course.moment.now + timedelta(days=settings.book_days):
        return TOO_FAR
    return CLOSED if closed_for(wanted, settings) else None


def may_be_held(course: Course, wanted: Session, slot: SessionSlot, about: str) -> Refused | None:
    """Why it is none of the stay, or not beside its other sessions. A person is asked `about` one of long ago."""
    episode, settings, now = course.episode, course.moment.settings, course.moment.now
    ends = ends_of(episode, settings.timezone)
    if wanted.start < episode.admitted_at:
        return BEFORE_STAY
    if ends and wanted.start >= min(ends):
        return PAUSED if episode.is_paused_for(wanted) and not episode.is_over else AFTER_STAY
    if wanted.start < now - timedelta(days=settings.correction_days):
        return reporting.too_late(course.state, None, course.moment, about)
    return _has_room(course, wanted, slot)


def _has_room(course: Course, wanted: Session, slot: SessionSlot) -> Refused | None:
    sessions, template = course.state.sessions, course.episode.template
    there = msgspec.structs.replace(wanted, length=slot.minutes)
    if any(course.episode.overlap(there, each) for each in held(sessions)):
        return TWO_ROOMS
    if len(sessions) >= SESSIONS_MOST:
        return TOO_MANY
    several = sum(each.weekday == BY_ITSELF for each in template) >= SLOTS_MOST
    return TOO_MANY_SLOTS if several and wanted.slot == len(template) else None
