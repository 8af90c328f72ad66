"""An order to a laboratory as HL7 v2.5.1 writes it: OML^O21, one order a message (4.4.6). Pure.

    MSH  who to whom, MSH-10 made of the row that is sent
    PID  by what the laboratory may know the patient
    ORC  NW, XO or CA; the order's number; the program and its telephone
    TQ1  the window
    OBR  the laboratory's own code
    NTE  the notice of 42 CFR 2.32

Times are the program's, with their offset. What stands between separators is escaped, and of one line.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.testing.messages import LaboratoryOrderPrepared
from services.testing.orders.identified import Identified
from shared.events.laboratory_order import Action
from shared.path.destination import Release
from shared.path.outbound.accompanied import NOTICE, pseudonym
from shared.rules.organization import Organization
from shared.rules.packing import pack_id

HUB = "IOPHUB"
"""The sending application (MSH-3), and whose the order's number is (EI-2)."""
CONTROL_CHARACTERS_MOST = 20
"""Of MSH-10."""
VERSION, CHARACTER_SET = "2.5.1", "UNICODE UTF-8"
CONTROLS: Mapping[Action, str] = {"new": "NW", "change": "XO", "cancel": "CA"}
"""ORC-1 (table 0119)."""
_RESTRICTED = "R^Restricted^HL70177"
_SEXES = {"male": "M", "female": "F", "other": "O"}
"""Table 0001."""
_NAME_TYPES = {"official": "L", "nickname": "N"}
"""Table 0200."""
_NPI = "http://hl7.org/fhir/sid/us-npi"
_NPI_AUTHORITY = "NPI&2.16.840.1.113883.4.6&ISO"
_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"})
_UNPRINTED = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def order_message(
    order: LaboratoryOrderPrepared,
    release: Release,
    sender: Organization,
    zone: ZoneInfo,
    patient: Identified,
    panel: str,
) -> str:
    """Segments end with a carriage return, the last one too; no frame. `panel` is OBR-4 as partners.toml has it."""
    prepared, number = _time(order.prepared_at, zone), f"{text(order.number)}^{HUB}"
    opens, closes = _time(order.opens_at, zone), _time(order.closes_at, zone)
    phone = _telephone(sender)
    segments = (
        _header(release, prepared),
        _patient(patient, release),
        _segment(
            "ORC",
            {1: CONTROLS[order.action], 2: number, 9: prepared, 14: phone, 21: _facility(sender), 23: phone}
            | {28: _RESTRICTED},
        ),
        _segment("TQ1", {1: "1", 7: opens, 8: closes}),
        _segment("OBR", {1: "1", 2: number, 4: panel, 17: phone}),
        _segment("NTE", {1: "1", 2: "P", 3: text(NOTICE)}),
    )
    return "".join(f"{each}\r" for each in segments)


def text(written: str) -> str:
    """As it stands in a field: separators escaped (2.7.1), of one line, without characters that nobody sees."""
    return _UNPRINTED.sub(" ", written).strip().translate(_ESCAPES)


def _header(release: Release, prepared: str) -> str:
    partner = release.partner
    fields = {
        3: HUB,
        4: text(release.program),
        5: partner.application,
        6: partner.facility,
        7: prepared,
        9: "OML^O21^OML_O21",
        10: pack_id(release.row_id)[:CONTROL_CHARACTERS_MOST],
        11: "P",
        12: VERSION,
        18: CHARACTER_SET,
    }
    return "|".join(["MSH", "^~\\&", *(fields.get(number, "") for number in range(3, max(fields) + 1))])


def _segment(kind: str, fields: Mapping[int, str]) -> str:
    """Its fields by their numbers; what stands behind the last one is left out."""
    written = [fields.get(number, "") for number in range(1, max(fields) + 1)]
    return "|".join([kind, *written]).rstrip("|")


def _patient(patient: Identified, release: Release) -> str:
    sex = _SEXES.get(patient.gender, "")
    day = patient.birth_date.replace("-", "")  # as far as it is known: a year is one, too
    return _segment("PID", {1: "1", 3: _numbers(patient, release), 5: _name(patient.name), 7: day, 8: sex})


def _numbers(patient: Identified, release: Release) -> str:
    """PID-3: those that the laboratory may know, else what it knows the patient by and nobody else does."""
    known = [f"{text(value)}^^^{text(authority)}^MR" for authority, _, value in patient.numbers]
    return "~".join(known) or f"{pseudonym(release)}^^^{HUB}^PI"


def _name(name: Mapping[str, Any]) -> str:
    """XPN: family, first, the others, suffix, prefix, and whether it is the legal one."""
    if not name:
        return ""
    first, *others = [*(each for each in name.get("given") or () if each), ""]
    suffix, prefix = (" ".join(each for each in name.get(part) or () if each) for part in ("suffix", "prefix"))
    parts = (str(name.get("family", "")), first, " ".join(others), suffix, prefix, "")
    return "^".join([*map(text, parts), _NAME_TYPES.get(str(name.get("use")), "U")])


def _facility(sender: Organization) -> str:
    """XON: the program's name and, where it has one, its NPI."""
    systems = (each.rpartition("|") for each in sender.identifiers)
    npi = next((value for system, _, value in systems if system == _NPI), "")
    return f"{text(sender.name)}^^^^^{_NPI_AUTHORITY}^NPI^^^{text(npi)}" if npi else text(sender.name)


def _telephone(sender: Organization) -> str:
    """XTN: in the form of version 2.3 and, unformatted, of later ones."""
    phone = text(sender.phone)
    return f"{phone}^WPN^PH{'^' * 9}{phone}" if phone else ""


def _time(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y%m%d%H%M%S%z}"
