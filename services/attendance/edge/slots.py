"""The Slot of a group's session: called off, moved, or held after all, for all its members at once."""

from collections.abc import Sequence

from services.attendance.groups.plan import GROUP, group_key
from services.attendance.messages import ChangeMeeting
from shared.edge.contract import Context, OtherKey
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import planned_exactly, target
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.events.envelope import Command

OFF = "busy-unavailable"
STATUSES = ("free", "busy", OFF)


def slot(entry: BundleEntry, context: Context) -> Sequence[Command]:
    """Whether a seat of it is free is for the hub to know: `free` and `busy` both say that it takes place."""
    sent, stored = entry.resource, context.stored.get((entry.type, str(entry.id)))
    named = target(sent["schedule"], "Schedule")
    if stored is not None and named not in (None, target(stored.body["schedule"], "Schedule")):
        text = "Must be the Schedule of its group: a session moves to another time, not into another group."
        raise refuse(422, "business-rule", f"{entry.place}.schedule", text)
    if sent["status"] not in STATUSES:
        text = f"Must be free or busy (it takes place) or {OFF} (it is called off)."
        raise refuse(422, "business-rule", f"{entry.place}.status", text)
    start, end = (planned_exactly(sent[each], f"{entry.place}.{each}") for each in ("start", "end"))
    return (ChangeMeeting(slot_id=str(entry.id), start=start, end=end, takes_place=sent["status"] != OFF),)


def _group_of(program: str, stored: Json) -> str:
    return group_key(program, stored["schedule"]["identifier"]["value"])


OF_GROUP = OtherKey(GROUP, _group_of)
