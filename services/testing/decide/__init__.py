"""Every decision of testing: an event is never refused, a command can be. Pure; the `match` is the contents.

It grades what is known before and after, and emits the difference.
"""

from collections.abc import Sequence
from typing import assert_never

from services.testing.decide import ordering
from services.testing.decide.episode import discharged, reopened, resumed
from services.testing.decide.regrading import ADMITTED, regrade
from services.testing.decide.reports import reported
from services.testing.grading import grade
from services.testing.messages import (
    AcknowledgeEscalation,
    ActOnEscalation,
    CancelDrugTest,
    CareTeamChanged,
    Commands,
    ConsentDenied,
    ConsentGiven,
    ConsentRevoked,
    ConsentsCurrent,
    Consumes,
    DeathWithdrawn,
    DischargeWithdrawn,
    DisclosureGaveUp,
    DisclosureMade,
    DisclosureParked,
    DisclosureRefused,
    DisclosureWithheld,
    Emits,
    EpisodeAdmitted,
    EpisodeDischarged,
    EpisodePaused,
    EpisodeResumed,
    EpisodeStepped,
    HandOverEscalation,
    MedicationsRecorded,
    OrderDrugTest,
    PatientDied,
    PatientIdentified,
    RandomDayDrawn,
    ReopenEscalation,
    ReportCollection,
    ReportResult,
    ResolveEscalation,
    SendOrderAgain,
    StageAdvanced,
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
    return assigned(ordering.followed(state, event, _react(state, event, moment), moment), state.team)


def _react(state: State, event: Consumes, moment: Moment[Settings]) -> Sequence[Emits]:
    match event:
        case PatientIdentified() | CareTeamChanged():
            return []
        case ConsentGiven() | ConsentDenied() | ConsentRevoked() | ConsentsCurrent():
            return []  # the gate reads the ledger; what it withheld goes to it again (`ordering.followed`)
        case MedicationsRecorded():
            new = grade(with_medications(state, event), moment.settings)  # what has to leave the state was not wrong
            return regrade(state, new, "medications-recorded", moment)
        case EpisodeAdmitted():
            return regrade(state, grade(evolve(state, event), moment.settings), ADMITTED, moment)
        case EpisodeDischarged():
            return discharged(state, event, moment)
        case DischargeWithdrawn():
            return resumed(state, event, moment)
        case StageAdvanced() | EpisodeStepped() | EpisodePaused() | EpisodeResumed() | PatientDied() | DeathWithdrawn():
            return []
        case RandomDayDrawn() | DisclosureMade() | DisclosureWithheld() | DisclosureRefused() | DisclosureGaveUp():
            return []
        case DisclosureParked():
            return []
        case TimePassed():
            return escalation.emit_overdue(state.escalations, moment.now)
        case _:
            assert_never(event)


def decide(state: State, command: Commands, moment: Moment[Settings]) -> Sequence[Emits] | Refused:
    """What testing emits on a command, or why it cannot be."""
    decided = _decide(state, command, moment)
    if isinstance(decided, Refused):
        return decided
    return assigned(ordering.followed(state, command, decided, moment), state.team)


def _decide(state: State, command: Commands, moment: Moment[Settings]) -> Sequence[Emits] | Refused:
    match command:
        case ReportResult():
            return reported(state, command, moment)
        case AcknowledgeEscalation() | ActOnEscalation() | HandOverEscalation() | ResolveEscalation():
            return escalation.decide_escalation(state.escalations, command, moment)
        case OrderDrugTest():
            return ordering.placed(state, command, moment)
        case CancelDrugTest():
            return ordering.cancelled(state, command, moment)
        case SendOrderAgain():
            return ordering.sent_again(state, command, moment)
        case ReportCollection():
            return ordering.collected(state, command, moment)
        case ReopenEscalation():
            return reopened(state, command, moment)
        case _:
            assert_never(command)
