"""In which group a patient is, as a person of the staff says it: by a Task of their own, once it is completed."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.attendance.groups.plan import group_id
from services.attendance.groups.seat import ALONE, ANY, LEFT
from services.attendance.messages import ChooseGroup
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, target
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.edge.staff import person
from shared.events import codes

CHOOSE = "choose-group"
GROUP, INSTEAD = "group", "group-choice"
UNKNOWN = "-unknown"
"""What decides it refuses it: no group has such a name."""
INSTEAD_OF_GROUP = {"individual-therapy": ALONE, "leave": LEFT, "any": ANY}


def is_choice(entry: BundleEntry, context: Context) -> bool:
    """Whether it is such a Task: of one that is updated as it stands, so that none of the hub's becomes one."""
    before = context.stored.get((entry.type, str(entry.id)))
    return entry.type == "Task" and _is_choice(entry.resource if before is None else before.body)


def _is_choice(task: Mapping[str, Any]) -> bool:
    return code_in(task.get("code"), codes.TASK) == CHOOSE


def require_known(entry: BundleEntry) -> None:
    """Of any other Task. Raises HttpRefusal: a client makes none, for the hub asks by them."""
    if entry.method == "POST":
        raise refuse(422, "business-rule", f"{entry.place}.code", f"Must be {CHOOSE} ({codes.TASK}).")


def chosen(entry: BundleEntry, context: Context) -> Sequence[ChooseGroup]:
    """Sent again it is no second decision, for another may have followed. Raises HttpRefusal."""
    task, before = entry.resource, context.stored.get((entry.type, str(entry.id)))
    if before is not None:
        _require_same(entry, before.body)
    if task["status"] != "completed" or (before is not None and before.body["status"] == "completed"):
        return ()
    episode_id = target(task.get("focus"), "EpisodeOfCare")
    if episode_id is None:
        raise refuse(422, "required", f"{entry.place}.focus", "Must refer to the EpisodeOfCare of the stay.")
    return (ChooseGroup(episode_id=episode_id, group=_group(entry, context), by=person(entry, context)),)


def _require_same(entry: BundleEntry, before: Mapping[str, Any]) -> None:
    """Raises HttpRefusal: it becomes no Task of another kind, and a completed one that says otherwise now takes nothing
    back."""
    if not _is_choice(entry.resource):
        raise refuse(422, "business-rule", f"{entry.place}.code", f"Must stay {CHOOSE} ({codes.TASK}).")
    for name in ("status", "output") if before["status"] == "completed" else ():
        if before.get(name) != entry.resource.get(name):
            raise refuse(409, "conflict", f"{entry.place}.{name}", "It was completed: another choice is another Task.")


def _group(entry: BundleEntry, context: Context) -> str:
    """Raises HttpRefusal where none is stated, or several are."""
    outputs = [(code_in(each["type"], codes.INPUT), each) for each in entry.resource.get("output", ())]
    stated = [_stated(name, each, context) for name, each in outputs if name in (GROUP, INSTEAD)]
    if len(stated) != 1 or stated[0] is None:
        text = (
            f"One output is required: {GROUP} with the reference of a Group, or {INSTEAD} with one of"
            f" {', '.join(INSTEAD_OF_GROUP)} ({codes.GROUP_CHOICE})."
        )
        raise refuse(422, "required", f"{entry.place}.output", text)
    return stated[0]


def _stated(name: str | None, output: Json, context: Context) -> str | None:
    if name == INSTEAD:
        return INSTEAD_OF_GROUP.get(code_in(output.get("valueCodeableConcept"), codes.GROUP_CHOICE) or "")
    named = output.get("valueReference", {})
    identifier, identity = named.get("identifier", {}), target(named, "Group")
    stated = identifier.get("value") if identifier.get("system") == codes.GROUP else None
    if identity is None and stated is None:
        return None
    known = context.settings.groups
    return next((each for each in known if each == stated or group_id(context.program, each) == identity), UNKNOWN)
