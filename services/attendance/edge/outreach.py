"""An attempt to reach the patient, beside a step of an escalation: `Task.output` states it."""

from collections.abc import Sequence

from services.attendance.messages import (
    AcknowledgeEscalation,
    ActOnEscalation,
    RecordOutreach,
    ResolveEscalation,
)
from shared.edge.contract import Context
from shared.edge.escalations import escalation_command
from shared.edge.fhir import BundleEntry
from shared.edge.outreach import Attempt, attempt
from shared.edge.staff import acting, person_or_client
from shared.events.envelope import Command

_ACTS = {"reached": "patient-reached", "message": "message-left"}
"""What was done, where the Task does not state it itself."""


def task(entry: BundleEntry, context: Context) -> Sequence[Command]:
    """The step of its status, and the attempt beside it: before what closes the escalation, after what opens it."""
    step, made = escalation_command(entry, context), attempt(entry, context)
    if made is None:
        return (step,)
    reported = _reported(entry, made, context)
    act = _ACTS.get(made.outcome)
    if isinstance(step, AcknowledgeEscalation) and act is not None:
        step = ActOnEscalation(escalation_id=step.escalation_id, act=act, by=step.by, proved=step.proved)
    return (reported, step) if isinstance(step, ResolveEscalation) else (step, reported)


def _reported(entry: BundleEntry, made: Attempt, context: Context) -> RecordOutreach:
    handed_over = entry.resource["status"] == "requested"
    return RecordOutreach(
        escalation_id=str(entry.id),
        channel=made.channel,
        outcome=made.outcome,
        at=made.at,
        by=acting(context) if handed_over else person_or_client(entry, context),
    )
