"""What goes to aftercare for the partner that referred: where its referral stands. Whether it may be answered is the
gate's to decide; of a level, a rule, a need or a reason nothing goes along."""

from collections.abc import Iterator, Sequence

from services.intake import messages
from services.intake.decide import answering, death
from services.intake.decide.course import Course
from services.intake.settings import Settings
from services.intake.state import State
from shared.events.intake import REFERRAL_REASONS
from shared.rules.decision import Moment

AS_ANSWERED = {"recommended": "in-review"}
"""That a level is recommended is the program's own: to a referrer the referral is still looked at. Every other state is
answered by its own name."""


def changed(course: Course) -> list[messages.Emits]:
    """After what was decided: where each partner's referral stands, if otherwise than was emitted before. A death that
    is only reported changes nothing for a referrer."""
    state, cause = course.before, course.cause
    events = [*_corrected(state, cause, course.moment), *_answered(state, cause, course.emitted)]
    newest = {each.referral_id: each for each in events}
    return [each for each in newest.values() if each.number or _is_news(state, each)]


def _is_news(state: State, event: messages.PartnerReferralChanged) -> bool:
    known = {each.referral_id: (each.partner, each.state) for each in state.referrers}
    return known.get(event.referral_id, ("", event.state)) != (event.partner, event.state)


def _answered(
    state: State, cause: messages.Cause | None, emitted: Sequence[messages.Emits]
) -> Iterator[messages.PartnerReferralChanged]:
    for event in emitted:
        if not isinstance(event, messages.ReferralAnswered):
            continue
        stated = _stated(cause, event.referral_id)
        if event.reason == death.REASON and not isinstance(stated, messages.ReceiveReferral):
            continue
        if partner := _partner(state, stated, event.referral_id):
            yield messages.PartnerReferralChanged(
                referral_id=event.referral_id,
                partner=partner,
                state=_as_answered(event.state),
                changed_at=event.answered_at,
                number=stated.number if stated is not None else "",
            )


def _stated(
    cause: messages.Cause | None, referral_id: str
) -> messages.ReceiveReferral | messages.CorrectReferral | None:
    """What its sender says of this referral just now, if anything."""
    if not isinstance(cause, messages.ReceiveReferral | messages.CorrectReferral):
        return None
    return cause if cause.referral_id == referral_id else None


def _partner(state: State, stated: messages.ReceiveReferral | messages.CorrectReferral | None, referral_id: str) -> str:
    if stated is None or stated.referrer is None:
        return _known(state, referral_id)
    return stated.referrer


def _corrected(
    state: State, cause: messages.Cause | None, moment: Moment[Settings]
) -> Iterator[messages.PartnerReferralChanged]:
    """Another requester than before, or another number: of a referral that is open, as it stood until now."""
    if not isinstance(cause, messages.CorrectReferral):
        return
    before, stands = _known(state, cause.referral_id), _stands(state, cause.referral_id)
    partner = _partner(state, cause, cause.referral_id)
    if stands is not None and (before or partner):
        yield messages.PartnerReferralChanged(
            referral_id=cause.referral_id,
            partner=partner,
            state=stands,
            changed_at=moment.now,
            number=cause.number,
        )


def _known(state: State, referral_id: str) -> str:
    return next((each.partner for each in state.referrers if each.referral_id == referral_id), "")


def _stands(state: State, referral_id: str) -> str | None:
    """Where it stands for a referrer; None where it is not open."""
    emitted = next((each.state for each in state.referrers if each.referral_id == referral_id), None)
    if emitted is not None:
        return emitted
    found = next((each for each in state.referrals if each.id == referral_id), None)
    return _as_answered(REFERRAL_REASONS[answering.position(state, found).reason]) if found is not None else None


def _as_answered(state: str) -> str:
    return AS_ANSWERED.get(state, state)
