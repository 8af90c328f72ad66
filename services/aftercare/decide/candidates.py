"""Whose turn it is: of each kind one candidate at a time, by the patient's choice, else in the program's order.

One that was taken back has its turn until its lane has answered, for it may still reach the partner. Nothing is sent
twice to one partner within `sent_again_days`, by whatever way it came to be asked again: only a person sends again, for
a coded reason. Whether a partner may be told is never decided here.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from services.aftercare import choices
from services.aftercare.decide.referral_events import again, held, unasked
from services.aftercare.messages import CandidateDue, ConsentGiven, Emits, ReferralPrepared
from services.aftercare.record import Discharged, OnHold, OnItsWay, Referral
from services.aftercare.settings import Settings
from services.aftercare.state import State, evolve
from shared.events.aftercare import ANOTHER_IS_ASKED, MAY_HAVE_BEEN_RECEIVED
from shared.rules.consent import Partner, reaches
from shared.rules.decision import Moment

REFERRED: dict[str, frozenset[str]] = {
    "alumni": frozenset({"completed", "step-down"}),
    "step-down": frozenset({"completed", "step-down"}),
}
"""Kind of referral to the dispositions at which it is prepared unasked; any other kind a case manager asks for."""
BY_STAFF = "withdrawn-by-staff"
"""Taken back by a person."""


def first_of(state: State, kinds: Iterable[str], tried: Sequence[str], moment: Moment[Settings]) -> list[Emits]:
    """Of each of these kinds the first candidate of all but these."""
    return [event for kind in kinds for event in _ask(state, kind, tried, moment)]


def lane_answered(state: State, ended: Referral, is_due: bool, moment: Moment[Settings]) -> list[Emits]:
    """The one that was taken back is in nobody's way any more: who waits for their turn, else the candidate due."""
    turn = next_waiting(state, ended, moment)
    is_asked = any(isinstance(each, ReferralPrepared) for each in turn)
    if not is_due or is_asked or _is_busy(state, ended) or not _is_wanted(state, ended.kind):
        return turn
    return [*turn, *_ask(state, ended.kind, state.tried, moment)]


def next_after(state: State, referral: Referral, moment: Moment[Settings]) -> list[Emits]:
    """After declined, no answer or withheld: who waits for their turn, else who was not asked yet."""
    turn = next_waiting(state, referral, moment)
    if _is_sending(state, referral) or not _is_wanted(state, referral.kind):
        return turn
    if any(isinstance(each, ReferralPrepared) for each in turn):
        return turn
    return [*turn, *_ask(state, referral.kind, (*state.tried, referral.partner), moment)]


def next_waiting(state: State, referral: Referral, moment: Moment[Settings]) -> list[Emits]:
    """After one that a person took back, or of a kind that several may have: who waits for their turn, nobody else."""
    if _is_busy(state, referral):
        return []
    waiting = [
        each
        for each in state.on_hold
        if each.kind == referral.kind and each.reason == ANOTHER_IS_ASKED and each.referral_id != referral.referral_id
    ]
    return go_again(state, waiting, moment, but=referral)


def consented(before: State, consent: ConsentGiven, moment: Moment[Settings]) -> list[Emits]:
    """Of each kind the first that this consent names goes to the gate, which alone decides: one on hold, else one that
    nobody was asked for yet."""
    state = evolve(before, consent)
    named = [each for each in moment.settings.partners if reaches(consent, each)]
    names = {each.name for each in named}
    emitted = go_again(state, [each for each in state.on_hold if each.partner in names], moment)
    busy = {each.kind for each in _sending(state)}
    busy |= {each.kind for each in emitted if isinstance(each, ReferralPrepared)}
    chosen = [each for each in named if each.purpose in consent.purposes]
    for kind in REFERRED:
        if kind not in busy and _still_asks(state, kind, moment) and _fresh(state, kind, state.tried, moment, chosen):
            emitted += _ask(state, kind, state.tried, moment, chosen)
    return emitted


def go_again(
    state: State, able: Sequence[OnHold], moment: Moment[Settings], but: Referral | None = None
) -> list[Emits]:
    """Something came that may permit these: of each kind the first goes to the gate, the others wait for their turn.
    One that was sent lately waits until that lies far enough behind."""
    busy = {each.kind for each in state.on_its_way if but is None or each.referral_id != but.referral_id}
    known = {each.name for each in moment.settings.partners}
    emitted: list[Emits] = []
    for each in sorted(able, key=lambda one: _place(state, one.partner, moment)):
        sent_until = has_it_until(state, each.partner, moment, each.asked_at if each.send_again_reason else None)
        if each.partner not in known:
            emitted += _held_anew(each, each.reason, None, moment)
        elif sent_until is not None:
            emitted += _held_anew(each, MAY_HAVE_BEEN_RECEIVED, sent_until, moment)
        elif each.kind in busy:
            emitted += _held_anew(each, ANOTHER_IS_ASKED, None, moment)
        else:
            busy.add(each.kind)
            emitted.append(again(each, moment))
    return emitted


def has_it_until(
    state: State, partner: str, moment: Moment[Settings], since: datetime | None = None
) -> datetime | None:
    """Until when nothing more is sent to a partner that has a referral of this patient, or may have one. A person who
    wishes it sent again means what was sent before: only what was sent `since` counts then."""
    days = timedelta(days=moment.settings.sent_again_days)
    sent = (each.at for each in state.sent if each.partner == partner and (since is None or each.at > since))
    return next((at + days for at in sent if at + days > moment.now), None)


def kinds_sent(state: State, since: datetime | None) -> set[str]:
    """Of which a partner has one for sure, sent since then."""
    return {each.kind for each in state.sent if since is not None and each.at >= since}


def is_being_taken_back(state: State, partner: str) -> bool:
    """Whether one that was taken back may still reach the partner: its lane has not answered yet."""
    return any(each.taken_back and each.partner == partner for each in state.on_its_way)


def is_named(state: State, partner: str, moment: Moment[Settings]) -> bool:
    """Whether a consent of the patient names this partner."""
    return _place(state, partner, moment)[0] < len(state.choices)


def _held_anew(referral: OnHold, reason: str, until: datetime | None, moment: Moment[Settings]) -> list[Emits]:
    """For another reason, or until another day, than before; how long it is waited for stays."""
    if (referral.reason, referral.until) == (reason, until):
        return []
    return [held(referral, reason, until, referral.ends_at, moment)]


def _ask(
    state: State,
    kind: str,
    tried: Sequence[str],
    moment: Moment[Settings],
    among: Sequence[Partner] | None = None,
) -> list[Emits]:
    """The next candidate, at once or as soon as the lane has answered for the one of its kind that was taken back."""
    if any(each.kind == kind and each.taken_back for each in state.on_its_way):
        return [] if kind in state.candidates_due else [CandidateDue(kind=kind)]
    partner = _fresh(state, kind, tried, moment, among)
    return [] if partner is None else [unasked(partner, kind, moment)]


def _fresh(
    state: State,
    kind: str,
    tried: Sequence[str],
    moment: Moment[Settings],
    among: Sequence[Partner] | None = None,
) -> Partner | None:
    """The next partner that takes this kind, of all the program's or of these. One that has an open referral, was tried
    since the discharge, or has or may have one of late is none."""
    taken = {*tried, *(each.partner for each in (*state.on_its_way, *state.on_hold))}
    able = [
        each
        for each in (moment.settings.partners if among is None else among)
        if kind in each.serves
        and each.kind != "mutual-help-group"
        and each.name not in taken
        and has_it_until(state, each.name, moment) is None
    ]
    return min(able, key=lambda each: _place(state, each.name, moment), default=None)


def _place(state: State, partner: str, moment: Moment[Settings]) -> tuple[int, int]:
    """The patient's order, then the program's, that of partners.toml; behind them a partner it has no more."""
    known = moment.settings.partners
    at = next((at for at, each in enumerate(known) if each.name == partner), None)
    if at is None:
        return (len(state.choices), len(known))
    return (choices.rank(state.choices, known[at]), at)


def _is_wanted(state: State, kind: str) -> bool:
    """Whether the discharge calls for this kind, and nobody has it of this stay."""
    ended = state.episode
    if not isinstance(ended, Discharged) or state.died or ended.disposition not in REFERRED.get(kind, ()):
        return False
    return kind not in kinds_sent(state, ended.began_at)


def _still_asks(state: State, kind: str, moment: Moment[Settings]) -> bool:
    """Whether it is wanted, and the discharge is not longer ago than a referral is waited for."""
    ended = state.episode
    if not _is_wanted(state, kind) or not isinstance(ended, Discharged) or ended.discharged_at is None:
        return False
    return moment.now < ended.discharged_at + timedelta(days=moment.settings.hold_days)


def _is_busy(state: State, ended: Referral) -> bool:
    """Whether the lane has another of this kind, or one that was taken back and may still arrive."""
    return any(each.kind == ended.kind and each.referral_id != ended.referral_id for each in state.on_its_way)


def _is_sending(state: State, ended: Referral) -> bool:
    return any(each.kind == ended.kind and each.referral_id != ended.referral_id for each in _sending(state))


def _sending(state: State) -> list[OnItsWay]:
    return [each for each in state.on_its_way if not each.taken_back]
