"""The clinician's signature and what follows from it: an admission, a decline, a review done, a discharge."""

from services.intake import messages as w
from services.intake import schedule
from services.intake.decide.recording import ask_for_review, known_of, medications_event, withdraw
from services.intake.levels import LEVELS
from services.intake.settings import Settings
from services.intake.state import Recommended, Referral, State
from shared.events.envelope import Event, name_id
from shared.rules import escalation
from shared.rules.decision import Moment, Refused


def sign_placement(state: State, command: w.SignPlacement, moment: Moment[Settings]) -> list[Event] | Refused:
    """A level selected by a clinician: the IOP begins, or another level is needed now."""
    referral = state.referral
    if referral is None or command.task_id not in (referral.task_id, referral.review_id):
        return NOTHING_TO_SIGN
    if command.task_id == referral.task_id and state.recommended is None:
        return NOTHING_TO_SIGN
    if command.level not in LEVELS or command.level == "none":
        return Refused("code-invalid", "not a level of care of this edition", "Task.output")
    if command.reason is None and _needs_reason(state.recommended, command.level):
        return Refused("required", "a reason, where the level differs or an evaluation comes first", "Task.output")
    review = state.review_of("R0")
    emitted: list[Event] = []
    if review is not None and command.task_id == referral.review_id:
        emitted.append(
            w.PlacementReviewCompleted(review_id=review.id, by=command.by or moment.by, completed_at=moment.now)
        )
    else:
        emitted.extend(withdraw(review, "placement-signed", moment))
    emitted.append(_signature(referral, state.recommended, command, moment))
    admits = command.level in moment.settings.offers
    emitted.extend(
        _admit(state, referral, command.level, moment) if admits else _decline(state, referral, command.level, moment)
    )
    if command.reason == PATIENT_DECLINED:
        hours = moment.settings.declined_review_days * 24
        emitted.append(ask_for_review(name_id(referral.id, "review:R18"), "R18", referral, moment, hours))
    return emitted


PATIENT_DECLINED = "patient-declined"
"""Of the recommended level; whatever is selected then is looked at again (R18)."""
NOTHING_TO_SIGN = Refused(
    "conflict", "nothing waits for a signature under this task: it was signed before, or withdrawn", "Task.status"
)


def _needs_reason(recommended: Recommended | None, level: str) -> bool:
    return recommended is None or level != recommended.level or recommended.hold


def _signature(
    referral: Referral, recommended: Recommended | None, command: w.SignPlacement, moment: Moment[Settings]
) -> w.PlacementSigned:
    """Without a recommendation (manual review) the signature is about the referral itself."""
    return w.PlacementSigned(
        task_id=referral.task_id,
        recommendation_id=referral.recommendation_id if recommended else referral.id,
        level=command.level,
        reason=command.reason,
        signed_by=command.by or moment.by,
        signed_at=moment.now,
    )


def _admit(state: State, referral: Referral, level: str, moment: Moment[Settings]) -> list[Event]:
    about = known_of(state, moment)
    chosen = schedule.flags(about)
    track = (state.recommended.track if state.recommended else None) or "general"
    admitted = w.EpisodeAdmitted(
        episode_id=name_id(referral.id, "episode"),
        plan_id=name_id(referral.id, "plan"),
        referral_id=referral.id,
        level=level,
        track=track,
        flags=chosen,
        template=schedule.template(chosen, moment.settings),
        admitted_at=moment.now,
    )
    # Testing grades on admission: it must have consumed before that there is no list, too.
    unknown: list[Event] = [medications_event((), moment)] if state.medications is None else []
    return [*unknown, admitted]


def _decline(state: State, referral: Referral, level: str, moment: Moment[Settings]) -> list[Event]:
    rules = state.recommended.rules if state.recommended else ("R0",)
    declined = w.EpisodeDeclined(
        episode_id=name_id(referral.id, "episode"),
        referral_id=referral.id,
        level=level,
        rules=rules,
        declined_at=moment.now,
    )
    return [declined]


def complete_review(state: State, command: w.CompleteReview, moment: Moment[Settings]) -> list[Event] | Refused:
    if all(each.id != command.task_id for each in state.reviews):
        return Refused("conflict", "this review is not open: it was completed or withdrawn", "Task.status")
    return [w.PlacementReviewCompleted(review_id=command.task_id, by=moment.by, completed_at=moment.now)]


def discharge(state: State, command: w.Discharge, moment: Moment[Settings]) -> list[Event] | Refused:
    """A clinician's word ends the stay, and with it whatever intake still asked of a person about it."""
    episode = state.episode
    if episode is None or episode.id != command.episode_id:
        return Refused("conflict", "this episode is not open: it was finished before", "EpisodeOfCare.status")
    if command.at < episode.admitted_at:
        return Refused("business-rule", "the discharge lies before the admission", "EpisodeOfCare.period.end")
    discharged = w.EpisodeDischarged(
        episode_id=episode.id,
        encounter_id=command.encounter_id,
        disposition=command.disposition,
        admitted_at=episode.admitted_at,
        discharged_at=command.at,
    )
    withdrawn = [event for each in state.reviews for event in withdraw(each, "episode-discharged", moment)]
    return [discharged, *withdrawn, *escalation.close_all(state.open, "episode-discharged", moment.now)]
