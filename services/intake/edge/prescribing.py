"""MedicationRequest and MedicationStatement as reports of one list: code, days, route. Uncoded ones count too."""

from collections.abc import Sequence
from datetime import date

from services.intake.instruments import INSTRUMENTS
from services.intake.messages import Prescribed
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, first_day, last_day, literal, target
from shared.edge.json import Json
from shared.events import codes

_RXNORM = (codes.RXNORM, "urn:oid:2.16.840.1.113883.6.88")
"""As FHIR names it, and as what was converted from CDA does."""
_NEVER_TAKEN = frozenset({"entered-in-error", "not-taken", "cancelled", "draft", "intended"})
_OVER = frozenset({"completed", "stopped", "on-hold"})
"""Not taken from today on, whatever period was meant when it was written."""
_ORDERS = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})


def prescribed(entry: BundleEntry, entries: Sequence[BundleEntry], context: Context) -> Prescribed:
    """What this report says of the medication: taken from when to when, or never."""
    resource, time = entry.resource, context.time
    start, end = _bounds(resource)
    start_on = first_day(start, f"{entry.place}.effective", time) if start else None
    end_on = last_day(end, f"{entry.place}.effective", time) if end else None
    if resource["status"] in _OVER:
        today = context.now.astimezone(time.zone).date()
        end_on = min(end_on or today, today)
    return Prescribed(
        source=str(entry.id),
        rxnorm=_rxnorm(resource, entries),
        start_on=start_on,
        end_on=_after(start_on, end_on),
        route=_route(resource),
        taken=_is_taken(entry),
    )


def _is_taken(entry: BundleEntry) -> bool:
    resource = entry.resource
    if resource["status"] in _NEVER_TAKEN or resource.get("doNotPerform"):
        return False
    return entry.type == "MedicationStatement" or resource.get("intent") in _ORDERS


def _bounds(resource: Json) -> tuple[str | None, str | None]:
    """From the statement's effective time, or from the order: its validity, else the day it was written."""
    period = resource.get("effectivePeriod") or resource.get("dispenseRequest", {}).get("validityPeriod", {})
    start = period.get("start") or resource.get("effectiveDateTime") or resource.get("authoredOn")
    return start, period.get("end")


def _after(start: date | None, end: date | None) -> date | None:
    return max(start, end) if start and end else end


def _rxnorm(resource: Json, entries: Sequence[BundleEntry]) -> str:
    """The RxNorm code, of the medication itself or of the Medication it points to, else of the one ingredient that this
    lists; empty where nobody coded it."""
    concept = resource.get("medicationCodeableConcept")
    if concept is not None:
        return code_in(concept, *_RXNORM) or ""
    medication = _medication(resource.get("medicationReference", {}), resource, entries)
    return code_in(medication.get("code"), *_RXNORM) or _only_ingredient(medication)


def _only_ingredient(medication: Json) -> str:
    """Of several there is no code that stands for all of them: a person is asked."""
    active = [each for each in medication.get("ingredient", ()) if each.get("isActive", True)]
    return (code_in(active[0].get("itemCodeableConcept"), *_RXNORM) or "") if len(active) == 1 else ""


def _medication(reference: Json, resource: Json, entries: Sequence[BundleEntry]) -> Json:
    contained = [each for each in resource.get("contained", ()) if literal(reference) == f"#{each.get('id')}"]
    among = [
        each.resource for each in entries if each.type == "Medication" and target(reference, "Medication") == each.id
    ]
    return next(iter([*contained, *among]), {})


def _route(resource: Json) -> str | None:
    dosages = resource.get("dosage") or resource.get("dosageInstruction") or []
    for each in dosages:
        own = code_in(each.get("route"), codes.ROUTE)
        if own is not None:
            return own
        known = INSTRUMENTS.route.get(code_in(each.get("route"), codes.SNOMED) or "")
        if known is not None:
            return known
    return None
