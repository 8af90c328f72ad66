"""`GET /fhir/Task/{id}/$message`: what was received, as a Binary, for whoever settles a Task of the laboratories' list.

It holds names and findings of patients, so a token must allow to read a Binary too. Who read it is an AuditEvent before
they get it.
"""

from base64 import b64encode
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.testing.worklist.task_messages import message_of, recorded
from shared.edge import partner_tasks
from shared.edge.clients import Caller
from shared.edge.http import answer, named_in
from shared.edge.observing import observed
from shared.edge.search import ResourceReader
from shared.events import fhir
from shared.path.transaction import resources
from shared.platform.db import Connection
from shared.platform.documents import Document
from shared.process import Running


@dataclass(frozen=True)
class ReceivedMessages:
    running: Running

    def routes(self) -> list[Route]:
        return [Route("/fhir/Task/{id}/$message", self._handle, methods=["GET"])]

    async def _handle(self, request: Request) -> Response:
        caller = await self.running.token_verifier.caller(request.headers.get("authorization"))
        observed(request).client = caller.name
        for kind in ("Task", "Binary"):
            caller.require(kind, "r")
        partner_tasks.as_read({"resourceType": "Binary"}, caller)
        async with self.running.inbox.pool.acquire() as connection, connection.transaction():
            found = await self._found(connection, named_in(request), caller)
        content = self.running.keys.decrypt(found.content)
        binary = {"resourceType": "Binary", "contentType": found.media_type, "data": b64encode(content).decode()}
        return answer({**binary, "id": str(found.id)})

    async def _found(self, connection: Connection, task: str, caller: Caller) -> Document:
        """Raises HttpRefusal 404 where the program has no such Task, or it names nothing that is stored any more."""
        row = await resources.one(connection, caller.program, ("Task", task))
        task_body = msgspec.json.decode(row["body"], type=fhir.Element) if row is not None else {}
        found = await message_of(connection, task_body)
        if row is not None and row["patient"]:
            self._reader.record("Binary", "read", {row["patient"]}, caller)
        else:
            by = recorded(self.running, task, caller, step="read", detail=("read", "message"), action="R")
            await resources.add(connection, [by], caller.program, self.running.clock.now())
        return found

    @property
    def _reader(self) -> ResourceReader:
        inbox = self.running.inbox
        return ResourceReader(inbox.pool, self.running.keys, inbox.settings, self.running.reads, inbox.service.name)
