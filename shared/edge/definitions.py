"""What a service's resources speak of, as FHIR definitions about nobody: its code systems, its scripts."""

from collections.abc import Iterable, Mapping
from hashlib import sha256

import msgspec

from shared.events import fhir


def by_name(made: Iterable[fhir.Element]) -> dict[tuple[str, str], fhir.Element]:
    """By type and id, with a version of its own for each content."""
    return {(each["resourceType"], each["id"]): each | {"meta": {"versionId": _digest(each)}} for each in made}


def _digest(resource: fhir.Element) -> str:
    return sha256(msgspec.json.encode(resource)).hexdigest()[:16]


def code_system(url: str, displays: Mapping[str, str]) -> fhir.Element:
    """Each code of it with what it means in plain English."""
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
