"""The parts of a foreign Consent that a yes and a no are read by alike."""

from collections.abc import Sequence

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


def recipients(provision: Json, entries: Sequence[BundleEntry]) -> tuple[str, ...]:
    """The partners named by the actors that receive (role IRCP)."""
    receiving = [each for each in provision.get("actor", ()) if code_in(each["role"], codes.PARTICIPATION) == "IRCP"]
    return tuple(dict.fromkeys(name for each in receiving for name in partners(each, entries)))


def partners(actor: Json, entries: Sequence[BundleEntry]) -> list[str]:
    """Whom an actor names: itself, or through an Organization in the same Bundle."""
    reference, named = actor["reference"], target(actor["reference"], "Organization")
    organizations = [each.resource for each in entries if each.type == "Organization" and str(each.id) == named]
    identifiers = [reference.get("identifier", {})]
    for each in organizations:
        identifiers.extend(each.get("identifier", ()))
    return [str(each["value"]) for each in identifiers if each.get("system") == codes.PARTNER and each.get("value")]


def purposes(provision: Json) -> tuple[str, ...]:
    return tuple(
        each["code"] for each in provision.get("purpose", ()) if each.get("system") in _PURPOSES and "code" in each
    )
