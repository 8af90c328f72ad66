"""What a clinician completes: the signature under a placement, and a review."""

from collections.abc import Sequence

from msgspec.structs import replace

from services.intake import messages
from services.intake.decide import priority
from services.intake.decide.episode import admitted, declined
from services.intake.decide.placing import (
    OLDER_ANSWERS,
    about,
    ask_for_review,
    declined_by_patient,
    known_of,
    place,
    withdraw,
)
from services.intake.decide.planning import first_planned, start_refused
from services.intake.decide.referrals import joined, looked_at
from services.intake.decide.seats_counted import place_for
from services.intake.decide.stepping import ABOUT_LEVEL, ANSWERS, answered, placed_again
from services.intake.placement.levels import LEVELS, is_below
from services.intake.placement.recommendation import asked_by_danger
from services.intake.priority import PRIORITY
from services.intake.record import SECOND, STILL_TRUE, Episode, Recommended, Referral, Review
from services.intake.settings import Settings
from services.intake.state import State
from shared.events.envelope import name_id
from shared.events.intake import CONFIRM_NEEDS, RECERTIFY, SELECT_LEVEL
from shared.rules.decision import Moment, Refused
from shared.rules.staff import acts_as, refused


def sign_placement(
    state: State, command: messages.SignPlacement, moment: Moment[Settings]
) -> list[messages.Emits] | Refused:
    """A level selected by a clinician: the IOP begins, or another level is needed now."""
    if state.episode is not None:
        return _signed_in_stay(state, state.episode, command, moment)
    referral = state.referral
    if referral is None or not _waits_for_signature(state, referral, command.task_id):
        return NOTHING_TO_SIGN
    refusal = _refusal(state, command, moment) or _no_longer_holds(state, moment)
    if refusal is not None:
        return refusal
    review = state.review_of("R0")
    emitted: list[messages.Emits] = []
    if review is not None and command.task_id == referral.review_id:
        emitted.append(_completed(review, command, moment))
    else:
        emitted.extend(withdraw(review, "placement-signed", moment))
    emitted.extend(withdraw(state.review_of(OLDER_ANSWERS), "placement-signed", moment))
    signature = _signature(referral.id, state.recommended, command, moment)
    emitted.append(signature)
    if command.level not in moment.settings.offers:
        emitted.extend(declined(state, referral, command.level, moment))
    elif _begins_later(command, moment) or place_for(state, command.level, moment) is not None:
        emitted.append(first_planned(referral, command, signature.task_id, moment))
    else:
        emitted.extend(admitted(state, referral, command.level, moment))
        emitted.extend(joined(state, command.level, moment))
    return [*emitted, *declined_by_patient(referral.id, referral.focus, command.reason, moment)]


def _signed_in_stay(
    state: State, episode: Episode, command: messages.SignPlacement, moment: Moment[Settings]
) -> list[messages.Emits] | Refused:
    """Of a stay that is placed again: by what is recommended for it, or in a review of its level."""
    recommended = state.recommended
    by_review = [each for each in state.asked if each.id == command.task_id and each.reason in ABOUT_LEVEL]
    by_rules = recommended is not None and recommended.task_id == command.task_id
    if not by_rules and not (by_review and episode.referral_id):
        return NOTHING_TO_SIGN
    if command.start is not None or command.waits:
        return Refused("business-rule", "A stay that is open steps at once: it has no start and no wait list.", OUTPUT)
    refusal = _refusal(state, command, moment) or _no_longer_holds(state, moment)
    if refusal is not None:
        return refusal
    signature = _signature(episode.referral_id, recommended, command, moment, by_review)
    return [
        *(_completed(each, command, moment) for each in by_review),
        *(event for each in (SELECT_LEVEL, OLDER_ANSWERS) for event in _answers(state, each, by_review, moment)),
        replace(signature, episode_id=episode.id),
        *placed_again(state, episode, command, signature.task_id, moment),
        *declined_by_patient(signature.task_id, f"EpisodeOfCare/{episode.id}", command.reason, moment),
    ]


def _answers(state: State, reason: str, done: list[Review], moment: Moment[Settings]) -> list[messages.Emits]:
    asked = state.review_of(reason)
    return withdraw(asked, "placement-signed", moment) if asked not in done else []


def _refusal(state: State, command: messages.SignPlacement, moment: Moment[Settings]) -> Refused | None:
    """Why this level can't be signed by these persons."""
    persons = refused(moment.settings.staff, "sign-placement", command.by) or _second_refused(command, moment)
    if persons is not None:
        return persons
    if command.level not in LEVELS or command.level == "none":
        return Refused("code-invalid", "Must be a code of the level-of-care CodeSystem.", "Task.output")
    if _is_against_safety(state, command, moment):
        if command.reason is None:
            return AGAINST_SAFETY
        if not command.second:
            return ALONE_AGAINST_SAFETY
    if command.start is not None or command.waits:
        refusal = _start_refused(command, moment)
        if refusal is not None:
            return refusal
    if command.reason is None and _needs_reason(state.recommended, command.level):
        return Refused(
            "required",
            "A reason is required where the level differs from the recommended one, or a person looks first (R4, R20).",
            "Task.output",
        )
    return None


def _start_refused(command: messages.SignPlacement, moment: Moment[Settings]) -> Refused | None:
    """Why it can't begin then, or wait."""
    if command.start is not None and command.waits:
        return Refused("business-rule", "Must name a start or ask for the wait list, not both.", OUTPUT)
    if command.level not in moment.settings.offers:
        return Refused("business-rule", "A stay of a level that this program offers has a start, or waits.", OUTPUT)
    return start_refused(command.start, OUTPUT, moment)


OUTPUT = "Task.output"


def _begins_later(command: messages.SignPlacement, moment: Moment[Settings]) -> bool:
    return command.waits or (command.start is not None and command.start > moment.now)


def _second_refused(command: messages.SignPlacement, moment: Moment[Settings]) -> Refused | None:
    """Why nobody, or not this one, signs beside the owner: asked of whoever is named, needed or not."""
    if command.second and command.second == command.by:
        return Refused("business-rule", "The second signature must be another person's.", "Task.input")
    return refused(moment.settings.staff, "second-signature", command.second, "Task.input") if command.second else None


def _no_longer_holds(state: State, moment: Moment[Settings]) -> Refused | None:
    """What was recommended is looked at once more: answers and needs grow old without any event. What holds now is
    recommended instead, in the same transaction."""
    if state.recommended is None:
        return None
    now = place(state, moment)
    if not any(isinstance(each, messages.RecommendationWithdrawn) for each in now):
        return None
    return Refused(GROWN_OLD.code, GROWN_OLD.reason, GROWN_OLD.expression, asks=tuple(now))


GROWN_OLD = Refused(
    "conflict",
    "It was withdrawn: what it rests on has grown too old. What holds now stands in another Task.",
    "Task.status",
)
NOTHING_TO_SIGN = Refused(
    "conflict", "Nothing waits for a signature under this Task: it was signed before, or withdrawn.", "Task.status"
)


def _waits_for_signature(state: State, referral: Referral, task_id: str) -> bool:
    """The task to sign, where there is a recommendation; or the review, where there was none."""
    recommended = state.recommended
    if recommended is not None and task_id == recommended.task_id:
        return True
    return task_id == referral.review_id and state.review_of("R0") is not None


def _is_against_safety(state: State, command: messages.SignPlacement, moment: Moment[Settings]) -> bool:
    """A level below the one that evidence of danger asks for (R1 to R3). Of the two of inpatient care, the person who
    signs says which."""
    asked = asked_by_danger(known_of(state, moment))
    return is_below(command.level, "4" if asked == "4-psych" else asked)


AGAINST_SAFETY = Refused(
    "required",
    "While evidence of danger stands (R1 to R3), a level below the one it asks for needs a reason.",
    "Task.output",
)
ALONE_AGAINST_SAFETY = Refused(
    "required",
    "While evidence of danger stands (R1 to R3), a level below the one it asks for needs an input of type"
    " second-signature, a Reference to a medical director.",
    "Task.input",
)


def _needs_reason(recommended: Recommended | None, level: str) -> bool:
    return recommended is None or level != recommended.level or recommended.hold


def _signature(
    referral_id: str,
    recommended: Recommended | None,
    command: messages.SignPlacement,
    moment: Moment[Settings],
    reviews: Sequence[Review] = (),
) -> messages.PlacementSigned:
    """Without a recommendation (manual review) the signature is about the referral itself; in a stay it has a Task of
    its own for each review."""
    space = reviews[0].id if reviews else referral_id
    staff, by, second = moment.settings.staff, command.by, command.second
    signature = messages.Signature(
        request_id=recommended.recommendation_id if recommended else referral_id,
        level=command.level,
        signed_by=by,
        at=moment.now,
        reason=command.reason,
        signed_as=acts_as(staff, "sign-placement", by) or "",
        version=command.version,
        second_signed_by=second,
        second_signed_as=acts_as(staff, "second-signature", second) or "",
        proved=command.proved,
    )
    return messages.PlacementSigned(
        task_id=recommended.task_id if recommended else name_id(space, "sign"),
        referral_id=referral_id,
        signature=signature,
        client=moment.by,
        recommended_at=recommended.recommended_at if recommended else None,
        sign_by=recommended.sign_by if recommended else None,
        of_referral=recommended is None,
    )


def complete_review(
    state: State, command: messages.CompleteReview, moment: Moment[Settings]
) -> list[messages.Emits] | Refused:
    """A person has looked. Where the rules could not place (R0), that ends with a level, a decline or a question."""
    review = next((each for each in state.reviews if each.id == command.task_id), None)
    if review is None:
        return Refused("conflict", "This review is not open: it was completed or withdrawn.", "Task.status")
    if review.decides_referral:
        return _looked_at_referral(state, review, command, moment)
    if review.reason == CONFIRM_NEEDS:
        return _confirmed(review, command, moment)
    if review.prepares_discharge or (state.episode is not None and review.reason in ABOUT_LEVEL):
        return _looked_at_stay(state, state.episode, review, command, moment)
    refusal = _completion_refused(state, review, command, moment)
    return [_completed(review, command, moment)] if refusal is None else refusal


def _completion_refused(
    state: State, review: Review, command: messages.CompleteReview, moment: Moment[Settings]
) -> Refused | None:
    """Of a review from whose answer nothing follows but that it is done."""
    if review.reason in PRIORITY:
        return priority.refused(state, review, command, moment)
    if command.outcome is not None and (review.is_of_anybody or command.outcome not in ANSWERS):
        return Refused("code-invalid", f"Must be one of {', '.join(ANSWERS)}, or nothing.", "Task.statusReason")
    return None if review.is_of_anybody else refused(moment.settings.staff, "review-placement", command.by)


def _looked_at_stay(
    state: State, episode: Episode | None, review: Review, command: messages.CompleteReview, moment: Moment[Settings]
) -> list[messages.Emits] | Refused:
    """Whether its level is right, or it is to be discharged."""
    licensed = review.prepares_discharge or review.reason in (SELECT_LEVEL, RECERTIFY)
    refusal = refused(moment.settings.staff, "discharge" if licensed else "review-placement", command.by)
    if refusal is not None or episode is None:
        return refusal or NOTHING_TO_SIGN
    follows = answered(state, episode, review, command.outcome, moment)
    return follows if isinstance(follows, Refused) else [_completed(review, command, moment), *follows]


def _confirmed(
    review: Review, command: messages.CompleteReview, moment: Moment[Settings]
) -> list[messages.Emits] | Refused:
    """The needs are as good as if they had been assessed now; others are sent as an assessment."""
    if command.outcome != STILL_TRUE:
        text = "Must be still-true; where the needs are others by now, send them as an assessment."
        return Refused("required", text, "Task.statusReason")
    refusal = refused(moment.settings.staff, "confirm-needs", command.by)
    return [_completed(review, command, moment)] if refusal is None else refusal


def _looked_at_referral(
    state: State, review: Review, command: messages.CompleteReview, moment: Moment[Settings]
) -> list[messages.Emits] | Refused:
    """The one that could not be placed, or one beside it."""
    refusal = refused(moment.settings.staff, "decide-referral", command.by)
    if refusal is not None:
        return refusal
    ended = _completed(review, command, moment)
    match command.outcome:
        case "referral-declined" if review.reason == SECOND:
            return [ended, *looked_at(state, review, command.outcome, moment)]
        case "referral-declined" if state.referral is not None:
            return [ended, *declined(state, state.referral, "none", moment)]
        case "referral-declined":
            return [ended]
        case "more-information-asked":
            if command.act_by is None or command.act_by <= moment.now:
                return Refused("required", "A new due time, which lies ahead, is required.", "Task.restriction.period")
            if command.act_by.replace(microsecond=0) == review.act_by:
                return Refused("conflict", "The review is due by this time already.", "Task.restriction.period")
            asked = ask_for_review(review.id, review.reason, review.focus or "", moment, 0)
            act_by = command.act_by.replace(microsecond=0)
            return [replace(about(asked, missing=review.missing, act_by=act_by), again=True)]
        case None if review.reason == SECOND:
            return [ended, *looked_at(state, review, "looked-at", moment)]
        case None:
            return Refused(
                "required",
                "A level in Task.output, or a statusReason referral-declined or more-information-asked, is required.",
                "Task.output",
            )
        case _:
            text = "Must be referral-declined or more-information-asked, where stated."
            return Refused("code-invalid", text, "Task.statusReason")


def _completed(
    review: Review, command: messages.CompleteReview | messages.SignPlacement, moment: Moment[Settings]
) -> messages.PlacementReviewCompleted:
    completed = messages.PlacementReviewCompleted(
        review=review, by=command.by, completed_at=moment.now, client=moment.by
    )
    if isinstance(command, messages.CompleteReview):
        return replace(completed, answer=command.outcome or "", services=command.services)
    return completed
