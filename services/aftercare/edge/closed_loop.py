"""A partner's answer, by the Task of the referral that it has, as a command: its client updates it, or a client of the
program for a member of the staff who was told, by telephone say."""

from datetime import UTC, datetime

from services.aftercare.messages import AnswerReferral
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, happened_exactly, logical, planned_exactly
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.events import codes
from shared.events.aftercare import ANSWER_STEPS, AnswerStep

_BY_STATUS: dict[str, AnswerStep] = {
    "received": "received",
    "accepted": "accepted",
    "rejected": "declined",
    "completed": "completed",
}
"""What a status says by itself; of one in progress the business status says how far it is."""
_WITH_APPOINTMENT = ("scheduled", "unattended", "attended")


def answered(entry: BundleEntry, context: Context, by: str = "") -> AnswerReferral:
    """Whoever sends the Task back as it was read, with another status, need not say the rest anew. Its partner is the
    one that has it, whoever writes: `by` is who of the staff, empty where it is the partner itself."""
    before = context.stored["Task", str(entry.id)].body
    step = _step(entry, before)
    appointment_at = _appointment_at(entry) if step in _WITH_APPOINTMENT else None
    if step == "scheduled" and appointment_at is None:
        text = f"An appointment is required: an output of the type appointment ({codes.INPUT}) with its valueDateTime."
        raise refuse(422, "required", f"{entry.place}.output", text)
    return AnswerReferral(
        task_id=str(entry.id),
        partner=logical(before.get("owner"), codes.PARTNER) or "",
        step=step,
        answered_at=_answered_at(entry, before, context),
        appointment_at=appointment_at,
        reason=_reason(entry) if step == "declined" else "",
        by=by,
    )


def _step(entry: BundleEntry, before: Json) -> AnswerStep:
    status, stated = entry.resource["status"], code_in(entry.resource.get("businessStatus"), codes.TASK)
    found = next((each for each, (of, _) in ANSWER_STEPS.items() if (each, of) == (stated, status)), None)
    if found is not None:
        return found
    is_new = stated not in (None, "sent", code_in(before.get("businessStatus"), codes.TASK))
    if is_new or status not in _BY_STATUS:
        pairs = ", ".join(f"{step} ({of})" for step, (of, _) in ANSWER_STEPS.items())
        text = f"Must be one of these with its status, as a code of {codes.TASK}: {pairs}."
        raise refuse(422, "code-invalid", f"{entry.place}.businessStatus", text)
    return _BY_STATUS[status]


def _reason(entry: BundleEntry) -> str:
    found = code_in(entry.resource.get("statusReason"), codes.REASON)
    if found not in codes.DECLINE_REASONS:
        listed = ", ".join(sorted(codes.DECLINE_REASONS))
        raise refuse(422, "required", f"{entry.place}.statusReason", f"Must be one of {listed} ({codes.REASON}).")
    return found


def _answered_at(entry: BundleEntry, before: Json, context: Context) -> datetime:
    """When the partner said so, where it says when; a time that stands as it was read says nothing."""
    stated = entry.resource.get("lastModified")
    if stated is None or stated == before.get("lastModified"):
        return context.now
    return happened_exactly(stated, f"{entry.place}.lastModified", context.time).astimezone(UTC)


def _appointment_at(entry: BundleEntry) -> datetime | None:
    outputs = [each for each in entry.resource.get("output", ()) if code_in(each.get("type"), codes.INPUT) == _OUTPUT]
    place = f"{entry.place}.output"
    if len(outputs) > 1 or any("valueDateTime" not in each for each in outputs):
        raise refuse(422, "value", place, "Must be one appointment, with its valueDateTime.")
    return planned_exactly(outputs[0]["valueDateTime"], place).astimezone(UTC) if outputs else None


_OUTPUT = "appointment"
