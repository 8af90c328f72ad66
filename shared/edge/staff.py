"""The person behind a Task or an order: `Task.owner`, or a requester, names a member of the program's staff. A client
is no clinician."""

from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import literal
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.events.codes import ROLE, STAFF
from shared.events.escalation import PERSON
from shared.rules import staff


def acting(context: Context) -> str:
    """The member of staff whose token this is, proved by the issuer; empty where it is a client's alone."""
    return context.caller.person


def is_proved(context: Context) -> bool:
    """Whether a token or a link says who acts; else a client or whoever holds a shared link states it."""
    return acting(context) != "" and context.caller.proved


def require_role(act: staff.Act, place: str, context: Context) -> None:
    """Of a person whose token it is, that they may do it; a client alone is not asked. Raises HttpRefusal 403."""
    refused = staff.refused(context.settings.staff, act, acting(context), place) if acting(context) else None
    if refused is not None:
        raise refuse(403, "forbidden", place, refused.reason)


def receiver(entry: BundleEntry, context: Context) -> str:
    """To whom a Task is handed over: `staff/<id>`, or a role. Raises HttpRefusal 422: nobody is named, or nobody of the
    program's staff."""
    place, identifier = f"{entry.place}.owner", entry.resource.get("owner", {}).get("identifier", {})
    if identifier.get("system") != ROLE:
        return f"{PERSON}{_named(entry, context, 'owner')}"
    role = str(identifier.get("value", ""))
    if not staff.has_role(context.settings.staff, role):
        raise refuse(422, "code-invalid", place, "Must be a role of the program's staff (program.toml).")
    return role


def person(entry: BundleEntry, context: Context, element: str = "owner") -> str:
    """The id of the member of staff who did this: whose token it is, else whom this element names. Raises HttpRefusal:
    403 where it names another person than the token, 422 where nobody is named, or nobody we know."""
    proved = acting(context)
    if not proved:
        return _named(entry, context, element)
    is_named = _name(entry.resource.get(element) or {}, context.caller.client.base_url) != ""
    if is_named and _named(entry, context, element) != proved:
        text = "Must be the person whose token this is, or a role: nobody acts for another."
        raise refuse(403, "forbidden", f"{entry.place}.{element}", text)
    return proved


def person_or_client(entry: BundleEntry, context: Context) -> str:
    """As `person`; empty where nobody is named and the program lets a client answer in its own name."""
    named = acting(context) or _name(entry.resource.get("owner") or {}, context.caller.client.base_url)
    if not named and not context.settings.escalation.acknowledge_needs_person:
        return ""
    return person(entry, context)


def is_of_staff(named: Json, context: Context) -> bool:
    """Whether this reference names somebody of the program's staff."""
    name = _name(named, context.caller.client.base_url)
    return name != "" and staff.member(context.settings.staff, name) is not None


def _named(entry: BundleEntry, context: Context, element: str) -> str:
    return stated(entry.resource.get(element), f"{entry.place}.{element}", context)


def known_member(named: Json, context: Context) -> str | None:
    """The id of the member of staff whom this reference names; None where it names nobody of them."""
    name = _name(named, context.caller.client.base_url)
    return staff.member(context.settings.staff, name) if name else None


def stated(named: Json | None, place: str, context: Context) -> str:
    """The id of the member of staff whom this reference names. Raises HttpRefusal 422."""
    name = _name(named or {}, context.caller.client.base_url)
    if not name:
        raise refuse(
            422, "required", place, f"Must name who did this: a member of staff ({STAFF}) or their Practitioner."
        )
    found = staff.member(context.settings.staff, name)
    if found is None:
        raise refuse(422, "code-invalid", place, "Must be a member of the program's staff (program.toml).")
    return found


def _name(named: Json, base_url: str) -> str:
    """Whom the reference names, as the list of staff writes it; empty for a role, or for nobody."""
    base, found, identity = literal(named).rpartition("Practitioner/")
    if found:
        return f"{base.rstrip('/') or base_url}|Practitioner/{identity}"
    identifier = named.get("identifier", {})
    system, value = identifier.get("system", ""), identifier.get("value", "")
    if system == ROLE or not value:
        return ""
    return str(value) if system == STAFF else f"{system}|{value}"
