"""The parts of a foreign Consent that a yes and a no are read by alike."""

from collections.abc import Iterable, Mapping, Sequence

from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, target
from shared.edge.json import Json
from shared.events import codes
from shared.rules.partner_kinds import TERMS

RESTRICTIONS = ("provision", "class", "data", "dataPeriod", "securityLabel")
"""A provision that narrows itself by these states more than the hub understands."""
MODIFIERS = ("modifierExtension", "implicitRules")
"""What stands under these may turn the meaning of all the rest into its opposite (FHIR R4, 2.4.0.1)."""
BY_CLASS = tuple(kind for kind, terms in TERMS.items() if terms.tpo)
"""Kinds of partner that a consent may name as a class."""
UNREADABLE_PURPOSE = "unreadable"
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
    plain = [each for each in _receiving(provision) if not _contradicts_itself(each, entries)]
    return tuple(dict.fromkeys(name for each in plain for name in partners(each, entries)))


def classes(provision: Json) -> tuple[str, ...]:
    """The kinds of partner that an actor which receives names as a class: those that a consent can reach so."""
    named = (each["reference"].get("identifier", {}) for each in _receiving(provision))
    found = (each.get("value") for each in named if each.get("system") == codes.PARTNER_KIND)
    return tuple(kind for kind in dict.fromkeys(found) if kind in BY_CLASS)


def _receiving(provision: Json) -> list[Json]:
    return [each for each in provision.get("actor", ()) if code_in(each["role"], codes.PARTICIPATION) == "IRCP"]


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
    """Those that can be read."""
    return tuple(each["code"] for each in provision.get("purpose", ()) if _is_readable(each))


def every_purpose(provision: Json) -> tuple[str, ...]:
    """Those that can be read, and that there is another: what is for more than can be read is no consent for
    treatment, payment and operations alone, and so needs an end (42 CFR 2.31(a)(7))."""
    unreadable = not all(_is_readable(each) for each in provision.get("purpose", ()))
    return (*purposes(provision), UNREADABLE_PURPOSE) if unreadable else purposes(provision)


def _is_readable(purpose: Json) -> bool:
    return purpose.get("system") in _PURPOSES and "code" in purpose


def fields(provision: Json) -> tuple[str, ...]:
    """Those that can be read."""
    found = (code_in(each, codes.FIELD) for each in provision.get("code", ()))
    return tuple(dict.fromkeys(code for code in found if code))


def is_without_known_period(provision: Json) -> bool:
    """Whether its period has a limit that is not told: by an extension in place of the date."""
    period = provision.get("period", {})
    return any(f"_{name}" in period and name not in period for name in ("start", "end"))
