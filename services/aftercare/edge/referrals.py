"""A referral that a case manager asks for: a foreign ServiceRequest as a command."""

from services.aftercare.messages import AskReferral
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, codes_in, logical
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.edge.staff import person
from shared.events import codes


def asked(entry: BundleEntry, context: Context) -> AskReferral:
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
