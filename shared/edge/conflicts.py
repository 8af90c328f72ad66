"""Two persons at one Task: the second one learns how it stands by now, and its version."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from shared.edge import fhir
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.json import Json
from shared.edge.outcome import HttpRefusal, Issue
from shared.events.codes import ESCALATION, STAFF
from shared.events.escalation import ACKNOWLEDGED, HANDED_OVER, RESOLVED
from shared.path.transaction import resources
from shared.path.transaction.ordering import Order
from shared.path.transaction.search import Search
from shared.platform.db import Connection, Row

_LOST = (409, 412)
_LAST_STEP = {"accepted": ACKNOWLEDGED, "requested": HANDED_OVER, "completed": RESOLVED}
"""By its status, the step whose AuditEvent says who was first."""
_NEWEST_FIRST = Order(descending=True)


async def as_it_stands(
    connection: Connection, refusal: HttpRefusal, entries: Sequence[BundleEntry], context: Context
) -> HttpRefusal:
    """The refusal of an update of one Task with its present version and, of a conflict, with what stands."""
    tasks = [str(each.id) for each in entries if each.type == "Task" and each.method == "PUT"]
    if refusal.status not in _LOST or len(tasks) != 1:
        return refusal
    task = await resources.one(connection, context.program, ("Task", tasks[0]))
    if task is None:
        return refusal
    status = str(task["status"])
    last = await _last(connection, context.program, task, _LAST_STEP.get(status))
    issues = [_with_status(each, status, last, context) for each in refusal.issues]
    return HttpRefusal(refusal.status, issues, {**refusal.headers, "ETag": fhir.etag(str(task["version"]))})


async def _last(connection: Connection, program: str, task: Row, step: str | None) -> Json | None:
    """The AuditEvent of the last such step at this Task."""
    if step is None:
        return None
    search = Search(program, "AuditEvent")
    search.patients([task["patient"]])
    search.naming("entity[*].what", "reference", [(None, f"Task/{task['id']}")])
    search.naming("subtype[*]", "code", [(ESCALATION, step)])
    rows, _ = await search.page(connection, _NEWEST_FIRST, None, 1)
    return msgspec.json.decode(rows[0]["body"]) if rows else None


def _with_status(issue: Issue, status: str, last: Json | None, context: Context) -> Issue:
    """Who was first, where another person has acknowledged it or handed it over; else the status that it has."""
    if issue.code != "conflict":
        return issue
    if last is None or "Task.owner" not in issue.expression:
        return msgspec.structs.replace(issue, diagnostics=f"{issue.diagnostics} The Task is {status}.")
    step = ACKNOWLEDGED if status == "accepted" else issue.diagnostics
    return msgspec.structs.replace(issue, diagnostics=f"{step} {_first(last, context)}")


def _first(last: Json, context: Context) -> str:
    """The person by their id in the program's staff, never by name; where nobody was named, the client. And when."""
    agents = [each["who"]["identifier"] for each in last["agent"]]
    who = next((each for each in agents if each["system"] == STAFF), agents[0])
    kind, zone = ("staff" if who["system"] == STAFF else "client"), context.time.zone
    at = datetime.fromisoformat(last["recorded"]).astimezone(zone)
    clock = "%H:%M" if at.date() == context.now.astimezone(zone).date() else "%Y-%m-%d %H:%M"
    return f"by {kind}/{who['value']} at {at:{clock}}"
