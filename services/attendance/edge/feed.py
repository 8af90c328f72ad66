"""The Task about a silent feed: of no patient, answered by whoever looks after the interface."""

from services.attendance.feed_events import FEED, feed_key
from services.attendance.messages import AnswerFeed
from shared.edge.contract import Context, OtherKey
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, has_code
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.events.codes import REASON, TASK
from shared.events.listed import FEED_SILENT

NOTHING_TO_REPORT = "nothing-to-report"


def _feed_of(program: str, task: Json) -> str | None:
    return feed_key(program) if has_code(task.get("code"), TASK, FEED_SILENT) else None


OF_FEED = OtherKey(FEED, _feed_of)


def is_of_feed(entry: BundleEntry, context: Context) -> bool:
    stored = context.stored.get((entry.type, str(entry.id)))
    return stored is not None and _feed_of(context.program, stored.body) is not None


def answer(entry: BundleEntry, context: Context) -> AnswerFeed:
    """Accepted: somebody looks at the interface. Completed: nothing was to be reported, and that is stated, for it
    makes absences of whoever was not. Raises HttpRefusal."""
    match entry.resource["status"]:
        case "accepted" | "in-progress":
            return AnswerFeed(task_id=str(entry.id), answer="taken-on")
        case "completed" if code_in(entry.resource.get("statusReason"), REASON) == NOTHING_TO_REPORT:
            return AnswerFeed(task_id=str(entry.id), answer="nothing-to-report")
        case "completed":
            text = (
                f"Must be {NOTHING_TO_REPORT} ({REASON}) where the interface stood by and nobody came: absences are "
                "concluded then. Where it stood still, mend it: the hub completes this Task once reports come again."
            )
            raise refuse(422, "business-rule", f"{entry.place}.statusReason", text)
        case _:
            raise refuse(422, "business-rule", f"{entry.place}.status", "Must be accepted, in-progress or completed.")
