"""What is remembered of the answers to partners that referred: each referral's newest state, and what became of it.
Pure; compact text."""

from datetime import datetime
from typing import Literal

import msgspec

from services.aftercare.messages import (
    AnswerEvent,
    AnswerPrepared,
    AnswerRefused,
    AnswerSent,
    AnswerWithdrawn,
    AnswerWithheld,
    PartnerReferralChanged,
    StayAnswered,
)
from shared.events.disclosed import HUB_CANNOT_SEND
from shared.events.intake import referrer
from shared.events.internal import DisclosureOutcome, DisclosureParked
from shared.rules.packing import pack_id, unpack_id
from shared.rules.partner_kinds import ATTENDANCE, COMPLETION

ENDINGS = {
    "completed": "completed",
    "step-down": "completed",
    "ama": "not-completed",
    "lost-to-contact": "not-completed",
    "administrative": "not-completed",
}
"""How a stay ended, as a court is answered, by the disposition; of any other the hub can't say it, and answers nothing
(this project's default)."""
OF_STAY = frozenset({"admitted", *ENDINGS.values()})
"""States of a referral that led to a stay: a court's is remembered, for the stay ends, or its end was wrong."""
FIELDS_OF_COURT = {
    "admitted": ATTENDANCE,
    "declined": ATTENDANCE,
    "withdrawn": ATTENDANCE,
    "closed": ATTENDANCE,
    "completed": COMPLETION,
    "not-completed": COMPLETION,
}
"""What a court is told by each state that it is told at all (rule 9)."""
ENDED = referrer.ENDED | OF_STAY
ANSWERS_MOST = 8
"""Referrals of one patient whose referrers are answered; of more the oldest is answered no more."""
BY_STAFF = "withdrawn-by-staff"
"""A person has taken the answer back: this referral is answered no more."""
REPLACED, DEATH_REPORTED = "referral-stands-elsewhere", "death-reported"
Step = Literal["waits", "on-its-way", "on-hold", "sent", "refused", "stopped", "taken-back"]
"""What became of the newest state: nothing yet; the lane has it; no consent permits it; the partner has it; the partner
refused it, or could not be reached; a person wants none of this referral. And of an older one that the lane still has:
taken back."""


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """One referral of a partner (its name in partners.toml), ids packed. `number` is how they call it, sealed; `answer`
    the id of the answer that was prepared last, empty where none is on its way or on hold; `until` and `ends_at` are of
    a hold."""

    referral: str
    partner: str
    state: str
    changed_at: datetime
    number: str
    step: Step = "waits"
    answer: str = ""
    attempt: int = 0
    until: datetime | None = None
    ends_at: datetime | None = None

    @classmethod
    def of(cls, event: PartnerReferralChanged | StayAnswered, number: str = "") -> "Answer":
        number = event.number or number
        return cls(pack_id(event.referral_id), event.partner, event.state, event.changed_at, number)

    @property
    def referral_id(self) -> str:
        return unpack_id(self.referral)

    @property
    def answer_id(self) -> str:
        return unpack_id(self.answer)

    @property
    def is_open(self) -> bool:
        """Whether the lane has it, or a person is asked about it."""
        return self.step in ("on-its-way", "on-hold")

    def is_about(self, outcome: DisclosureOutcome | DisclosureParked) -> bool:
        """Whether this is what came of its present attempt."""
        return self.answer != "" and (outcome.focus, outcome.attempt) == (
            f"Communication/{self.answer_id}",
            self.attempt,
        )


Answers = tuple[Answer, ...]


def current(answers: Answers) -> Answers:
    """Of each referral the newest."""
    return tuple(each for each in answers if each.step != "taken-back")


def of_referral(answers: Answers, referral_id: str) -> Answer | None:
    packed = pack_id(referral_id)
    return next((each for each in current(answers) if each.referral == packed), None)


def evicted(answers: Answers, referral_id: str) -> Answer | None:
    """The one that makes room for this referral, where it is another one too many."""
    known = current(answers)
    return known[0] if len(known) >= ANSWERS_MOST and of_referral(answers, referral_id) is None else None


def changed(answers: Answers, event: PartnerReferralChanged | StayAnswered) -> Answers:
    """With where the referral stands now. What the lane has of it is taken back."""
    before = of_referral(answers, event.referral_id)
    if (gone := evicted(answers, event.referral_id)) is not None:
        answers = _taken_back(answers, gone, None)
    if before is None or before.partner != event.partner:
        return _taken_back(answers, before, Answer.of(event) if event.partner else None)
    if is_no_news(before, event):
        return _replaced(answers, before, msgspec.structs.replace(before, number=event.number or before.number))
    if before.step == "stopped":
        after = msgspec.structs.replace(before, state=event.state, changed_at=event.changed_at)
        return _replaced(answers, before, None if event.state in ENDED else after)
    return _taken_back(answers, before, Answer.of(event, before.number))


def is_no_news(known: Answer, event: PartnerReferralChanged | StayAnswered) -> bool:
    """Whether it stands there already: that it led to a stay is no news once that stay has ended."""
    has_ended = isinstance(event, PartnerReferralChanged) and known.state in ENDINGS.values()
    return known.state == event.state or (has_ended and event.state == "admitted")


def is_settled(answer: Answer) -> bool:
    """Whether nothing more is to come of it but the end of a stay, or that it was wrong."""
    return answer.step in ("sent", "refused") and answer.state in OF_STAY


def after_event(answers: Answers, event: AnswerEvent) -> Answers:
    """With what became of an answer. One that was taken back leaves once the partner has it all the same."""
    packed, change = pack_id(event.answer_id), msgspec.structs.replace
    late = next((each for each in answers if each.step == "taken-back" and each.answer == packed), None)
    if late is not None:
        return _replaced(answers, late, None) if isinstance(event, AnswerSent) else answers
    known = of_referral(answers, event.referral_id)
    if known is None or not (known.answer == packed or type(event) in (AnswerPrepared, AnswerWithheld)):
        return answers
    ends = _ends(known, event)
    match event:
        case AnswerPrepared(attempt=attempt):
            going = change(known, step="on-its-way", answer=packed, attempt=attempt, until=None)
            return _replaced(answers, known, going)
        case AnswerSent():
            return _replaced(answers, known, None if ends else change(known, step="sent", answer="", ends_at=None))
        case AnswerWithdrawn(reason=reason):
            return _taken_back(answers, known, _withdrawn(known, reason))
        case AnswerRefused():
            return _replaced(answers, known, None if ends else change(known, step="refused", answer="", ends_at=None))
        case AnswerWithheld(reason=reason) if reason == HUB_CANNOT_SEND:
            return answers  # its lane goes on with it once a person has mended what stops it
        case AnswerWithheld(until=until, hold_ends_at=ends_at):
            return _replaced(answers, known, change(known, step="on-hold", answer=packed, until=until, ends_at=ends_at))
        case _:
            return answers


def _ends(known: Answer, event: AnswerEvent) -> bool:
    """Whether nothing follows once it is answered: of a court's the end of the stay does."""
    return known.state in ENDED and not (event.of_stay and known.state in OF_STAY)


def after_outcome(answers: Answers, outcome: DisclosureOutcome) -> Answers:
    """Without the one that was taken back, for its lane has answered."""
    return tuple(each for each in answers if not (each.step == "taken-back" and each.is_about(outcome)))


def dues(answers: Answers) -> list[datetime]:
    """When a consent begins, or a hold ends."""
    held = [each for each in answers if each.step == "on-hold"]
    return [at for each in held for at in (each.until, each.ends_at) if at is not None]


def _withdrawn(known: Answer, reason: str) -> Answer | None:
    if known.state in ENDED and reason != DEATH_REPORTED:
        return None
    step: Step = "stopped" if reason == BY_STAFF else "waits"
    return msgspec.structs.replace(known, step=step, answer="", until=None, ends_at=None)


def _taken_back(answers: Answers, before: Answer | None, after: Answer | None) -> Answers:
    """As `_replaced`; what the lane has of it stays beside it until the lane has answered."""
    left = [each for each in answers if each.step == "taken-back"]
    if before is not None and before.step == "on-its-way":
        left.append(msgspec.structs.replace(before, step="taken-back", number=""))
    return (*left[-ANSWERS_MOST:], *_replaced(current(answers), before, after))


def _replaced(answers: Answers, before: Answer | None, after: Answer | None) -> Answers:
    """The newest of one referral in place of what was known of it, behind all others."""
    others = tuple(each for each in answers if each is not before)
    return (*others, after) if after is not None else others
