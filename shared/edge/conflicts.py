"""Two persons at one Task: the second one learns how it stands by now, and its version."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from shared.edge import fhir
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.json import Json
from shared.edge.outcome import HttpRefusal, Issue
from shared.events.codes import STAFF
from shared.events.envelope import name_id
from shared.path.transaction import resources
from shared.platform.db import Connection

_LOST = (409, 412)


async def as_it_stands(
    connection: Connection, refusal: HttpRefusal, entries: Sequence[BundleEntry], context: Context
) -> HttpRefusal:
    """The refusal of an update of one Task with its present version and, of a conflict, with what stands."""
    tasks = [str(each.id) for each in entries if each.type == "Task" and each.method == "PUT"]
    if refusal.status not in _LOST or len(tasks) != 1:
        return refusal
    provenance = ("Provenance", name_id(tasks[0], "acknowledged"))
    rows = await resources.stored(connection, context.program, [("Task", tasks[0]), provenance])
    task = rows.get(("Task", tasks[0]))
    if task is None:
        return refusal
    acknowledged = msgspec.json.decode(rows[provenance]["body"]) if provenance in rows else None
    issues = [_with_status(each, str(task["status"]), acknowledged, context) for each in refusal.issues]
    return HttpRefusal(refusal.status, issues, {**refusal.headers, "ETag": fhir.etag(str(task["version"]))})


def _with_status(issue: Issue, status: str, acknowledged: Json | None, context: Context) -> Issue:
    """Who was first, where another person has acknowledged it; else the status that it has."""
    if issue.code != "conflict":
        return issue
    taken = status == "accepted" and acknowledged is not None and "Task.owner" in issue.expression
    stands = _first(acknowledged or {}, context) if taken else f"{issue.diagnostics} The Task is {status}."
    return msgspec.structs.replace(issue, diagnostics=stands)


def _first(acknowledged: Json, context: Context) -> str:
    """The person by their id in the program's staff, never by name; where nobody was named, the client."""
    agents = [each["who"]["identifier"] for each in acknowledged["agent"]]
    who = next((each for each in agents if each["system"] == STAFF), agents[0])
    kind, zone = ("staff" if who["system"] == STAFF else "client"), context.time.zone
    at = datetime.fromisoformat(acknowledged["recorded"]).astimezone(zone)
    clock = "%H:%M" if at.date() == context.now.astimezone(zone).date() else "%Y-%m-%d %H:%M"
    return f"acknowledged by {kind}/{who['value']} at {at:{clock}}"
