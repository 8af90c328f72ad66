"""A session as an event: planned, scheduled, cancelled, missed."""

from typing import Any

from services.attendance import misses
from services.attendance.messages import Emits, SessionCancelled, SessionMissed, SessionScheduled
from services.attendance.settings import Settings
from services.attendance.state import Episode, Session, State, evolve
from shared.rules import escalation
from shared.rules.decision import Moment


def planned(episode: Episode, session: Session) -> dict[str, Any]:
    """What every event of a session says of it."""
    return {
        "session_id": episode.session_id(session),
        "episode_id": episode.id,
        "kind": episode.template[session.slot].kind,
        "start": session.start,
        "end": episode.end(session),
    }


def scheduled(episode: Episode, session: Session) -> SessionScheduled:
    return SessionScheduled(**planned(episode, session))


def cancelled(episode: Episode, session: Session, reason: str) -> SessionCancelled:
    return SessionCancelled(reason=reason, **planned(episode, session))


def missed(state: State, episode: Episode, session: Session, moment: Moment[Settings]) -> list[Emits]:
    """The miss, and what it asks of a person. After a discharge it is a record only: follow-up is aftercare's."""
    miss = SessionMissed(**planned(episode, session))
    if episode.discharged_at is not None:
        return [miss]
    after = evolve(state, miss)
    reasons = [each.escalation.reason for each in after.escalations]
    triggers = misses.asked_once(misses.triggers(episode, after.sessions, session, moment.settings), reasons)
    raised = escalation.raise_or_update(after.escalations, triggers, moment, moment.settings.escalation)
    return [miss, *raised]
