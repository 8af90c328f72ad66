"""Who a foreign Consent names as the discloser (42 CFR 2.31(a)(2)): this program, somebody else, or nobody readable."""

from collections.abc import Iterator, Sequence
from urllib.parse import parse_qs

from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import literal, target
from shared.edge.json import Json
from shared.events import codes

_MISSING = "The discloser is required: the organization, by reference or identifier."
_ANOTHER = "The discloser must be this program: by one of its identifiers (program.toml), or by a plain reference."


def wrong_discloser(consent: Json, entries: Sequence[BundleEntry], context: Context) -> str:
    """Why nothing may be disclosed by it; empty where this program is named, by one of its identifiers or by a plain
    reference. An identifier that is none of this program's names somebody else. Display text names nobody."""
    organizations = consent.get("organization", ())
    named = {name for each in organizations for name in _identifiers(each, consent, entries)}
    if named:
        return "" if named & _own(context) else _ANOTHER
    return "" if any(literal(each) for each in organizations) else _MISSING


def _own(context: Context) -> set[str]:
    """How this program may be named, as `system|value`."""
    return {f"{codes.ROLE}|program", f"{codes.PROGRAM}|{context.program}", *context.settings.identifiers}


def _identifiers(organization: Json, consent: Json, entries: Sequence[BundleEntry]) -> Iterator[str]:
    """Its own, those of the Organization it refers to, here or in the same Bundle, and the one it searches for."""
    identity, local = target(organization, "Organization"), literal(organization)
    bundled = [each.resource for each in entries if each.type == "Organization" and str(each.id) == identity]
    contained = [each for each in consent.get("contained", ()) if f"#{each.get('id')}" == local]
    of_others = (each for found in (*bundled, *contained) for each in found.get("identifier", ()))
    for each in (organization.get("identifier", {}), *of_others):
        if each.get("value"):
            yield f"{each.get('system')}|{each['value']}"
    yield from parse_qs(local.partition("?")[2]).get("identifier", ())
