"""Small pieces of FHIR JSON, written and read. Everything here is total over what the hub itself writes."""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.events.codes import ASSIGNED, CLIENT, OWNER, PROVENANCE, ROLE, STAFF, TRANSMITTER
from shared.events.envelope import is_id

Element = dict[str, Any]
"""An element or resource as JSON. What it holds is looked at where it is used."""


def coding(system: str, code: str) -> Element:
    return {"system": system, "code": code}


def concept(system: str, *codes: str) -> Element:
    """A CodeableConcept with one coding per code."""
    return {"coding": [{"system": system, "code": code} for code in codes]}


def reference(kind: str, identity: str) -> Element:
    return {"reference": f"{kind}/{identity}"}


def logical(system: str, value: str) -> Element:
    """A logical reference: who is meant, without an address."""
    return {"identifier": {"system": system, "value": value}}


def staff(name: str) -> Element:
    return logical(STAFF, name)


def asked_of(role: str, person: str = "", assigned: str = "") -> Element:
    """Of a Task, whose it is: the role, or one person who has it, and as FHIR codes who may perform it. Who of the
    patient's team has the role (`assigned`) stands beside it: an owner that is a person says who did it."""
    owner = staff(person) if person else logical(ROLE, role)
    named = {"extension": [{"url": ASSIGNED, "valueReference": staff(assigned)}]} if assigned else {}
    return {"performerType": [concept(OWNER, role)], "owner": {**named, **owner}}


def provenance(identity: str, target: Element, recorded: datetime, by: str | None, client: str) -> Element:
    """Who did it, and apart from them the client that sent it, as US Core names the two."""
    agents: list[Element] = []
    if by is not None:
        agents.append({"type": concept(PROVENANCE, "author"), "who": staff(by)})
    if client:
        agents.append({"type": concept(TRANSMITTER, "transmitter"), "who": logical(CLIENT, client)})
    return {
        "resourceType": "Provenance",
        "id": identity,
        "target": [target],
        "recorded": recorded,
        "agent": agents,
    }


def period(start: datetime | None, end: datetime | None = None) -> Element:
    return {name: moment for name, moment in (("start", start), ("end", end)) if moment is not None}


def without_nothing(resource: Element) -> Element:
    """The resource without members that hold nothing: FHIR forbids empty arrays and nulls."""
    return {name: value for name, value in resource.items() if value is not None and value != [] and value != {}}


def moment(text: str) -> datetime:
    """An instant of FHIR, in UTC. Raises ValueError for one without a time zone: nobody knows when that was."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("no time zone")
    return found if found.tzinfo is UTC else found.astimezone(UTC)


def own_id(text: str) -> str:
    """An id of the hub's own making. Raises ValueError for anything but a UUID: further ids are made from it."""
    return text if is_id(text) else str(UUID(text))


def code_of(concept: Element, system: str | None = None) -> str:
    """The first code of a CodeableConcept, of this system where one is named."""
    for coded in concept["coding"]:
        if system is None or coded["system"] == system:
            code: str = coded["code"]
            return code
    raise KeyError("coding")


def codes_of(concepts: Iterable[Element] | None) -> tuple[str, ...]:
    return tuple(code_of(each) for each in concepts or ())


def task_inputs(task: Element, code: str) -> list[Element]:
    return [each for each in task.get("input", ()) if code_of(each["type"]) == code]


def base64_text(text: str) -> str:
    return base64_of(text.encode())


def base64_of(content: bytes) -> str:
    return b64encode(content).decode()


def text_of_base64(data: str) -> str:
    return b64decode(data).decode()
