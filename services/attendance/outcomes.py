"""How a session was attended that somebody came to: late, or only in part. Pure; by all that is reported of it, in
whatever order."""

from datetime import datetime, timedelta

import msgspec

from services.attendance import spans
from services.attendance.record import Episode, RequestKind, Session, second_after
from services.attendance.settings import Settings
from shared.events.attendance import Shortfall

KIND: RequestKind = "late-or-partial"


def shortfall(episode: Episode, session: Session, settings: Settings) -> Shortfall:
    """ "partial" for fewer than `partial_below_percent` of the planned minutes, whenever the patient came; "late" for
    who came after the grace time, and stayed. "" for one attended well, for one not attended, and where minutes that
    nobody has reported yet may be enough. An Appointment alone does not tell when somebody came."""
    if not session.presences:
        return ""
    least = episode.minutes(session) * 60 * settings.partial_below_percent
    if not session.lasts and spans.seconds_of_all(episode, (session,)) * 100 < least:
        return "partial"
    came = min(span[0] for each in session.presences for span in each.spans)
    return "late" if came > episode.grace_minutes * 60 else ""


def judged(episode: Episode, session: Session, settings: Settings, now: datetime) -> Session:
    """With the time at which a shortfall counts: once reports of the session are over (`week_closes_hours` after its
    end), for the first of several Encounters always tells of a part. One that is none any more is asked about anew if
    it becomes one again."""
    if not shortfall(episode, session, settings):
        answered = tuple(each for each in session.answered if each not in (KIND, "leaves-groups"))
        return msgspec.structs.replace(session, concluded=False, deferred_until=0, answered=answered)
    until = second_after(episode.end(session) + timedelta(hours=episode.late_hours))
    counts = until <= now.timestamp()
    return msgspec.structs.replace(session, concluded=counts, deferred_until=0 if counts else until)


def is_due(session: Session) -> bool:
    """Whether a shortfall of it will count, at `deferred_until`."""
    return session.presences != () and session.deferred_until != 0


def counts(episode: Episode, session: Session, settings: Settings) -> bool:
    return session.presences != () and session.concluded and shortfall(episode, session, settings) != ""
