"""What each referral is answered: where it stands after a decision, whose turn it is, by when, and why."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import reduce
from typing import Any, NamedTuple

from services.intake import messages
from services.intake.decide import death, referrals
from services.intake.decide.course import Course
from services.intake.offers import offered_by
from services.intake.placement.planned import Planned
from services.intake.record import JOINED, SECOND, Referral
from services.intake.settings import Settings
from services.intake.state import State, evolve
from shared.events.intake import CONFIRM_NEEDS, CONTACT
from shared.rules.decision import Moment
from shared.rules.staff import LICENSED

CASE_MANAGER = "case-manager"


class Position(NamedTuple):
    """Of an open referral: `act_by` is unknown of what an older release asked."""

    reason: str
    priority: messages.Priority
    owner: str
    act_by: datetime | None


def of_referrals(course: Course) -> list[messages.Emits]:
    """After what was decided: which referral is placed now, and the answer to each that stands otherwise than before.
    One answer a referral, however many steps it takes in one decision."""
    state, cause, moment = course.before, course.cause, course.moment
    if not state.referrals and not isinstance(cause, messages.ReceiveReferral):
        return []
    turned = referrals.in_turn(state, course.after, moment)
    whole, after = [*course.emitted, *turned], reduce(evolve, turned, course.after)
    known = evolve(state, cause) if isinstance(cause, messages.CorrectReferral) else state
    return [*turned, *_ended(known, after, whole, moment), *_open(state, after, moment)]


def _open(state: State, after: State, moment: Moment[Settings]) -> Iterator[messages.ReferralAnswered]:
    before = {each.id: position(state, each) for each in state.referrals}
    for each in after.referrals:
        now = position(after, each)
        if now != before.get(each.id):
            yield messages.ReferralAnswered(
                referral_id=each.id, task_id=each.task_id, answered_at=moment.now, **now._asdict()
            )


def position(state: State, referral: Referral) -> Position:
    """Who has to do something about it next: it never stands open without one."""
    first = state.referral is not None and state.referral.id == referral.id
    if first and state.planned is not None:
        return _before_start(state, state.planned, referral)
    review, reported = state.review_of("R0"), state.escalation_of(death.REASON)
    if first and state.recommended is not None:
        return Position("level-recommended", referral.priority, LICENSED, state.recommended.sign_by)
    if first and review is not None:
        return Position("needs-missing", referral.priority, LICENSED, review.act_by)
    if referral.second_review is not None:
        return Position(SECOND, referral.priority, LICENSED, referral.second_review.act_by)
    act_by = reported.escalation.act_by if reported is not None else None
    return Position(death.REASON, referral.priority, CASE_MANAGER, act_by)


def _before_start(state: State, plan: Planned, referral: Referral) -> Position:
    """Whoever has to confirm the needs of a start that has come; else who gets in touch with the patient, or receives
    them."""
    asked, contact = state.review_of(CONFIRM_NEEDS), state.review_of(CONTACT)
    if plan.start is None:
        return Position("seat-awaited", referral.priority, CASE_MANAGER, contact.act_by if contact else None)
    if asked is not None and plan.look_at is None:  # the start has come
        return Position("needs-unconfirmed", referral.priority, LICENSED, asked.act_by)
    return Position("start-planned", referral.priority, CASE_MANAGER, plan.starts_at)


def _ended(
    state: State, after: State, emitted: Sequence[messages.Emits], moment: Moment[Settings]
) -> Iterator[messages.ReferralAnswered]:
    known = {each.id: each for each in state.referrals}
    for event in emitted:
        if isinstance(event, messages.ReferralReceived):
            known[event.referral_id] = Referral.of(event)
        elif isinstance(event, messages.EpisodeAdmitted | messages.EpisodeDeclined | messages.ReferralConcluded):
            referral = known[event.referral_id]
            yield messages.ReferralAnswered(
                referral_id=referral.id,
                task_id=referral.task_id,
                priority=referral.priority,
                answered_at=moment.now,
                **_end(event, after, moment.settings),
            )


def _end(
    event: messages.EpisodeAdmitted | messages.EpisodeDeclined | messages.ReferralConcluded,
    after: State,
    settings: Settings,
) -> dict[str, Any]:
    match event:
        case messages.EpisodeAdmitted():
            return {"reason": "placement-signed", "episode_id": event.episode_id}
        case messages.EpisodeDeclined(level="none"):
            return {"reason": "referral-declined", "rules": event.rules}
        case messages.EpisodeDeclined():
            needed = {"level": event.level, "rules": event.rules, "offers": offered_by(event.level, settings)}
            return {"reason": "another-level-needed", **needed}
        case messages.ReferralConcluded() if event.outcome == JOINED and after.episode is not None:
            return {"reason": event.outcome, "episode_id": after.episode.id}
        case messages.ReferralConcluded():
            return {"reason": event.outcome}
