"""What a partner's client is shown of a Task: its own referral, once it has it, and only what it was sent or said."""

from typing import Any

import pytest

from shared.edge.partner_tasks import shown
from shared.events import codes, fhir

OWN: dict[str, Any] = {
    "resourceType": "Task",
    "id": "t1",
    "status": "requested",
    "businessStatus": fhir.concept(codes.TASK, "sent"),
    "statusReason": fhir.concept(codes.REASON, "patient-deceased"),
    "intent": "order",
    "code": fhir.concept(codes.TASK, "referral"),
    "focus": fhir.reference("ServiceRequest", "r1"),
    "for": fhir.reference("Patient", "p1"),
    "owner": fhir.logical(codes.PARTNER, "alumni"),
    "requester": fhir.logical(codes.ROLE, "case-manager"),
    "input": [{"type": fhir.concept(codes.INPUT, "attempt"), "valueInteger": 2}],
}
MAYBE = [{"type": fhir.concept(codes.INPUT, "may-have-been-received"), "valueBoolean": True}]


@pytest.mark.parametrize("status", ["requested", "received", "accepted", "in-progress", "rejected", "completed"])
def test_a_referral_that_the_partner_has_is_shown_without_its_patient(status: str) -> None:
    task = shown(OWN | {"status": status}, "alumni")
    assert task is not None
    assert task["status"] == status
    assert not {"for", "requester", "input", "focus"} & task.keys()
    assert "p1" not in str(task)


@pytest.mark.parametrize(
    "change",
    [
        {"owner": fhir.logical(codes.PARTNER, "clinic")},
        {"owner": fhir.logical(codes.STAFF, "alumni")},
        {"owner": None},
        {"code": fhir.concept(codes.TASK, "answer-referrer")},
        {"code": fhir.concept(codes.ESCALATION, "placement")},
        {"status": "draft"},
        {"status": "on-hold"},
        {"status": "on-hold", "input": MAYBE},
        {"status": "failed"},
        {"status": "cancelled"},
    ],
)
def test_what_is_anothers_or_has_not_arrived_is_not_shown(change: dict[str, Any]) -> None:
    assert shown(OWN | change, "alumni") is None


def test_one_that_was_taken_back_is_shown_where_it_may_have_arrived_without_the_reason() -> None:
    task = shown(OWN | {"status": "cancelled", "input": MAYBE}, "alumni")
    assert task is not None
    assert "statusReason" not in task
