"""A Consent to a court, as part of a criminal justice disposition, binds until its event (42 CFR 2.35(c)): before that
nobody ends or narrows it, unless it never was one.
"""

from datetime import datetime

from services.intake.edge.consent_parts import fields, recipients
from services.intake.messages import DenyConsent, RecordConsent, RevokeConsent
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, happened, planned_until
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.events import codes
from shared.rules.partner_kinds import TERMS

_TEXT = (
    "This Consent can't be revoked or narrowed before its event (42 CFR 2.35). Once that has come, send when, as "
    f"extension {codes.EVENT_CAME} (valueDateTime); entered-in-error, where it never was one."
)


def ends_with(consent: Json) -> str:
    """The event with which it ends; empty where none is named, or none that can be read, or two."""
    stated = [each for each in consent.get("extension", ()) if each.get("url") == codes.ENDS_WITH]
    found = {code_in(each.get("valueCodeableConcept"), codes.CONSENT_EVENT) for each in stated}
    return next((each for each in codes.CONSENT_EVENTS if found == {each}), "")


def require_end(
    entry: BundleEntry, command: RecordConsent | DenyConsent | RevokeConsent | None, context: Context
) -> None:
    """Raises HttpRefusal 422 where the command that an update was read as ends what binds until an event to come."""
    stored = context.stored.get((entry.type, str(entry.id)))
    if stored is None or command is None or entry.resource["status"] == "entered-in-error":
        return
    until = _binds_until(stored.body, context)
    if until is not None and not _has_come(entry, context) and not _goes_on(command, stored.body, until):
        raise refuse(422, "business-rule", f"{entry.place}.status", _TEXT)


def _binds_until(consent: Json, context: Context) -> datetime | None:
    """The last moment at which it binds: it names a court of this program, and its event; None where it does not."""
    provision = consent.get("provision", {})
    end = provision.get("period", {}).get("end")
    courts = {each.identifier for each in context.settings.partners if TERMS[each.kind].own_paper}
    is_bound = consent.get("status") == "active" and courts & set(recipients(provision, ())) and ends_with(consent)
    if not is_bound or not end:
        return None
    until = planned_until(end, "", context.time)
    return until if until > context.now else None


def _goes_on(command: RecordConsent | DenyConsent | RevokeConsent, consent: Json, until: datetime) -> bool:
    """Whether the updated one opens no less."""
    provision = consent["provision"]
    return (
        isinstance(command, RecordConsent)
        and command.ends_with == ends_with(consent)
        and set(recipients(provision, ())) <= set(command.recipients)
        and set(fields(provision)) <= set(command.fields)
        and command.expires_at is not None
        and command.expires_at >= until
    )


def _has_come(entry: BundleEntry, context: Context) -> bool:
    """Whether the update says when the event came. Raises HttpRefusal 422 for a time that can't be, or is to come."""
    stated = [each for each in entry.resource.get("extension", ()) if each.get("url") == codes.EVENT_CAME]
    for each in stated:
        happened(each.get("valueDateTime", ""), f"{entry.place}.extension", context.time)
    return bool(stated)
