"""A foreign Consent as the patient's no. It is heard more widely than a yes: whom it names in a way that can't be read
may be any partner, and a newer permission that is narrower than can be understood closes what it names.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from services.intake.edge.consent_parts import (
    RESTRICTIONS,
    fields,
    is_modified,
    is_privacy,
    is_without_known_period,
    partners,
    purposes,
)
from services.intake.messages import DenyConsent
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, happened, has_code, planned_until, target
from shared.edge.json import Json
from shared.events import codes
from shared.rules.partner_kinds import FIELDS

_PERSONS = ("Patient", "RelatedPerson", "Practitioner", "PractitionerRole", "Device")
_ALL: tuple[str, ...] = ()


def denial(entry: BundleEntry, entries: Sequence[BundleEntry], context: Context) -> DenyConsent | None:
    """The no in it; None where it is a plain permission, or closes nothing of a partner's."""
    consent = entry.resource
    if not denies(consent):
        return None
    found = _denied(consent, entries)
    if found is None:
        return None
    return DenyConsent(
        consent_id=str(entry.id),
        recipients=found,
        purposes=_purposes(consent),
        denied_at=_denied_at(entry, context),
        fields=_fields(consent),
    )


def denies(consent: Json) -> bool:
    """Whether it is active, about privacy, and anything but a plain permission."""
    if consent["status"] != "active" or not is_privacy(consent):
        return False
    return _opts_out(consent) or bool(_denials(consent)) or _is_narrowed(consent)


def _opts_out(consent: Json) -> bool:
    return "provision" not in consent and has_code(consent.get("policyRule"), codes.ACT, "OPTOUT")


def _denials(consent: Json) -> list[Json]:
    return [each for each in _provisions(consent) if each.get("type") == "deny"]


def _provisions(consent: Json) -> Iterator[Json]:
    """Its provision and all that is nested in it."""
    waiting = [consent.get("provision", {})]
    while waiting:
        provision = waiting.pop()
        waiting.extend(provision.get("provision", ()))
        yield provision


def _is_narrowed(consent: Json) -> bool:
    """A permission that is less than it looks, or may be its opposite."""
    provision = consent.get("provision", {})
    narrowed = any(provision.get(each) for each in RESTRICTIONS) or is_without_known_period(provision)
    return narrowed or is_modified(consent)


def _denied(consent: Json, entries: Sequence[BundleEntry]) -> tuple[str, ...] | None:
    """The partners it closes: all where nobody is named or one can't be read; None where it is about persons only.

    A narrowed permission closes whomever it names, in whatever role: which of its words still count can't be known.
    """
    actors = _actors(_denials(consent))
    if not actors:
        permitted = [partners(each, entries) for each in _actors(_provisions(consent))]
        return _ALL if _denies_outright(consent) else _together(permitted) or None
    named = [partners(each, entries) for each in actors if not _is_a_person(each)]
    if not named:
        return None
    return _together(named) if all(named) else _ALL


def _actors(provisions: Iterable[Json]) -> list[Json]:
    return [actor for provision in provisions for actor in provision.get("actor", ())]


def _together(named: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """All of them, each once."""
    return tuple(dict.fromkeys(name for each in named for name in each))


def _denies_outright(consent: Json) -> bool:
    return _opts_out(consent) or consent.get("provision", {}).get("type") == "deny"


def _is_a_person(actor: Json) -> bool:
    return any(target(actor["reference"], kind) for kind in _PERSONS)


def _purposes(consent: Json) -> tuple[str, ...]:
    """All, unless each denial names its own and every one can be read; of a narrowed permission its own."""
    found = _denials(consent) or [consent.get("provision", {})]
    named = [purposes(each) if len(purposes(each)) == len(each.get("purpose", ())) else _ALL for each in found]
    return _together(named) if all(named) else _ALL


def _fields(consent: Json) -> tuple[str, ...]:
    """To which it is limited, a restriction (42 CFR 2.26): a plain no each of whose codes is known; else all."""
    provision = consent.get("provision", {})
    found = {code_in(each, codes.FIELD) for each in provision.get("code", ())}
    if provision.get("type") != "deny" or _is_narrowed(consent) or not found <= FIELDS:
        return _ALL
    return fields(provision)


def _denied_at(entry: BundleEntry, context: Context) -> datetime:
    """A day's last moment: a no of the same day is newer than a yes. Without a date it is from now on."""
    given, place = entry.resource.get("dateTime"), f"{entry.place}.dateTime"
    if given is None:
        return context.now
    happened(given, place, context.time)
    return planned_until(given, place, context.time)
