"""The person behind a Task: `Task.owner` names a member of the program's staff. A client is no clinician."""

from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import literal
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.events.codes import ROLE, STAFF
from shared.rules import staff


def person(entry: BundleEntry, context: Context) -> str:
    """The id of the member of staff who did this. Raises HttpRefusal 422: nobody is named, or nobody we know."""
    place, owner = f"{entry.place}.owner", entry.resource.get("owner")
    name = _name(owner or {}, context.caller.client.base_url)
    if not name:
        raise refuse(
            422, "required", place, f"Must name who did this: a member of staff ({STAFF}) or their Practitioner."
        )
    found = staff.member(context.settings.staff, name)
    if found is None:
        raise refuse(422, "code-invalid", place, "Must be a member of the program's staff (program.toml).")
    return found


def _name(owner: Json, base_url: str) -> str:
    """Whom the reference names, as the list of staff writes it; empty for a role, or for nobody."""
    base, found, identity = literal(owner).rpartition("Practitioner/")
    if found:
        return f"{base.rstrip('/') or base_url}|Practitioner/{identity}"
    named = owner.get("identifier", {})
    system, value = named.get("system", ""), named.get("value", "")
    if system == ROLE or not value:
        return ""
    return str(value) if system == STAFF else f"{system}|{value}"
