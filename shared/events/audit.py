"""AuditEvents of what came over HTTP: which client, for which person, did what, about which patient. Never what was
asked or answered."""

from datetime import datetime
from typing import Literal

from shared.events import codes, fhir
from shared.events.envelope import Resource

ACTIONS = {"read": "R", "search-type": "E"}
"""As IHE's Basic Audit Log Patterns have it: a search is executed."""
Interaction = Literal["read", "search-type"]


def agents(client: str, person: str) -> list[fhir.Element]:
    """The person, where one is named, asked for it; else the client did by itself."""
    sent = {"who": fhir.logical(codes.CLIENT, client), "requestor": not person}
    return [{"who": fhir.staff(person), "requestor": True}, sent] if person else [sent]


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
