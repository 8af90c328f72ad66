"""`POST /fhir/Task/{id}/$reread`: what a Task of the laboratories' list is about is read again, by today's tables.

For whoever has a new release, or a map that says more. What can be read now is decided as it would have been, once:
read again once more it changes nothing. What can't be read stays on the list, and the answer says where.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.testing.hl7 import Nak, TooLarge
from services.testing.hl7.senders import Sender
from services.testing.worklist import CHECK_MESSAGE, KINDS, MAP_CODE, places_of
from services.testing.worklist.assigning import WHOSE
from services.testing.worklist.rereading import Rereading
from services.testing.worklist.task_messages import message_of, recorded
from shared.edge import partner_tasks
from shared.edge.clients import Caller
from shared.edge.fhir import encode, parse
from shared.edge.finding import FIND
from shared.edge.http import answer, named_in
from shared.edge.json import MutableJson
from shared.edge.observing import observed
from shared.edge.outcome import HttpRefusal, refuse
from shared.edge.work_item import INSTANT
from shared.events import fhir
from shared.path.transaction import questions as stored_questions
from shared.path.transaction import resources
from shared.path.transaction.questions import OPEN, Question
from shared.path.transaction.resources import AcceptedResource
from shared.platform.db import Row
from shared.platform.documents import Document
from shared.process import Running

_BUSY = 503


class _Asked(NamedTuple):
    """A Task of the list, and the caller who wants it read again; `by` is the AuditEvent that says so."""

    task: Mapping[str, Any]
    row: Row
    caller: Caller
    by: AcceptedResource

    @property
    def kind(self) -> str:
        return fhir.code_of(dict(self.task["code"]))


class _Unread(NamedTuple):
    """What can't be read even now: the rule, and where."""

    rule: str
    places: tuple[str, ...] = ()


@dataclass(frozen=True)
class RereadRequests:
    running: Running
    rereading: Rereading

    def routes(self) -> list[Route]:
        return [Route("/fhir/Task/{id}/$reread", self._handle, methods=["POST"])]

    async def _handle(self, request: Request) -> Response:
        caller = await self.running.token_verifier.caller(request.headers.get("authorization"))
        observed(request).client = caller.name
        return answer(await self.reread(named_in(request), caller))

    async def reread(self, identity: str, caller: Caller) -> MutableJson:
        """The Task as it stands then, whether all was read, and what was not. Raises HttpRefusal."""
        caller.require("Task", "u")
        partner_tasks.as_read({"resourceType": "Binary"}, caller)
        asked = await self._asked(identity, caller)
        unread = await self._read(asked)
        if unread is None:
            await self._settle(asked)
        row = await self._row(identity, caller)
        task = {"resourceType": "Task", **parse(row["body"].encode())}
        return {"resourceType": "Parameters", "parameter": list(_outcome(task, unread))}

    async def _asked(self, identity: str, caller: Caller) -> _Asked:
        """Raises HttpRefusal 404 for what is no Task of the list, 409 where a person has discarded it."""
        row = await self._row(identity, caller)
        task = parse(row["body"].encode())
        if fhir.code_of(dict(task["code"])) not in KINDS:
            raise _not_found()
        if task["status"] == "cancelled":
            raise refuse(409, "conflict", "Task.status", "It was discarded: nothing of it is read again.")
        return _Asked(
            task,
            row,
            caller,
            recorded(self.running, identity, caller, step="operation", detail=("operation", "reread"), action="E"),
        )

    async def _row(self, identity: str, caller: Caller) -> Row:
        async with self.running.inbox.pool.acquire() as connection:
            row = await resources.one(connection, caller.program, ("Task", identity))
        if row is None:
            raise _not_found()
        return row

    async def _read(self, asked: _Asked) -> _Unread | None:
        """None where all of it is read. Whom it names the hub may not know: that it is read is recorded before."""
        async with self.running.inbox.pool.acquire() as connection, connection.transaction():
            await resources.add(connection, [asked.by], asked.caller.program, self.running.clock.now())
        if asked.kind == MAP_CODE:
            return await self._code(asked)
        async with self.running.inbox.pool.acquire() as connection:
            document = await message_of(connection, asked.task)
        try:
            return await (self._message if asked.kind == CHECK_MESSAGE else self._whole)(asked, document)
        except HttpRefusal as refused:
            if refused.status == _BUSY:
                raise
            places = (place for issue in refused.issues for place in issue.expression)
            return _Unread(refused.issues[0].code, tuple(places))

    async def _code(self, asked: _Asked) -> _Unread | None:
        """Its Task is completed with what the code is read as. Raises HttpRefusal 503."""
        found = await self.rereading.read_question(
            Question(dict(asked.task), asked.row["version"]), asked.caller.program
        )
        if found is None:
            return None if asked.task["status"] not in OPEN else _Unread("not-mapped")
        if not found:
            raise refuse(_BUSY, "throttled", "", "The service is busy.", Retry_After="5")
        return None

    async def _message(self, asked: _Asked, document: Document) -> _Unread | None:
        """One of which nothing was decided."""
        laboratory = self.rereading.clients.get(document.client)
        if laboratory is None:
            return _Unread("laboratory-unknown")
        try:
            await self.rereading.receiver.take_again(
                document, Sender(document.client, laboratory, tuple(laboratory.programs))
            )
        except TooLarge:
            return _Unread("too-large")
        except Nak as nak:
            return _Unread(f"hl7-{nak.fault.number}", (nak.fault.location,))
        return None

    async def _whole(self, asked: _Asked, document: Document) -> _Unread | None:
        """One that was decided as far as it could be read, or waits. What can't be read elsewhere in it by now is
        another Task."""
        if document.client not in self.rereading.clients:
            return _Unread("laboratory-unknown")
        still = await self.rereading.read_whole(document, asked.caller.program, f"read again|{asked.by.id}")
        if still is None:
            return _Unread("no-result")
        return _Unread("value-not-read", places_of(asked.task)) if str(asked.task["id"]) in still else None

    async def _settle(self, asked: _Asked) -> None:
        """Nobody has to look at it any more, unless somebody answered meanwhile."""
        if asked.task["status"] not in OPEN or asked.kind in (MAP_CODE, FIND, WHOSE):
            return
        now = self.running.clock.now()
        body = {**asked.task, "status": "completed", "lastModified": now.strftime(INSTANT)}
        done = AcceptedResource("Task", str(asked.task["id"]), encode(body).decode(), "completed", now)
        async with self.running.inbox.pool.acquire() as connection, connection.transaction():
            await stored_questions.settle(connection, done, asked.caller.program, str(asked.row["version"]), now)


def _not_found() -> HttpRefusal:
    return refuse(404, "not-found", "", "No Task of the laboratories' work list has this id.")


def _outcome(task: Mapping[str, Any], unread: _Unread | None) -> list[dict[str, Any]]:
    """What came of it, with the Task as it stands."""
    found: list[dict[str, Any]] = [
        {"name": "return", "resource": task},
        {"name": "read", "valueBoolean": unread is None},
    ]
    if unread is not None:
        found.append({"name": "rule", "valueCode": unread.rule})
        found += [{"name": "place", "valueString": each} for each in unread.places]
    return found
