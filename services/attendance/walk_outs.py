"""Who leaves the group before its end, again and again, may be better off without one: a person looks at it. Pure."""

from services.attendance import outcomes
from services.attendance.fitting import SHARED
from services.attendance.record import Episode, RequestKind, Session
from services.attendance.settings import Settings

KIND: RequestKind = "leaves-groups"


def walked_out(episode: Episode, session: Session, settings: Settings) -> bool:
    """Of a session held with others: attended in part, and left more than the grace time before its end. Counted once
    its reports are over, for the first of several Encounters always tells of a part."""
    if episode.template[session.slot].kind not in SHARED or not outcomes.counts(episode, session, settings):
        return False
    if outcomes.shortfall(episode, session, settings) != "partial":
        return False
    ends = [end for each in session.presences for _, end in each.spans if end is not None]
    left_early_minutes = episode.minutes(session) - max(ends, default=0) // 60
    return left_early_minutes > episode.grace_minutes
