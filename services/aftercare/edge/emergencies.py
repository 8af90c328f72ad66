"""A medical emergency in which a person of the staff told medical personnel: a foreign Communication as a command; and
its update, where it was recorded by mistake."""

from collections.abc import Mapping
from typing import Any

from services.aftercare.messages import MarkEmergency, RecordEmergency
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import codes_in, happened_exactly
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.edge.staff import acting, person, require_role, stated
from shared.events import codes


def emergency(entry: BundleEntry, context: Context) -> RecordEmergency:
    """The four facts of 42 CFR 2.51(c): `recipient`, `sender`, `sent` and the nature in `reasonCode`. The recipient's
    name stays in the Communication, which is stored as it came."""
    message, place = entry.resource, entry.place
    if message["status"] != "completed":
        raise refuse(422, "business-rule", f"{place}.status", "Must be completed: record it once they were told.")
    found = {each for concept in message.get("reasonCode", ()) for each in codes_in(concept, codes.EMERGENCY)}
    if len(found) != 1 or not found <= codes.EMERGENCIES:
        listed = ", ".join(sorted(codes.EMERGENCIES))
        raise refuse(422, "code-invalid", f"{place}.reasonCode", f"Must be one of {listed} ({codes.EMERGENCY}).")
    if not any(_is_named(each) for each in message.get("recipient", ())):
        text = "Must name the medical personnel who were told, and their facility: by display or identifier."
        raise refuse(422, "required", f"{place}.recipient", text)
    if "sent" not in message:
        raise refuse(422, "required", f"{place}.sent", "The time at which they were told is required.")
    by = person(entry, context, "sender")
    require_role("disclose-in-emergency", f"{place}.sender", context)
    return RecordEmergency(
        communication_id=str(entry.id),
        nature=next(iter(found)),
        disclosed_at=happened_exactly(message["sent"], f"{place}.sent", context.time),
        by=by,
    )


def mistaken(entry: BundleEntry, context: Context) -> MarkEmergency:
    """The same once more, as it was recorded, with `status` entered-in-error. Raises HttpRefusal: 404 where no
    emergency was recorded under this id, 422 for any other change."""
    message, place = entry.resource, entry.place
    stored = context.stored.get(("Communication", str(entry.id)))
    natures = [] if stored is None else _natures(stored.body)
    if stored is None or not natures:
        raise refuse(404, "not-found", place, "Must be an emergency that was recorded here.")
    if (stored.body["status"], message["status"]) != ("completed", "entered-in-error"):
        text = "What was recorded stands. Must be entered-in-error, once, where nobody was told."
        raise refuse(422, "business-rule", f"{place}.status", text)
    for member in ("recipient", "sender", "sent", "reasonCode"):
        if message.get(member) != stored.body.get(member):
            raise refuse(422, "business-rule", f"{place}.{member}", "Must be as it was recorded.")
    by = stated(message.get("sender"), f"{place}.sender", context)
    return MarkEmergency(
        communication_id=str(entry.id),
        nature=natures[0],
        disclosed_at=happened_exactly(message["sent"], f"{place}.sent", context.time),
        by=by,
        mistaken_by=acting(context) or by,
    )


def _natures(message: Mapping[str, Any]) -> list[str]:
    found = {each for concept in message.get("reasonCode", ()) for each in codes_in(concept, codes.EMERGENCY)}
    return sorted(found & codes.EMERGENCIES)


def _is_named(recipient: Json) -> bool:
    return bool(str(recipient.get("display", "")).strip() or recipient.get("identifier", {}).get("value"))
