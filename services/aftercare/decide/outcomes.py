"""What came of a disclosure, as its lane reports it: the referral is sent, on hold or refused, and who is next."""

from datetime import datetime, timedelta
from functools import reduce
from typing import assert_never

from msgspec.structs import replace

from services.aftercare.decide.candidates import REFERRED, is_named, lane_answered, next_after, next_waiting
from services.aftercare.decide.referral_events import again, held, of, refused, withdrawn
from services.aftercare.messages import (
    CandidateDue,
    DisclosureEnd,
    DisclosureGaveUp,
    DisclosureMade,
    DisclosureParked,
    DisclosureRefused,
    DisclosureWithheld,
    Emits,
    ReferralPrepared,
    ReferralSent,
)
from services.aftercare.record import OnItsWay, Referral
from services.aftercare.settings import Settings
from services.aftercare.state import State, evolve, is_about
from shared.events.aftercare import GAVE_UP, MAY_HAVE_BEEN_RECEIVED, PARTNER_FULL, TO_BE_PRINTED
from shared.events.disclosed import HUB_CANNOT_SEND
from shared.rules.consent import LACKS
from shared.rules.decision import Moment


def came_of(state: State, event: DisclosureEnd, moment: Moment[Settings]) -> list[Emits]:
    """What the disclosure's outcome makes of the referral. The outcome of an earlier attempt makes nothing of it.

    A referral taken back meanwhile has its `ReferralWithdrawn`; where that came too late, it was sent after all.
    """
    if isinstance(event, DisclosureMade):
        return _made(state, event, moment)
    referral = next((each for each in state.on_its_way if is_about(event, each)), None)
    if referral is None:
        return []
    if referral.taken_back:
        return _taken_back(state, referral, event, moment)
    match event:
        case DisclosureWithheld():
            return _withheld(state, referral, event, moment)
        case DisclosureRefused(reason=reason):
            return [refused(referral, reason, moment), *next_after(state, referral, moment)]
        case DisclosureGaveUp(may_have_been_received=received):
            return [refused(referral, GAVE_UP, moment, received), *next_after(state, referral, moment)]
        case _:
            assert_never(event)


def parked(state: State, event: DisclosureParked, moment: Moment[Settings]) -> list[Emits]:
    """By a fault of the hub's it can't be sent: the case manager hears of it, and it is on its way still. Nobody is
    told of what was taken back meanwhile."""
    about = (each for each in state.on_its_way if not each.taken_back and is_about(event, each))
    return [
        held(
            replace(each, may_have_been_received=each.may_have_been_received or event.may_have_been_received),
            HUB_CANNOT_SEND,
            None,
            None,
            moment,
        )
        for each in about
    ]


def _made(state: State, event: DisclosureMade, moment: Moment[Settings]) -> list[Emits]:
    """The partner has it: it was on its way, or on hold and printed for the patient to carry."""
    waiting: tuple[Referral, ...] = (*state.on_its_way, *state.on_hold)
    # Of any attempt where it was printed: it may have gone to the gate again before this is decided.
    printed = any(each.printed for each in moment.settings.partners if each.name == event.partner)
    about = (each for each in waiting if is_about(replace(event, attempt=each.attempt) if printed else event, each))
    referral = next(about, None)
    if referral is None:
        return []
    answer_by = _answer_by(referral.partner, moment)
    sent = ReferralSent(**of(referral, moment.now), consent_id=event.consent_id, answer_by=answer_by)
    return [sent, *_after_sent(state, referral, moment)]


def _answer_by(partner: str, moment: Moment[Settings]) -> datetime | None:
    """By when this partner has to have answered; None where the program has it no more."""
    days = next((each.answer_days for each in moment.settings.partners if each.name == partner), None)
    return None if days is None else moment.now + timedelta(days=days)


def _taken_back(
    state: State,
    referral: OnItsWay,
    event: DisclosureWithheld | DisclosureRefused | DisclosureGaveUp,
    moment: Moment[Settings],
) -> list[Emits]:
    """It was taken back in time, unless the partner has read it or may have. Whoever waited for that is asked now."""
    received = isinstance(event, DisclosureRefused) or event.may_have_been_received
    ended: list[Emits] = [withdrawn(referral, referral.taken_back, moment, received=True)] if received else []
    after = reduce(evolve, [event, *ended], state)
    return [*ended, *lane_answered(after, referral, referral.kind in state.candidates_due, moment)]


def _after_sent(state: State, referral: Referral, moment: Moment[Settings]) -> list[Emits]:
    """One has it: nobody waits for another of the kinds that the discharge called for. Of any other kind a person asked
    for each."""
    if referral.kind not in REFERRED:
        return next_waiting(state, referral, moment)
    others = [each for each in state.on_hold if each.kind == referral.kind]
    return [withdrawn(each, "another-has-it", moment) for each in others if each.referral_id != referral.referral_id]


def _withheld(state: State, referral: OnItsWay, event: DisclosureWithheld, moment: Moment[Settings]) -> list[Emits]:
    """A consent that the gate had not read yet may permit it: ask again, or it is on hold for ever."""
    known = replace(referral, may_have_been_received=event.may_have_been_received or referral.may_have_been_received)
    is_lacking = event.reason.startswith(LACKS)
    if state.consent_version > event.ledger_version or (is_lacking and referral.contact_came):
        return _at_once(state, known, event.may_have_been_received, moment)
    if event.reason == PARTNER_FULL:
        return _full(state, known, moment)
    on_hold = held(known, event.reason, event.until, _hold_ends_at(referral, event.until, moment), moment)
    waits = event.until is not None or is_lacking or event.reason == TO_BE_PRINTED
    return [on_hold] if waits else [on_hold, *next_after(state, referral, moment)]


def _full(state: State, referral: OnItsWay, moment: Moment[Settings]) -> list[Emits]:
    """The partner takes no more for now: it is the next candidate's turn, of one that the patient names theirs alone
    whom the patient names as well. Else a case manager is asked, and it goes to the gate again after a while."""
    until = moment.now + timedelta(hours=moment.settings.full_again_hours)
    on_hold = held(referral, PARTNER_FULL, until, _hold_ends_at(referral, None, moment), moment)
    turn = next_after(state, referral, moment)
    following = [each for each in turn if isinstance(each, ReferralPrepared | CandidateDue)]
    named = (isinstance(each, ReferralPrepared) and is_named(state, each.partner, moment) for each in following)
    if is_named(state, referral.partner, moment) and not any(named):
        return [on_hold]
    passed_over = bool(following) and referral.kind in REFERRED
    return [withdrawn(referral, PARTNER_FULL, moment) if passed_over else on_hold, *turn]


def _at_once(state: State, referral: OnItsWay, received: bool, moment: Moment[Settings]) -> list[Emits]:
    """To the gate again, unless the partner may have what was sent just now."""
    if not received:
        return [again(referral, moment)]
    until = moment.now + timedelta(days=moment.settings.sent_again_days)
    on_hold = held(referral, MAY_HAVE_BEEN_RECEIVED, until, _hold_ends_at(referral, None, moment), moment)
    return [on_hold, *next_after(state, referral, moment)]


def _hold_ends_at(referral: OnItsWay, until: datetime | None, moment: Moment[Settings]) -> datetime:
    """Fixed when the hold first begins, whatever the gate answers later. A consent that begins later is waited for."""
    return referral.hold_ends_at or max(until or moment.now, moment.now) + timedelta(days=moment.settings.hold_days)
