"""What a laboratory is sent of an ordered test: HL7 or FHIR, with the permitted fields of the patient and no other.

Built up from an allow-list, never cut down from what the hub knows; the same each time it is asked. Pure.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.testing.hl7.order_message import order_message
from services.testing.messages import LaboratoryOrderPrepared
from services.testing.orders.identified import Identified
from services.testing.orders.order_bundle import order_bundle
from shared.events.envelope import Resource
from shared.events.laboratory_order import PANEL_UNKNOWN
from shared.path.destination import Contact, Form, Release
from shared.path.outbound.destinations import MLLP
from shared.path.outbound.patient_parts import in_use, written_names
from shared.rules.consent import LACKS, Partner, Withheld
from shared.rules.organization import Organization

_BIRTH_DATE = re.compile(r"\d{4}(?:-\d\d(?:-\d\d)?)?", re.ASCII)
_GENDERS = ("male", "female", "other")


def of(senders: Mapping[str, Organization], zones: Mapping[str, ZoneInfo]) -> Form:
    """The form of a service with these programs."""

    def fill_in(event: LaboratoryOrderPrepared, release: Release) -> Resource | str | Withheld:
        return requisition(event, release, senders[release.program], zones[release.program])

    return fill_in


def requisition(
    order: LaboratoryOrderPrepared, release: Release, sender: Organization, zone: ZoneInfo
) -> Resource | str | Withheld:
    """What goes out; withheld where the laboratory has no code for what is ordered, or the Patient lacks what it can't
    do without: a specimen that it could not assign would help nobody."""
    panel = release.partner.panels.get(order.panel)
    if panel is None:
        return Withheld(PANEL_UNKNOWN)
    known = _known(release.contact, release.partner, release.now.astimezone(zone))
    lacking = [field for field in release.partner.required if not known.get(field)]
    if lacking:
        return Withheld(LACKS + lacking[0])
    patient = _permitted(known, release.permitted.fields)
    if release.partner.form == MLLP:
        return order_message(order, release, sender, zone, patient, panel)
    return order_bundle(order, release, sender, zone, patient, panel)


def _known(patient: Contact, partner: Partner, now: datetime) -> dict[str, Any]:
    """By the code that a consent and partners.toml name each field with, all that could be told; a day is one of the
    zone in which `now` is."""
    gender, birth_date = patient.get("gender"), patient.get("birthDate")
    return {
        "name": _name(written_names(patient, now)),
        "birth-date": birth_date if isinstance(birth_date, str) and _BIRTH_DATE.fullmatch(birth_date) else "",
        "sex": gender if gender in _GENDERS else "",
        "identifier": _numbers(in_use(patient, "identifier", now), partner.assigning_authorities),
    }


def _permitted(known: Mapping[str, Any], fields: tuple[str, ...]) -> Identified:
    def of(field: str, otherwise: Any) -> Any:
        return known[field] if field in fields else otherwise

    return Identified(
        name=of("name", {}), birth_date=of("birth-date", ""), gender=of("sex", ""), numbers=of("identifier", ())
    )


def _name(names: list[dict[str, Any]]) -> Mapping[str, Any]:
    """One with a family name: in what is written in one piece nobody knows where it begins."""
    return next((each for each in names if str(each.get("family") or "").strip()), {})


def _numbers(identifiers: list[Contact], authorities: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
    """Those that partners.toml names, in its order; an old one may be another patient's by now."""
    return tuple(
        (authority, system, str(each["value"]))
        for authority, system in authorities.items()
        for each in identifiers
        if each.get("use") != "old" and each.get("system") == system and str(each.get("value") or "").strip()
    )
