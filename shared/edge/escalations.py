"""An escalation is a Task, with the same route at every owner: `PUT /fhir/Task/{id}`, accepted or completed."""

from collections.abc import Callable
from typing import TypeVar

from shared.edge.fhir import Entry
from shared.edge.outcome import refuse
from shared.words.envelope import Command

Acknowledge = TypeVar("Acknowledge", bound=Command)
Resolve = TypeVar("Resolve", bound=Command)


def told(entry: Entry, acknowledge: Callable[..., Acknowledge], resolve: Callable[..., Resolve]) -> Command:
    """The command in a Task's new status: accepted acknowledges it, completed resolves it with the coded reason."""
    task = entry.resource
    match task["status"]:
        case "accepted" | "in-progress":
            return acknowledge(escalation_id=str(entry.id))
        case "completed":
            codings = task.get("statusReason", {}).get("coding", ())
            because = next((str(each["code"]) for each in codings if "code" in each), "acted-on")
            return resolve(escalation_id=str(entry.id), because=because)
        case _:
            raise refuse(
                422,
                "business-rule",
                f"{entry.place}.status",
                "An escalation is accepted or completed; the hub retracts.",
            )
