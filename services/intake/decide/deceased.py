"""A death that a person confirmed ends the stay, and the stay goes on where the patient lives after all."""

from functools import reduce

import msgspec

from services.intake import messages
from services.intake.decide import death, discharge
from services.intake.settings import Settings
from services.intake.state import State, evolve
from shared.events.envelope import name_id
from shared.rules import escalation
from shared.rules.decision import Moment, Refused


def of_patient(
    state: State, command: messages.ReportDeath | messages.WithdrawDeath, moment: Moment[Settings]
) -> list[messages.Emits]:
    """What a sender's Patient says of its life."""
    emitted = death.of_patient(state, command, moment)
    return [*emitted, *_lives_on(state, emitted, moment)]


def resolved(
    state: State, command: messages.ResolveEscalation, moment: Moment[Settings]
) -> list[messages.Emits] | Refused:
    """The answer to an escalation, and what follows where it was asked whether a death is true."""
    answer = escalation.decide_escalation(state.escalations, command, moment)
    if isinstance(answer, Refused):
        return answer
    asked = state.escalation_of(death.REASON)
    if asked is None or asked.escalation.id != command.escalation_id:
        return [*answer]
    emitted = [*answer, *death.answered(state, command, moment)]
    confirmed = _discharged(reduce(evolve, answer, state), moment) if command.reason == "confirmed" else []
    return [*emitted, *confirmed, *_lives_on(state, emitted, moment)]


def _discharged(state: State, moment: Moment[Settings]) -> list[messages.Emits]:
    """As of the death; of one without a time as of now."""
    episode = state.episode
    if episode is None or state.death is None:
        return []
    at = min(max(state.death.died_at or moment.now, episode.admitted_at), moment.now)
    over = messages.Discharge(
        episode_id=episode.id, encounter_id=_encounter_id(episode.id), disposition="deceased", at=at
    )
    found = discharge.discharged(state, over, moment)
    return [] if isinstance(found, Refused) else found


def _lives_on(state: State, emitted: list[messages.Emits], moment: Moment[Settings]) -> list[messages.Emits]:
    """Only the discharge that the confirmation caused goes with it: another one its sender takes back."""
    ended = state.ended
    lives = any(isinstance(each, messages.DeathWithdrawn) for each in emitted)
    if ended is None or not lives or ended.encounter_id != _encounter_id(ended.episode.id):
        return []
    back = messages.WithdrawDischarge(episode_id=ended.episode.id)
    found = discharge.withdrawn(msgspec.structs.replace(state, death=None), back, moment)
    return [] if isinstance(found, Refused) else found


def _encounter_id(episode_id: str) -> str:
    return name_id(episode_id, "deceased")
