"""An escalation that was completed is accepted once more: its Task says what it was about, and who completed it."""

from datetime import timedelta
from typing import Any

import pytest

from shared.edge.outcome import HttpRefusal
from shared.events.codes import ESCALATION
from tests.intake.bundles import answered
from tests.testing.receiving import ADMITTED, ReceivingService, message

PERSON, OTHER = "primary-therapist-1", "clinician-1"
COMPLETED_AT = ADMITTED + timedelta(days=9)
Json = dict[str, Any]


async def completed(testing: ReceivingService) -> Json:
    """A positive result that somebody ticked off."""
    await testing.identified()
    await testing.admitted()
    baseline = message("M0", "NEGATIVE", "F0").replace(b"20260112", b"20260106").replace(b"20260113", b"20260107")
    assert await testing.sent(baseline) == ["AA"] and await testing.receives(message()) == "AA"
    task = await testing.task("drug-test")
    testing.set_clock(COMPLETED_AT)
    await testing.put(answered(task, "completed", PERSON, "acted-on"), "ehr")
    return await testing.task("drug-test")


def reopened(task: Json, by: str = PERSON, status: str = "accepted", reason: str = "resolved-by-mistake") -> Json:
    return answered(task, status, by, reason)


async def refused(testing: ReceivingService, task: Json) -> tuple[int, str]:
    with pytest.raises(HttpRefusal) as refusal:
        await testing.put(task, "ehr")
    (issue,) = refusal.value.issues
    return refusal.value.status, issue.diagnostics


@pytest.mark.parametrize("status", ["accepted", "in-progress", "requested"])
async def test_who_completed_it_has_it_again(testing: ReceivingService, status: str) -> None:
    before = await completed(testing)
    testing.set_clock(COMPLETED_AT + timedelta(hours=1))
    await testing.put_thrice(reopened(before, status=status), "ehr")
    task = await testing.task("drug-test")
    assert (task["status"], task["id"], task["authoredOn"]) == ("accepted", before["id"], before["authoredOn"])
    assert task["businessStatus"]["coding"] == [{"system": ESCALATION, "code": "reopened"}]
    assert task["statusReason"]["coding"][0]["code"] == "resolved-by-mistake"
    assert task["restriction"]["period"]["end"] > before["restriction"]["period"]["end"]
    (audit,) = await testing.found("AuditEvent", ("subtype", "reopened"))
    assert {"type": "reason", "valueString": "resolved-by-mistake"} in audit["entity"][1]["detail"]
    await testing.put(answered(task, "completed", PERSON, "acted-on"), "ehr")
    assert (await testing.emitted())[-2:] == ["EscalationReopened", "EscalationResolved"]


async def test_another_person_learns_who_completed_it_and_when(testing: ReceivingService) -> None:
    task = await completed(testing)
    status, text = await refused(testing, reopened(task, OTHER))
    assert status == 409
    assert text == f"Only who resolved it may reopen it, and it was resolved by staff/{PERSON} at 12:00"
    assert (await testing.emitted())[-1] == "EscalationResolved"


async def test_a_day_later_it_stays_completed(testing: ReceivingService) -> None:
    task = await completed(testing)
    testing.set_clock(COMPLETED_AT + timedelta(hours=24, seconds=1))
    status, text = await refused(testing, reopened(task))
    assert status == 409 and "24 h" in text


async def test_what_was_corrected_since_is_not_asked_again(testing: ReceivingService) -> None:
    task = await completed(testing)
    await testing.receives(message("M2", "NEGATIVE", status="C", sent="20260114120000-0500"))
    status, text = await refused(testing, reopened(task))
    assert status == 409 and "stands no more" in text


async def test_without_a_coded_reason_it_is_not_reopened(testing: ReceivingService) -> None:
    task = await completed(testing)
    assert (await refused(testing, answered(task, "accepted", PERSON)))[0] == 409
    assert (await testing.emitted())[-1] == "EscalationResolved"
