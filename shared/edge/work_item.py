"""A Task that asks a person about something of no patient yet, as it is first listed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from shared.events import codes, fhir
from shared.path.transaction.resources import AcceptedResource

OWNER = "case-manager"
INSTANT = "%Y-%m-%dT%H:%M:%SZ"


def task(
    identity: UUID, code: str, reason: str, inputs: Sequence[fhir.Element], now: datetime, *, confidential: bool
) -> AcceptedResource:
    """The work-list item: `GET /fhir/Task?status=requested`. The same id again is the same one: it is asked once.
    `confidential`: what it holds is about patients, and is labelled so."""
    resource = {
        "resourceType": "Task",
        "id": str(identity),
        **({"meta": {"security": list(codes.LABELS)}} if confidential else {}),
        "status": "requested",
        "intent": "order",
        "priority": "urgent",
        "code": fhir.concept(codes.TASK, code),
        "authoredOn": now.strftime(INSTANT),
        "lastModified": now.strftime(INSTANT),
        **fhir.asked_of(OWNER),
        "reasonCode": fhir.concept(codes.REASON, reason),
        "input": list(inputs),
    }
    return AcceptedResource("Task", str(identity), msgspec.json.encode(resource).decode(), "requested", now)
