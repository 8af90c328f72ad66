"""Foreign FHIR as commands: referrals asked for by ServiceRequest, follow-ups and escalations by Task."""

from collections.abc import Mapping, Sequence

from services.aftercare.messages import (
    AskReferral,
    CompleteFollowUp,
    Reach,
    WithdrawReferral,
)
from shared.edge.contract import Context, Edge, Interpretation
from shared.edge.escalations import escalation_command
from shared.edge.fhir import BundleEntry, Interaction, ResourceSupport
from shared.edge.fhir.elements import code_in, codes_in, logical
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.edge.search import AUDITS, DIRECTORY, FINDINGS, PARAMETERS, TASKS, WITHOUT_STATUS
from shared.edge.staff import person
from shared.events import codes
from shared.events.envelope import Command

_READ: tuple[Interaction, ...] = ("read", "search-type")
REACHES: Mapping[str, Reach] = {"reached": "reached", "not-reached": "not-reached"}

TAKES: dict[str, ResourceSupport] = {
    "ServiceRequest": ResourceSupport((*_READ, "create"), PARAMETERS, conditional_create=True),
    "Task": ResourceSupport((*_READ, "update", "patch"), TASKS),
    "CarePlan": ResourceSupport(_READ, PARAMETERS),
    "Communication": ResourceSupport(_READ, PARAMETERS),
    "HealthcareService": ResourceSupport(_READ, DIRECTORY),
    "DetectedIssue": ResourceSupport(_READ, FINDINGS),
    "Provenance": ResourceSupport(_READ, WITHOUT_STATUS),
    "AuditEvent": ResourceSupport(_READ, AUDITS),
}


def interpret(entries: Sequence[BundleEntry], context: Context) -> Interpretation:
    """The commands in these entries. Nothing is stored as received: aftercare writes referral and Task itself."""
    return Interpretation(tuple(_command(entry, context) for entry in entries))


def _command(entry: BundleEntry, context: Context) -> Command:
    if entry.type == "ServiceRequest":
        return _asked(entry, context)
    before = context.stored["Task", str(entry.id)].body
    match code_in(before.get("code"), codes.TASK):
        case "follow-up":
            return _completed(entry, context)
        case "referral" | "answer-referrer":
            return _withdrawn(entry, context)
        case _:
            return escalation_command(entry, context)


def _asked(entry: BundleEntry, context: Context) -> AskReferral:
    """A partner is named by its identifier in the hub's partner system; display text never counts."""
    request, place = entry.resource, entry.place
    if request["status"] not in ("active", "draft"):
        raise refuse(422, "business-rule", f"{place}.status", "Must be active or draft.")
    named = [partner for each in request.get("performer", ()) if (partner := logical(each, codes.PARTNER))]
    if len(named) != 1:
        raise refuse(
            422, "required", f"{place}.performer", f"Must name one partner by its identifier in {codes.PARTNER}."
        )
    kind = code_in(request.get("code"), codes.TASK)
    if kind is None:
        raise refuse(422, "required", f"{place}.code", f"The kind of referral is required, as a code of {codes.TASK}.")
    send_again_reason = _send_again_reason(request, place)
    by = person(entry, context, "requester") if send_again_reason else ""
    return AskReferral(
        referral_id=str(entry.id), partner=named[0], kind=kind, asked_by=by, send_again_reason=send_again_reason
    )


def _send_again_reason(request: Json, place: str) -> str:
    """Why a person has another referral sent soon; empty where no reason of ours is given."""
    found = {each for concept in request.get("reasonCode", ()) for each in codes_in(concept, codes.REASON)}
    if found - codes.SEND_AGAIN_REASONS or len(found) > 1:
        listed = ", ".join(sorted(codes.SEND_AGAIN_REASONS))
        raise refuse(422, "code-invalid", f"{place}.reasonCode", f"Must be one of {listed} ({codes.REASON}).")
    return next(iter(found), "")


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


EDGE = Edge(takes=TAKES, interpret=interpret, order=("ServiceRequest", "Task"))
