"""The weekly review of a stay by its therapist: one Task at a time, the next a week later. Missed again, a person
hears."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from services.intake import messages
from services.intake.decide.course import Course
from services.intake.decide.placing import about, ask_for_review, withdraw
from services.intake.record import REVIEWS_MISSED, Episode
from services.intake.settings import Settings
from services.intake.state import State
from shared.events.escalation import Signal
from shared.events.intake import REVIEW_MISSED, WEEKLY
from shared.rules import escalation
from shared.rules.decision import Moment
from shared.rules.escalation import Trigger, rule_version

TIER = 1
"""The team looks at its own way of working; nobody is in danger by it alone."""
RULES_VERSION = "1"
Ending = messages.PlacementReviewCompleted | messages.PlacementReviewWithdrawn
TURNING = (
    messages.EpisodeAdmitted
    | messages.EpisodePaused
    | messages.EpisodeResumed
    | messages.DischargeWithdrawn
    | messages.PatientDied
    | messages.DeathWithdrawn
    | Ending
)
"""After which a review may be owed that was not, or no more."""


def missed(state: State, moment: Moment[Settings]) -> list[messages.Emits]:
    """Its time is over. Where the hub did not listen then, nobody could answer it: it has a while longer."""
    known, stay = state.review_of(WEEKLY), state.episode
    if known is None or stay is None or known.act_by is None or known.act_by > moment.now:
        return []
    if moment.listening_since > known.act_by:
        longer = ask_for_review(known.id, WEEKLY, _focus(stay), moment, moment.settings.review_hours)
        return [about(longer)]
    over = withdraw(known, REVIEW_MISSED, moment)
    if stay.missed + 1 < moment.settings.weekly_reviews_missed:
        return over
    signal = Signal(REVIEWS_MISSED, known.act_by, _focus(stay))
    trigger = Trigger(
        category="placement",
        reason=REVIEWS_MISSED,
        tier=TIER,
        owner="primary-therapist",
        rule=rule_version("intake", REVIEWS_MISSED, RULES_VERSION),
        signals=(signal,),
    )
    raised = escalation.raise_or_update(state.escalations, [trigger], moment, moment.settings.escalation)
    return [*over, *raised]


def followed(course: Course) -> list[messages.Emits]:
    """During a stay one is owed each week, but for nights elsewhere and after a death; done, it answers for those that
    were missed."""
    if not _may_turn(course):
        return []
    after, moment = course.after, course.moment
    stay, known = after.episode, after.review_of(WEEKLY)
    if stay is None:
        return []
    if stay.elsewhere or after.death is not None or not moment.settings.weekly_review_days:
        asked = withdraw(known, "review-not-owed", moment)
        return [*asked, *([messages.WeeklyReviewSet(asks_at=None)] if stay.review_at else [])]
    ended = [each for each in course.emitted if isinstance(each, Ending) and each.review.reason == WEEKLY]
    return [*_answered(after, ended, moment), *(_next(stay, ended, moment) if known is None else [])]


def _may_turn(course: Course) -> bool:
    """Also in a stay that an older release admitted: nobody was asked there."""
    state, stay = course.before, course.before.episode
    is_due = stay is not None and stay.review_at <= int(course.moment.now.timestamp())
    return (is_due and state.review_of(WEEKLY) is None) or course.emits(TURNING)


def _next(stay: Episode, ended: Sequence[Ending], moment: Moment[Settings]) -> list[messages.Emits]:
    """Asked now, or when that is set to be; a week after the one that has ended, or the stay began or went on."""
    before = timedelta(days=moment.settings.weekly_review_ask_days)
    if stay.review_due is not None and not ended:
        at = max(stay.review_due, moment.now)
        asked = ask_for_review(moment.new_id(f"review:{WEEKLY}"), WEEKLY, _focus(stay), moment, 0)
        return [about(asked, act_by=at.replace(microsecond=0) + before)] if at == moment.now else []
    last = max((moment.now, *(each.review.act_by for each in ended if each.review.act_by is not None)))
    return [messages.WeeklyReviewSet(asks_at=last + timedelta(days=moment.settings.weekly_review_days) - before)]


def _answered(state: State, ended: Sequence[Ending], moment: Moment[Settings]) -> Iterator[messages.EscalationResolved]:
    known = state.escalation_of(REVIEWS_MISSED)
    if known is not None and any(isinstance(each, messages.PlacementReviewCompleted) for each in ended):
        yield messages.EscalationResolved(escalation=known.escalation, at=moment.now, reason="answered")


def _focus(stay: Episode) -> str:
    return f"EpisodeOfCare/{stay.id}"
