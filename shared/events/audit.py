"""AuditEvents of what came over HTTP: which client, for which person, did what, about which patient. Never what was
asked or answered."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple

from shared.events import codes, fhir
from shared.events.envelope import Resource

ACTIONS = {"read": "R", "search-type": "E"}
"""As IHE's Basic Audit Log Patterns have it: a search is executed."""
Interaction = Literal["read", "search-type"]
PROVED, STATED = "proved", "stated"
"""How it is known who a person is: by their own token or link, or by what the client says."""


class Who(NamedTuple):
    """A client and, where there is one, the person for whom it acted, in a role of theirs."""

    client: str
    person: str = ""
    role: str = ""
    proved: bool = False


def agents(client: str, person: str) -> list[fhir.Element]:
    """The person, where one is named, asked for it; else the client did by itself."""
    sent = [{"who": fhir.logical(codes.CLIENT, client), "requestor": not person}] if client else []
    return [{"who": fhir.staff(person), "requestor": True}, *sent] if person else sent


def of_read(
    recorded: datetime,
    *,
    service: str,
    patient: str,
    client: str,
    person: str,
    type_: str,
    interaction: Interaction,
    refused: bool,
) -> Resource:
    """Who read, or searched, resources of this type that are about a patient. Its id stands beside it in the table."""
    return {
        "meta": {"security": codes.LABELS},
        "type": fhir.coding(codes.AUDIT_TYPE, "rest"),
        "subtype": [fhir.coding(codes.RESTFUL, interaction)],
        "action": ACTIONS[interaction],
        "recorded": recorded,
        "outcome": "4" if refused else "0",
        "agent": agents(client, person),
        "source": {"observer": fhir.staff(service)},
        "entity": [
            {"what": fhir.reference("Patient", patient), "role": fhir.coding(codes.OBJECT_ROLE, "1")},
            {"type": fhir.coding(codes.RESOURCE_TYPE, type_)},
        ],
    }


def of_step(
    identity: str,
    recorded: datetime,
    *,
    service: str,
    patient: str,
    who: Who,
    task: str,
    step: fhir.Element,
    details: Iterable[tuple[str, str]],
    action: str = "U",
) -> Resource:
    """What a person did in a Task: the step, a coding, and what belongs to it by code, never in words. Of work of
    nobody's no patient is named."""
    coded = [*details, *([("person", PROVED if who.proved else STATED)] if who.person or who.proved else [])]
    about = [{"type": name, "valueString": code} for name, code in coded]
    acting = agents(who.client, who.person)
    if who.role:
        acting[0]["role"] = [fhir.concept(codes.OWNER, who.role)]
    person = {"what": fhir.reference("Patient", patient), "role": fhir.coding(codes.OBJECT_ROLE, "1")}
    of_patient: list[fhir.Element] = [person] if patient else []
    return {
        "resourceType": "AuditEvent",
        "id": identity,
        "type": fhir.coding(codes.LIFECYCLE, "amend"),
        "subtype": [step],
        "action": action,
        "recorded": recorded,
        "outcome": "0",
        "agent": acting,
        "source": {"observer": fhir.staff(service)},
        "entity": [*of_patient, fhir.without_nothing({"what": fhir.reference("Task", task), "detail": about})],
    }
