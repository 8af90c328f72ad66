"""Identifiers planted wherever FHIR and HL7 leave room for words, made up so that they are found wherever they went."""

import json
from typing import Any

from deploy.paths import SETTINGS
from shared.edge.fhir.definitions import shape

NAME, GIVEN, PHONE, STREET, BIRTH = "Quixwort", "Zephyrine", "555-0199-7731", "17 Larkspur Vale", "1979-02-03"
NOTE = "the heron by the ninth lamp"
REMARK = f"{GIVEN} {NAME}, {PHONE}, {STREET}, born {BIRTH}: {NOTE}"
NARRATIVE = {"status": "additional", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{REMARK}</div>'}
_WORDS = ("comment", "description", "display", "patientInstruction", "text")
"""Members that are words for people, where their element has them."""
_WITHOUT_NOTE = "CommunicationRequest"
"""Aftercare refuses a note there: it would read nothing in it."""
Json = dict[str, Any]


def planted(resource: Json) -> Json:
    """The same resource, of a Bundle each one, that says who the patient is in every place for words it has."""
    if resource["resourceType"] == "Bundle":
        entries = [each | {"resource": planted(each["resource"])} for each in resource["entry"]]
        return resource | {"entry": entries}
    sown: Json = _planted(resource, resource["resourceType"])
    return sown | _of_patient() if resource["resourceType"] == "Patient" else sown


def _planted(element: Any, name: str) -> Any:
    if isinstance(element, list):
        return [_planted(each, name) for each in element]
    fields = shape(name).fields
    sown = {
        member: _planted(value, fields[member].element) if member in fields and fields[member].element else value
        for member, value in element.items()
    }
    for member in _WORDS:
        if member in fields and member not in sown:
            sown[member] = REMARK if not fields[member].element else NARRATIVE
    if "note" in fields and fields["note"].element == "Annotation" and name != _WITHOUT_NOTE:
        sown["note"] = [*sown.get("note", ()), {"text": REMARK}]
    return sown


def _of_patient() -> Json:
    home = {"line": [STREET], "city": "Springfield", "state": "NY", "postalCode": "10001"}
    return {
        "name": [{"family": NAME, "given": [GIVEN]}],
        "telecom": [{"system": "phone", "value": PHONE, "use": "mobile"}],
        "birthDate": BIRTH,
        "address": [home],
    }


def planted_report(message: bytes) -> bytes:
    """A laboratory's message that says who the patient is in every place for it, and in its notes."""
    compact, street = BIRTH.replace("-", ""), f"{STREET}^^Springfield^NY"
    named = message.replace(b"DOE^SYNTHETIC||19880412|U", f"{NAME}^{GIVEN}||{compact}|U|||{street}||{PHONE}".encode())
    assert named != message
    return named + f"NTE|1||{REMARK}\r".encode()


def secrets(mrn: str) -> list[bytes]:
    """What must be found nowhere, as it may be written anywhere."""
    plain = (NAME, GIVEN, PHONE, PHONE.replace("-", ""), STREET, BIRTH, BIRTH.replace("-", ""), NOTE, mrn)
    return [each.encode() for each in plain]


def secrets_of_feeds() -> list[bytes]:
    """How one joins the online meetings of the demo's feed."""
    meetings = json.loads((SETTINGS / "meetings" / "riverbend.json").read_text())
    members = ("conference_url", "conference_phone")
    return [each[member].encode() for each in meetings for member in members if each.get(member)]
