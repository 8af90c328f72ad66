"""The answer to a partner that referred: its referral's newest state goes to the gate, which alone decides.

Each state is an answer of its own, in order; one that was not sent yet is replaced by the next, for an old state helps
nobody. Nothing goes out of a patient who is reported dead, but that their referral is withdrawn.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TypedDict, assert_never

import msgspec

from services.aftercare.answers import partner_answers as record
from services.aftercare.answers.partner_answers import BY_STAFF, DEATH_REPORTED, FIELDS_OF_COURT, REPLACED, Answer
from services.aftercare.messages import (
    AnswerPrepared,
    AnswerRefused,
    AnswerSent,
    AnswerWithdrawn,
    AnswerWithheld,
    ConsentGiven,
    DeathWithdrawn,
    DischargeWithdrawn,
    DisclosureEnd,
    DisclosureGaveUp,
    DisclosureMade,
    DisclosureParked,
    DisclosureRefused,
    DisclosureWithheld,
    Emits,
    EpisodeDischarged,
    PartnerReferralChanged,
    StayAnswered,
    WithdrawReferral,
)
from services.aftercare.record import Discharged
from services.aftercare.settings import Settings
from services.aftercare.state import State, ends, evolve
from shared.events.aftercare import GAVE_UP
from shared.events.disclosed import HUB_CANNOT_SEND
from shared.events.envelope import name_id
from shared.rules.consent import reaches
from shared.rules.decision import Moment
from shared.rules.partner_kinds import TERMS

NOT_A_REFERRER = "partner-not-known"
"""The program has no such partner any more, or it is answered no more (`refers_as`): a person looks."""


def changed(state: State, event: PartnerReferralChanged | StayAnswered, moment: Moment[Settings]) -> list[Emits]:
    """The referral stands elsewhere, or another partner made it: the older answer is taken back, the newest goes."""
    before = record.of_referral(state.answers, event.referral_id)
    if before is not None and before.partner == event.partner and record.is_no_news(before, event):
        return []
    gone, after = record.evicted(state.answers, event.referral_id), evolve(state, event)
    left = [(each, reason) for each, reason in ((before, REPLACED), (gone, "too-many-referrals")) if each is not None]
    now = record.of_referral(after.answers, event.referral_id)
    return [
        *(withdrawn(each, reason, moment) for each, reason in left if each.is_open),
        *_go(after, [now] if now is not None else [], moment),
    ]


def discharged(state: State, event: EpisodeDischarged, moment: Moment[Settings]) -> list[Emits]:
    """A court is answered how the stay that its referral led to has ended, where its disposition says so."""
    ending = record.ENDINGS.get(event.disposition)
    if ending is None or not ends(state, event):
        return []
    return _of_the_stay(state, ending, event.discharged_at, moment)


def resumed(state: State, event: DischargeWithdrawn, moment: Moment[Settings]) -> list[Emits]:
    """The stay goes on: whom the court referred is in treatment after all."""
    ended = state.episode
    if not isinstance(ended, Discharged) or ended.episode_id != event.episode_id:
        return []
    return _of_the_stay(state, "admitted", moment.now, moment)


def _of_the_stay(state: State, stands: str, at: datetime, moment: Moment[Settings]) -> list[Emits]:
    emitted: list[Emits] = []
    for answer in record.current(state.answers):
        if answer.state in record.OF_STAY and answer.state != stands and _is_of_court(answer, moment):
            moved = StayAnswered(referral_id=answer.referral_id, partner=answer.partner, state=stands, changed_at=at)
            emitted += [moved, *changed(state, moved, moment)]
    return emitted


def _is_of_court(answer: Answer, moment: Moment[Settings]) -> bool:
    named = next((each for each in moment.settings.partners if each.name == answer.partner), None)
    return named is not None and TERMS[named.kind].own_paper


def came_of(state: State, outcome: DisclosureEnd, moment: Moment[Settings]) -> list[Emits]:
    """What the lane says became of an answer. Of one that was taken back only that the partner has it is news."""
    answer = next((each for each in state.answers if each.is_about(outcome)), None)
    if answer is None or answer.step not in ("on-its-way", "taken-back"):
        return []
    if isinstance(outcome, DisclosureMade):
        return [AnswerSent(**_of(answer, moment), consent_id=outcome.consent_id)]
    if answer.step == "taken-back":
        return []
    match outcome:
        case DisclosureWithheld():
            return [_withheld(state, answer, outcome, moment)]
        case DisclosureRefused(reason=reason):
            return [AnswerRefused(**_of(answer, moment), reason=reason)]
        case DisclosureGaveUp(may_have_been_received=received):
            return [AnswerRefused(**_of(answer, moment), reason=GAVE_UP, may_have_been_received=received)]
        case _:
            assert_never(outcome)


def parked(state: State, event: DisclosureParked, moment: Moment[Settings]) -> list[Emits]:
    """By a fault of the hub's it can't be sent: the case manager hears of it, and it is on its way still."""
    about = (each for each in state.answers if each.step == "on-its-way" and each.is_about(event))
    received = event.may_have_been_received
    return [
        AnswerWithheld(**_of(each, moment), reason=HUB_CANNOT_SEND, may_have_been_received=received) for each in about
    ]


def _withheld(state: State, answer: Answer, outcome: DisclosureWithheld, moment: Moment[Settings]) -> Emits:
    """A consent that the gate had not read yet may permit it: ask again, or it is on hold for ever."""
    if state.consent_version > outcome.ledger_version:
        return _prepared(answer, moment)
    return AnswerWithheld(
        **_of(answer, moment),
        reason=outcome.reason,
        until=outcome.until,
        may_have_been_received=outcome.may_have_been_received,
        hold_ends_at=_hold_ends_at(answer, outcome.until, moment),
    )


def _hold_ends_at(answer: Answer, until: datetime | None, moment: Moment[Settings]) -> datetime:
    """Fixed when the hold first begins, whatever the gate answers later. A consent that begins later is waited for."""
    return answer.ends_at or max(until or moment.now, moment.now) + timedelta(days=moment.settings.hold_days)


def consented(before: State, consent: ConsentGiven, moment: Moment[Settings]) -> list[Emits]:
    """The newest state of each referral of a partner that this consent names goes to the gate."""
    state = evolve(before, consent)
    named = {each.name for each in moment.settings.partners if reaches(consent, each)}
    able = [each for each in record.current(state.answers) if each.step in ("on-hold", "waits")]
    return _go(state, [each for each in able if each.partner in named], moment)


def begun(state: State, moment: Moment[Settings]) -> list[Emits]:
    """A consent begins: what waited for it goes to the gate again. Or nothing came, and the hub stops waiting."""
    held = [each for each in state.answers if each.step == "on-hold"]
    over = [each for each in held if each.ends_at is not None and each.ends_at <= moment.now]
    able = [each for each in held if each.until is not None and each.until <= moment.now and each not in over]
    return [*(withdrawn(each, "hold-ended", moment) for each in over), *_go(state, able, moment)]


def died(state: State, moment: Moment[Settings]) -> list[Emits]:
    """Nothing more is sent: what is on its way is stopped at the gate."""
    open_now = [each for each in record.current(state.answers) if each.is_open and not _is_of_the_dead(each)]
    return [withdrawn(each, DEATH_REPORTED, moment) for each in open_now]


def lives(before: State, event: DeathWithdrawn | DischargeWithdrawn, moment: Moment[Settings]) -> list[Emits]:
    """It was wrong: what was not sent meanwhile goes to the gate."""
    if not before.is_dead:
        return []
    state = evolve(before, event)
    return _go(state, [each for each in record.current(state.answers) if each.step == "waits"], moment)


def taken_back(state: State, command: WithdrawReferral, moment: Moment[Settings]) -> list[Emits]:
    """A person wants no answer of this referral: nothing more of it goes out. Empty where it is about none."""
    return [
        withdrawn(each, BY_STAFF, moment)
        for each in record.current(state.answers)
        if each.is_open and name_id(each.referral_id, "answer-task") == command.task_id
    ]


def withdrawn(answer: Answer, reason: str, moment: Moment[Settings]) -> Emits:
    return AnswerWithdrawn(**_of(answer, moment), reason=reason)


def _go(state: State, answers: Iterable[Answer], moment: Moment[Settings]) -> list[Emits]:
    """To the gate, unless the patient is dead."""
    is_dead = state.is_dead
    able = [each for each in answers if each.step in ("waits", "on-hold")]
    return [event for each in able if not is_dead or _is_of_the_dead(each) for event in _to_the_gate(each, moment)]


def _to_the_gate(answer: Answer, moment: Moment[Settings]) -> list[Emits]:
    if _is_of_court(answer, moment) and answer.state not in FIELDS_OF_COURT:
        return []  # of a referral that is still looked at a court is told nothing
    if any(each.name == answer.partner and each.refers_as for each in moment.settings.partners):
        return [_prepared(answer, moment)]
    if answer.step == "on-hold":
        return []
    ends_at = _hold_ends_at(answer, None, moment)
    return [AnswerWithheld(**_of(answer, moment), reason=NOT_A_REFERRER, hold_ends_at=ends_at)]


def _prepared(answer: Answer, moment: Moment[Settings]) -> Emits:
    again = msgspec.structs.replace(answer, attempt=answer.attempt + 1)
    return AnswerPrepared(**_of(again, moment), number=answer.number)


def _is_of_the_dead(answer: Answer) -> bool:
    """What may be answered of a referral whose patient has died."""
    return answer.state == "withdrawn"


class _Of(TypedDict):
    answer_id: str
    referral_id: str
    partner: str
    purpose: str
    state: str
    changed_at: datetime
    attempt: int
    at: datetime
    of_stay: bool


def _of(answer: Answer, moment: Moment[Settings]) -> _Of:
    named = next((each for each in moment.settings.partners if each.name == answer.partner), None)
    return _Of(
        answer_id=answer.answer_id if answer.answer else moment.new_id(f"answer:{answer.referral_id}"),
        referral_id=answer.referral_id,
        partner=answer.partner,
        purpose=named.purpose if named is not None else "",
        state=answer.state,
        changed_at=answer.changed_at,
        attempt=answer.attempt,
        at=moment.now,
        of_stay=_is_of_court(answer, moment),
    )
