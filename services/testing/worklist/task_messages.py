"""The message that a Task of the laboratories' list names, and the record of what somebody did with it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from services.testing.worklist import document_of
from shared.edge.clients import Caller
from shared.edge.fhir import encode
from shared.edge.outcome import refuse
from shared.events import audit, codes, fhir
from shared.events.audit import Who
from shared.path.transaction.resources import AcceptedResource
from shared.platform import documents
from shared.platform.db import Connection
from shared.platform.documents import Document
from shared.process import Running


async def message_of(connection: Connection, task: Mapping[str, Any]) -> Document:
    """As it was received. Raises HttpRefusal 404 where the Task names nothing that is stored any more."""
    named = document_of(task)
    found = await documents.one(connection, UUID(named)) if named is not None else None
    if found is None:
        raise refuse(404, "not-found", "", "No message is stored of this Task; it is deleted after documents_days.")
    return found


def recorded(
    running: Running, task: str, caller: Caller, *, step: str, detail: tuple[str, str], action: str
) -> AcceptedResource:
    """The AuditEvent. It names no patient: whom the message names the hub may not know."""
    now, identity = running.clock.now(), str(uuid4())
    event = audit.of_step(
        identity,
        now,
        service=running.inbox.service.name,
        patient="",
        who=Who(caller.name, caller.person, proved=caller.person != "" and caller.proved),
        task=task,
        step=fhir.coding(codes.RESTFUL, step),
        details=[detail],
        action=action,
    )
    return AcceptedResource("AuditEvent", identity, encode(event).decode(), None, now)
