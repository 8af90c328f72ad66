"""What the client of a partner sees of the hub, and writes: the Tasks of the referrals that this partner has.

They hold what the partner was sent or has said itself, and no more. Of anything else, another partner's referral or one
that was prepared and not sent, it learns not even that it is there.
"""

from collections.abc import Collection
from dataclasses import replace

import msgspec

from shared.edge.clients import Caller
from shared.edge.fhir.elements import code_in, logical
from shared.edge.fhir.submission import BundleEntry
from shared.edge.json import Json, MutableJson
from shared.edge.outcome import refuse
from shared.edge.resolving import Submission, stored
from shared.edge.search_values import not_searched_by
from shared.events.codes import INPUT, PARTNER, REFERRAL_NUMBER, TASK
from shared.path.transaction.search import Search
from shared.platform.db import Connection

_SEARCHED = frozenset({"_id", "_lastUpdated", "modified", "status"})
_ARRIVED = ("accepted", "completed", "in-progress", "received", "rejected", "requested")
"""Statuses of a referral that its partner has; one that is cancelled it may have, or never had."""
_SHOWN = ("resourceType", "id", "meta", "status", "businessStatus", "intent", "code", "authoredOn", "lastModified")
_MORE = {"rejected": ("statusReason",), "requested": ("restriction",)}
_WRITTEN = (
    "resourceType",
    "id",
    "status",
    "businessStatus",
    "statusReason",
    "intent",
    "code",
    "lastModified",
    "output",
)


def shown(task: Json, partner: str) -> MutableJson | None:
    """A Task as this partner may read it; None where it may not know of it."""
    if logical(task.get("owner"), PARTNER) != partner or code_in(task.get("code"), TASK) != "referral":
        return None
    status = str(task["status"])
    inputs = (code_in(each["type"], INPUT) for each in task.get("input", ()))
    if status not in _ARRIVED and not (status == "cancelled" and "may-have-been-received" in inputs):
        return None
    referral = str(task["focus"]["reference"]).removeprefix("ServiceRequest/")
    members = (*_SHOWN, *_MORE.get(status, ()), "owner", "output")
    number = [{"system": REFERRAL_NUMBER, "value": referral}]
    return {**{name: task[name] for name in members if name in task}, "identifier": number}


def as_read(resource: MutableJson, caller: Caller) -> MutableJson:
    """A resource as this caller may read it. Raises HttpRefusal 404."""
    if not caller.client.partner:
        return resource
    found = shown(resource, caller.client.partner) if resource["resourceType"] == "Task" else None
    if found is None:
        raise refuse(404, "not-found", "", "No resource of this type has this id.")
    return found


def narrow(query: Search, type_: str, names: Collection[str], caller: Caller) -> None:
    """A partner's client finds what its partner has, by nothing that would tell of anybody else. Raises HttpRefusal."""
    if not caller.client.partner:
        return
    if type_ != "Task" or not {each.partition(":")[0] for each in names} <= _SEARCHED:
        raise not_searched_by()
    query.naming("owner.identifier", "value", [(PARTNER, caller.client.partner)])
    query.naming("code.coding[*]", "code", [(TASK, "referral")])
    query.statuses(_ARRIVED)


async def of_its_own(connection: Connection, submission: Submission, caller: Caller) -> Submission:
    """What a partner's client submits, without what is none of its answer. Raises HttpRefusal: 404 for a Task that is
    not of its referrals, 403 for all else."""
    if any(each.type != "Task" or each.method != "PUT" or each.id is None for each in submission.entries):
        raise refuse(
            403, "forbidden", "", "A partner's client may update the Tasks of its own referrals, nothing else."
        )
    found = await stored(connection, caller.program, [("Task", str(each.id)) for each in submission.entries])
    for entry in submission.entries:
        task = found.get(("Task", str(entry.id)))
        if task is None or not task.body or shown(task.body, caller.client.partner) is None:
            raise refuse(404, "not-found", f"{entry.place}.id", "No resource has this id; the hub assigns ids.")
    return replace(submission, entries=tuple(_answer(each) for each in submission.entries))


def _answer(entry: BundleEntry) -> BundleEntry:
    resource = {name: value for name, value in entry.resource.items() if name in _WRITTEN}
    return msgspec.structs.replace(entry, resource=resource)
