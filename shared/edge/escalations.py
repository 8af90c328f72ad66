"""An escalation is a Task, with the same route at every owner: `PUT /fhir/Task/{id}`, accepted or completed."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from shared.edge.contract import Context, Interpretation, StoredResource
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, has_code
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.edge.staff import person
from shared.events.codes import ESCALATION, REASON, RESOLUTIONS
from shared.events.envelope import Command
from shared.path.transaction.hold import CATEGORY, AcknowledgeHold, ResolveHold

Acknowledge = TypeVar("Acknowledge", bound=Command)
Resolve = TypeVar("Resolve", bound=Command)


def escalation_command(
    entry: BundleEntry, context: Context, acknowledge: Callable[..., Acknowledge], resolve: Callable[..., Resolve]
) -> Command:
    """The command in a Task's new status, by the person who owns it: accepted acknowledges it, completed resolves it
    with the coded reason."""
    match entry.resource["status"]:
        case "accepted" | "in-progress":
            return acknowledge(escalation_id=str(entry.id), by=person(entry, context))
        case "completed":
            return resolve(escalation_id=str(entry.id), reason=_reason(entry), by=person(entry, context))
        case _:
            place = f"{entry.place}.status"
            raise refuse(422, "business-rule", place, "Must be accepted, in-progress or completed.")


def coded_reason(task: Json) -> str | None:
    """What was done, by the hub's own codes."""
    return code_in(task.get("statusReason"), ESCALATION, REASON)


def _reason(entry: BundleEntry) -> str:
    stated = entry.resource.get("statusReason")
    found = coded_reason(entry.resource) or "acted-on"
    if found not in RESOLUTIONS or (stated and code_in(stated) is None):
        place = f"{entry.place}.statusReason"
        raise refuse(422, "code-invalid", place, "Must be a reason of the hub's CodeSystem for what was done.")
    return found


def of_hold(entries: Sequence[BundleEntry], context: Context) -> Interpretation | None:
    """The command about a hub-hold escalation, which the path raised and no service knows; None for all else."""
    holds = [
        each for each in entries if each.type == "Task" and _is_hold(context.stored.get((each.type, str(each.id))))
    ]
    if not holds:
        return None
    if len(entries) > 1:
        raise refuse(422, "business-rule", holds[0].place, "A hub-hold escalation must be the only entry.")
    return Interpretation((escalation_command(holds[0], context, AcknowledgeHold, ResolveHold),))


def _is_hold(task: StoredResource | None) -> bool:
    return task is not None and has_code(task.body.get("code"), ESCALATION, CATEGORY)
