"""What is remembered of the contacts after a discharge: what came of each, and how a patient is asked back. Pure."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from services.aftercare.messages import (
    AftercarePlanned,
    ContactAttempted,
    EscalationResolved,
    FollowUpCompleted,
    FollowUpFellDue,
    FollowUpsEscalated,
    ReEngagementBegan,
    ReEngagementEnded,
)
from services.aftercare.record import Ahead, FollowUp, Plan
from shared.events.aftercare import BY_A_PERSON, RE_ENGAGEMENT
from shared.events.contact import NOT_STATED, QUESTIONS, UNCODED, Answer
from shared.events.envelope import Command, Event, name_id
from shared.events.escalation import EscalationActedOn
from shared.rules.outreach import Attempt, attempts_with
from shared.rules.packing import seconds

ATTEMPTS_MOST = 20
RE_ENGAGED, OVERDUE, RETURN_TO_USE, CRISIS = "re-engagement", "follow-up-overdue", "return-to-use", "in-crisis"
"""Why a person is asked about the contacts."""
UNREAD = "answer-unread"
ANSWERED = frozenset({RETURN_TO_USE, CRISIS, UNREAD})
"""Those for what the patient said: the end of a stay or a new one is no answer to it."""
REASONS = ANSWERED | {RE_ENGAGED, OVERDUE}
_REACHED = frozenset({"patient-reached", "reached"})
"""What a person did about one of them, where it was the patient who was reached."""
_NO_CODE = {NOT_STATED: "n", UNCODED: "u"}
_NOT_ASKED = "-"


def pack(answers: Iterable[Answer]) -> str:
    """A letter for each of QUESTIONS, the place of its answer; empty without any."""
    given = {each.question: _letter(each) for each in answers}
    return "".join(given.get(question, _NOT_ASKED) for question in QUESTIONS) if given else ""


def _letter(answer: Answer) -> str:
    return _NO_CODE.get(answer.code) or str(QUESTIONS[answer.question].index(answer.code))


def unpack(packed: str) -> tuple[Answer, ...]:
    """In the order of QUESTIONS."""
    no_code = {letter: code for code, letter in _NO_CODE.items()}
    return tuple(
        Answer(question, no_code.get(letter) or QUESTIONS[question][int(letter)])
        for question, letter in zip(QUESTIONS, packed, strict=False)
        if letter != _NOT_ASKED
    )


class Contact(msgspec.Struct, frozen=True, array_like=True):
    """A contact that a person made, or tried to, `at` in seconds since 1970; its answers packed."""

    number: int
    at: int
    reached: bool
    answers: str = ""

    def has(self, code: str) -> bool:
        return any(each.code == code for each in unpack(self.answers))


class ReEngagement(msgspec.Struct, frozen=True, array_like=True):
    """The patient is asked back until `ends_at`, by contacts of its own; at most one waits for a person."""

    episode_id: str
    ends_at: datetime
    ahead: tuple[Ahead, ...] = ()
    waiting: FollowUp | None = None

    def task_id(self, number: int) -> str:
        return re_engagement_id(self.episode_id, number)


class Waiting(NamedTuple):
    """A contact that waits for a person, of the plan or of the re-engagement."""

    task_id: str
    contact: FollowUp


class Contacts(msgspec.Struct, frozen=True, array_like=True):
    """Of the last discharge: what came of the plan's contacts and of those by which the patient was asked back. At
    `asked_until` (seconds since 1970) the last re-engagement had run its course; `asks` counts its contacts."""

    plan_id: str = ""
    episode_id: str = ""
    made: tuple[Contact, ...] = ()
    asked_back: tuple[Contact, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    re_engagement: ReEngagement | None = None
    asked_until: int = 0
    asks: int = 0

    @property
    def reached_at(self) -> int:
        """When the patient was reached last, 0 for never. Of one moment the contact counts, not the attempt: it may
        have been corrected."""
        contacts = (*self.made, *self.asked_back)
        spoken_for = {each.at for each in contacts}
        reached = [each.at for each in contacts if each.reached]
        return max(
            [*reached, *(each.at for each in self.attempts if each.reached and each.at not in spoken_for)], default=0
        )

    @property
    def by_task(self) -> dict[str, Contact]:
        """Those that were made, by the ids of their Tasks."""
        of_plan = {follow_up_id(self.plan_id, each.number): each for each in self.made}
        return of_plan | {re_engagement_id(self.episode_id, each.number): each for each in self.asked_back}

    def saying(self, code: str) -> dict[str, Contact]:
        return {task_id: each for task_id, each in self.by_task.items() if each.has(code)}


def follow_up_id(plan_id: str, number: int) -> str:
    return name_id(plan_id, f"follow-up:{number}")


def re_engagement_id(episode_id: str, number: int) -> str:
    return name_id(episode_id, f"re-engagement:{number}")


def waiting(plan: Plan | None, contacts: Contacts) -> list[Waiting]:
    """Every contact that waits for a person."""
    of_plan = [Waiting(plan.follow_up_id(each.number), each) for each in plan.fallen_due] if plan else []
    asking = contacts.re_engagement
    back = [Waiting(asking.task_id(asking.waiting.number), asking.waiting)] if asking and asking.waiting else []
    return [*of_plan, *back]


def dues(contacts: Contacts, plan: Plan | None) -> list[datetime]:
    """When a contact falls due or is late, or asking back ends."""
    asking = contacts.re_engagement
    late = [each.contact.act_by for each in waiting(plan, contacts) if not each.contact.escalated]
    ahead = [*(plan.ahead if plan else ()), *(asking.ahead if asking else ())]
    return [*late, *(each.due_at for each in ahead), *([asking.ends_at] if asking else [])]


def _of_plan(contacts: Contacts, plan: AftercarePlanned | Plan) -> Contacts:
    """A new plan has made no contact yet; of another stay nothing counts but what is asked back still."""
    if contacts.plan_id == plan.plan_id:
        return contacts
    if contacts.episode_id == plan.episode_id:
        return replace(contacts, plan_id=plan.plan_id, made=())
    return Contacts(plan.plan_id, plan.episode_id, re_engagement=contacts.re_engagement)


def after_event(contacts: Contacts, plan: Plan | None, event: Event | Command) -> Contacts:
    """What is known after a contact fell due, was made or tried, or the patient is asked back or no more. `plan` is
    that before the event."""
    match event:
        case ContactAttempted(attempted_at=at, channel=channel, outcome=outcome):
            return _attempted(contacts, Attempt(seconds(at), channel, outcome))
        case EscalationActedOn(act=code) | EscalationResolved(reason=code) if code in _REACHED and _is_ours(event):
            return _attempted(contacts, Attempt(seconds(event.at), "", "reached"))
        case AftercarePlanned():
            return _of_plan(contacts, event)
        case ReEngagementBegan():
            return _begun(contacts, event)
        case ReEngagementEnded(over_at=over_at):
            until = contacts.asked_until if over_at is None else seconds(over_at)
            return replace(contacts, re_engagement=None, asked_until=until)
        case FollowUpFellDue(kind="re-engagement"):
            return _fell_due(contacts, event)
        case FollowUpCompleted():
            return _completed(contacts if plan is None else _of_plan(contacts, plan), plan, event)
        case FollowUpsEscalated(task_ids=task_ids):
            return _escalated(contacts, task_ids)
        case _:
            return contacts


def _is_ours(event: EscalationActedOn | EscalationResolved) -> bool:
    """Of what the hub closes itself there is nobody who did."""
    return event.escalation.reason in REASONS and event.by is not None


def _attempted(contacts: Contacts, attempt: Attempt) -> Contacts:
    return replace(contacts, attempts=attempts_with(contacts.attempts, attempt, ATTEMPTS_MOST))


def _begun(contacts: Contacts, event: ReEngagementBegan) -> Contacts:
    of_stay = contacts if contacts.episode_id == event.episode_id else Contacts(episode_id=event.episode_id)
    ahead = tuple(Ahead(number, due_at) for number, due_at in enumerate(event.due, of_stay.asks + 1))
    return replace(
        of_stay,
        re_engagement=ReEngagement(event.episode_id, event.ends_at, ahead),
        asks=of_stay.asks + len(event.due),
    )


def _fell_due(contacts: Contacts, event: FollowUpFellDue) -> Contacts:
    asking = contacts.re_engagement
    if asking is None:
        return contacts
    ahead = tuple(each for each in asking.ahead if each.number > event.number)
    due = FollowUp(event.number, event.due_at, event.act_by)
    return replace(contacts, re_engagement=replace(asking, ahead=ahead, waiting=due))


def _escalated(contacts: Contacts, task_ids: Collection[str]) -> Contacts:
    asking = contacts.re_engagement
    if asking is None or asking.waiting is None or asking.task_id(asking.waiting.number) not in task_ids:
        return contacts
    return replace(contacts, re_engagement=replace(asking, waiting=replace(asking.waiting, escalated=True)))


def _completed(contacts: Contacts, plan: Plan | None, event: FollowUpCompleted) -> Contacts:
    asking, number = contacts.re_engagement, _number(contacts, plan, event)
    if asking is not None and asking.waiting and asking.task_id(asking.waiting.number) == event.follow_up_id:
        contacts = replace(contacts, re_engagement=replace(asking, waiting=None))
    if event.outcome not in BY_A_PERSON or number is None:
        return contacts
    at = seconds(event.made_at or event.completed_at)
    made = Contact(number, at, event.outcome == "reached", pack(event.answers))
    if event.kind == RE_ENGAGEMENT:
        return replace(contacts, asked_back=_with(contacts.asked_back, made))
    return replace(contacts, made=_with(contacts.made, made))


def _number(contacts: Contacts, plan: Plan | None, event: FollowUpCompleted) -> int | None:
    known = {each.task_id: each.contact.number for each in waiting(plan, contacts)}
    known |= {task_id: each.number for task_id, each in contacts.by_task.items()}
    return known.get(event.follow_up_id)


def _with(made: Iterable[Contact], contact: Contact) -> tuple[Contact, ...]:
    others = (each for each in made if each.number != contact.number)
    return tuple(sorted((*others, contact), key=lambda each: each.number))
