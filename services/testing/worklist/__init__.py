"""Work of no patient: what a person has to settle with a laboratory. Pure.

`GET /fhir/Task?status=requested` lists it; the same question again makes the same Task, so that it is asked once.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from services.testing.reading.measures import meaning_of
from services.testing.settings import MEANINGS, Settings, is_understood
from services.testing.worklist.assigning import DOCUMENT, LABORATORY, text_input
from shared.edge import questions, work_item
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry, elements
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.edge.work_item import INSTANT
from shared.events import codes, fhir
from shared.events.codes import HUB
from shared.path.transaction.code_maps import MappedCode
from shared.path.transaction.delivery import Commanded
from shared.path.transaction.questions import OPEN, Question
from shared.path.transaction.resources import AcceptedResource

MAP_CODE, READ_VALUE = codes.MAP_CODE, codes.READ_VALUE
CHECK_TIME, CHECK_MESSAGE = codes.CHECK_TIME, codes.CHECK_MESSAGE
REUSED = "message-number-reused"
"""It bears the number and the time of an earlier message and says something else."""
WITHOUT_RESULT = "result-not-known"
"""It says that a result is final, and that result never came."""
KINDS = frozenset(codes.WORK_LIST)
"""Codes of the Tasks of one list, whatever else is asked of nobody's patient."""
_CODE = "laboratory-code"
_PLACES = "places"
_READ_AS = "read-as"


def code_task(program: str, client: str, code: str, now: datetime, results: tuple[UUID, ...] = ()) -> AcceptedResource:
    """What a laboratory's own code means, once for each code, with the results that wait for that (domain 4.5)."""
    name = f"{HUB}/{MAP_CODE}|{program}|{client}|{code}"
    task = _task(name, MAP_CODE, "laboratory-code-unmapped", {LABORATORY: client, _CODE: code}, now)
    return msgspec.structs.replace(task, results=results)


def message_task(program: str, client: str, document_id: str, reason: str, now: datetime) -> AcceptedResource:
    """A message of which nothing is decided, for this reason: its bytes by their id."""
    name = f"{HUB}/{CHECK_MESSAGE}|{program}|{client}|{document_id}"
    return _task(name, CHECK_MESSAGE, reason, {LABORATORY: client, DOCUMENT: document_id}, now)


def unsettled(fact: Commanded) -> AcceptedResource:
    """What waited for its patient, and could not be decided once they were known."""
    return message_task(fact.program, fact.producer, str(fact.id), WITHOUT_RESULT, fact.at)


def value_task(
    program: str, client: str, places: Sequence[str], now: datetime, document_id: str = ""
) -> AcceptedResource:
    """Where values stand that no phrase and no rule for figures covers, never what they are: in the document of this
    id, or in resources as received."""
    return _places_task(READ_VALUE, "value-not-read", program, client, places, now, document_id)


def time_task(program: str, client: str, places: Sequence[str], now: datetime, document_id: str) -> AcceptedResource:
    """Where the time of a result should stand that can't be graded without one: in the document of this id."""
    return _places_task(CHECK_TIME, "time-not-read", program, client, places, now, document_id)


def is_of_time(places: Sequence[str]) -> bool:
    """Whether what can't be read is when a result was collected or issued."""
    return any(name in place for place in places for name in ("effective", "issued", "collected"))


def _places_task(
    code: str, reason: str, program: str, client: str, places: Sequence[str], now: datetime, document_id: str
) -> AcceptedResource:
    stated = " ".join(places)
    name = f"{HUB}/{code}|{program}|{client}|{document_id}|{stated}"
    document = {DOCUMENT: document_id} if document_id else {}
    return _task(name, code, reason, {LABORATORY: client, **document, _PLACES: stated}, now)


class Answer(NamedTuple):
    """A laboratory's own code, what the program's map says of it now and what it said before (nothing: empty); asked
    about `since`, by this version of its Task (None: any)."""

    task: Mapping[str, Any]
    version: str | None
    laboratory: str
    code: str
    meaning: str
    former: str
    since: datetime

    @property
    def name(self) -> str:
        """One for each change of the meaning: back to an earlier one is another."""
        return f"{self.code}={self.meaning}|{self.former}|{self.task['lastModified']}"


def answer_in(question: Question, settings: Settings) -> Answer | None:
    """What the map says of the code that this Task asks about; None where it says nothing, or nothing new. Where
    results came meanwhile, as from a replica that did not know the map yet, the Task is open, and the same is an answer
    again."""
    task = question.task
    if not elements.has_code(task.get("code"), codes.TASK, MAP_CODE):
        return None
    laboratory, code = named(task)
    meaning = meaning_of(code, laboratory, settings)
    former = next((str(each["valueString"]) for each in task.get("output", ()) if _is_reading(each)), "")
    if meaning is None or (meaning == former and task["status"] not in OPEN):
        return None
    since = fhir.moment(task["authoredOn"])
    return Answer(task, str(question.version), laboratory, code, meaning, former, since)


def was_mapped(program: str, client: str, code: str, meaning: str, since: datetime) -> AcceptedResource:
    """Of a code that nobody had to ask about: what it was read as, so that another meaning is an answer again."""
    asked = code_task(program, client, code, since)
    task = msgspec.json.decode(asked.body, type=dict[str, Any])
    return answered(Answer(task, None, client, code, meaning, "", since), since)


def line_of(stored: Json, entry: BundleEntry, context: Context) -> MappedCode | None:
    """The line of the code map that completing a `map-code` is; None while it is not completed.

    Raises HttpRefusal 422: without a meaning its results would be listed nowhere.
    """
    match entry.resource["status"]:
        case "cancelled":
            text = "Must not be cancelled: a code without a result is mapped as ignored."
            raise refuse(422, "business-rule", f"{entry.place}.status", text)
        case "completed" if stored["status"] in OPEN:
            return _line(stored, entry, context)
        case _:
            return None


def _line(stored: Json, entry: BundleEntry, context: Context) -> MappedCode:
    stated = questions.means(entry.resource)
    if len(stated) != 1 or not is_understood(stated[0]):
        raise refuse(422, "required", f"{entry.place}.output", f"Must say in `means` what the code means: {MEANINGS}.")
    laboratory, code = named(stored)
    by = questions.answering(entry, context) or context.caller.name
    return MappedCode(context.program, laboratory, code, stated[0], by, context.now.date())


def named(task: Mapping[str, Any]) -> tuple[str, str]:
    """The laboratory, and its own code, that a `map-code` asks about."""
    return laboratory_of(task), _stated(task, _CODE)


def answered(answer: Answer, now: datetime) -> AcceptedResource:
    """The Task completed, with what the code was read as: another meaning is an answer again."""
    task = {
        **answer.task,
        "status": "completed",
        "lastModified": now.strftime(INSTANT),
        "output": [
            *(each for each in answer.task.get("output", ()) if not _is_reading(each)),
            {"type": fhir.concept(codes.INPUT, _READ_AS), "valueString": answer.meaning},
        ],
    }
    return AcceptedResource("Task", str(task["id"]), msgspec.json.encode(task).decode(), "completed", now)


def _is_reading(output: Json) -> bool:
    return fhir.code_of(dict(output["type"])) == _READ_AS


def laboratory_of(task: Mapping[str, Any]) -> str:
    """Who sent what a Task of the list is about; empty where it does not say."""
    return _stated(task, LABORATORY)


def document_of(task: Mapping[str, Any]) -> str | None:
    """The id of the bytes that a Task of the list is about; None where it names none."""
    return _stated(task, DOCUMENT) or None


def places_of(task: Mapping[str, Any]) -> tuple[str, ...]:
    """Where in it stands what can't be read."""
    return tuple(_stated(task, _PLACES).split())


def _stated(task: Mapping[str, Any], kind: str) -> str:
    found = fhir.task_inputs(dict(task), kind)
    return str(found[0]["valueString"]) if found else ""


def _task(name: str, code: str, reason: str, inputs: dict[str, str], now: datetime) -> AcceptedResource:
    stated = [text_input(kind, text) for kind, text in inputs.items()]
    return work_item.task(uuid5(NAMESPACE_URL, name), code, reason, stated, now, confidential=False)
