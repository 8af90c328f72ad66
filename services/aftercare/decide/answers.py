"""A referral on hold asks a person: one that nobody answered in time is escalated, once, until it is answered. So are
those that a partner does not answer, declines, or where the patient did not come (`closed_loop`)."""

from collections.abc import Sequence
from functools import reduce

from msgspec.structs import replace

from services.aftercare.answers.closed_loop import tasks_asked
from services.aftercare.contacts import ANSWERED
from services.aftercare.decide import closed_loop, emergencies
from services.aftercare.messages import Emits, EscalationResolved, HoldEscalated
from services.aftercare.record import OnHold, OnItsWay
from services.aftercare.settings import Settings
from services.aftercare.state import State, evolve
from shared.events.aftercare import ASKS_NOBODY
from shared.events.envelope import Event, name_id
from shared.events.escalation import EscalationEvent, Signal
from shared.rules import escalation
from shared.rules.decision import Moment
from shared.rules.escalation import Open, Trigger, rule_version

REASON = "referral-on-hold"
TIER = 1
"""The team answers within 72 hours (domain 5.1); one tier up when nobody takes that on either."""
RULES_VERSION = "1"
REASONS = closed_loop.REASONS | {REASON}
"""Of the escalations that wait for the answer of a person or a partner."""


def unanswered(state: State, moment: Moment[Settings]) -> list[Emits]:
    """An escalation for the referrals on hold of which a person was asked, and that nobody answered in time."""
    late = [each for each in state.on_hold if each.answer_by is not None and each.answer_by <= moment.now]
    if not late:
        return []
    trigger = Trigger(
        category="placement",
        reason=REASON,
        tier=TIER,
        owner="case-manager",
        rule=rule_version("aftercare", REASON, RULES_VERSION),
        signals=tuple(Signal(each.reason, each.answer_by or moment.now, _task(each)) for each in late),
    )
    raised = escalation.raise_or_update(state.escalations, [trigger], moment, moment.settings.escalation)
    return [*raised, HoldEscalated(referrals=tuple(each.referral_id for each in late))]


def answered(before: State, events: Sequence[Event], moment: Moment[Settings]) -> list[EscalationEvent]:
    """What is sent, refused, taken back, answered by its partner or a patient's own no waits for nobody: its escalation
    ends with it."""
    if not any(each.escalation.reason in REASONS for each in before.escalations):
        return []
    state = reduce(evolve, events, before)
    known = [each for each in state.escalations if each.escalation.reason in REASONS]
    return [event for each in known for event in _without_answered(state, each, moment)]


def others(escalations: Sequence[Open], *, dead: bool = False) -> list[Open]:
    """Those that end with the stay: a referral may outlive it, and what a patient who lives answered at a contact only
    a person closes."""
    outlive = {*REASONS, emergencies.REASON, *(() if dead else ANSWERED)}
    return [each for each in escalations if each.escalation.reason not in outlive]


def _without_answered(state: State, known: Open, moment: Moment[Settings]) -> list[EscalationEvent]:
    waiting = tasks_waiting(state, known.escalation.reason)
    left = tuple(each for each in known.escalation.signals if each.evidence in waiting)
    if not waiting:
        return [EscalationResolved(escalation=known.escalation, at=moment.now, reason="answered")]
    if left == known.escalation.signals:
        return []
    return [escalation.updated(known, replace(known.escalation, signals=left), moment.now)]


def tasks_waiting(state: State, reason: str) -> set[str]:
    """Of the referrals that wait for an answer, and of which that was escalated for this reason."""
    if reason != REASON:
        return tasks_asked(state.received, reason)
    asking = (each for each in state.referrals if not (isinstance(each, OnHold) and each.reason in ASKS_NOBODY))
    return {_task(each) for each in asking if each.escalated}


def _task(referral: OnItsWay | OnHold) -> str:
    return f"Task/{name_id(referral.referral_id, 'task')}"
