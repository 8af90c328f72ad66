"""How what testing asks of a person ends with a discharge, and how it comes back: with its discharge, or by whoever
resolved it."""

from collections.abc import Sequence

from services.testing.escalation_packing import unpack_escalations
from services.testing.grading import grade
from services.testing.grading.triggers import Cause, causes, triggers
from services.testing.messages import DischargeWithdrawn, Emits, EpisodeDischarged, ReopenEscalation, RetentionBegan
from services.testing.orders.causes import order_causes
from services.testing.settings import Settings
from services.testing.state import State
from shared.rules import escalation
from shared.rules.decision import Moment, Refused
from shared.rules.packing import seconds


def discharged(state: State, event: EpisodeDischarged, moment: Moment[Settings]) -> list[Emits]:
    """Every open escalation is closed; the record stays for the days of today's setting."""
    if state.episode is None or state.episode.id != event.episode_id:
        return []
    closed: list[Emits] = [*escalation.close_all(state.escalations, "episode-discharged", moment.now)]
    if state.episode.discharged_at == seconds(event.discharged_at):
        return closed
    return [*closed, RetentionBegan.after(event.discharged_at, moment.now, moment.settings.retention_days)]


def resumed(state: State, event: DischargeWithdrawn, moment: Moment[Settings]) -> list[Emits]:
    """The discharge was wrong: a person is asked again what it closed, where the results behind it still stand."""
    episode = state.episode
    if episode is None or episode.id != event.episode_id or episode.discharged_at is None:
        return []
    asked = {
        (each.escalation.reason, signal.evidence)
        for each in unpack_escalations(episode.closed)
        for signal in each.escalation.signals
    }
    still = [each for each in _standing(state, moment) if (each.reason, each.signal.evidence) in asked]
    return [*escalation.raise_or_update(state.escalations, triggers(still), moment, moment.settings.escalation)]


def reopened(state: State, command: ReopenEscalation, moment: Moment[Settings]) -> Sequence[Emits] | Refused:
    """Of its results those that still ask for it, each at its time as it is known now."""
    if state.episode is not None and state.episode.discharged_at is not None:
        return escalation.reopen(state.escalations, command, escalation.STAY_OVER, moment)
    asked = command.escalation
    shown = {(each.code, each.evidence) for each in asked.signals}
    stands = [
        each.signal
        for each in _standing(state, moment)
        if each.reason == asked.reason and (each.signal.code, each.signal.evidence) in shown
    ]
    return escalation.reopen(state.escalations, command, stands, moment)


def _standing(state: State, moment: Moment[Settings]) -> list[Cause]:
    """Everything that asks for a person now."""
    return causes(grade(state, moment.settings), moment.settings) + order_causes(state, moment.settings)
