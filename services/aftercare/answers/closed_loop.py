"""The closed loop: what partners answer of the referrals they have, and which of two answers stands. Pure.

Answers come by several ways, late and twice. What stands is the greatest in one order, so that any order and any
repetition of them comes to one state: that the patient was seen is a fact and stands over a no, which stands over what
was planned; of two of the same rank the one given later stands.
"""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta

import msgspec

from services.aftercare.messages import AnswerReferral, PartnerAnswered, ReferralSent
from services.aftercare.record import Referral, as_asked
from shared.events.aftercare import ANSWER_STEPS, ANSWERED_DAYS_MOST
from shared.events.envelope import name_id

RECEIVED_MOST = 12
"""Of the referrals that partners have: at most one open to each of a program's partners (PARTNERS_MOST)."""
WRONG_MOST = 3
"""Wrong tokens that end a link."""
ENDED = frozenset({"declined", "attended", "completed"})
"""Nothing more is waited for."""
_RANKS = {"declined": 1, "attended": 2, "completed": 3}
_STEPS = tuple(ANSWER_STEPS)
_NEVER = datetime.min.replace(tzinfo=UTC)
Answer = AnswerReferral | PartnerAnswered


class Received(Referral, frozen=True, array_like=True):
    """A partner has it for sure. `step` is its newest answer, `sent` until it gives one; `answer_by` when the case
    manager is asked because it gave none; `asked` why a person was asked about how it stands, else empty."""

    sent_at: datetime
    consent_id: str | None = None
    answer_by: datetime | None = None
    step: str = "sent"
    answered_at: datetime = _NEVER
    appointment_at: datetime | None = None
    reason: str = ""
    asked: str = ""
    wrong: int = 0
    """Tokens that began as its link does, and went on otherwise."""

    @property
    def task_id(self) -> str:
        return name_id(self.referral_id, "task")

    @property
    def ends_at(self) -> datetime:
        return self.sent_at + timedelta(days=ANSWERED_DAYS_MOST)

    @property
    def is_open(self) -> bool:
        return self.step not in ENDED

    @property
    def may_have_been_received(self) -> bool:
        return True


def has_ended(known: Received, answer: Answer) -> bool:
    """Whether what this answer says can no longer be: it stands already that it is over."""
    return rank(answer) < rank(known)


def stands_over(answer: Answer, known: Received) -> bool:
    """Whether this answer is the one that stands from now on."""
    return _order(answer) > _order(known)


def is_the_same(answer: Answer, known: Received) -> bool:
    """Apart from when it was said."""
    return _content(answer) == _content(known)


def _content(answer: Answer | Received) -> tuple[str, datetime | None, str]:
    return (answer.step, answer.appointment_at, answer.reason)


def rank(answer: Answer | Received) -> int:
    return _RANKS.get(answer.step, 0)


def _order(answer: Answer | Received) -> tuple[int, datetime, int, datetime, str]:
    number = _STEPS.index(answer.step) if answer.step in _STEPS else -1
    return (rank(answer), answer.answered_at, number, answer.appointment_at or _NEVER, answer.reason)


def with_sent(known: Iterable[Received], event: ReferralSent) -> tuple[Received, ...]:
    """With one that a partner has now; of too many the oldest is forgotten, one that is over before one that is not."""
    new = Received(
        *as_asked(event),
        sent_at=event.at,
        consent_id=event.consent_id,
        answer_by=event.answer_by,
    )
    others = [*without(known, event.referral_id), new]
    gone = sorted(others, key=lambda each: (each.is_open, each.sent_at))[: max(len(others) - RECEIVED_MOST, 0)]
    return tuple(each for each in others if each not in gone)


def with_answer(known: Iterable[Received], event: PartnerAnswered) -> tuple[Received, ...]:
    """With how a referral stands now; nobody is asked about how it stood before."""
    return tuple(
        msgspec.structs.replace(
            each,
            step=event.step,
            answered_at=event.answered_at,
            appointment_at=event.appointment_at,
            reason=event.reason,
            answer_by=None,
            asked="",
        )
        if each.referral_id == event.referral_id
        else each
        for each in known
    )


def with_asked(known: Iterable[Received], referrals: Collection[str], reason: str) -> tuple[Received, ...]:
    """Of these a person is asked now, for this reason: once."""
    return tuple(
        msgspec.structs.replace(each, answer_by=None, asked=reason) if each.referral_id in referrals else each
        for each in known
    )


def with_wrong(known: Iterable[Received], task_id: str) -> tuple[Received, ...]:
    return tuple(
        msgspec.structs.replace(each, wrong=min(each.wrong + 1, WRONG_MOST)) if each.task_id == task_id else each
        for each in known
    )


def without(known: Iterable[Received], referral_id: str) -> tuple[Received, ...]:
    return tuple(each for each in known if each.referral_id != referral_id)


def tasks_asked(known: Iterable[Received], reason: str) -> set[str]:
    """Of the referrals of which a person is asked for this reason."""
    return {f"Task/{each.task_id}" for each in known if each.asked == reason}


def dues(known: Iterable[Received], *, died: bool) -> list[datetime]:
    """When a person is asked because a partner gave no answer, unless the patient is reported dead; and when the hub
    waits no more."""
    waiting = [each for each in known if each.is_open]
    late = [each.answer_by for each in waiting if each.answer_by is not None and not died]
    return [*late, *(each.ends_at for each in waiting)]
