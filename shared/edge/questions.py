"""Work of no patient: a Task that a service lists for its staff, and what they answer. It emits nothing.

Its service names the codes of such Tasks (`Edge.questions`), and every one asks whether patients are one person; all
other Tasks are commands about a patient. Who answered what is an AuditEvent; of two answers at once one counts, and the
other sender learns which.
"""

from uuid import NAMESPACE_URL, UUID, uuid5

from shared.edge import fhir, several
from shared.edge.clients import Caller
from shared.edge.contract import Context, Edge
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, has_code
from shared.edge.json import Json, MutableJson
from shared.edge.outcome import HttpRefusal, refuse
from shared.edge.staff import is_proved, known_member
from shared.edge.work_item import INSTANT
from shared.events import audit, codes
from shared.events.audit import Who
from shared.events.codes import DISCARD_REASONS, INPUT, REASON, TASK
from shared.events.envelope import is_id
from shared.events.fhir import code_of, coding, concept
from shared.path.transaction import code_maps, questions, resources, waiting
from shared.path.transaction.questions import OPEN
from shared.path.transaction.resources import AcceptedResource
from shared.platform.db import Connection

_MEANS = "means"
ANSWERS = ("accepted", "in-progress", "completed", "cancelled")


async def answered(
    connection: Connection, edge: Edge, entry: BundleEntry, context: Context, service: str
) -> int | None:
    """The version of such a Task after its new status is stored; None where the entry is of anything else.

    Raises HttpRefusal: 422 for another status, 409 where somebody answered before, 412 where it was changed since the
    version named.
    """
    async with connection.transaction():
        row = await questions.locked(connection, context.program, str(entry.id))
        stored = fhir.parse(row["body"].encode()) if row is not None else {}
        asked = next(
            (each for each in (several.COMPARE, *edge.questions) if has_code(stored.get("code"), TASK, each)), ""
        )
        if row is None or not asked or (asked in edge.assigns and entry.resource["status"] == "completed"):
            return None
        _require_answer(entry, stored)
        if entry.resource["status"] == stored["status"]:
            return int(row["version"])
        line = _line(edge, stored, entry, context)
        if line is not None:
            await code_maps.put(connection, [line])
            stored = {**stored, "output": [meaning(line.meaning)]}
        if entry.resource["status"] == "cancelled":
            stored = {**stored, **_discarded(entry, required=asked in edge.assigns)}
            await _discard(connection, context.program, str(entry.id))
        version = await _settled(connection, entry, stored, context)
        done = record(entry, stored, version, context, service)
        await resources.add(connection, [done], context.program, context.now)
        return version


def _require_answer(entry: BundleEntry, stored: Json) -> None:
    """Raises HttpRefusal."""
    status = entry.resource["status"]
    if status not in ANSWERS:
        raise refuse(422, "business-rule", f"{entry.place}.status", f"Must be one of {', '.join(ANSWERS)}.")
    differs = status != stored["status"] or not set(means(entry.resource)) <= set(means(stored))
    if stored["status"] not in OPEN and differs:
        raise conflict(stored["status"], entry.place)


def conflict(status: str, place: str) -> HttpRefusal:
    """Somebody answered the Task before."""
    return refuse(409, "conflict", f"{place}.status", f"The Task is {status} already.")


def means(task: Json) -> list[str]:
    """What a person answered that a code means."""
    stated = (each for each in task.get("output", ()) if has_code(each["type"], INPUT, _MEANS))
    return [str(each.get("valueString", "")) for each in stated]


def meaning(text: str) -> MutableJson:
    return {"type": concept(INPUT, _MEANS), "valueString": text}


def _line(edge: Edge, stored: Json, entry: BundleEntry, context: Context) -> code_maps.MappedCode | None:
    """What completing it adds to the code map, where it asks about a code."""
    read = edge.code_lines.get(code_of(dict(stored["code"])))
    return read(stored, entry, context) if read is not None else None


async def _settled(connection: Connection, entry: BundleEntry, stored: Json, context: Context) -> int:
    status = entry.resource["status"]
    body = {**stored, "status": status, "lastModified": context.now.strftime(INSTANT)}
    changed = AcceptedResource("Task", str(entry.id), fhir.encode(body).decode(), status)
    version = await resources.settle(connection, changed, context.program, entry.if_match, context.now)
    if version is None:
        raise refuse(
            412, "conflict", "Task.meta.versionId", "The resource has changed since this version; read it again."
        )
    return version


def _discarded(entry: BundleEntry, *, required: bool) -> MutableJson:
    """Why a person wants nothing done about it, by code. Raises HttpRefusal."""
    stated = entry.resource.get("statusReason")
    found = code_in(stated, REASON)
    if found in DISCARD_REASONS:
        return {"statusReason": concept(REASON, found)}
    if stated or required:
        text = f"Must say why it is discarded: one of {', '.join(sorted(DISCARD_REASONS))} ({REASON})."
        raise refuse(422, "code-invalid", f"{entry.place}.statusReason", text)
    return {}


async def _discard(connection: Connection, program: str, identity: str) -> None:
    """Of a fact that waits for its patient: it waits no more, and the same sent again is not decided either."""
    if is_id(identity):
        await waiting.discard(connection, program, UUID(identity))


def answering(entry: BundleEntry, context: Context) -> str:
    """The member of staff who answers: whose token it is, else whom `Task.owner` names; empty for a client alone."""
    return context.caller.person or known_member(entry.resource.get("owner") or {}, context) or ""


def record(entry: BundleEntry, stored: Json, version: int, context: Context, service: str) -> AcceptedResource:
    """An AuditEvent: who gave which Task which status."""
    caller: Caller = context.caller
    identity = str(uuid5(NAMESPACE_URL, f"{codes.HUB}/{context.program}/Task/{entry.id}/{version}"))
    event = audit.of_step(
        identity,
        context.now,
        service=service,
        patient=context.patient,
        who=Who(caller.name, answering(entry, context), proved=is_proved(context)),
        task=str(entry.id),
        step=coding(TASK, code_of(dict(stored["code"]))),
        details=[("status", entry.resource["status"])],
    )
    return AcceptedResource("AuditEvent", identity, fhir.encode(event).decode(), None, context.now)
