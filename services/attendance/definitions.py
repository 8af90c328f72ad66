"""What attendance's resources speak of, as FHIR: the scripts, and the code systems of sessions and groups."""

from collections.abc import Mapping
from hashlib import sha256

import msgspec

from services.attendance import scripts
from shared.events import codes, fhir

DISPLAYS: Mapping[str, Mapping[str, str]] = {
    codes.SESSION: {
        "group": "Group counseling",
        "individual": "Individual counseling",
        "family": "Family counseling",
        "workshop": "Workshop",
        "psychoeducation": "Psychoeducational group",
        "skills": "Skills group",
        "relapse-prevention": "Relapse prevention group",
        "refusal-training": "Refusal training group",
    },
    codes.MODALITY: {"in-person": "In person", "video": "By video", "phone": "By phone"},
    codes.ATTENDANCE: {"late": "Came late", "partial": "Attended in part"},
    codes.GROUP_TRAIT: {
        "time": "Time of day",
        "track": "Track of the plan of care",
        "literacy": "Reading and writing",
        "language": "Language",
        "gender": "Gender",
        "modality": "How patients take part",
        "seats": "Number of seats",
        "closed": "Nobody joins from this day on",
    },
    codes.GROUP_TIME: {"day": "By day", "evening": "In the evening"},
    codes.GROUP_CHOICE: {
        "individual-therapy": "Individual therapy for the same hours, no group",
        "leave": "No group until somebody chooses again",
        "any": "The group that the hub chooses",
    },
}
"""Of each code of each system, in plain English."""


def definitions() -> dict[tuple[str, str], fhir.Element]:
    """By type and id, with a version of its own for each content."""
    made = [*scripts.plans(), *(_system(url, displays) for url, displays in DISPLAYS.items())]
    return {(each["resourceType"], each["id"]): each | {"meta": {"versionId": _digest(each)}} for each in made}


def _digest(resource: fhir.Element) -> str:
    return sha256(msgspec.json.encode(resource)).hexdigest()[:16]


def _system(url: str, displays: Mapping[str, str]) -> fhir.Element:
    name = url.rpartition("/")[2]
    return {
        "resourceType": "CodeSystem",
        "id": name,
        "url": url,
        "name": "".join(each.title() for each in name.split("-")),
        "title": name,
        "status": "active",
        "publisher": "IOP Hub",
        "caseSensitive": True,
        "content": "complete",
        "concept": [{"code": code, "display": display} for code, display in displays.items()],
    }
