"""The parts of a foreign Consent that a yes and a no are read by alike."""

from collections.abc import Iterable, Mapping, Sequence

from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, target
from shared.edge.json import Json
from shared.events import codes

RESTRICTIONS = ("provision", "class", "data", "dataPeriod", "securityLabel")
"""A provision that narrows itself by these states more than the hub understands."""
MODIFIERS = ("modifierExtension", "implicitRules")
"""What stands under these may turn the meaning of all the rest into its opposite (FHIR R4, 2.4.0.1)."""
_PURPOSES = (codes.ACT_REASON, codes.PURPOSE)


def is_privacy(consent: Json) -> bool:
    return code_in(consent["scope"], codes.CONSENT_SCOPE) == "patient-privacy"


def is_modified(part: object) -> bool:
    """Whether anything of it, at whatever depth, may turn its meaning round."""
    if isinstance(part, Mapping):
        return any(name in MODIFIERS or is_modified(value) for name, value in part.items())
    return isinstance(part, list | tuple) and any(is_modified(each) for each in part)


def recipients(provision: Json, entries: Sequence[BundleEntry]) -> tuple[str, ...]:
    """The partners named by the actors that receive (role IRCP), but for one that names two different ones."""
    receiving = [each for each in provision.get("actor", ()) if code_in(each["role"], codes.PARTICIPATION) == "IRCP"]
    plain = [each for each in receiving if not _contradicts_itself(each, entries)]
    return tuple(dict.fromkeys(name for each in plain for name in partners(each, entries)))


def partners(actor: Json, entries: Sequence[BundleEntry]) -> list[str]:
    """Whom an actor names: itself, or through an Organization in the same Bundle."""
    return [*_by_itself(actor), *_by_organization(actor, entries)]


def _contradicts_itself(actor: Json, entries: Sequence[BundleEntry]) -> bool:
    """Whether its identifier is not one of the Organization it refers to."""
    named, referred = _by_itself(actor), _by_organization(actor, entries)
    return bool(named and referred) and not set(named) <= set(referred)


def _by_itself(actor: Json) -> list[str]:
    return _partner_identifiers([actor["reference"].get("identifier", {})])


def _by_organization(actor: Json, entries: Sequence[BundleEntry]) -> list[str]:
    named = target(actor["reference"], "Organization")
    organizations = [each.resource for each in entries if each.type == "Organization" and str(each.id) == named]
    return _partner_identifiers(identifier for each in organizations for identifier in each.get("identifier", ()))


def _partner_identifiers(identifiers: Iterable[Json]) -> list[str]:
    return [str(each["value"]) for each in identifiers if each.get("system") == codes.PARTNER and each.get("value")]


def purposes(provision: Json) -> tuple[str, ...]:
    return tuple(
        each["code"] for each in provision.get("purpose", ()) if each.get("system") in _PURPOSES and "code" in each
    )
