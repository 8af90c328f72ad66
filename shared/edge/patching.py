"""`PATCH /fhir/Task/{id}`: what a person changes in a Task, as the update that it comes to."""

from typing import Final

from starlette.requests import Request

from shared.edge import fhir
from shared.edge.body import read_body
from shared.edge.clients import Caller
from shared.edge.fhir import BundleEntry, Limits
from shared.edge.fhir.elements import code_in
from shared.edge.json import Json, MutableJson
from shared.edge.json_patch import Operation, operations, patched
from shared.edge.outcome import HttpRefusal
from shared.events.codes import ESCALATION, TASK

ACT: Final = "businessStatus"
"""Where a person says what they did; what the hub wrote there is not their word."""
MEMBERS: Final = ("status", "statusReason", ACT, "owner", "output")
"""All of a Task that a person's step changes."""
LIMITS = Limits(body_bytes_max=16 * 1024, depth_max=16)
ATTEMPTS_MOST = 3
"""So often a Task is read again that somebody changes at the same moment."""
_OF_ESCALATION = ("resourceType", "id", "status", "statusReason", "intent", "code", "for", "owner")
"""Without what the hub writes anew at each step: the same patch again is then the same update."""
_REREAD = ("meta", "lastModified")


async def read_operations(request: Request, caller: Caller) -> tuple[bytes, list[Operation]]:
    """The patch in a request, as bytes and as steps. Raises HttpRefusal: a test says what stands, and is a read."""
    body = await read_body(request, LIMITS.body_bytes_max)
    steps = operations(fhir.parse_list(body, LIMITS), MEMBERS)
    if any(each.op == "test" for each in steps):
        caller.require("Task", "r")
    return body, steps


def update(task: Json, steps: list[Operation], if_match: str | None) -> BundleEntry:
    """The update that the patch of a Task (as read) comes to. Raises HttpRefusal.

    It names the version that it was made from where it is about more than its own step: a test has to hold still, and
    of a Task that is not the hub's nothing written meanwhile may be lost.
    """
    read = fhir.etag(task["meta"]["versionId"])
    try:
        changed = patched({name: value for name, value in task.items() if name in MEMBERS}, steps)
    except HttpRefusal as refusal:
        raise HttpRefusal(refusal.status, refusal.issues, {"ETag": read}) from refusal
    if _is_ours(task) and all(each.op == "test" or each.tokens[0] != ACT for each in steps):
        changed.pop(ACT, None)
    whole = dict(sorted((_rest(task) | changed).items()))
    fhir.require_valid(whole)
    binding = any(each.op == "test" for each in steps) or not _is_ours(task)
    version = if_match or (read if binding else None)
    return fhir.single("PUT", "Task", str(task["id"]), whole, {} if version is None else {"if-match": version})


def _rest(task: Json) -> MutableJson:
    others = {name: value for name, value in task.items() if name not in MEMBERS}
    if code_in(task.get("code"), ESCALATION):
        return {name: value for name, value in others.items() if name in _OF_ESCALATION}
    return {name: value for name, value in others.items() if not (_is_ours(task) and name in _REREAD)}


def _is_ours(task: Json) -> bool:
    return code_in(task.get("code"), ESCALATION, TASK) is not None
