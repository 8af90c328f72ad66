"""Work of no patient: a Task that a service lists for its staff, and what they answer. It emits nothing.

Its service names the codes of such Tasks (`Edge.questions`), and every one asks whether patients are one person; all
other Tasks are commands about a patient.
"""

from datetime import datetime

import msgspec

from shared.edge import fhir, several
from shared.edge.clients import Caller
from shared.edge.contract import Edge
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import has_code
from shared.edge.outcome import refuse
from shared.edge.work_item import INSTANT
from shared.events.codes import TASK
from shared.path.transaction import resources
from shared.path.transaction.resources import AcceptedResource
from shared.platform.db import Connection

ANSWERS = ("accepted", "in-progress", "completed", "cancelled")


async def answered(connection: Connection, edge: Edge, entry: BundleEntry, caller: Caller, now: datetime) -> int | None:
    """The version of such a Task after its new status is stored; None where the entry is of anything else.

    Raises HttpRefusal: 422 for another status, 412 where it was changed since the version named.
    """
    if entry.method != "PUT" or entry.type != "Task":
        return None
    row = await resources.one(connection, caller.program, ("Task", str(entry.id)))
    stored = fhir.parse(row["body"].encode()) if row is not None and not row["patient"] else {}
    if not any(has_code(stored.get("code"), TASK, code) for code in (several.COMPARE, *edge.questions)):
        return None
    status = entry.resource["status"]
    if status not in ANSWERS:
        raise refuse(422, "business-rule", f"{entry.place}.status", f"Must be one of {', '.join(ANSWERS)}.")
    if row is not None and status == stored["status"]:
        return int(row["version"])
    body = {**stored, "status": status, "lastModified": now.strftime(INSTANT)}
    changed = AcceptedResource("Task", str(entry.id), msgspec.json.encode(body).decode(), status)
    version = await resources.settle(connection, changed, caller.program, entry.if_match, now)
    if version is None:
        raise refuse(
            412, "conflict", "Task.meta.versionId", "The resource has changed since this version; read it again."
        )
    return version
