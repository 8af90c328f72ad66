"""The life of a referral: it comes, waits its turn, is placed, joins a stay or ends; none is dropped in silence."""

from functools import reduce
from typing import assert_never

from services.intake import messages
from services.intake.decide.placing import ask_for_review, place, withdraw, withdraw_recommendation
from services.intake.record import (
    JOINED,
    LIVES_ON,
    PATIENT_DIED,
    REFERRALS_MOST,
    SECOND,
    TOO_MANY,
    Referral,
    Review,
)
from services.intake.settings import Settings
from services.intake.state import State, corrected, evolve
from shared.events.envelope import name_id
from shared.events.intake import READ_COVERAGE, READ_PLAN
from shared.rules.decision import Moment
from shared.rules.packing import pack_id, unpack_id


def of_sender(
    state: State,
    command: messages.ReceiveReferral | messages.CorrectReferral | messages.RevokeReferral,
    moment: Moment[Settings],
) -> list[messages.Emits]:
    """What a sender says of a referral."""
    match command:
        case messages.ReceiveReferral():
            return received(state, command, moment)
        case messages.CorrectReferral():
            return corrects(state, command, moment)
        case messages.RevokeReferral():
            return revoked(state, command, moment)
        case _:
            assert_never(command)


def received(state: State, command: messages.ReceiveReferral, moment: Moment[Settings]) -> list[messages.Emits]:
    """The first referral that waits is the one to be placed. Another one waits beside it, and a person looks at it; so
    does one during a stay, but for the level of that stay, which it joins, and one of a patient who is reported dead.
    What comes with a referral is never refused for it."""
    if _is_known(state, command.referral_id):
        return []
    came = messages.ReferralReceived(
        referral_id=command.referral_id,
        task_id=command.task_id,
        authored_at=command.authored_at,
        priority=command.priority,
        level=command.level,
    )
    after = evolve(evolve(state, command), came)
    if after.referral is not None and after.referral.id == command.referral_id:
        return [came, *place(after, moment)]
    return [came, *_beside(after, Referral.of(command), moment)]


def _is_known(state: State, referral_id: str) -> bool:
    """It is open, began this stay, or is the one that joined it last."""
    stay = state.episode
    of_stay = stay is not None and (stay.referral_id == referral_id or stay.joined == pack_id(referral_id))
    return of_stay or any(each.id == referral_id for each in state.referrals)


def _beside(after: State, came: Referral, moment: Moment[Settings]) -> list[messages.Emits]:
    """Of too many the least urgent, of them the newest, is followed no further: a person looks at it, and its sender
    may set it active again. One that is placed at once asks nobody to look."""
    if _joins(after, came):
        return [concluded(came, JOINED, moment)]
    first = _more_urgent(after)
    asked = [] if first is not None and first.id == came.id else [ask_to_look(came, moment)]
    if len(after.referrals) <= REFERRALS_MOST:
        return [*asked]
    last = max(reversed(after.seconds), key=lambda each: each.turn)
    beyond = [*_ended(last, TOO_MANY, moment), *_ask_about_many(after, last, moment)]
    return beyond if last.id == came.id else [*asked, *beyond]


def _joins(state: State, referral: Referral) -> bool:
    return state.episode is not None and referral.level != "" and referral.level == state.episode.level


def ask_to_look(referral: Referral, moment: Moment[Settings]) -> messages.PlacementReviewRequested:
    """At a referral beside the one that is being placed."""
    return ask_for_review(referral.second_review_id, SECOND, referral.focus, moment, moment.settings.review_hours)


def _ask_about_many(state: State, last: Referral, moment: Moment[Settings]) -> list[messages.Emits]:
    """One question, however many there are."""
    if state.review_of(TOO_MANY) is not None:
        return []
    review_id, hours = name_id(last.id, "review:too-many"), moment.settings.review_hours
    return [ask_for_review(review_id, TOO_MANY, last.focus, moment, hours)]


def corrects(state: State, command: messages.CorrectReferral, moment: Moment[Settings]) -> list[messages.Emits]:
    """Another priority gives it another turn (`in_turn`), another level may have it join the stay. Of a referral that
    is not open nothing is decided anew."""
    found = [each for each in state.seconds if each.id == command.referral_id]
    return [event for each in found if _joins(state, corrected(each, command)) for event in _joined(each, moment)]


def joined(state: State, level: str, moment: Moment[Settings]) -> list[messages.Emits]:
    """The stay that begins is what those beside it ask for, too, where they ask for its level."""
    return [event for each in state.seconds if each.level == level for event in _joined(each, moment)]


def _joined(referral: Referral, moment: Moment[Settings]) -> list[messages.Emits]:
    return _ended(referral, JOINED, moment)


def revoked(state: State, command: messages.RevokeReferral, moment: Moment[Settings]) -> list[messages.Emits]:
    """Nobody asks for this placement any more: what waits because of it is withdrawn."""
    first = state.referral
    if first is not None and first.id == command.referral_id:
        return withdrawn(state, first, command.reason, moment)
    second = next((each for each in state.seconds if each.id == command.referral_id), None)
    return _ended(second, command.reason, moment) if second is not None else []


def died(state: State, moment: Moment[Settings]) -> list[messages.Emits]:
    """A person has confirmed that the patient is dead: nobody is to be placed."""
    first = withdrawn(state, state.referral, PATIENT_DIED, moment) if state.referral is not None else []
    return [*first, *(event for each in state.seconds for event in _ended(each, PATIENT_DIED, moment))]


def lives_on(state: State, moment: Moment[Settings]) -> list[messages.Emits]:
    """That was wrong: its sender has read that each of these is withdrawn, so a person looks whether it is asked for
    again. One that its sender has set active since is open already."""
    ended = [unpack_id(each) for each in state.death.ended] if state.death is not None else []
    return [_ask_whether_wanted(each, moment) for each in ended if not _is_known(state, each)]


def _ask_whether_wanted(referral_id: str, moment: Moment[Settings]) -> messages.PlacementReviewRequested:
    review_id, focus = name_id(referral_id, "review:death-withdrawn"), f"ServiceRequest/{referral_id}"
    return ask_for_review(review_id, LIVES_ON, focus, moment, moment.settings.review_hours)


def withdrawn(state: State, first: Referral, reason: str, moment: Moment[Settings]) -> list[messages.Emits]:
    return [
        *withdraw_recommendation(state, reason, moment),
        *withdraw_all(state, reason, moment),
        concluded(first, reason, moment),
        messages.RetentionBegan(retention_days=moment.settings.retention_days),
    ]


def withdraw_all(state: State, reason: str, moment: Moment[Settings]) -> list[messages.Emits]:
    """Every review, but of other referrals, of what was planned and of who pays: a person looks whatever becomes of
    this one."""
    asked = [
        each for each in state.reviews if each.reason not in (SECOND, TOO_MANY, LIVES_ON, READ_PLAN, READ_COVERAGE)
    ]
    return [event for each in asked for event in withdraw(each, reason, moment)]


def looked_at(state: State, review: Review, outcome: str, moment: Moment[Settings]) -> list[messages.Emits]:
    """A person has completed the review of a second referral."""
    about = [each for each in state.seconds if each.second_review_id == review.id]
    return [concluded(each, outcome, moment) for each in about]


def in_turn(state: State, after: State, moment: Moment[Settings]) -> list[messages.Emits]:
    """One referral is placed at a time: of the most urgent the oldest. Once it has ended, or the stay has, the next one
    is placed as if it had come now.

    One that is more urgent takes the turn of one for which nothing is recommended yet, and nothing signed. A
    recommendation that waits for its signature stands: it is about the patient, so whoever signs it gives the urgent
    one its answer soonest; another Task for the same level would only make the clinician read it twice. Of one urgency
    nobody loses a turn.
    """
    urgent, first = _more_urgent(after), after.referral
    if urgent is None or first is None:
        came = first is not None and any(each.id == first.id for each in state.seconds)
        return _placed_now(after, moment) if came else []
    aside = waits_again(after, first, "more-urgent-first", moment)
    return [*aside, *_placed_now(reduce(evolve, aside, after), moment)]


def _more_urgent(state: State) -> Referral | None:
    first = state.referral
    if first is None or state.recommended is not None or state.planned is not None or state.death is not None:
        return None
    urgent = [each for each in state.seconds if each.rank < first.rank]
    return min(urgent, key=lambda each: each.turn, default=None)


def _placed_now(state: State, moment: Moment[Settings]) -> list[messages.Emits]:
    asked = state.referral.second_review if state.referral is not None else None
    return [*withdraw(asked, "placed-now", moment), *place(state, moment)]


def waits_again(state: State, first: Referral, reason: str, moment: Moment[Settings]) -> list[messages.Emits]:
    """It was being placed, and waits beside others now, or until it is known whether the patient lives."""
    return [*set_aside(state, first, reason, moment), messages.ReferralSetAside(referral_id=first.id)]


def set_aside(state: State, first: Referral, reason: str, moment: Moment[Settings]) -> list[messages.Emits]:
    """The one that waited for a placement: nobody signs it now, a person looks at it."""
    return [
        *withdraw_recommendation(state, reason, moment),
        *withdraw_all(state, reason, moment),
        ask_to_look(first, moment),
    ]


def _ended(second: Referral, outcome: str, moment: Moment[Settings]) -> list[messages.Emits]:
    return [*withdraw(second.second_review, outcome, moment), concluded(second, outcome, moment)]


def concluded(referral: Referral, outcome: str, moment: Moment[Settings]) -> messages.ReferralConcluded:
    return messages.ReferralConcluded(
        referral_id=referral.id, task_id=referral.task_id, outcome=outcome, concluded_at=moment.now
    )
