"""What is answered by Task: a follow-up made, a referral or an answer taken back, a referral by its partner."""

from collections.abc import Mapping

from services.aftercare.edge import closed_loop
from services.aftercare.messages import CompleteFollowUp, Reach, WithdrawReferral
from shared.edge.contract import Context
from shared.edge.escalations import escalation_command
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in
from shared.edge.outcome import refuse
from shared.edge.staff import person
from shared.events import codes
from shared.events.envelope import Command

REACHES: Mapping[str, Reach] = {"reached": "reached", "not-reached": "not-reached"}


def task(entry: BundleEntry, context: Context) -> Command:
    """By what the stored Task asks for."""
    if context.caller.client.partner:
        return closed_loop.answered(entry, context)
    before = context.stored["Task", str(entry.id)].body
    match code_in(before.get("code"), codes.TASK):
        case "follow-up":
            return _completed(entry, context)
        case "referral" | "answer-referrer":
            return _withdrawn(entry, context)
        case _:
            return escalation_command(entry, context)


def _withdrawn(entry: BundleEntry, context: Context) -> WithdrawReferral:
    if entry.resource["status"] != "cancelled":
        raise refuse(
            422, "business-rule", f"{entry.place}.status", "Must be cancelled: all else of a referral the hub updates."
        )
    return WithdrawReferral(task_id=str(entry.id), by=person(entry, context))


def _completed(entry: BundleEntry, context: Context) -> CompleteFollowUp:
    if entry.resource["status"] != "completed":
        raise refuse(
            422, "business-rule", f"{entry.place}.status", "Must be completed, statusReason reached or not-reached."
        )
    stated = code_in(entry.resource.get("statusReason"), codes.REASON) or "reached"
    reach = REACHES.get(stated)
    if reach is None:
        raise refuse(422, "code-invalid", f"{entry.place}.statusReason", "Must be reached or not-reached.")
    return CompleteFollowUp(task_id=str(entry.id), reach=reach, by=person(entry, context))
