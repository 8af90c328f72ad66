"""A Task that is a hub-hold is the path's own: its command is told to the path, never to the service."""

import pytest

from shared.edge.contract import Context, Interpretation, StoredResource
from shared.edge.escalations import of_hold
from shared.edge.fhir import BundleEntry, single
from shared.edge.outcome import HttpRefusal
from shared.events.codes import ESCALATION, STAFF
from shared.path.transaction.hold import AcknowledgeHold, ResolveHold
from tests.intake.given import MONDAY, SETTINGS
from tests.service import caller

HOLD, MISS = "1f0c6a3e-0000-4000-8000-000000000001", "1f0c6a3e-0000-4000-8000-000000000002"
PATIENT = "11111111-1111-4111-8111-111111111111"


def stored(category: str, system: str = ESCALATION) -> StoredResource:
    return StoredResource(PATIENT, {"resourceType": "Task", "code": {"coding": [{"system": system, "code": category}]}})


TASKS = {("Task", HOLD): stored("hub-hold"), ("Task", MISS): stored("attendance")}
ROBIN = {"identifier": {"system": STAFF, "value": "case-manager-1"}}


def context(tasks: dict[tuple[str, str], StoredResource]) -> Context:
    return Context(caller("ehr"), PATIENT, "demo", SETTINGS, MONDAY, tasks)


def put(identity: str, status: str) -> BundleEntry:
    task = {"resourceType": "Task", "id": identity, "status": status, "intent": "order", "owner": ROBIN}
    return single("PUT", "Task", identity, task, {})


@pytest.mark.parametrize("status", ["accepted", "in-progress"])
def test_an_accepted_hub_hold_is_acknowledged(status: str) -> None:
    assert of_hold([put(HOLD, status)], context(TASKS)) == Interpretation(
        (AcknowledgeHold(escalation_id=HOLD, by="case-manager-1"),)
    )


def test_a_completed_hub_hold_is_to_be_resolved() -> None:
    command = ResolveHold(escalation_id=HOLD, reason="acted-on", by="case-manager-1")
    assert of_hold([put(HOLD, "completed")], context(TASKS)) == Interpretation((command,))


def test_every_other_task_is_the_services_own() -> None:
    assert of_hold([put(MISS, "accepted")], context(TASKS)) is None
    assert of_hold([put(HOLD, "accepted")], context({("Task", HOLD): stored("hub-hold", "urn:elsewhere")})) is None
    assert of_hold([put(HOLD, "accepted")], context({})) is None


def test_a_hub_hold_is_answered_alone() -> None:
    with pytest.raises(HttpRefusal) as refused:
        of_hold([put(MISS, "accepted"), put(HOLD, "accepted")], context(TASKS))
    assert refused.value.status == 422
