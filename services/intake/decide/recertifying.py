"""Who pays may ask that the need for a stay is certified anew, every so many days: by one Task, there in good time,
whose answer begins the next days."""

from datetime import datetime, timedelta

from services.intake import messages
from services.intake.coverage import payers_of
from services.intake.decide.course import Course
from services.intake.decide.placing import about, ask_for_review, withdraw
from services.intake.record import Episode
from services.intake.settings import Settings
from services.intake.state import State
from shared.events.intake import RECERTIFY
from shared.rules.decision import Moment
from shared.rules.packing import instant
from shared.rules.payers import Payer, payer_at

TURNING = (
    messages.EpisodeAdmitted
    | messages.DischargeWithdrawn
    | messages.PatientDied
    | messages.DeathWithdrawn
    | messages.CoverageRecorded
    | messages.PlacementReviewCompleted
    | messages.TimePassed
)
"""After which it may be owed at another time, or no more."""


def followed(course: Course) -> list[messages.Emits]:
    """During a stay that somebody pays for who asks for it; not after a death. Looked at again when it is to be asked
    for, or somebody else pays."""
    after, moment = course.after, course.moment
    stay = after.episode
    if stay is None or not (course.emits(TURNING) or isinstance(course.cause, TURNING)):
        return []
    known, payer = after.review_of(RECERTIFY), _payer(after, moment)
    due_at = _due(after, stay, payer, moment) if payer.recertification_days and after.death is None else None
    asks_at = due_at - timedelta(days=payer.recertification_ask_days) if due_at is not None else None
    edges = (edge for each in payers_of(after.coverages) for edge in (each.since, each.until))
    look_at = min((each for each in (asks_at, *edges) if each is not None and each > moment.now), default=None)
    emitted: list[messages.Emits] = []
    if due_at is None or asks_at is None or asks_at > moment.now:
        emitted = withdraw(known, NOT_OWED, moment)
    elif known is None:
        emitted = [_asked(stay, due_at, moment)]
    if look_at != stay.recertified_again_at:
        emitted.append(messages.RecertificationSet(look_at=look_at))
    return emitted


NOT_OWED = "review-not-owed"


def _payer(after: State, moment: Moment[Settings]) -> Payer:
    payers = moment.settings.payers
    return payers[payer_at(payers_of(after.coverages), moment.now, payers)]


def _due(after: State, stay: Episode, payer: Payer, moment: Moment[Settings]) -> datetime:
    """So many days after the admission, or from when who pays now began to, or it was certified last."""
    began = (each.since for each in payers_of(after.coverages) if each.holds(moment.now))
    certified = instant(stay.certified) if stay.certified else None
    last = max(each for each in (stay.admitted_at, certified, *began) if each is not None)
    return last + timedelta(days=payer.recertification_days)


def _asked(stay: Episode, due_at: datetime, moment: Moment[Settings]) -> messages.PlacementReviewRequested:
    """By when it is due; where that became known late, in the time of a review."""
    identity, focus = moment.new_id(f"review:{RECERTIFY}"), f"EpisodeOfCare/{stay.id}"
    asked = ask_for_review(identity, RECERTIFY, focus, moment, moment.settings.review_hours)
    by = asked.review.act_by or due_at
    return about(asked, act_by=max(due_at.replace(microsecond=0), by))
