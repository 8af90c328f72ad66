"""Every decision of testing: an event is never refused, a command can be. Pure; the `match` is the contents.

It grades what is known before and after, and emits the difference.
"""

from collections.abc import Sequence
from typing import assert_never

from services.testing.decide.episode import discharged, reopened, resumed
from services.testing.decide.regrading import ADMITTED, regrade
from services.testing.decide.reports import reported
from services.testing.grading import grade
from services.testing.messages import (
    AcknowledgeEscalation,
    ActOnEscalation,
    CareTeamChanged,
    Commands,
    Consumes,
    DischargeWithdrawn,
    Emits,
    EpisodeAdmitted,
    EpisodeDischarged,
    HandOverEscalation,
    MedicationsRecorded,
    PatientIdentified,
    ReopenEscalation,
    ReportResult,
    ResolveEscalation,
    TimePassed,
)
from services.testing.settings import Settings
from services.testing.state import State, evolve, with_medications
from shared.rules import escalation
from shared.rules.assigning import assigned
from shared.rules.decision import Moment, Refused

__all__ = ["decide", "react"]


def react(state: State, event: Consumes, moment: Moment[Settings]) -> Sequence[Emits]:
    """What testing emits after an event. Consumed again, it emits nothing new."""
    return assigned(_react(state, event, moment), state.team)


def _react(state: State, event: Consumes, moment: Moment[Settings]) -> Sequence[Emits]:
    match event:
        case PatientIdentified() | CareTeamChanged():
            return []
        case MedicationsRecorded():
            new = grade(with_medications(state, event), moment.settings)  # what has to leave the state was not wrong
            return regrade(state, new, "medications-recorded", moment)
        case EpisodeAdmitted():
            return regrade(state, grade(evolve(state, event), moment.settings), ADMITTED, moment)
        case EpisodeDischarged():
            return discharged(state, event, moment)
        case DischargeWithdrawn():
            return resumed(state, event, moment)
        case TimePassed():
            return escalation.emit_overdue(state.escalations, moment.now)
        case _:
            assert_never(event)


def decide(state: State, command: Commands, moment: Moment[Settings]) -> Sequence[Emits] | Refused:
    """What testing emits on a command, or why it cannot be."""
    decided = _decide(state, command, moment)
    return decided if isinstance(decided, Refused) else assigned(decided, state.team)


def _decide(state: State, command: Commands, moment: Moment[Settings]) -> Sequence[Emits] | Refused:
    match command:
        case ReportResult():
            return reported(state, command, moment)
        case AcknowledgeEscalation() | ActOnEscalation() | HandOverEscalation() | ResolveEscalation():
            return escalation.decide_escalation(state.escalations, command, moment)
        case ReopenEscalation():
            return reopened(state, command, moment)
        case _:
            assert_never(command)
