"""A foreign Consent: what it opens, exactly, what it closes, or nothing. What is not understood never opens the gate.

Named is who an actor of the provision names by an identifier in the hub's partner NamingSystem: logically, or through
an Organization in the same Bundle. Display text never counts. A no is heard more widely than a yes (`denying`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.intake.edge import bound, denying
from services.intake.edge.consent_parts import (
    BY_CLASS,
    MODIFIERS,
    RESTRICTIONS,
    classes,
    every_purpose,
    fields,
    is_modified,
    is_privacy,
    is_without_known_period,
    purposes,
    recipients,
)
from services.intake.edge.disclosing import wrong_discloser
from services.intake.messages import DenyConsent, RecordConsent, RevokeConsent
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import happened, has_code, planned, planned_until, target
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.events import codes

_ENDED = frozenset({"inactive", "rejected", "entered-in-error"})
_SIGNERS = ("Patient", "RelatedPerson")


@dataclass(frozen=True)
class ConsentReading:
    """What a Consent means. Without a command, or with a revocation, `why` it opens nothing, at this `place`."""

    command: RecordConsent | DenyConsent | RevokeConsent | None
    place: str
    why: str = ""


def consented(entry: BundleEntry, entries: Sequence[BundleEntry], context: Context) -> ConsentReading:
    """What it opens or closes. An update that opens nothing closes what it may have opened before.

    Raises HttpRefusal 422 where it would open again what was revoked: that stays so in every ledger; or end what binds
    until its event (`bound`).
    """
    reading = _reading(entry, entries, context)
    bound.require_end(entry, reading.command, context)
    return reading


def _reading(entry: BundleEntry, entries: Sequence[BundleEntry], context: Context) -> ConsentReading:
    if entry.resource["status"] in _ENDED:
        return _ended(entry, context)
    if (denial := denying.denial(entry, entries, context)) is not None:
        return ConsentReading(denial, entry.place)
    for place, why in _faults(entry.resource, entries, context):
        revoked = RevokeConsent(consent_id=str(entry.id)) if entry.method == "PUT" else None
        return ConsentReading(revoked, f"{entry.place}{place}", why)
    if _was_ended(entry, context):
        place = f"{entry.place}.status"
        raise refuse(422, "business-rule", place, "A revoked Consent stays revoked; a new Consent is required.")
    return ConsentReading(_opened(entry, entries, context), entry.place)


def _ended(entry: BundleEntry, context: Context) -> ConsentReading:
    """A denial that ends opens nothing by itself, unless it never was one; what had ended so ends once."""
    stored, place = context.stored.get((entry.type, str(entry.id))), f"{entry.place}.status"
    if stored is not None and entry.resource["status"] != "entered-in-error" and denying.denies(stored.body):
        return ConsentReading(None, place, "What a denial has closed is opened by a new Consent only.")
    revoked = RevokeConsent(consent_id=str(entry.id), mistaken=entry.resource["status"] == "entered-in-error")
    was_so = stored is not None and stored.body["status"] == entry.resource["status"]
    return ConsentReading(None if was_so else revoked, place, "It has ended: it opens nothing any more.")


def _was_ended(entry: BundleEntry, context: Context) -> bool:
    """It says so itself, or an update made something else of it than a plain permission."""
    stored = context.stored.get((entry.type, str(entry.id)))
    if stored is None:
        return False
    closed = stored.version > 1 and next(_not_plain(stored.body), None) is not None
    return closed or stored.body["status"] in _ENDED


def _opened(entry: BundleEntry, entries: Sequence[BundleEntry], context: Context) -> RecordConsent:
    provision, place, time = entry.resource["provision"], f"{entry.place}.provision.period", context.time
    start, end = (provision.get("period", {}).get(name) for name in ("start", "end"))
    return RecordConsent(
        consent_id=str(entry.id),
        recipients=recipients(provision, entries),
        purposes=every_purpose(provision),
        fields=fields(provision),
        given_at=happened(entry.resource["dateTime"], f"{entry.place}.dateTime", time),
        starts_at=planned(start, place, time) if start else None,
        expires_at=planned_until(end, place, time) if end else None,
        classes=classes(provision),
        ends_with=bound.ends_with(entry.resource),
    )


def _faults(consent: Json, entries: Sequence[BundleEntry], context: Context) -> Iterator[tuple[str, str]]:
    """Why it opens nothing: the place, and what would be right."""
    yield from _not_plain(consent)
    yield from _not_signed(consent)
    if why := wrong_discloser(consent, entries, context):
        yield ".organization", why
    provision = consent.get("provision", {})
    if not (recipients(provision, entries) or classes(provision)):
        text = (
            f"An actor in role IRCP must be named by an identifier of {codes.PARTNER}, or by one of these classes of "
        )
        yield ".provision.actor", f"{text}{codes.PARTNER_KIND}: {', '.join(BY_CLASS)}."
    if not purposes(provision):
        yield ".provision.purpose", f"A purpose is required, of {codes.ACT_REASON} or {codes.PURPOSE}."
    if not fields(provision):
        yield ".provision.code", f"The fields that may be told are required, as codes of {codes.FIELD}."
    if "dateTime" not in consent:
        yield ".dateTime", "The date of the signature is required (42 CFR 2.31(a)(9))."


def _not_plain(consent: Json) -> Iterator[tuple[str, str]]:
    """Whatever keeps it from being an active permission to disclose, without anything that narrows or turns it."""
    provision = consent.get("provision", {})
    if consent["status"] != "active":
        yield ".status", "Must be active."
    if not is_privacy(consent):
        yield ".scope", f"Must be patient-privacy of {codes.CONSENT_SCOPE}."
    if provision.get("type") != "permit":
        yield ".provision.type", "Must be permit."
    actions = provision.get("action", ())
    if actions and not any(has_code(each, codes.CONSENT_ACTION, "disclose") for each in actions):
        yield ".provision.action", f"Must be disclose of {codes.CONSENT_ACTION}, or absent."
    if any(provision.get(each) for each in RESTRICTIONS):
        yield ".provision", f"Must hold none of {', '.join(RESTRICTIONS)}: the hub can't tell what is left."
    if is_without_known_period(provision):
        yield ".provision.period", "Its start and end must be dates, or absent: an extension tells none."
    if is_modified(consent):
        yield "", f"Must hold none of {', '.join(MODIFIERS)}: they may turn its meaning round."


def _not_signed(consent: Json) -> Iterator[tuple[str, str]]:
    """The signature (42 CFR 2.31(a)(8)). Display text is no reference."""
    if any(each.get("verified") is not True for each in consent.get("verification", ())):
        yield ".verification", "Must be verified, or without verification."
    if not any(_signs(each) for each in consent.get("performer", ())):
        yield ".performer", "The signer is required: the patient or a related person, by reference or identifier."


def _signs(performer: Json) -> bool:
    by_identifier = performer.get("type") in _SIGNERS and performer.get("identifier", {}).get("value")
    return bool(by_identifier or any(target(performer, kind) for kind in _SIGNERS))
