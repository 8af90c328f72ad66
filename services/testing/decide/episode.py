"""How a discharge ends what testing asks of a person."""

from services.testing.messages import Emits, EpisodeDischarged, RetentionBegan
from services.testing.settings import Settings
from services.testing.state import State
from shared.rules import escalation
from shared.rules.decision import Moment


def discharged(state: State, event: EpisodeDischarged, moment: Moment[Settings]) -> list[Emits]:
    """Every open escalation is closed; the record stays for the days of today's setting."""
    if state.episode is None or state.episode.id != event.episode_id:
        return []
    closed: list[Emits] = [*escalation.close_all(state.escalations, "episode-discharged", moment.now)]
    if state.episode.discharged_at is not None:
        return closed
    return [*closed, RetentionBegan(retention_days=moment.settings.retention_days)]
