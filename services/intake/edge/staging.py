"""The stage in which a stay goes on, as a therapist says it: by the Task that asks, or by a Task of their own."""

from services.intake.messages import AdvanceStage
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, target
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.edge.staff import person
from shared.events import codes

ADVANCE = "advance-stage"


def advanced(entry: BundleEntry, context: Context, episode_id: str = "") -> AdvanceStage:
    """Of a completed Task. Raises HttpRefusal where no stage is stated, or several are."""
    outputs = [each for each in entry.resource.get("output", ()) if code_in(each["type"], codes.INPUT) == "stage"]
    stated = [code_in(each.get("valueCodeableConcept"), codes.STAGE) for each in outputs]
    if len(stated) != 1 or stated[0] is None:
        text = "One stage is required: an output of type stage, with a code of the CodeSystem stage."
        raise refuse(422, "required", f"{entry.place}.output", text)
    return AdvanceStage(task_id=str(entry.id), stage=stated[0], by=person(entry, context), episode_id=episode_id)


def is_senders(task: Json) -> bool:
    """Whether a Task about the stage is a client's own: the hub's says why it asks."""
    return code_in(task.get("code"), codes.TASK) == ADVANCE and code_in(task.get("reasonCode"), codes.RULE) is None


def unasked(entry: BundleEntry, context: Context) -> AdvanceStage | None:
    """Of a Task that the client made, once: when it is completed, about the EpisodeOfCare in its focus. Sent again it
    is no second decision, for the stay may have gone on since. Raises HttpRefusal 409 where it says another stage."""
    task = entry.resource
    episode_id = target(task.get("focus"), "EpisodeOfCare")
    if code_in(task.get("code"), codes.TASK) != ADVANCE or task["status"] != "completed" or episode_id is None:
        return None
    before = context.stored.get((entry.type, str(entry.id)))
    if before is None or before.body.get("status") != "completed":
        return advanced(entry, context, episode_id)
    if before.body.get("output") != task.get("output"):
        raise refuse(409, "conflict", f"{entry.place}.output", "It was completed: another stage is another Task.")
    return None
