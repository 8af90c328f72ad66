"""A partner answers the referral that it has: how far it is, whom that asks, and who is next after a no.

Whoever declines makes room for the next candidate; where there is none, where nobody answers in `answer_days`, and
where the patient did not come, a case manager is asked, by an escalation that ends with the partner's next answer.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from services.aftercare.answers import closed_loop as loop
from services.aftercare.answers.closed_loop import Received
from services.aftercare.decide.candidates import REFERRED, next_after
from services.aftercare.decide.referral_events import of, withdrawn
from services.aftercare.messages import (
    AnswerEscalated,
    AnswerReferral,
    CandidateDue,
    Emits,
    PartnerAnswered,
    ReferralPrepared,
)
from services.aftercare.settings import Settings
from services.aftercare.state import State, evolve
from shared.events.aftercare import ANSWERED_DAYS_MOST
from shared.events.escalation import Signal
from shared.rules import escalation
from shared.rules.decision import Moment, Refused
from shared.rules.escalation import Trigger, rule_version

UNANSWERED, DECLINED, UNATTENDED = "partner-unanswered", "partner-declined", "partner-unattended"
REASONS = frozenset({UNANSWERED, DECLINED, UNATTENDED})
TIER = 1
"""The team answers within 72 hours (domain 5.1); one tier up when nobody takes that on either."""
RULES_VERSION = "1"
LATER_STANDS = "An answer that was given later stands already: read the Task again."
APPOINTMENT_DAYS_MOST = 366
"""How far ahead a partner's appointment may lie: one of the year after next is a typing mistake."""


def answered(state: State, command: AnswerReferral, moment: Moment[Settings]) -> list[Emits] | Refused:
    """A partner answers. What stands already changes nothing; what is older than that is refused, for it is lost."""
    known = next((each for each in state.received if each.task_id == command.task_id), None)
    if known is None or known.partner != command.partner or (known.is_open and known.ends_at <= moment.now):
        text = f"This referral is not open: it was taken back, or sent more than {ANSWERED_DAYS_MOST} days ago."
        return Refused("conflict", text, "Task.status")
    refusal = _why_not(known, command, moment)
    if refusal is not None:
        return refusal
    if not loop.stands_over(command, known):
        return [] if loop.is_the_same(command, known) else Refused("conflict", LATER_STANDS, "Task.lastModified")
    answer = PartnerAnswered(
        **of(known, moment.now),
        consent_id=known.consent_id,
        step=command.step,
        answered_at=command.answered_at,
        appointment_at=command.appointment_at,
        reason=command.reason,
        client=moment.by,
        by=command.by,
    )
    return [answer, *_follows(evolve(state, answer), known, answer, moment)]


def _why_not(known: Received, command: AnswerReferral, moment: Moment[Settings]) -> Refused | None:
    if loop.has_ended(known, command):
        text = "This referral is over: it was declined, attended or completed. Only a later end of it can be reported."
        return Refused("conflict", text, "Task.businessStatus")
    earliest = known.asked_at - timedelta(minutes=moment.settings.ahead_minutes)
    if command.answered_at < earliest:
        return Refused("business-rule", "Must not be before the referral was made.", "Task.lastModified")
    latest = moment.now + timedelta(days=APPOINTMENT_DAYS_MOST)
    if command.appointment_at is not None and not earliest <= command.appointment_at <= latest:
        text = f"Must be after the referral was made, and within {APPOINTMENT_DAYS_MOST} days."
        return Refused("business-rule", text, "Task.output")
    return None


def _follows(state: State, before: Received, answer: PartnerAnswered, moment: Moment[Settings]) -> list[Emits]:
    """Of the state with this answer: who is next, and whom it asks."""
    if answer.step == "declined" and before.step != "declined":
        turn = next_after(state, before, moment)
        is_next = any(isinstance(each, ReferralPrepared | CandidateDue) for each in turn)
        waits = before.kind in REFERRED and any(each.kind == before.kind for each in state.referrals)
        return [*turn, *([] if is_next or waits else _ask(state, DECLINED, [before], answer.answered_at, moment))]
    if answer.step == "unattended":
        return _ask(state, UNATTENDED, [before], answer.answered_at, moment)
    if loop.rank(answer) > loop.rank(before) and before.step == "declined":
        others = [each for each in state.on_hold if each.kind == before.kind and before.kind in REFERRED]
        return [withdrawn(each, "another-has-it", moment) for each in others]
    return []


def unanswered(state: State, moment: Moment[Settings]) -> list[Emits]:
    """Of what partners gave no answer in time the case manager is asked."""
    late = [each for each in state.received if each.is_open and each.answer_by and each.answer_by <= moment.now]
    return _ask(state, UNANSWERED, late, None, moment)


def _ask(
    state: State, reason: str, referrals: Sequence[Received], at: datetime | None, moment: Moment[Settings]
) -> list[Emits]:
    """Nobody is asked about a patient who has died."""
    if not referrals or state.is_dead:
        return []
    trigger = Trigger(
        category="placement",
        reason=reason,
        tier=TIER,
        owner="case-manager",
        rule=rule_version("aftercare", reason, RULES_VERSION),
        signals=tuple(Signal(reason, at or each.answer_by or moment.now, f"Task/{each.task_id}") for each in referrals),
    )
    raised = escalation.raise_or_update(state.escalations, [trigger], moment, moment.settings.escalation)
    return [*raised, AnswerEscalated(referrals=tuple(each.referral_id for each in referrals), reason=reason)]


def waited_long(state: State, moment: Moment[Settings]) -> list[Emits]:
    """The hub waits no more for what partners did not bring to an end."""
    over = [each for each in state.received if each.is_open and each.ends_at <= moment.now]
    return [withdrawn(each, "not-answered", moment) for each in over]


def taken_back(
    state: State, reason: str, moment: Moment[Settings], kinds: Collection[str] | None = None
) -> list[Emits]:
    """What partners have and did not bring to an end, of these kinds, else of all: nobody waits for it any more."""
    waiting = [each for each in state.received if each.is_open and (kinds is None or each.kind in kinds)]
    return [withdrawn(each, reason, moment) for each in waiting]
