"""The referral, the Tasks a person completes, and the discharge."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from services.intake.edge.reading import code_in, codings, happened, instant, last_instant, target
from services.intake.messages import (
    AcknowledgeEscalation,
    CompleteReview,
    Discharge,
    ReceiveReferral,
    ResolveEscalation,
    SignPlacement,
)
from shared.edge.contract import Context
from shared.edge.escalations import escalation_command
from shared.edge.fhir import BundleEntry
from shared.edge.outcome import refuse
from shared.events import codes
from shared.events.envelope import Command, name_id

_ORDERED = frozenset({"order", "original-order", "filler-order", "instance-order", "reflex-order"})
_OTHER_SERVICES = frozenset({"108252007", "363679005", "387713003"})
"""SNOMED CT categories of what is no referral: laboratory, imaging, surgery."""
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]{0,63}")
"""A level or a reason as the topics may carry it; a FHIR code may be a whole sentence."""
_PLAIN_DISPOSITION = {"home": "completed", "aadvice": "ama", "exp": "deceased", "oth": "other"}
"""FHIR's discharge dispositions that can mean only one of the hub's (domain 6.1)."""


def referral(entry: BundleEntry, entries: Sequence[BundleEntry], context: Context) -> tuple[ReceiveReferral, ...]:
    """An active order that is a referral; its Task, if one came along, tracks it.

    An update of one that was active is no second referral: it may have been placed long ago, under its id.
    """
    request = entry.resource
    before = context.stored.get((entry.type, str(entry.id)))
    if not _is_referral(request) or (before is not None and _is_referral(before.body)):
        return ()
    referral_id = str(entry.id)
    task_id = next(
        (str(each.id) for each in entries if each.type == "Task" and _focus(each, "ServiceRequest") == referral_id),
        name_id(referral_id, "task"),
    )
    written = request.get("authoredOn")
    place = f"{entry.place}.authoredOn"
    return (
        ReceiveReferral(
            referral_id=referral_id,
            task_id=task_id,
            authored_at=instant(written, context.settings.timezone, place) if written else context.now,
            priority=request.get("priority", "routine"),
        ),
    )


def _is_referral(request: Mapping[str, Any]) -> bool:
    return request["status"] == "active" and request["intent"] in _ORDERED and not _is_other_service(request)


def _is_other_service(request: Mapping[str, Any]) -> bool:
    return any(each.get("code") in _OTHER_SERVICES for one in request.get("category", ()) for each in codings(one))


def _focus(task: BundleEntry, kind: str) -> str | None:
    return target(task.resource.get("focus"), kind)


def is_ours(entry: BundleEntry, context: Context) -> bool:
    """Whether the hub itself gave this Task: only then completing it decides anything here."""
    stored = context.stored.get((entry.type, str(entry.id)))
    code = stored.body.get("code", {}) if stored else {}
    return code_in(code, codes.TASK) in {"sign-placement", "review-placement"} or bool(code_in(code, codes.ESCALATION))


def completed(entry: BundleEntry, context: Context) -> Command:
    """What a person says by a Task of the hub: a level signed, a review done, an escalation taken or resolved."""
    code = context.stored[entry.type, str(entry.id)].body["code"]
    if code_in(code, codes.ESCALATION):
        return escalation_command(entry, AcknowledgeEscalation, ResolveEscalation)
    if entry.resource["status"] != "completed":
        place = f"{entry.place}.status"
        raise refuse(422, "business-rule", place, "This Task is answered by completing it, with its output.")
    level = _output(entry, "level", codes.LEVEL)
    if level is None and code_in(code, codes.TASK) == "review-placement":
        return CompleteReview(task_id=str(entry.id))
    if level is None:
        raise refuse(422, "required", f"{entry.place}.output", "The level of care selected, of its edition.")
    return SignPlacement(
        task_id=str(entry.id), level=level, reason=_output(entry, "reason", codes.REASON), by=_signer(entry)
    )


def _output(entry: BundleEntry, name: str, system: str) -> str | None:
    for number, each in enumerate(entry.resource.get("output", ())):
        if code_in(each["type"], codes.INPUT) == name:
            found = code_in(each.get("valueCodeableConcept"), system)
            if found is None or not _CODE.fullmatch(found):
                place = f"{entry.place}.output[{number}].value"
                raise refuse(422, "code-invalid", place, "A coded value of the hub's CodeSystem is needed.")
            return found
    return None


def _signer(entry: BundleEntry) -> str | None:
    owner = entry.resource.get("owner", {})
    named = owner.get("identifier", {})
    return target(owner, "Practitioner") or (named.get("value") if named.get("system") == codes.STAFF else None)


def discharge(entry: BundleEntry, entries: Sequence[BundleEntry], context: Context) -> Discharge:
    """A finished episode with its Encounter, in one transaction: the disposition stands on the Encounter."""
    if entry.resource["status"] != "finished":
        raise refuse(422, "business-rule", f"{entry.place}.status", "An episode is finished here; the hub opens it.")
    encounter = next((each for each in entries if each.type == "Encounter" and _disposition_of(each)), None)
    if encounter is None:
        raise refuse(
            422,
            "required",
            entry.place,
            "Its Encounter with hospitalization.dischargeDisposition comes in the same transaction.",
        )
    return Discharge(
        episode_id=str(entry.id),
        encounter_id=str(encounter.id),
        disposition=_disposition(encounter),
        at=_ended(entry, encounter, context),
    )


def _disposition_of(encounter: BundleEntry) -> Any:
    return encounter.resource.get("hospitalization", {}).get("dischargeDisposition")


def _disposition(encounter: BundleEntry) -> str:
    concept = _disposition_of(encounter)
    found = code_in(concept, codes.DISPOSITION) or _PLAIN_DISPOSITION.get(code_in(concept, codes.DISCHARGE) or "")
    if found not in codes.FHIR_DISPOSITION:
        place = f"{encounter.place}.hospitalization.dischargeDisposition"
        raise refuse(422, "code-invalid", place, "A disposition of the hub's CodeSystem is needed.")
    return found


def _ended(episode: BundleEntry, encounter: BundleEntry, context: Context) -> datetime:
    """When the stay ended: an instant, or of a day its last second; never later than now."""
    dated = next((each for each in (episode, encounter) if each.resource.get("period", {}).get("end")), episode)
    place, end = f"{dated.place}.period.end", dated.resource.get("period", {}).get("end")
    exact = happened(end, context, place)
    zone = context.settings.timezone
    return min(exact if "T" in end else last_instant(end, zone, place) - timedelta(seconds=1), context.now)
