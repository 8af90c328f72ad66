"""The contacts after a discharge (domain 6.2): attempts, what the patient answered, corrections, and what nobody
reported in time."""

import dataclasses
from collections.abc import Sequence
from functools import reduce

from msgspec.structs import replace

from services.aftercare.contacts import CRISIS, OVERDUE, RETURN_TO_USE, UNREAD, Contact, Contacts, pack, waiting
from services.aftercare.decide import re_engagement
from services.aftercare.messages import (
    ContactAttempted,
    CorrectFollowUp,
    Emits,
    EscalationResolved,
    EscalationRetracted,
    FollowUpsEscalated,
    RecordAttempt,
)
from services.aftercare.settings import Settings
from services.aftercare.state import State, evolve
from shared.events.contact import IN_CRISIS, UNCODED, USING
from shared.events.envelope import Command, Event, name_id
from shared.events.escalation import Escalation, EscalationEvent, Signal
from shared.rules import escalation
from shared.rules.decision import Moment, Refused
from shared.rules.escalation import Trigger, rule_version
from shared.rules.outreach import Attempt
from shared.rules.packing import instant, seconds

OVERDUE_TIER = UNREAD_TIER = 1
RULES_VERSION = "1"
_ASKS = {
    IN_CRISIS: Trigger("safety", CRISIS, 4, "on-call-clinician", rule_version("aftercare", CRISIS, RULES_VERSION), ()),
    USING: Trigger(
        "safety", RETURN_TO_USE, 3, "clinician", rule_version("aftercare", RETURN_TO_USE, RULES_VERSION), ()
    ),
    UNCODED: Trigger(
        "placement", UNREAD, UNREAD_TIER, "case-manager", rule_version("aftercare", UNREAD, RULES_VERSION), ()
    ),
}
"""What an answer asks of a person: the graver first (domain 5.2: 988 and safety; overdose risk and naloxone the same
day). One that is no code somebody reads where it was sent."""
NOT_OPEN = Refused(
    "conflict", "This contact is not open, and was not made: it ended, or is not due yet.", "Task.status"
)
NOT_MADE = Refused("conflict", "Only a contact that was made is corrected, until another plan begins.", "Task.status")


def attempted(state: State, command: RecordAttempt, moment: Moment[Settings]) -> list[Emits] | Refused:
    """One call is one attempt, whichever Task it is reported of; the same again changes nothing."""
    contacts = state.contacts
    tasks = {each.task_id for each in waiting(state.plan, contacts)} | contacts.by_task.keys()
    if command.task_id not in tasks | {each.escalation.id for each in state.escalations}:
        return NOT_OPEN
    second = seconds(command.at)
    if Attempt(second, command.channel, command.outcome) in contacts.attempts:
        return []
    return [
        ContactAttempted(
            attempt_id=name_id(contacts.episode_id or command.task_id, f"outreach:{second}:{command.channel}"),
            task_id=command.task_id,
            channel=command.channel,
            outcome=command.outcome,
            attempted_at=command.at,
            by=command.by or None,
        )
    ]


def corrected(state: State, command: CorrectFollowUp, moment: Moment[Settings]) -> list[Emits] | Refused:
    """A contact that was made is reported otherwise. Without another time it was made when it was said to be; the same
    again changes nothing."""
    made = state.contacts.by_task.get(command.task_id)
    if made is None:
        return NOT_MADE
    made_at = command.made_at or instant(made.at)
    if Contact(made.number, seconds(made_at), command.reach == "reached", pack(command.answers)) == made:
        return []
    after = re_engagement.corrected(state, replace(command, made_at=made_at), moment)
    if made in state.contacts.asked_back:
        return [after]
    return [replace(after, kind="follow-up", plan_id=state.contacts.plan_id, episode_id="")]


def overdue(state: State, moment: Moment[Settings]) -> list[Emits]:
    """Of a contact that nobody reported by the end of its window a case manager is asked, once."""
    if state.died:
        return []
    late = [
        each
        for each in waiting(state.plan, state.contacts)
        if each.contact.act_by <= moment.now and not each.contact.escalated
    ]
    if not late:
        return []
    trigger = Trigger(
        category="placement",
        reason=OVERDUE,
        tier=OVERDUE_TIER,
        owner="case-manager",
        rule=rule_version("aftercare", OVERDUE, RULES_VERSION),
        signals=tuple(Signal("contact-overdue", each.contact.act_by, f"Task/{each.task_id}") for each in late),
    )
    raised = escalation.raise_or_update(state.escalations, [trigger], moment, moment.settings.escalation)
    return [*raised, FollowUpsEscalated(task_ids=tuple(each.task_id for each in late))]


def followed(before: State, events: Sequence[Event | Command], moment: Moment[Settings]) -> list[Emits]:
    """What these events, consumed and emitted, change for whoever is asked about the contacts."""
    state = reduce(evolve, events, before)
    emitted = re_engagement.followed(state, events, moment)
    after = reduce(evolve, emitted, state)
    return [*emitted, *_reported(after, moment), *_answered(before.contacts, after, moment)]


def _reported(state: State, moment: Moment[Settings]) -> list[EscalationEvent]:
    """What is made, or asked for no more, waits for nobody: its escalation ends with it."""
    known = next((each for each in state.escalations if each.escalation.reason == OVERDUE), None)
    if known is None:
        return []
    tasks = {f"Task/{each.task_id}" for each in waiting(state.plan, state.contacts)}
    left = tuple(each for each in known.escalation.signals if each.evidence in tasks)
    if not left:
        return [EscalationResolved(escalation=known.escalation, at=moment.now, reason="answered")]
    if left == known.escalation.signals:
        return []
    return [escalation.updated(known, replace(known.escalation, signals=left), moment.now)]


def _answered(before: Contacts, state: State, moment: Moment[Settings]) -> list[EscalationEvent]:
    """What is answered now and was not before asks a person; what was corrected asks no more. What a person resolved
    stays so."""
    emitted: list[EscalationEvent] = []
    same_plan = (before.plan_id, before.episode_id) == (state.contacts.plan_id, state.contacts.episode_id)
    for code, trigger in _ASKS.items():
        was = _signals(before, code) if same_plan else ()
        now = _signals(state.contacts, code)
        gone = tuple(each for each in was if each not in now)
        new = tuple(each for each in now if each not in was)
        emitted += _without(state, trigger.reason, gone, tuple(each for each in now if each in was), moment)
        if new and not state.died:
            after = reduce(evolve, emitted, state)
            asked = [dataclasses.replace(trigger, signals=new)]
            emitted += escalation.raise_or_update(after.escalations, asked, moment, moment.settings.escalation)
    return emitted


def asked_again(state: State, moment: Moment[Settings]) -> list[EscalationEvent]:
    """A death was reported by mistake, which closed what was asked: what the last contact said asks again."""
    last = max(state.contacts.by_task.values(), key=lambda each: each.at, default=None)
    at = instant(last.at) if last is not None else None
    asked = [
        dataclasses.replace(trigger, signals=tuple(each for each in _signals(state.contacts, code) if each.at == at))
        for code, trigger in _ASKS.items()
        if last is not None and last.has(code)
    ]
    return escalation.raise_or_update(state.escalations, asked, moment, moment.settings.escalation)


def _without(
    state: State, reason: str, gone: tuple[Signal, ...], others: tuple[Signal, ...], moment: Moment[Settings]
) -> list[EscalationEvent]:
    """An escalation shows the newest of its signals: where all of these are gone, `others` may stand still."""
    known = next((each for each in state.escalations if each.escalation.reason == reason), None)
    if known is None or not {*gone} & {*known.escalation.signals}:
        return []
    left = tuple(each for each in known.escalation.signals if each not in gone) or others
    if left:
        return [escalation.updated(known, replace(known.escalation, signals=left), moment.now, gone)]
    return [EscalationRetracted(escalation=known.escalation, at=moment.now, reason="contact-corrected")]


def _signals(contacts: Contacts, code: str) -> tuple[Signal, ...]:
    return tuple(
        Signal(f"answer-{code}", instant(each.at), f"Task/{task_id}") for task_id, each in contacts.saying(code).items()
    )


def standing(state: State, asked: Escalation) -> list[Signal]:
    """Of the signals of an escalation about contacts those that still ask."""
    if asked.reason == OVERDUE:
        tasks = {f"Task/{each.task_id}" for each in waiting(state.plan, state.contacts)}
        return [each for each in asked.signals if each.evidence in tasks]
    answered = {each for code in _ASKS for each in _signals(state.contacts, code)}
    return [each for each in asked.signals if each in answered]
