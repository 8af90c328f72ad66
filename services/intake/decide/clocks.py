"""Nothing waits without a clock: what nobody signs or answers in time is escalated, until somebody does."""

from collections.abc import Iterator, Sequence

import msgspec

from services.intake import messages, record
from services.intake.decide.course import Course
from services.intake.record import Waiting
from services.intake.settings import Settings
from services.intake.state import State
from shared.events.escalation import Escalation, Signal
from shared.events.intake import WEEKLY
from shared.rules import escalation
from shared.rules.decision import Moment
from shared.rules.escalation import SIGNALS_MOST, Open, Trigger, rule_version
from shared.rules.staff import LICENSED

TIER = 2
"""A person waits for an answer, or a place, a day too long; one tier up when nobody takes that on either."""
RULES_VERSION = "1"


def fallen_due(state: State, moment: Moment[Settings]) -> list[messages.Emits]:
    """An escalation for the recommendation nobody signed, one for the reviews nobody answered."""
    weekly = state.review_of(WEEKLY)  # one is missed, and the next is asked for
    waiting = (each for each in state.waiting if each != weekly)
    late = [each for each in waiting if each.remind_at is not None and each.remind_at <= moment.now]
    if not late:
        return []
    triggers = [_trigger(reason, late, moment.settings) for reason in sorted({each.unanswered for each in late})]
    raised = escalation.raise_or_update(state.escalations, triggers, moment, moment.settings.escalation)
    return [*raised, messages.PersonReminded(reminded_at=moment.now)]


def asks(reason: str, settings: Settings) -> tuple[int, str]:
    """Tier and owner. Of a patient who waits for a seat the case manager is asked, in the tier of the program; what can
    wait for the team's next meeting is a therapist's (domain 5.1); else whoever may sign, for that is what is late."""
    match reason:
        case record.CONTACT_OVERDUE:
            return settings.waiting_contact_tier, "case-manager"
        case record.STAGE_UNANSWERED:
            return 1, "primary-therapist"
        case record.RECERTIFICATION_OVERDUE:  # nobody is in danger, but nobody may pay
            return 1, LICENSED
        case "state-referral-late":  # a pregnant woman without a seat
            return 3, "case-manager"
        case "admission-late" | "interim-services-late":
            return TIER, "case-manager"
        case _:
            return TIER, LICENSED


def _trigger(reason: str, late: Sequence[Waiting], settings: Settings) -> Trigger:
    tier, owner = asks(reason, settings)
    signals = [Signal(reason, each.remind_at, f"Task/{each.task_id}") for each in late if each.remind_at]
    return Trigger(
        category="placement",
        reason=reason,
        tier=tier,
        owner=owner,
        rule=rule_version("intake", reason, RULES_VERSION),
        signals=tuple(each for each, of in zip(signals, late, strict=True) if of.unanswered == reason),
    )


def answered(course: Course) -> Iterator[messages.EscalationEvent]:
    """What was signed, answered or withdrawn waits no more: its escalation ends with it."""
    state, emitted = course.before, course.emitted
    tasks = {f"Task/{each}" for event in emitted if (each := _task_that_ends(event))}
    still_open = state.escalations
    for event in emitted if tasks else ():
        if isinstance(event, messages.EscalationEvent):
            still_open = escalation.evolve(still_open, event)
    for known in still_open if tasks else ():
        yield from _without(state, known, tasks, course.moment)


def _without(
    state: State, known: Open, tasks: set[str], moment: Moment[Settings]
) -> Iterator[messages.EscalationEvent]:
    """Of many it shows the newest few; those that it did not show wait all the same."""
    left = tuple(each for each in known.escalation.signals if each.evidence not in tasks)
    if left == known.escalation.signals:
        return
    left = left or tuple(each for each in _not_shown(state, known.escalation) if each.evidence not in tasks)
    if left:
        current = msgspec.structs.replace(known.escalation, signals=left)
        yield escalation.updated(known, current, moment.now)
    else:
        yield messages.EscalationResolved(escalation=known.escalation, at=moment.now, reason="answered")


def _not_shown(state: State, escalated: Escalation) -> list[Signal]:
    late = [each for each in state.reviews if each.unanswered == escalated.reason and each.remind_at is None]
    times = [each.act_by or escalated.raised_at for each in late]
    signals = [Signal(escalated.reason, at, f"Task/{each.task_id}") for each, at in zip(late, times, strict=True)]
    return signals[-SIGNALS_MOST:]


def _task_that_ends(event: messages.Emits) -> str | None:
    match event:
        case messages.PlacementSigned(task_id=task_id):
            return task_id
        case messages.RecommendationWithdrawn(recommendation=made):
            return made.task_id
        case messages.PlacementReviewCompleted(review=review) | messages.PlacementReviewWithdrawn(review=review):
            return review.id
        case messages.PlacementReviewRequested(review=review, again=True):
            return review.id
        case _:
            return None
