"""Every Task of the laboratories' work list as it is stored, with the AuditEvent of an answer."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec

from services.testing.worklist import REUSED, code_task, message_task, time_task, value_task
from services.testing.worklist.ageing import aged
from services.testing.worklist.assigning import sought
from shared.edge.finding import FIND, REASON
from shared.edge.work_item import task
from shared.events import audit, codes, fhir
from shared.events.audit import Who
from shared.path.transaction.delivery import Commanded
from shared.path.transaction.questions import Question, counted, found
from shared.platform.clients import RegisteredClient
from tests.testing.given import PATIENT, SETTINGS, report

NOW = datetime(2026, 1, 14, 17, tzinfo=UTC)
LATER = NOW + timedelta(days=8)
FACT = uuid5(NAMESPACE_URL, "fact")
LABORATORY = RegisteredClient(programs=("demo",), base_url="https://lab.example/fhir", contact="Desk, 555-0100")


def every() -> list[dict[str, Any]]:
    listed = [
        _plain(counted(_body(code_task("demo", "lab", "T17", NOW)), 3, NOW, NOW)),
        _body(value_task("demo", "lab", ("OBX^2^5",), NOW, str(FACT))),
        _body(time_task("demo", "lab", ("Observation/1.effective",), NOW, str(FACT))),
        _body(message_task("demo", "lab", str(FACT), REUSED, NOW)),
        _body(task(FACT, FIND, REASON, sought(_fact(), SETTINGS), NOW, confidential=True)),
    ]
    questions = [Question(each, 1) for each in listed]
    old = [each.task for each in aged(questions, SETTINGS, {"lab": LABORATORY}, LATER)]
    answered = _body(found(old[-1], PATIENT, LATER))
    return [
        *listed,
        *old,
        answered,
        _step("read", ("read", "message"), "R"),
        _step("operation", ("operation", "reread"), "E"),
    ]


def _fact() -> Commanded:
    named: dict[str, Any] = {
        "id": FACT,
        "key": "",
        "program": "demo",
        "at": NOW,
        "producer": "lab",
        "correlation_id": FACT,
    }
    return Commanded(**named, commands=(report("screen", 7, FENTANYL="positive"),))


def _step(step: str, detail: tuple[str, str], action: str) -> dict[str, Any]:
    event = audit.of_step(
        str(FACT),
        NOW,
        service="testing",
        patient="",
        who=Who("ehr"),
        task=str(FACT),
        step=fhir.coding(codes.RESTFUL, step),
        details=[detail],
        action=action,
    )
    return _plain(event)


def _plain(resource: Any) -> dict[str, Any]:
    """As it is stored."""
    return msgspec.json.decode(msgspec.json.encode(resource), type=dict[str, Any])


def _body(resource: Any) -> dict[str, Any]:
    return msgspec.json.decode(resource.body, type=dict[str, Any])
