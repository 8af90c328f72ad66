"""Who resolved an escalation of intake's by mistake has it again, where what it was about still stands: what that
answer ended stands again, and the placement is looked at as after new evidence."""

from collections.abc import Collection, Sequence
from functools import reduce

from services.intake import combined, messages
from services.intake.decide import care_elsewhere, death, planning
from services.intake.decide.placing import known_of, place
from services.intake.decide.signals import UNCOUNTED
from services.intake.placement import safety
from services.intake.placement.planned import episode_id
from services.intake.settings import Settings
from services.intake.state import State, evolve, undone
from shared.events.escalation import Escalation, Signal
from shared.rules import escalation
from shared.rules.decision import Moment, Refused


def reopened(
    state: State, command: messages.ReopenEscalation, moment: Moment[Settings]
) -> Sequence[messages.Emits] | Refused:
    stands = _stands(undone(state, command.escalation, command.reason), command.escalation, moment)
    decided = escalation.reopen(state.escalations, command, stands, moment)
    if isinstance(decided, Refused):
        return decided
    after = reduce(evolve, decided, state)
    return decided if after.evidence == state.evidence else [*decided, *place(after, moment)]


def _stands(state: State, asked: Escalation, moment: Moment[Settings]) -> Sequence[Signal] | Refused:
    """Of its signals those that ask for it by what is known now, or why nothing does."""
    if state.episode is None and state.ended is not None and asked.raised_at <= state.ended.discharged_at:
        return escalation.STAY_OVER
    if asked.reason in combined.REASONS:
        return _meeting(state, asked, moment)
    waiting = [each for each in asked.signals if _waits(state, asked.reason, each)]
    return waiting or safety.standing(asked, known_of(state, moment))


def _waits(state: State, reason: str, signal: Signal) -> bool:
    """What nobody signed or looked at, a death that is reported, care elsewhere, signals that found no room, a plan
    that was taken back."""
    tasks = {f"Task/{each.task_id}" for each in state.waiting if each.unanswered == reason}
    reported = reason == death.REASON and state.death is not None
    uncounted = reason == UNCOUNTED and state.episode is not None and state.signals.lost > 0
    elsewhere = reason == care_elsewhere.REASON and state.episode is not None
    taken_back = reason == planning.TAKEN_BACK and signal.evidence in _unsigned(state)
    return signal.evidence in tasks or reported or elsewhere or uncounted or taken_back


def _unsigned(state: State) -> Collection[str]:
    """The stays that do not begin unless somebody signs."""
    open_ones = state.referrals if state.planned is None else state.seconds
    return {f"EpisodeOfCare/{episode_id(each.id)}" for each in open_ones}


def _meeting(state: State, asked: Escalation, moment: Moment[Settings]) -> Sequence[Signal] | Refused:
    """What meets once these are as if nobody had answered them; there is one combined escalation at a time."""
    for known in (state.escalation_of(each) for each in combined.REASONS):
        if known is not None and known.escalation.id != asked.id:
            return escalation.already_asked(known.escalation.id)
    found = combined.together(state.signals.unanswered(asked.signals), moment.settings)
    meets = state.episode is not None and found is not None and found.reason == asked.reason
    return found.signals if meets and found is not None else ()
