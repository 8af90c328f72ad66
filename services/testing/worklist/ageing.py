"""What waits on the work list of laboratories for too long: operations learn how much, in counts alone; after days the
laboratory's contact line stands in the Task, for the call.

A Task says how old it was when it was last reported, in the transaction that stores the report: so each age is reported
once, by whichever replica looks first, and after a crash too.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

import msgspec

from services.testing.settings import Settings, WorkList
from services.testing.worklist import KINDS, laboratory_of
from shared.events import codes, fhir
from shared.events.codes import HUB
from shared.events.technical import WorkListAged
from shared.path.transaction import operations, questions, resources
from shared.path.transaction.questions import Question
from shared.path.transaction.resources import AcceptedResource
from shared.platform.clients import RegisteredClient
from shared.process import Running

LOOK_SECONDS = 60.0
_AGED = "aged-hours"
_CONTACT = "contact"


class Aged(NamedTuple):
    """A Task that has come to this age, in hours, as it says so from now on."""

    kind: str
    hours: int
    task: fhir.Element


async def look(running: Running, clients: Mapping[str, RegisteredClient]) -> None:
    """Report what came to an age since the last look, program by program."""
    inbox = running.inbox
    for program, settings in inbox.settings.items():
        now = running.clock.now()
        async with inbox.pool.acquire() as connection, connection.transaction():
            before = now - timedelta(hours=settings.work_list.report_hours)
            waiting = await questions.older(connection, program, before)
            found = list(aged(waiting, settings, clients, now))
            for each in found:
                await resources.settle(connection, _changed(each), program, None, now)
            fed = frozenset[str]()
            for hours in sorted({each.hours for each in found}):
                event = report(program, [each for each in found if each.hours == hours], now)
                fed |= await operations.report(connection, inbox.routes, event, now)
        inbox.wake(fed)


def aged(
    waiting: Sequence[Question], settings: Settings, clients: Mapping[str, RegisteredClient], now: datetime
) -> Iterator[Aged]:
    """Of these Tasks those that came to an age at which nobody has reported them yet."""
    for question in waiting:
        task = question.task
        kind = fhir.code_of(task["code"])
        hours = _age(settings.work_list, now - _since(task))
        if kind in KINDS and hours > _reported(task):
            yield Aged(kind, hours, _marked(task, hours, _contact(task, hours, settings.work_list, clients)))


def report(program: str, found: Sequence[Aged], now: datetime) -> WorkListAged:
    """Counts by kind, of one age."""
    hours = found[0].hours
    count = Counter(each.kind for each in found)
    kinds = ", ".join(f"{kind} {number}" for kind, number in sorted(count.items()))
    name = f"{HUB}/aged|{program}|{hours}|{'|'.join(sorted(str(each.task['id']) for each in found))}|{now.isoformat()}"
    text = f"{program}: {len(found)} of the laboratories' work list have waited for {hours} h: {kinds}."
    return WorkListAged(outcome_id=str(uuid5(NAMESPACE_URL, name)), service="testing", details=text)


def _age(limits: WorkList, waited: timedelta) -> int:
    """The greatest of the ages that it has come to, in hours; 0 for none."""
    ages = (limits.report_hours, limits.report_again_hours, limits.call_days * 24)
    return max((each for each in ages if waited >= timedelta(hours=each)), default=0)


def _since(task: fhir.Element) -> datetime:
    """Since when it waits: of one that counts results since the first of them."""
    counted = fhir.task_inputs(task, questions.SINCE)
    return fhir.moment(counted[0]["valueInstant"] if counted else task["authoredOn"])


def _reported(task: fhir.Element) -> int:
    return max((int(each["valueInteger"]) for each in fhir.task_inputs(task, _AGED)), default=0)


def _contact(task: fhir.Element, hours: int, limits: WorkList, clients: Mapping[str, RegisteredClient]) -> str:
    """Whom to call at the laboratory, once it has waited for so long."""
    client = clients.get(laboratory_of(task)) if hours >= limits.call_days * 24 else None
    return client.contact if client is not None else ""


def _marked(task: fhir.Element, hours: int, contact: str) -> fhir.Element:
    others = [each for each in task["input"] if fhir.code_of(each["type"]) not in (_AGED, _CONTACT)]
    stated = [{"type": fhir.concept(codes.INPUT, _AGED), "valueInteger": hours}]
    call = [{"type": fhir.concept(codes.INPUT, _CONTACT), "valueString": contact}] if contact else []
    return {**task, "input": [*others, *stated, *call]}


def _changed(each: Aged) -> AcceptedResource:
    body = msgspec.json.encode(each.task).decode()
    return AcceptedResource("Task", str(each.task["id"]), body, each.task["status"])
