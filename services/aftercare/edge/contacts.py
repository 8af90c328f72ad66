"""A contact after the discharge, as its Task is sent back: what came of it, an attempt, and the answers."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from services.aftercare.messages import CompleteFollowUp, CorrectFollowUp, Reach, RecordAttempt
from shared.edge.contract import Context
from shared.edge.escalations import escalation_command
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, codes_in
from shared.edge.json import Json
from shared.edge.outcome import Issue, refuse
from shared.edge.outreach import PARTS, Attempt, attempt
from shared.edge.staff import person, person_or_client
from shared.events import codes
from shared.events.contact import IN_CRISIS, OTHER, QUESTIONS, UNCODED, USING, Answer, Question, answers_to
from shared.events.envelope import Command
from shared.rules.escalation import ResolveEscalation

REACHES: Mapping[str, Reach] = {"reached": "reached", "not-reached": "not-reached"}
_GRAVE = (Answer("safety", IN_CRISIS), Answer("abstinence", USING))
"""What calls somebody at once counts at whichever question it stands, and whatever other code stands beside it."""
_OPEN = frozenset({"requested", "received", "accepted", "in-progress"})


class ReadAnswer(NamedTuple):
    """An answer, at its place; `remark` where it was not read."""

    answer: Answer
    place: str
    remark: Issue | None = None


def follow_up(entry: BundleEntry, context: Context) -> Sequence[Command]:
    """What the Task of a contact says: the attempt, and once it is completed what came of it."""
    status = entry.resource["status"]
    if status != "completed" and status not in _OPEN:
        raise refuse(422, "business-rule", f"{entry.place}.status", _MUST_BE)
    made, by = attempt(entry, context), person(entry, context)
    attempts = [_recorded(entry, made, by)] if made is not None else []
    if status == "completed":
        return (*attempts, _completed(entry, context, made, by))
    if not attempts:
        raise refuse(422, "business-rule", f"{entry.place}.status", _MUST_BE)
    if unfit := answers(entry):
        raise refuse(422, "business-rule", unfit[0].place, "An answer needs status completed.")
    return attempts


_MUST_BE = "Must be completed, statusReason reached or not-reached; or in-progress with an attempt as output."


def escalation(entry: BundleEntry, context: Context) -> Sequence[Command]:
    """The step of its status, and the attempt beside it: before what closes it, after what opens it."""
    step, made = escalation_command(entry, context), attempt(entry, context)
    if made is None:
        return (step,)
    recorded = _recorded(entry, made, person_or_client(entry, context))
    return (recorded, step) if isinstance(step, ResolveEscalation) else (step, recorded)


def remarks(entry: BundleEntry) -> tuple[Issue, ...]:
    """What was not read of its answers: a person is asked to."""
    return tuple(each.remark for each in answers(entry) if each.remark is not None)


def _recorded(entry: BundleEntry, made: Attempt, by: str) -> RecordAttempt:
    return RecordAttempt(task_id=str(entry.id), channel=made.channel, outcome=made.outcome, at=made.at, by=by)


def _completed(entry: BundleEntry, context: Context, made: Attempt | None, by: str) -> Command:
    reach, answered = _reach(entry, made), answers(entry)
    if answered and reach != "reached":
        raise refuse(422, "business-rule", answered[0].place, "Who answers was reached: statusReason must be reached.")
    given = tuple(dict.fromkeys(each.answer for each in answered))
    made_at, stored = made.at if made is not None else None, context.stored["Task", str(entry.id)].body
    if stored.get("status") != "completed":
        return CompleteFollowUp(task_id=str(entry.id), reach=reach, by=by, answers=given, made_at=made_at)
    period = stored["restriction"]["period"]
    return CorrectFollowUp(
        task_id=str(entry.id),
        reach=reach,
        by=by,
        due_at=msgspec.convert(period["start"], type=datetime),
        act_by=msgspec.convert(period["end"], type=datetime),
        answers=given,
        made_at=made_at,
    )


def _reach(entry: BundleEntry, made: Attempt | None) -> Reach:
    """As it is stated; else as the attempt beside it, else reached."""
    place, concept = f"{entry.place}.statusReason", entry.resource.get("statusReason")
    by_attempt: Reach | None = None
    if made is not None:
        by_attempt = "reached" if made.outcome == "reached" else "not-reached"
    if not concept:
        return by_attempt or "reached"
    stated = REACHES.get(code_in(concept, codes.REASON) or "")
    if stated is None:
        raise refuse(422, "code-invalid", place, f"Must be reached or not-reached ({codes.REASON}).")
    if by_attempt not in (None, stated):
        raise refuse(422, "business-rule", place, "Must be what the attempt beside it says: reached, or not-reached.")
    return stated


def answers(entry: BundleEntry) -> list[ReadAnswer]:
    """What the patient answered. Raises HttpRefusal 422: a question is answered in two ways."""
    found = list(_answers(entry))
    by_question: dict[str, Answer] = {}
    for each in found:
        if by_question.setdefault(each.answer.question, each.answer) != each.answer:
            raise refuse(422, "business-rule", each.place, "A question has one answer.")
    return found


def _answers(entry: BundleEntry) -> Iterator[ReadAnswer]:
    for number, output in enumerate(entry.resource.get("output", ())):
        name, place = code_in(output["type"], codes.INPUT) or "", f"{entry.place}.output[{number}]"
        if name not in PARTS:
            yield _answer(name, output, place)


def _answer(name: str, output: Json, place: str) -> ReadAnswer:
    question: Question = next((each for each in QUESTIONS if f"contact-{each}" == name), OTHER)
    known, stated = answers_to(question), {*codes_in(output.get("valueCodeableConcept"), codes.CONTACT)}
    grave = next((each for each in _GRAVE if each.code in stated), None)
    if grave is not None:
        return ReadAnswer(grave, place)
    if len(stated) == 1 and stated <= {*known}:
        return ReadAnswer(Answer(question, stated.pop()), place)
    text = f"must be one of {', '.join(known)} ({codes.CONTACT}), alone." if known else "no question of a contact."
    remark = Issue("warning", "code-invalid", (place,), f"Not read, a case manager is asked to: {text}")
    return ReadAnswer(Answer(question, UNCODED), place, None if stated == {UNCODED} else remark)
