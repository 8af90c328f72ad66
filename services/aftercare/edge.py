"""Foreign FHIR in, told: referrals asked for by ServiceRequest, follow-ups and escalations by Task."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.aftercare.messages import (
    AcknowledgeEscalation,
    AskReferral,
    CompleteFollowUp,
    Reach,
    ResolveEscalation,
)
from shared.edge.contract import Context, Edge, Interpretation
from shared.edge.escalations import escalation_command
from shared.edge.fhir import BundleEntry, Interaction, ResourceSupport
from shared.edge.outcome import refuse
from shared.edge.search import PARAMETERS
from shared.events import codes
from shared.events.envelope import Command

_READ: tuple[Interaction, ...] = ("read", "search-type")
REACHES: Mapping[str, Reach] = {"reached": "reached", "not-reached": "not-reached"}

TAKES: dict[str, ResourceSupport] = {
    "ServiceRequest": ResourceSupport((*_READ, "create"), PARAMETERS, conditional_create=True),
    "Task": ResourceSupport((*_READ, "update"), PARAMETERS),
    "CarePlan": ResourceSupport(_READ, PARAMETERS),
    "Communication": ResourceSupport(_READ, PARAMETERS),
    "HealthcareService": ResourceSupport(_READ, {"_id": PARAMETERS["_id"], "_lastUpdated": PARAMETERS["_lastUpdated"]}),
    "DetectedIssue": ResourceSupport(_READ, PARAMETERS),
    "AuditEvent": ResourceSupport(_READ, PARAMETERS),
}


def interpret(entries: Sequence[BundleEntry], context: Context) -> Interpretation:
    """The commands in these entries. Nothing is kept as it came: aftercare writes the referral and its Task itself."""
    return Interpretation(tuple(_commands(entry, context) for entry in entries))


def _commands(entry: BundleEntry, context: Context) -> Command:
    if entry.type == "ServiceRequest":
        return _asked(entry)
    before = context.stored["Task", str(entry.id)].body
    match _code(before.get("code", {}), codes.TASK):
        case "follow-up":
            return _completed(entry)
        case "referral":
            raise refuse(
                422, "business-rule", entry.place, "The hub alone moves this Task: it tells how the referral fares."
            )
        case _:
            return escalation_command(entry, AcknowledgeEscalation, ResolveEscalation)


def _asked(entry: BundleEntry) -> AskReferral:
    """A partner is named by its identifier in the hub's partner system; display text never counts."""
    request, place = entry.resource, entry.place
    if request["status"] not in ("active", "draft"):
        raise refuse(422, "business-rule", f"{place}.status", "A referral that is asked for is active or draft.")
    performers = [each.get("identifier", {}) for each in request.get("performer", ())]
    named = [each["value"] for each in performers if each.get("system") == codes.PARTNER and "value" in each]
    if len(named) != 1:
        raise refuse(422, "required", f"{place}.performer", f"Name one partner by its identifier in {codes.PARTNER}.")
    kind = _code(request.get("code", {}), codes.TASK)
    if kind is None:
        raise refuse(422, "required", f"{place}.code", f"Say the kind of referral with a code of {codes.TASK}.")
    return AskReferral(referral_id=str(entry.id), partner=named[0], kind=kind)


def _completed(entry: BundleEntry) -> CompleteFollowUp:
    if entry.resource["status"] != "completed":
        raise refuse(422, "business-rule", f"{entry.place}.status", "A follow-up is completed, reached or not-reached.")
    stated = _code(entry.resource.get("statusReason", {}), codes.REASON) or "reached"
    reach = REACHES.get(stated)
    if reach is None:
        raise refuse(422, "code-invalid", f"{entry.place}.statusReason", f"It is {' or '.join(REACHES)}.")
    return CompleteFollowUp(task_id=str(entry.id), reach=reach)


def _code(concept: Mapping[str, Any], system: str) -> str | None:
    codings = concept.get("coding", ())
    return next((str(each["code"]) for each in codings if each.get("system") == system and "code" in each), None)


EDGE = Edge(takes=TAKES, interpret=interpret, order=("ServiceRequest", "Task"))
