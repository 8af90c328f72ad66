"""A foreign Consent: what it opens, exactly, or nothing. What is not understood never opens the gate (design: consent).

Named is who a permit provision's actor names, in role IRCP, by an identifier in the hub's partner NamingSystem:
logically, or through an Organization in the same Bundle. Display text never counts.
"""

from collections.abc import Sequence

from services.intake.messages import RecordConsent, RevokeConsent
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, happened, has_code, planned, planned_until, target
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.events import codes

_ENDED = frozenset({"inactive", "rejected", "entered-in-error"})
_RESTRICTIONS = ("provision", "class", "data", "dataPeriod", "securityLabel")
"""A provision that narrows itself by these says more than the hub understands."""
_MODIFIERS = ("modifierExtension", "implicitRules")
"""What stands under these may turn the meaning of all the rest into its opposite (FHIR R4, 2.4.0.1)."""


def consented(
    entry: BundleEntry, entries: Sequence[BundleEntry], context: Context
) -> tuple[RecordConsent | RevokeConsent, ...]:
    """The consent as far as it opens anything. An update that opens nothing closes what it may have opened before.

    What was revoked stays so in every ledger: taking the update would make its sender believe otherwise.
    """
    opened = None if entry.resource["status"] in _ENDED else _opened(entry, entries, context)
    if opened is not None:
        if _was_ended(entry, context):
            place = f"{entry.place}.status"
            raise refuse(422, "business-rule", place, "A revoked Consent stays revoked; a new Consent is required.")
        return (opened,)
    ended = entry.method == "PUT" or entry.resource["status"] in _ENDED
    return (RevokeConsent(consent_id=str(entry.id)),) if ended else ()


def _was_ended(entry: BundleEntry, context: Context) -> bool:
    """It says so itself, or an update made something else of it than a plain permission."""
    stored = context.stored.get((entry.type, str(entry.id)))
    if stored is None:
        return False
    closed = stored.version > 1 and not _is_plain_permit(stored.body, stored.body.get("provision", {}))
    return closed or stored.body["status"] in _ENDED


def _opened(entry: BundleEntry, entries: Sequence[BundleEntry], context: Context) -> RecordConsent | None:
    consent, time = entry.resource, context.time
    provision = consent.get("provision", {})
    if not _is_plain_permit(consent, provision):
        return None
    recipients = tuple(dict.fromkeys(_recipients(provision, entries)))
    purposes = _purposes(provision)
    fields = tuple(dict.fromkeys(code for each in provision.get("code", ()) if (code := code_in(each, codes.FIELD))))
    given = consent.get("dateTime")
    if not (recipients and purposes and fields and given):
        return None
    bounds = provision.get("period", {})
    start, end = bounds.get("start"), bounds.get("end")
    place = f"{entry.place}.provision.period"
    return RecordConsent(
        consent_id=str(entry.id),
        recipients=recipients,
        purposes=purposes,
        fields=fields,
        given_at=happened(given, f"{entry.place}.dateTime", time),
        starts_at=planned(start, place, time) if start else None,
        expires_at=planned_until(end, place, time) if end else None,
    )


def _is_plain_permit(consent: Json, provision: Json) -> bool:
    """An active permission to disclose for privacy's sake, without anything nested in it or narrowing it."""
    actions = provision.get("action", ())
    discloses = any(has_code(each, codes.CONSENT_ACTION, "disclose") for each in actions)
    return (
        consent["status"] == "active"
        and code_in(consent["scope"], codes.CONSENT_SCOPE) == "patient-privacy"
        and provision.get("type") == "permit"
        and (discloses or not actions)
        and not any(provision.get(each) for each in _RESTRICTIONS)
        and not any(part.get(each) for part in (consent, provision, *provision.get("actor", ())) for each in _MODIFIERS)
    )


def _recipients(provision: Json, entries: Sequence[BundleEntry]) -> list[str]:
    organizations = {str(each.id): each.resource for each in entries if each.type == "Organization"}
    named: list[str] = []
    for actor in provision.get("actor", ()):
        if code_in(actor["role"], codes.PARTICIPATION) != "IRCP":
            continue
        reference = actor["reference"]
        organization = organizations.get(target(reference, "Organization") or "", {})
        for each in (reference.get("identifier", {}), *organization.get("identifier", ())):
            if each.get("system") == codes.PARTNER and each.get("value"):
                named.append(str(each["value"]))
    return named


def _purposes(provision: Json) -> tuple[str, ...]:
    systems = (codes.ACT_REASON, codes.PURPOSE)
    return tuple(
        each["code"] for each in provision.get("purpose", ()) if each.get("system") in systems and "code" in each
    )
