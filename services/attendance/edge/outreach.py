"""An attempt to reach the patient, as `Task.output` of an escalation states it: how, when, and with what outcome."""

from collections.abc import Sequence
from typing import TypeVar, get_args

from services.attendance.messages import (
    AcknowledgeEscalation,
    ActOnEscalation,
    RecordOutreach,
    ResolveEscalation,
)
from shared.edge.contract import Context
from shared.edge.escalations import escalation_command
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, happened_exactly
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.edge.staff import acting, person_or_client
from shared.events.codes import INPUT, OUTREACH, PARTICIPATION_MODE
from shared.events.envelope import Command
from shared.events.outreach import Channel, OutreachOutcome

CHANNEL, AT, OUTCOME = PARTS = ("outreach-channel", "outreach-at", "outreach-outcome")
_ACTS = {"reached": "patient-reached", "message": "message-left"}
"""What was done, where the Task does not state it itself."""
Code = TypeVar("Code", bound=str)
Parts = dict[str, list[tuple[Json, str]]]


def task(entry: BundleEntry, context: Context) -> Sequence[Command]:
    """The step of its status, and the attempt beside it: before what closes the escalation, after what opens it."""
    step = escalation_command(entry, context)
    parts = _parts(entry)
    if not any(parts.values()):
        return (step,)
    attempt = _attempt(entry, parts, context)
    act = _ACTS.get(attempt.outcome)
    if isinstance(step, AcknowledgeEscalation) and act is not None:
        step = ActOnEscalation(escalation_id=step.escalation_id, act=act, by=step.by, proved=step.proved)
    return (attempt, step) if isinstance(step, ResolveEscalation) else (step, attempt)


def _parts(entry: BundleEntry) -> Parts:
    found: Parts = {name: [] for name in PARTS}
    for number, each in enumerate(entry.resource.get("output", ())):
        name = code_in(each["type"], INPUT)
        if name in found:
            found[name].append((each, f"{entry.place}.output[{number}]"))
    return found


def _attempt(entry: BundleEntry, parts: Parts, context: Context) -> RecordOutreach:
    if any(len(each) != 1 for each in parts.values()):
        text = f"One attempt needs one output each of {', '.join(PARTS)} ({INPUT}); send another attempt by itself."
        raise refuse(422, "required", f"{entry.place}.output", text)
    ((at, place),) = parts[AT]
    handed_over = entry.resource["status"] == "requested"
    return RecordOutreach(
        escalation_id=str(entry.id),
        channel=_coded(parts[CHANNEL][0], PARTICIPATION_MODE, get_args(Channel)),
        outcome=_coded(parts[OUTCOME][0], OUTREACH, get_args(OutreachOutcome)),
        at=happened_exactly(at.get("valueDateTime", at.get("valueInstant")), f"{place}.valueDateTime", context.time),
        by=acting(context) if handed_over else person_or_client(entry, context),
    )


def _coded(part: tuple[Json, str], system: str, known: tuple[Code, ...]) -> Code:
    output, place = part
    stated = code_in(output.get("valueCodeableConcept"), system)
    found = next((each for each in known if each == stated), None)
    if found is None:
        text = f"Must be one of {', '.join(known)} ({system})."
        raise refuse(422, "code-invalid", f"{place}.valueCodeableConcept", text)
    return found
