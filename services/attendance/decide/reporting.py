"""Which sessions a report is about, and for how long it is welcome."""

from datetime import datetime, timedelta

from services.attendance.hours import sessions_between
from services.attendance.messages import RequestAdded
from services.attendance.record import Episode, Session, minute_of, sessions_named, where_it_went
from services.attendance.requests import late_question
from services.attendance.settings import Settings
from services.attendance.state import State
from shared.events.envelope import name_id
from shared.rules.calendar import OPEN
from shared.rules.decision import Moment, Refused

NOT_ADMITTED = Refused("transient", "This patient is not admitted yet: try again after Retry-After.", "appointment")
NOT_PLANNED = Refused("not-found", "No session with this id is planned for this patient.", "appointment")
TOO_LATE = "Must be reported within correction_days of the session; a person is asked about it."


def named(
    state: State, ids: tuple[str, ...], near: datetime, moment: Moment[Settings], about: str
) -> list[Session] | Refused:
    """The sessions with these ids that can still be corrected. A report that is too late is refused to a
    person. One of a session that was moved is about where it is held."""
    episode = state.episode
    if episode is None:
        return too_late(state, None, moment, about) if state.left else NOT_ADMITTED
    since = moment.now - timedelta(days=moment.settings.correction_days)
    by_id = sessions_named(episode, state.sessions, ids, near)
    found = list(dict.fromkeys(where_it_went(each, state.sessions) for each in by_id))
    welcome = [each for each in found if each.minute >= minute_of(since)]
    if welcome:
        return welcome
    planned = found or _planned_before(episode, ids, moment)
    return too_late(state, planned[0], moment, about) if planned else NOT_PLANNED


def own_encounter(episode: Episode, session: Session) -> str:
    """The id of the Encounter that a session has where its Appointment alone reports presence."""
    return name_id(episode.session_id(session), "encounter")


def _planned_before(episode: Episode, ids: tuple[str, ...], moment: Moment[Settings]) -> list[Session]:
    """Those of the stay that are forgotten here, though they can be read: their ids follow from the template, and from
    the calendar of before a day was closed as from that of now."""
    slots, zone = range(len(episode.template)), moment.settings.timezone
    planned = {
        each: None
        for calendar in (OPEN, moment.settings.calendar)
        for each in sessions_between(episode, episode.admitted_at, episode.booked_until, zone, calendar, slots)
    }
    return [each for each in planned if episode.session_id(each) in ids]


def too_late(state: State, session: Session | None, moment: Moment[Settings], about: str) -> Refused:
    """Refused, and a person is asked about it."""
    asked = late_question(state, session, about, moment)
    emitted = () if asked is None else (asked[0], RequestAdded(request=asked[1]))
    return Refused("business-rule", TOO_LATE, "period" if about.startswith("Encounter") else "status", emitted)
