"""A reported death: the other services are told at once, and a person is asked whether it is true."""

from typing import assert_never

import msgspec

from services.intake import messages
from services.intake.decide.placing import place, withdraw_recommendation
from services.intake.decide.referrals import died, lives_on, waits_again, withdraw_all
from services.intake.settings import Settings
from services.intake.state import State
from shared.events.escalation import Signal
from shared.rules import escalation
from shared.rules.decision import Moment
from shared.rules.escalation import Trigger, rule_version

REASON = "death-reported"
TIER = 2
"""Nobody is in danger by it, but a family may be called, or a patient who lives left alone: asked the same day."""
RULES_VERSION = "1"


def of_patient(
    state: State, command: messages.ReportDeath | messages.WithdrawDeath, moment: Moment[Settings]
) -> list[messages.Emits]:
    """What a sender's Patient says of its life."""
    match command:
        case messages.ReportDeath():
            return reported(state, command, moment)
        case messages.WithdrawDeath():
            return withdrawn(state, moment)
        case _:
            assert_never(command)


def reported(state: State, command: messages.ReportDeath, moment: Moment[Settings]) -> list[messages.Emits]:
    """Once for each time of death: an EHR sends its Patient again and again, and another may not know when."""
    if state.death is not None and command.died_at in (state.death.died_at, None):
        return []
    return [
        messages.PatientDied(died_at=command.died_at, reported_at=moment.now),
        *withdraw_recommendation(state, "patient-died", moment),
        *withdraw_all(state, "patient-died", moment),
        *escalation.raise_or_update(state.escalations, [to_confirm(moment)], moment, moment.settings.escalation),
    ]


def to_confirm(moment: Moment[Settings]) -> Trigger:
    return Trigger(
        category="placement",
        reason=REASON,
        tier=TIER,
        owner="case-manager",
        rule=rule_version("intake", REASON, RULES_VERSION),
        signals=(Signal(REASON, moment.now, f"Patient/{moment.patient}"),),
    )


def withdrawn(state: State, moment: Moment[Settings]) -> list[messages.Emits]:
    """It was wrong: whoever stopped looking for the patient begins again, and nobody needs to confirm it."""
    if state.death is None:
        return []
    asked = state.escalation_of(REASON)
    emitted = _alive(state, moment)
    if asked is not None:
        emitted.append(
            messages.EscalationRetracted(escalation=asked.escalation, at=moment.now, reason="death-withdrawn")
        )
    return emitted


def answered(state: State, command: messages.ResolveEscalation, moment: Moment[Settings]) -> list[messages.Emits]:
    """What follows from the answer of the person who was asked: a death that they found to be `mistaken` is withdrawn,
    whatever the sender's Patient still says; `confirmed`, it ends the referrals. After any other answer a person looks
    at the one that waited for a placement, as at those beside it."""
    first = state.referral
    if state.death is None:
        return []
    match command.reason:
        case "mistaken":
            return _alive(state, moment)
        case "confirmed":
            return died(state, moment)
        case _:
            return waits_again(state, first, "patient-died", moment) if first is not None else []


def _alive(state: State, moment: Moment[Settings]) -> list[messages.Emits]:
    lives = msgspec.structs.replace(state, death=None, recommended=None)
    withdrawn_now = messages.DeathWithdrawn(withdrawn_at=moment.now)
    return [withdrawn_now, *lives_on(state, moment), *place(lives, moment)]
