"""A referral that comes or is taken back, and those beside the one that is being placed: none is dropped in silence."""

from services.intake import messages
from services.intake.decide.placing import ask_for_review, place, withdraw, withdraw_recommendation
from services.intake.record import Referral, Review
from services.intake.settings import Settings
from services.intake.state import State, evolve
from shared.rules.decision import Moment

SECOND = "second-referral"
SECOND_MOST = 4
"""Referrals of one patient that a person is asked about beside the first: a state stays small."""


def received(state: State, command: messages.ReceiveReferral, moment: Moment[Settings]) -> list[messages.Emits]:
    """The first referral that waits is the one to be placed; another one, or one during a stay, a person looks at. Of
    too many the newest are asked about: what comes with a referral is never refused for it."""
    if _is_known(state, command.referral_id):
        return []
    came = messages.ReferralReceived(
        referral_id=command.referral_id,
        task_id=command.task_id,
        authored_at=command.authored_at,
        priority=command.priority,
    )
    if state.referral is not None or state.episode is not None:
        return [came, *_beside(state, Referral(command.referral_id, command.task_id), moment)]
    return [came, *place(evolve(state, command), moment)]


def _is_known(state: State, referral_id: str) -> bool:
    """It waits for a placement, began this stay, or a person is asked about it beside another."""
    first = state.referral is not None and state.referral.id == referral_id
    began = state.episode is not None and state.episode.referral_id == referral_id
    return first or began or any(each.id == referral_id for each in state.seconds)


def _beside(state: State, referral: Referral, moment: Moment[Settings]) -> list[messages.Emits]:
    too_many = state.seconds[:1] if len(state.seconds) >= SECOND_MOST else ()
    return [
        *(event for each in too_many for event in _ended(state, each, "superseded", moment)),
        ask_to_look(referral, moment),
    ]


def ask_to_look(referral: Referral, moment: Moment[Settings]) -> messages.PlacementReviewRequested:
    """At a referral beside the one that is being placed."""
    return ask_for_review(referral.second_review_id, SECOND, referral.focus, moment, moment.settings.review_hours)


def revoked(state: State, command: messages.RevokeReferral, moment: Moment[Settings]) -> list[messages.Emits]:
    """Nobody asks for this placement any more: what waits because of it is withdrawn."""
    first = state.referral
    if first is None or first.id != command.referral_id:
        second = next((each for each in state.seconds if each.id == command.referral_id), None)
        return _ended(state, second, command.reason, moment) if second is not None else []
    return [
        *withdraw_recommendation(state, command.reason, moment),
        *withdraw_all(state, command.reason, moment),
        concluded(first, command.reason, moment),
        messages.RetentionBegan(retention_days=moment.settings.retention_days),
    ]


def withdraw_all(state: State, reason: str, moment: Moment[Settings]) -> list[messages.Emits]:
    """Every review, but of other referrals: those wait for a person whatever becomes of this one."""
    asked = [each for each in state.reviews if each.reason != SECOND]
    return [event for each in asked for event in withdraw(each, reason, moment)]


def looked_at(state: State, review: Review, outcome: str, moment: Moment[Settings]) -> list[messages.Emits]:
    """A person has completed the review of a second referral."""
    about = [each for each in state.seconds if each.second_review_id == review.id]
    return [concluded(each, outcome, moment) for each in about]


def placed_next(state: State, after: State, moment: Moment[Settings]) -> list[messages.Emits]:
    """The referral before it ended: the one that is next in line is placed as if it had come now."""
    if after.referral is None or after.referral not in state.seconds:
        return []
    asked = next((each for each in after.reviews if each.id == after.referral.second_review_id), None)
    return [*withdraw(asked, "placed-now", moment), *place(after, moment)]


def _ended(state: State, second: Referral, outcome: str, moment: Moment[Settings]) -> list[messages.Emits]:
    asked = next((each for each in state.reviews if each.id == second.second_review_id), None)
    return [*withdraw(asked, outcome, moment), concluded(second, outcome, moment)]


def concluded(referral: Referral, outcome: str, moment: Moment[Settings]) -> messages.ReferralConcluded:
    return messages.ReferralConcluded(
        referral_id=referral.id, task_id=referral.task_id, outcome=outcome, concluded_at=moment.now
    )
