"""Foreign FHIR becomes commands, or is refused at its place without echoing what it said."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from services.aftercare.edge import interpret
from services.aftercare.messages import (
    AcknowledgeEscalation,
    AnswerReferral,
    AskReferral,
    CompleteFollowUp,
    CorrectFollowUp,
    RecordAttempt,
    ResolveEscalation,
    WithdrawReferral,
)
from shared.edge.clients import Caller
from shared.edge.contract import Context, Interpretation, StoredResource
from shared.edge.fhir import BundleEntry
from shared.edge.outcome import HttpRefusal
from shared.events import codes, fhir
from shared.events.contact import Answer, Question
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
    (command,) = read(entry, context).commands
    return command


def read(entry: BundleEntry, context: Context) -> Interpretation:
    interpretation = interpret([entry], context)
    assert interpretation.accepted == ()
    return interpretation


def follow_up_of(before: dict[str, Any], status: str = "completed", **more: Any) -> Interpretation:
    """What this contact's Task means to whoever sends it back on 4 April."""
    stored = {("Task", "t1"): StoredResource("patient", FOLLOW_UP | before)}
    return read(task(status, **more), Context(CALLER, "patient", "demo", SETTINGS, NOW, stored))


def asking(**changes: Any) -> BundleEntry:
    return BundleEntry("POST", "ServiceRequest", "r1", ASKED | changes, None, None, None, "ServiceRequest")


def task(status: str, **more: Any) -> BundleEntry:
    return BundleEntry(
        "PUT", "Task", "t1", {"resourceType": "Task", "status": status, "owner": SAM, **more}, None, None, None, "Task"
    )


NOW = datetime(2025, 4, 4, tzinfo=UTC)
FOLLOW_UP = {"code": fhir.concept(codes.TASK, "follow-up")}
REFERRAL = {"code": fhir.concept(codes.TASK, "referral")}
ESCALATION = {"code": fhir.concept(codes.ESCALATION, "placement")}


def sending_again(code: str = "not-received", **changes: Any) -> BundleEntry:
    return asking(**{"reasonCode": [fhir.concept(codes.REASON, code)], "requester": SAM} | changes)


def test_who_sends_a_referral_back_with_a_token_of_their_own_need_not_take_out_its_partner() -> None:
    partner = {"owner": fhir.logical(codes.PARTNER, "riverbend-alumni")}
    stored = {("Task", "t1"): StoredResource("patient", REFERRAL | partner)}
    signed = Context(replace(CALLER, person="case-manager-1"), "patient", "demo", SETTINGS, NOW, stored)
    answered, withdrawn = (read(task(status, **partner), signed).commands for status in ("accepted", "cancelled"))
    assert answered == (
        AnswerReferral(task_id="t1", partner="riverbend-alumni", step="accepted", answered_at=NOW, by="case-manager-1"),
    )
    assert withdrawn == (WithdrawReferral(task_id="t1", by="case-manager-1"),)


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
        (task("requested"), REFERRAL),
        (task("accepted"), {"code": fhir.concept(codes.TASK, "answer-referrer")}),
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


def output(code: str, **value: Any) -> dict[str, Any]:
    return {"type": fhir.concept(codes.INPUT, code), **value}


def answer(question: str, code: str, system: str = codes.CONTACT) -> dict[str, Any]:
    return output(f"contact-{question}", valueCodeableConcept=fhir.concept(system, code))


def attempted(outcome: str = "reached") -> list[dict[str, Any]]:
    return [
        output("outreach-channel", valueCodeableConcept=fhir.concept(codes.PARTICIPATION_MODE, "PHONE")),
        output("outreach-at", valueDateTime="2025-04-03T15:00:00-04:00"),
        output("outreach-outcome", valueCodeableConcept=fhir.concept(codes.OUTREACH, outcome)),
    ]


CALLED_AT = datetime(2025, 4, 3, 19, 0, tzinfo=UTC)


def test_answers_and_the_attempt_beside_them_are_read() -> None:
    stated = [*attempted(), answer("abstinence", "using"), answer("work", "not-stated")]
    tried, made = follow_up_of({}, output=stated).commands
    assert tried == RecordAttempt(task_id="t1", channel="PHONE", outcome="reached", at=CALLED_AT, by="case-manager-1")
    assert made == CompleteFollowUp(
        task_id="t1",
        reach="reached",
        by="case-manager-1",
        answers=(Answer("abstinence", "using"), Answer("work", "not-stated")),
        made_at=CALLED_AT,
    )


def test_without_a_reason_the_attempt_says_whether_the_patient_was_reached() -> None:
    _, made = follow_up_of({}, output=attempted("no-answer")).commands
    assert isinstance(made, CompleteFollowUp) and made.reach == "not-reached"


def test_an_attempt_alone_leaves_the_task_open() -> None:
    (tried,) = follow_up_of({}, "in-progress", output=attempted("message")).commands
    assert isinstance(tried, RecordAttempt)


@pytest.mark.parametrize(
    ("unread", "question"),
    [
        (answer("abstinence", "sober since May"), "abstinence"),
        (answer("abstinence", "employed"), "abstinence"),
        (answer("work", "employed", "https://ehr.example.org/work"), "work"),
        (output("contact-housing", valueString="lives with Robin"), "housing"),
        (output("contact-mood", valueString="low"), "other"),
        ({"type": {"text": "Notes"}, "valueString": "Robin called"}, "other"),
    ],
)
def test_an_answer_that_is_no_code_refuses_nothing_and_is_named_at_its_place(
    unread: dict[str, Any], question: Question
) -> None:
    read = follow_up_of({}, output=[answer("safety", "safe"), unread])
    (made,) = read.commands
    assert isinstance(made, CompleteFollowUp)
    assert made.answers == (Answer("safety", "safe"), Answer(question, "uncoded"))
    (issue,) = read.remarks["t1"]
    assert (issue.severity, issue.expression) == ("warning", ("Task.output[1]",))
    assert "Robin" not in issue.diagnostics and "sober" not in issue.diagnostics


CRISIS, USING = Answer("safety", "in-crisis"), Answer("abstinence", "using")


def coded(question: str, *stated: str) -> dict[str, Any]:
    coding = [{"system": codes.CONTACT, "code": each} for each in stated]
    return output(f"contact-{question}", valueCodeableConcept={"coding": coding})


@pytest.mark.parametrize(
    ("stated", "read"),
    [
        (coded("abstinence", "abstinent", "using"), USING),
        (coded("safety", "fine", "in-crisis"), CRISIS),
        (coded("safety", "safe", "using", "in-crisis"), CRISIS),
        (coded("abstinence", "in-crisis"), CRISIS),
        (coded("mood", "in-crisis"), CRISIS),
        (coded("safety", "using"), USING),
        (coded("housing", "housed", "without-housing"), Answer("housing", "uncoded")),
        (coded("safety", "safe", "unsafe"), Answer("safety", "uncoded")),
    ],
)
def test_of_several_codes_the_worse_counts_wherever_it_stands_and_never_the_milder(
    stated: dict[str, Any], read: Answer
) -> None:
    result = follow_up_of({}, output=[stated])
    (made,) = result.commands
    assert isinstance(made, CompleteFollowUp) and made.answers == (read,)
    assert bool(result.remarks) == (read.code == "uncoded")


COMPLETED = {
    "status": "completed",
    "restriction": {"period": {"start": "2025-04-03T20:00:00Z", "end": "2025-04-04T20:00:00Z"}},
}


def test_a_contact_that_was_made_is_corrected_with_when_it_was_due() -> None:
    stated = fhir.concept(codes.REASON, "not-reached")
    (correction,) = follow_up_of(COMPLETED, statusReason=stated).commands
    assert correction == CorrectFollowUp(
        task_id="t1",
        reach="not-reached",
        by="case-manager-1",
        due_at=datetime(2025, 4, 3, 20, 0, tzinfo=UTC),
        act_by=datetime(2025, 4, 4, 20, 0, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("status", "more", "place"),
    [
        ("in-progress", {}, "Task.status"),
        ("in-progress", {"output": [*attempted("message"), answer("safety", "safe")]}, "Task.output[3]"),
        ("completed", {"statusReason": {"text": "reached"}}, "Task.statusReason"),
        ("completed", {"statusReason": fhir.concept("https://ehr.example.org", "no-answer")}, "Task.statusReason"),
        (
            "completed",
            {"statusReason": fhir.concept(codes.REASON, "reached"), "output": attempted("no-answer")},
            "Task.statusReason",
        ),
        (
            "completed",
            {"statusReason": fhir.concept(codes.REASON, "not-reached"), "output": [answer("safety", "in-crisis")]},
            "Task.output[0]",
        ),
        (
            "completed",
            {"output": [answer("safety", "safe"), answer("safety", "in-crisis")]},
            "Task.output[1]",
        ),
        ("completed", {"output": attempted()[:2]}, "Task.output"),
        ("cancelled", {"output": attempted()}, "Task.status"),
    ],
)
def test_what_contradicts_itself_is_refused_at_its_place(status: str, more: dict[str, Any], place: str) -> None:
    with pytest.raises(HttpRefusal) as refused:
        follow_up_of({}, status, **more)
    (issue,) = refused.value.issues
    assert (refused.value.status, issue.expression) == (422, (place,))


def test_an_attempt_beside_a_step_of_an_escalation_comes_after_what_opens_it_and_before_what_closes_it() -> None:
    stored = {("Task", "t1"): StoredResource("patient", ESCALATION)}
    context = Context(CALLER, "patient", "demo", SETTINGS, NOW, stored)
    taken = read(task("accepted", output=attempted("message")), context).commands
    assert [type(each) for each in taken] == [AcknowledgeEscalation, RecordAttempt]
    closed = read(task("completed", output=attempted()), context).commands
    assert [type(each) for each in closed] == [RecordAttempt, ResolveEscalation]


def test_a_task_is_what_the_hub_knows_it_to_be_not_what_the_sender_calls_it() -> None:
    command = command_of(task("completed", code=fhir.concept(codes.TASK, "follow-up")), ESCALATION)
    assert isinstance(command, ResolveEscalation)


def test_an_escalation_is_accepted_and_completed() -> None:
    assert command_of(task("accepted"), ESCALATION) == AcknowledgeEscalation(escalation_id="t1", by="case-manager-1")
    assert command_of(task("completed"), ESCALATION) == ResolveEscalation(
        escalation_id="t1", reason="acted-on", by="case-manager-1"
    )
