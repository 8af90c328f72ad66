"""A session as an event: planned, scheduled, cancelled, missed; and how it goes back to being undecided."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from services.attendance.hours import ends_of
from services.attendance.messages import (
    BookingNumber,
    Coding,
    Emits,
    SessionCancelled,
    SessionCancelledLate,
    SessionExcused,
    SessionMissed,
    SessionRequested,
    SessionScheduled,
)
from services.attendance.record import CANCELLED, Episode, Mark, Session, second_after
from services.attendance.settings import Settings
from shared.events import codes
from shared.events.attendance import IN_PERSON
from shared.rules.decision import Moment

ENDED = "episode-discharged"
DIED = "patient-died"
PAUSED = "care-elsewhere"
PLAN_CHANGED = "plan-changed"
PROGRAM_CLOSED = "program-closed"
MOVED = "moved"
IN_ERROR = "booked-in-error"
MAKE_UP = "make-up"
NO_SEAT = "no-seat"


_NOT_HELD: Mapping[Mark, str] = {"replanned": PLAN_CHANGED, "moved": MOVED, "mistaken": IN_ERROR, "unseated": NO_SEAT}
"""Why a session is cancelled of which nothing more has to be known."""


def planned(episode: Episode, session: Session) -> dict[str, Any]:
    """What every event of a session says of it."""
    slot = episode.template[session.slot]
    return {
        "session_id": episode.session_id(session),
        "episode_id": episode.id,
        "kind": slot.kind,
        "start": session.start,
        "end": episode.end(session),
        "modality": slot.modality or IN_PERSON,
        "topic": slot.topic,
        "therapist": slot.therapist,
        "room": slot.room,
        "makes_up_id": _made_up(episode, session),
        "group": slot.group,
    }


def _made_up(episode: Episode, session: Session) -> str:
    """The id of the miss that it makes up; "" where it makes up none."""
    if not session.makes_up:
        return ""
    minute, slot = session.makes_up
    return episode.session_id(Session(minute, slot))


def scheduled(episode: Episode, session: Session, numbers: tuple[BookingNumber, ...] = ()) -> SessionScheduled:
    return SessionScheduled(numbers=numbers, **planned(episode, session))


def requested(episode: Episode, session: Session, numbers: tuple[BookingNumber, ...] = ()) -> SessionRequested:
    return SessionRequested(numbers=numbers, **planned(episode, session))


def cancelled(episode: Episode, session: Session, reason: str) -> SessionCancelled:
    return SessionCancelled(reason=reason, **planned(episode, session))


def without_presence(episode: Episode, session: Session, stated: tuple[Coding, ...] = ()) -> Emits:
    """The session as it is where nobody reports to have been there; `stated` are the reasons that were sent for it."""
    match session.outcome:
        case "cancelled" if session.mark == "asked":
            return requested(episode, session)
        case "cancelled" if session.mark in _NOT_HELD:
            return cancelled(episode, session, _NOT_HELD[session.mark])
        case "cancelled" if session.mark == "closed":
            closed = (Coding(codes.REASON, session.stated),)
            return SessionCancelled(reason=PROGRAM_CLOSED, stated=closed, **planned(episode, session))
        case "cancelled" if session.mark == "ended":
            return cancelled(episode, session, PAUSED if episode.is_paused_for(session) else ENDED)
        case "cancelled":
            return SessionCancelled(reason="called-off", stated=stated, **planned(episode, session))
        case "excused":
            return SessionExcused(reason="excused", stated=stated, **planned(episode, session))
        case "cancelled-late":
            return SessionCancelledLate(reason="cancelled-late", stated=stated, **planned(episode, session))
        case "missed":
            return SessionMissed(**planned(episode, session))
        case _:
            return scheduled(episode, session)


def closed_for(session: Session, settings: Settings) -> str:
    """Why the program's calendar holds no session on its day; "" where it does."""
    return settings.calendar.days.get(session.start.astimezone(ZoneInfo(settings.timezone)).date(), "")


def closed(session: Session, reason: str) -> Session:
    """Called off by the calendar; `reason` is of its `REASONS`."""
    return msgspec.structs.replace(session, mark="closed", deferred_until=0, answered=(), stated=reason)


def undecided(episode: Episode, session: Session, moment: Moment[Settings]) -> Session:
    """Silence is listened to anew, so that whoever knows better has as long again to say so. After the stay nobody
    waits for the patient, nor in a week before the one that is planned now, nor on a closed day: the session was never
    owed."""
    ends = ends_of(episode, moment.settings.timezone)
    if ends and session.start >= min(ends) and session.mark not in CANCELLED:
        return msgspec.structs.replace(session, mark="ended", concluded=False, deferred_until=0, answered=())
    if episode.is_replanned(session) and session.mark not in CANCELLED:
        return msgspec.structs.replace(session, mark="replanned", concluded=False, deferred_until=0, answered=())
    if (reason := closed_for(session, moment.settings)) and session.mark not in CANCELLED:
        return closed(msgspec.structs.replace(session, concluded=False), reason)
    grace = timedelta(minutes=episode.grace_minutes)
    until = moment.now + grace
    deferred = second_after(until) if until > session.start + grace else 0
    return msgspec.structs.replace(session, concluded=False, deferred_until=deferred, answered=())
