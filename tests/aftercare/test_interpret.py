"""Foreign FHIR becomes commands, or is refused at its place without echoing what it said."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.aftercare.edge import interpret
from services.aftercare.messages import AcknowledgeEscalation, AskReferral, CompleteFollowUp, ResolveEscalation
from shared.edge.clients import Caller
from shared.edge.contract import Context, StoredResource
from shared.edge.fhir import BundleEntry
from shared.edge.outcome import HttpRefusal
from shared.events import codes, fhir
from shared.events.envelope import Command
from shared.platform.clients import RegisteredClient
from tests.aftercare.given import SETTINGS

CALLER = Caller(
    "ehr", RegisteredClient(programs=("demo",), base_url="https://ehr.example.org/fhir"), "demo", (("*", "cruds"),)
)
SAM = fhir.logical(codes.STAFF, "case-manager-1")
ASKED: dict[str, Any] = {
    "resourceType": "ServiceRequest",
    "status": "active",
    "intent": "order",
    "subject": {"reference": "Patient/p"},
    "code": fhir.concept(codes.TASK, "alumni"),
    "performer": [fhir.logical(codes.PARTNER, "riverbend-alumni")],
}


def command_of(entry: BundleEntry, before: dict[str, Any] | None = None) -> Command:
    stored = {(entry.type, str(entry.id)): StoredResource("patient", before or {})}
    context = Context(CALLER, "patient", "demo", SETTINGS, datetime(2025, 3, 31, tzinfo=UTC), stored)
    interpretation = interpret([entry], context)
    assert interpretation.accepted == ()
    (command,) = interpretation.commands
    return command


def asking(**changes: Any) -> BundleEntry:
    return BundleEntry("POST", "ServiceRequest", "r1", ASKED | changes, None, None, None, "ServiceRequest")


def task(status: str, **more: Any) -> BundleEntry:
    return BundleEntry(
        "PUT", "Task", "t1", {"resourceType": "Task", "status": status, "owner": SAM, **more}, None, None, None, "Task"
    )


FOLLOW_UP = {"code": fhir.concept(codes.TASK, "follow-up")}
REFERRAL = {"code": fhir.concept(codes.TASK, "referral")}
ESCALATION = {"code": fhir.concept(codes.ESCALATION, "placement")}


def sending_again(code: str = "not-received", **changes: Any) -> BundleEntry:
    return asking(**{"reasonCode": [fhir.concept(codes.REASON, code)], "requester": SAM} | changes)


def test_a_reason_to_send_again_is_read_with_the_person_who_wishes_it() -> None:
    assert command_of(sending_again()) == AskReferral(
        referral_id="r1",
        partner="riverbend-alumni",
        kind="alumni",
        asked_by="case-manager-1",
        send_again_reason="not-received",
    )
    elsewhere = {"coding": [{"system": "http://snomed.info/sct", "code": "not-received"}]}
    assert command_of(asking(reasonCode=[elsewhere])) == command_of(asking())


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        (sending_again("because"), "ServiceRequest.reasonCode"),
        (sending_again(requester=fhir.logical(codes.STAFF, "nobody")), "ServiceRequest.requester"),
        (sending_again(requester=None), "ServiceRequest.requester"),
    ],
)
def test_a_reason_to_send_again_that_is_none_or_nobodys_is_refused_at_its_place(entry: BundleEntry, place: str) -> None:
    with pytest.raises(HttpRefusal) as refused:
        command_of(entry)
    assert (refused.value.status, refused.value.issues[0].expression) == (422, (place,))


def test_a_service_request_asks_for_a_referral() -> None:
    assert command_of(asking()) == AskReferral(referral_id="r1", partner="riverbend-alumni", kind="alumni")


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"performer": []}, "ServiceRequest.performer"),
        ({"performer": [{"display": "Riverbend Alumni"}]}, "ServiceRequest.performer"),
        ({"performer": [fhir.logical("https://example.org", "riverbend-alumni")]}, "ServiceRequest.performer"),
        ({"performer": ASKED["performer"] * 2}, "ServiceRequest.performer"),
        ({"code": {"text": "alumni"}}, "ServiceRequest.code"),
        ({"code": fhir.concept("https://example.org", "alumni")}, "ServiceRequest.code"),
        ({"status": "revoked"}, "ServiceRequest.status"),
    ],
)
def test_a_request_that_names_no_one_partner_or_kind_is_refused_at_its_place(
    changes: dict[str, Any], place: str
) -> None:
    with pytest.raises(HttpRefusal) as refused:
        command_of(asking(**changes))
    (issue,) = refused.value.issues
    assert (refused.value.status, issue.expression) == (422, (place,))


def test_a_follow_up_is_completed_reached_unless_it_says_otherwise() -> None:
    assert command_of(task("completed"), FOLLOW_UP) == CompleteFollowUp(
        task_id="t1", reach="reached", by="case-manager-1"
    )
    emitted = fhir.concept(codes.REASON, "not-reached")
    assert command_of(task("completed", statusReason=emitted), FOLLOW_UP) == CompleteFollowUp(
        task_id="t1", reach="not-reached", by="case-manager-1"
    )


@pytest.mark.parametrize(
    ("entry", "before"),
    [
        (task("cancelled"), FOLLOW_UP),
        (task("completed", statusReason=fhir.concept(codes.REASON, "readmitted")), FOLLOW_UP),
        (task("accepted"), REFERRAL),
        (task("rejected"), ESCALATION),
        (task("completed", owner=fhir.logical(codes.ROLE, "case-manager")), FOLLOW_UP),
        (task("accepted", owner=fhir.logical(codes.ROLE, "case-manager")), ESCALATION),
        (task("completed", statusReason=fhir.concept(codes.REASON, "as Robin said")), ESCALATION),
    ],
)
def test_a_task_cannot_be_moved_where_only_the_hub_moves_it(entry: BundleEntry, before: dict[str, Any]) -> None:
    with pytest.raises(HttpRefusal) as refused:
        command_of(entry, before)
    assert refused.value.status == 422


def test_a_task_is_what_the_hub_knows_it_to_be_not_what_the_sender_calls_it() -> None:
    command = command_of(task("completed", code=fhir.concept(codes.TASK, "follow-up")), ESCALATION)
    assert isinstance(command, ResolveEscalation)


def test_an_escalation_is_accepted_and_completed() -> None:
    assert command_of(task("accepted"), ESCALATION) == AcknowledgeEscalation(escalation_id="t1", by="case-manager-1")
    assert command_of(task("completed"), ESCALATION) == ResolveEscalation(
        escalation_id="t1", reason="acted-on", by="case-manager-1"
    )
