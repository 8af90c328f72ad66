"""What the rules recommend for the referral that waits, and what a person is asked to look at beside it."""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import reduce
from typing import Any, NamedTuple

import msgspec

from services.intake import messages
from services.intake.listed import codes_listed
from services.intake.placement.assessment import Assessment
from services.intake.placement.evidence import pieces_of
from services.intake.placement.needs import is_same, latest
from services.intake.placement.planned import Planned, danger, episode_id
from services.intake.placement.reasons import explain
from services.intake.placement.recommendation import Recommendation, recommend
from services.intake.record import Episode, Recommended, Referral, Review
from services.intake.settings import Settings
from services.intake.state import State, evolve
from services.intake.table import TABLE, review_codes
from shared.events.envelope import name_id
from shared.events.intake import CONFIRM_NEEDS, CONTACT
from shared.rules.decision import Moment


def withdraw_recommendation(state: State, reason: str, moment: Moment[Settings]) -> list[messages.Emits]:
    """What was recommended can't be signed any more, or what was signed does not begin; `reason` names what changed."""
    recommended = state.recommended
    if state.planned is not None and state.referral is not None:
        return [cancelled(state.planned, state.referral, reason, moment)]
    if recommended is None:
        return []
    return [messages.RecommendationWithdrawn(recommendation=recommended, reason=reason, withdrawn_at=moment.now)]


def look_at_needs(state: State, after: State, moment: Moment[Settings]) -> list[messages.Emits]:
    """New needs during a stay: a person looks whether the level is still right, unless another one is recommended by
    them: then its signature is the answer."""
    episode = state.episode
    since = [each for each in after.needs if episode and each.at > episode.admitted_at]
    new = [each for each in since if not any(is_same(each, known) for known in state.needs)]
    if after.recommended is not None:
        return withdraw(state.review_of(NEW_NEEDS), "level-recommended", moment)
    if episode is None or not new or state.review_of(NEW_NEEDS) is not None:
        return []
    return [_ask_about_needs(episode, moment)]


def _ask_about_needs(episode: Episode, moment: Moment[Settings]) -> messages.PlacementReviewRequested:
    identity, focus = moment.new_id("review:new-needs"), f"EpisodeOfCare/{episode.id}"
    return ask_for_review(identity, NEW_NEEDS, focus, moment, moment.settings.reassess_hours)


NEW_NEEDS = "new-needs"


def place(state: State, moment: Moment[Settings]) -> list[messages.Emits]:
    """What the rules recommend for the referral that waits, where that is new; an older recommendation, which no longer
    holds, is withdrawn."""
    if state.death is not None:
        return []
    if state.episode is not None:
        return _place_again(state, state.episode, moment)
    if state.referral is None:
        return []
    if state.planned is not None:
        return _stands_or_not(state, state.planned, state.referral, moment)
    found = recommend(known_of(state, moment), moment.settings)
    if found.level is None:
        changed = "needs-too-old" if "recent-assessment" in found.missing else "needs-missing"
        return [
            *withdraw_recommendation(state, changed, moment),
            *_ask_for_missing(state, state.referral, found, moment),
        ]
    return [
        *withdraw(state.review_of("R0"), "needs-arrived", moment),
        *_recommended(state, state.referral.id, found, moment),
        *_ask_beside(state, _of_referral(state.referral), found, moment),
    ]


def _recommended(
    state: State, referral_id: str, found: Recommendation, moment: Moment[Settings]
) -> list[messages.Emits]:
    """What is found, where that is another recommendation than the one that waits."""
    if state.recommended is not None and _is_as_found(state.recommended, found):
        return _renewed(state, state.recommended, found, moment)
    gone = withdraw_recommendation(state, "newer-assessment", moment)
    return [*gone, _recommendation(state, referral_id, found, found.level or "", moment)]


def _place_again(state: State, episode: Episode, moment: Moment[Settings]) -> list[messages.Emits]:
    """What the rules recommend for a stay, where that is another level than it has: once all its needs are known anew,
    or at once where danger is new. Until then nothing is recommended, and nobody asked for what is missing."""
    known = known_of(state, moment)
    found = recommend(known, moment.settings)
    news = not found.missing or not set(danger(known)).issubset(episode.danger)
    if not news or found.level in (None, level_of(episode, moment.settings)):
        return _recommended_no_more(state, episode, found, moment)
    recommended = _recommended(state, episode.referral_id, found, moment)
    return [*recommended, *_ask_beside(state, _of_stay(episode, moment), found, moment)]


def level_of(episode: Episode, settings: Settings) -> str:
    """Unknown of a stay that an older release admitted: the program offered one."""
    return episode.level or next(iter(settings.offers), "none")


def _recommended_no_more(
    state: State, episode: Episode, found: Recommendation, moment: Moment[Settings]
) -> list[messages.Emits]:
    """The level of the stay is right by the rules, or they are asked no more: needs that nobody signed by before they
    grew old, a person looks at."""
    if not found.missing:
        gone = withdraw_recommendation(state, "newer-assessment", moment)
        return [*gone, *_ask_beside(state, _of_stay(episode, moment), found, moment)]
    old = "recent-assessment" in found.missing
    gone = withdraw_recommendation(state, "needs-too-old" if old else "needs-missing", moment)
    return [*gone, *([_ask_about_needs(episode, moment)] if gone and old else [])]


def _stands_or_not(state: State, plan: Planned, referral: Referral, moment: Moment[Settings]) -> list[messages.Emits]:
    """A level that was signed stands until its stay begins, unless the rules go beyond it by now, or the program does
    not offer it any more: then the referral is placed anew."""
    known = known_before_start(state, moment)
    found = recommend(known, moment.settings)
    exceeded = plan.is_exceeded(found.level, known)
    if not exceeded and plan.level in moment.settings.offers:
        return _ask_for_reviews(state, _of_referral(referral), found, moment)
    reason = EXCEEDED if exceeded else "not-offered"
    over = [cancelled(plan, referral, reason, moment), *withdraw_questions(state, reason, moment)]
    return [*over, *place(reduce(evolve, over, state), moment)]


EXCEEDED = "another-level-needed"


def known_before_start(state: State, moment: Moment[Settings]) -> Assessment:
    """What the rules are asked of before a stay begins. How old the needs are is looked at apart: one that is old hides
    no higher one."""
    known = known_of(state, moment)
    needs = tuple(msgspec.structs.replace(each, at=moment.now) for each in known.needs)
    return Assessment(needs, known.evidence, known.now, known.listed)


def cancelled(
    plan: Planned, referral: Referral, reason: str, moment: Moment[Settings], by: str = ""
) -> messages.EpisodeCancelled:
    return messages.EpisodeCancelled(**of_plan(plan, referral, moment, by), reason=reason)


def of_plan(plan: Planned, referral: Referral, moment: Moment[Settings], by: str) -> dict[str, Any]:
    """What every event about a stay that has not begun says."""
    return {
        "episode_id": episode_id(referral.id),
        "referral_id": referral.id,
        "level": plan.level,
        "signed": plan.signed_task,
        "at": moment.now,
        "by": by,
        "client": moment.by,
        "earlier": plan.earlier(moment.now),
    }


STEP_DOWN_LATE = "step-down-late"
"""Why a person is asked to look at a start that lies too long after care at a higher level."""
BEFORE_START = (CONFIRM_NEEDS, CONTACT, STEP_DOWN_LATE)
"""Why a person is asked something until the stay begins."""


def withdraw_questions(state: State, reason: str, moment: Moment[Settings]) -> list[messages.Emits]:
    return [event for each in BEFORE_START for event in withdraw(state.review_of(each), reason, moment)]


def _renewed(state: State, known: Recommended, found: Recommendation, moment: Moment[Settings]) -> list[messages.Emits]:
    """It rests on newer needs by now, and would expire by those of before."""
    if known.expires_at is None or known.expires_at > moment.now:
        return []
    made = {name: getattr(known, name) for name in messages.Recommendation.__struct_fields__}
    made |= {"needs": found.needs, "expires_at": _expires_at(state, found, moment)}
    return [messages.LevelOfCareRecommended(recommendation=messages.Recommendation(**made))]


def _is_as_found(known: Recommended, found: Recommendation) -> bool:
    return (known.level, known.rules, known.conditions, known.track, known.hold) == (
        found.level,
        found.rules,
        found.conditions,
        found.track,
        found.hold,
    )


def _expires_at(state: State, found: Recommendation, moment: Moment[Settings]) -> datetime | None:
    """From when the first need is too old (R0); None where R0 holds already: then a safety rule placed the patient, and
    no need that grows old changes it."""
    if found.missing:
        return None
    oldest = min(each.at for each in known_of(state, moment).needs)
    return oldest + timedelta(days=moment.settings.assessment_days, seconds=1)


def _recommendation(
    state: State, referral_id: str, found: Recommendation, level: str, moment: Moment[Settings]
) -> messages.LevelOfCareRecommended:
    recommended = messages.Recommendation(
        recommendation_id=moment.new_id("recommendation"),
        task_id=moment.new_id("sign"),
        referral_id=referral_id,
        level=level,
        rules=found.rules,
        conditions=found.conditions,
        table=TABLE.version,
        needs=found.needs,
        track=found.track,
        recommended_at=moment.now,
        sign_by=moment.now + timedelta(hours=moment.settings.sign_hours),
        expires_at=_expires_at(state, found, moment),
        explanation=explain(known_of(state, moment), moment.settings, found, state.recommended),
        episode_id=state.episode.id if state.episode is not None else "",
    )
    return messages.LevelOfCareRecommended(recommendation=recommended)


def _ask_for_missing(
    state: State, referral: Referral, found: Recommendation, moment: Moment[Settings]
) -> list[messages.Emits]:
    known = state.review_of("R0")
    if known is not None and known.missing == found.missing:
        return []
    asked = ask_for_review(referral.review_id, "R0", referral.focus, moment, moment.settings.review_hours)
    by = known.act_by if known is not None else None  # what else is missing gives nobody more time
    return [about(asked, missing=found.missing, act_by=by or asked.review.act_by)]


class Placed(NamedTuple):
    """A referral, or a stay that is placed again: what is asked about it is named in this `space`."""

    focus: str
    space: str


def _of_referral(referral: Referral) -> Placed:
    return Placed(referral.focus, referral.id)


def _of_stay(episode: Episode, moment: Moment[Settings]) -> Placed:
    """Each time anew: what was asked before is answered."""
    return Placed(f"EpisodeOfCare/{episode.id}", moment.new_id("placed-again"))


def _ask_beside(state: State, placed: Placed, found: Recommendation, moment: Moment[Settings]) -> list[messages.Emits]:
    return [*_ask_for_reviews(state, placed, found, moment), *_ask_to_confirm(state, placed, found, moment)]


def _ask_for_reviews(
    state: State, placed: Placed, found: Recommendation, moment: Moment[Settings]
) -> list[messages.Emits]:
    return [
        ask_for_review(
            name_id(placed.space, f"review:{rule}"), rule, placed.focus, moment, moment.settings.review_hours
        )
        for rule in found.reviews
        if state.review_of(rule) is None and is_news(state, rule, review_codes(rule))
    ]


def is_news(state: State, reason: str, codes: Collection[str]) -> bool:
    """Whether nobody has completed such a review yet, or there is evidence that whoever did could not know."""
    looked_at = next((each for each in state.looked_at if each.reason == reason), None)
    return looked_at is None or not set(looked_at.pieces).issuperset(pieces_of(state.evidence, codes))


OLDER_ANSWERS = "older-answers"
"""Why a person is asked to confirm what has grown old."""


def _ask_to_confirm(
    state: State, placed: Placed, found: Recommendation, moment: Moment[Settings]
) -> list[messages.Emits]:
    known = state.review_of(OLDER_ANSWERS)
    if not found.to_confirm:
        return withdraw(known, "confirmed", moment)
    if known is not None and known.confirm == found.to_confirm:
        return []
    review_id, hours = name_id(placed.space, "review:older-answers"), moment.settings.review_hours
    asked = about(ask_for_review(review_id, OLDER_ANSWERS, placed.focus, moment, hours), confirm=found.to_confirm)
    return [asked] if known is not None or is_news(state, OLDER_ANSWERS, found.to_confirm) else []


def ask_for_review(
    review_id: str, reason: str, focus: str, moment: Moment[Settings], hours: int
) -> messages.PlacementReviewRequested:
    now = moment.now.replace(microsecond=0)  # as it is stored
    act_by = now + timedelta(hours=hours)
    return messages.PlacementReviewRequested(review=messages.Review(review_id, reason, focus, now, act_by))


def declined_by_patient(space: str, focus: str, reason: str | None, moment: Moment[Settings]) -> list[messages.Emits]:
    """Whatever follows where the patient declines what was recommended, or signed: a person looks again (R18)."""
    if reason != PATIENT_DECLINED:
        return []
    hours = moment.settings.declined_review_days * 24
    return [ask_for_review(name_id(space, "review:R18"), "R18", focus, moment, hours)]


PATIENT_DECLINED = "patient-declined"


def about(asked: messages.PlacementReviewRequested, **details: Any) -> messages.PlacementReviewRequested:
    """The same, with what in particular is to be looked at, or another due time."""
    return msgspec.structs.replace(asked, review=msgspec.structs.replace(asked.review, **details))


def withdraw(review: Review | None, reason: str, moment: Moment[Settings]) -> list[messages.Emits]:
    if review is None:
        return []
    return [messages.PlacementReviewWithdrawn(review=review, reason=reason, withdrawn_at=moment.now)]


def known_of(state: State, moment: Moment[Settings]) -> Assessment:
    listed = codes_listed(state.medications or (), moment.now, moment.settings.timezone)
    return Assessment(latest(state.needs), state.evidence, moment.now, listed)
