"""Work of no patient: what a person has to settle with a laboratory. Pure.

`GET /fhir/Task?status=requested` lists it; the same question again makes the same Task, so that it is asked once.
"""

from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

import msgspec

from shared.events import codes, fhir
from shared.events.codes import HUB
from shared.path.transaction.resources import AcceptedResource

MAP_CODE = "map-laboratory-code"
OWNER = "case-manager"
COMPARE = "compare-messages"
_LABORATORY = "laboratory"
_DOCUMENT = "document"
_CODE = "laboratory-code"
_INSTANT = "%Y-%m-%dT%H:%M:%SZ"


def code_task(program: str, client: str, code: str, now: datetime) -> AcceptedResource:
    """What a laboratory's own code means: to be mapped, or ignored, in `testing.local_codes` (domain 4.5)."""
    name = f"{HUB}/{MAP_CODE}|{program}|{client}|{code}"
    return _task(name, MAP_CODE, "laboratory-code-unmapped", {_LABORATORY: client, _CODE: code}, now)


def reuse_task(program: str, client: str, document_id: str, now: datetime) -> AcceptedResource:
    """A message that bears the number and the time of an earlier one and says something else: its bytes by their id."""
    name = f"{HUB}/{COMPARE}|{program}|{client}|{document_id}"
    return _task(name, COMPARE, "message-number-reused", {_LABORATORY: client, _DOCUMENT: document_id}, now)


def _task(name: str, code: str, reason: str, inputs: dict[str, str], now: datetime) -> AcceptedResource:
    identity = str(uuid5(NAMESPACE_URL, name))
    resource = {
        "resourceType": "Task",
        "id": identity,
        "status": "requested",
        "intent": "order",
        "priority": "urgent",
        "code": fhir.concept(codes.TASK, code),
        "authoredOn": now.strftime(_INSTANT),
        "lastModified": now.strftime(_INSTANT),
        "owner": fhir.logical(codes.ROLE, OWNER),
        "reasonCode": fhir.concept(codes.REASON, reason),
        "input": [{"type": fhir.concept(codes.INPUT, kind), "valueString": text} for kind, text in inputs.items()],
    }
    return AcceptedResource("Task", identity, msgspec.json.encode(resource).decode(), "requested", now)
