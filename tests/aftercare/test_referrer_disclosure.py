"""A partner that referred, over HTTP: what it is sent of its own referral, when it is sent nothing, and the books."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.aftercare.messages import ConsentRevoked, PartnerReferralChanged
from shared.edge.outcome import HttpRefusal
from shared.events import codes, fhir
from tests.aftercare.running import ADMITTED, DISCHARGED, MRN, Aftercare, consent, identified

REFERRAL = "8a5f3a50-7a0e-4b63-8a3b-6a3f0c1d2e21"
THEIRS = {"system": "https://hospital.example.org/orders", "value": "R-17"}


def stands(service: Aftercare, state: str, partner: str = "riverbend-hospital") -> PartnerReferralChanged:
    number = service.keys.seal("aftercare", {"identifier": [THEIRS]})
    return PartnerReferralChanged(
        referral_id=REFERRAL, partner=partner, state=state, changed_at=ADMITTED, number=number
    )


def one(bundle: dict[str, Any], kind: str) -> dict[str, Any]:
    (found,) = [each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == kind]
    assert isinstance(found, dict)
    return found


def states(service: Aftercare) -> list[str]:
    return [fhir.code_of(one(each, "Task")["businessStatus"]) for each in service.partner.received]


async def until_sent(service: Aftercare, *expected: str) -> None:
    async def reached() -> bool:
        return states(service) == list(expected)

    await service.until(reached)


async def until_task(service: Aftercare, status: str, reason: str | None = None) -> dict[str, Any]:
    async def reached() -> bool:
        tasks = await service.read("Task", code=f"{codes.TASK}|answer-referrer")
        why = [fhir.code_of(each["statusReason"]) if "statusReason" in each else None for each in tasks]
        return ([each["status"] for each in tasks], why) == ([status], [reason])

    await service.until(reached)
    (task,) = await service.read("Task", code=f"{codes.TASK}|answer-referrer")
    return task


async def test_with_a_consent_the_referrer_learns_each_state_in_order_and_nothing_else(aftercare: Aftercare) -> None:
    await identified(aftercare)
    consent_id = str(uuid4())
    await aftercare.learn(consent(consent_id, "riverbend-hospital"))
    for number, state in enumerate(("received", "in-review", "admitted"), start=1):
        await aftercare.learn(stands(aftercare, state))
        await until_sent(aftercare, *("received", "in-review", "admitted")[:number])
    first, *_, last = aftercare.partner.received
    assert [each["resource"]["resourceType"] for each in last["entry"]] == [
        "Organization",
        "Task",
        "Consent",
        "Communication",
    ]
    task = one(last, "Task")
    assert (task["status"], task["focus"], task["lastModified"]) == (
        "completed",
        {"type": "ServiceRequest", "identifier": THEIRS},
        "2026-01-05T17:00:00Z",
    )
    assert [each["request"] for each in first["entry"]][1] == [each["request"] for each in last["entry"]][1]
    assert one(last, "Communication")["payload"][0]["contentString"].startswith("42 CFR part 2 prohibits")
    assert "where its referral stands" in one(last, "Communication")["payload"][1]["contentString"]
    sent = json.dumps(aftercare.partner.received)
    for secret in (MRN.value, "Seeded", "Bogus", "1980-02-03", "+15555550123", aftercare.patient):
        assert secret not in sent
    await aftercare.until_audited("made", "made", "made")
    audits = await aftercare.books()
    assert all({"what": {"reference": f"Consent/{consent_id}"}} in each["entity"] for each in audits)
    assert all("referral-state" in json.dumps(each) for each in audits)


async def test_without_one_it_is_on_hold_in_one_task_and_a_consent_sends_the_newest_alone(aftercare: Aftercare) -> None:
    await identified(aftercare)
    await aftercare.learn(stands(aftercare, "received"))
    task = await until_task(aftercare, "on-hold", "no-consent-names-this-partner")
    assert task["requester"] == fhir.logical(codes.ROLE, "case-manager")
    await aftercare.learn(stands(aftercare, "in-review"))
    await aftercare.until_audited("withheld", "withheld")
    await until_task(aftercare, "on-hold", "no-consent-names-this-partner")
    assert aftercare.partner.received == []
    await aftercare.learn(consent(str(uuid4()), "riverbend-hospital"))
    await until_sent(aftercare, "in-review")
    assert (await until_task(aftercare, "completed"))["id"] == task["id"]


async def test_a_consent_that_lists_other_fields_lets_no_answer_out(aftercare: Aftercare) -> None:
    await aftercare.learn(consent(str(uuid4()), "riverbend-hospital", fields=("name", "phone")))
    await aftercare.learn(stands(aftercare, "received"))
    await until_task(aftercare, "on-hold", "consent-lacks-a-field")
    assert aftercare.partner.received == []


async def test_a_person_who_wants_no_answer_sent_takes_it_back_by_its_task(aftercare: Aftercare) -> None:
    await identified(aftercare)
    await aftercare.learn(stands(aftercare, "received"))
    task = await until_task(aftercare, "on-hold", "no-consent-names-this-partner")
    with pytest.raises(HttpRefusal, match=r"business-rule at Task.status"):
        await aftercare.put({**task, "status": "completed"})
    person = {"identifier": {"system": codes.STAFF, "value": "case-manager-1"}}
    await aftercare.put({**task, "status": "cancelled", "owner": person})
    await until_task(aftercare, "cancelled", "withdrawn-by-staff")
    await aftercare.learn(consent(str(uuid4()), "riverbend-hospital"), stands(aftercare, "admitted"))
    assert await aftercare.count("outbox WHERE lane LIKE 'partner:%'") == 0
    assert aftercare.partner.received == []


async def test_revoked_before_the_first_byte_nothing_leaves(aftercare: Aftercare) -> None:
    aftercare.partner.status = 503
    consent_id = str(uuid4())
    await aftercare.learn(consent(consent_id, "riverbend-hospital"), stands(aftercare, "received"))
    await aftercare.until_tried()
    aftercare.partner.received.clear()
    await aftercare.learn(ConsentRevoked(consent_id=consent_id, revoked_at=DISCHARGED))
    aftercare.partner.status = 200
    await until_task(aftercare, "on-hold", "consent-revoked")
    assert aftercare.partner.received == []


async def test_a_state_that_the_partner_did_not_get_is_replaced_by_the_next(aftercare: Aftercare) -> None:
    aftercare.partner.status = 503
    await aftercare.learn(consent(str(uuid4()), "riverbend-hospital"), stands(aftercare, "received"))
    await aftercare.until_tried()
    await aftercare.learn(stands(aftercare, "admitted"))
    aftercare.partner.received.clear()
    aftercare.partner.status = 200
    await until_sent(aftercare, "admitted")
    await until_task(aftercare, "completed")
    assert "withheld-after-attempt" in [each["subtype"][0]["code"] for each in await aftercare.books()]


@pytest.mark.parametrize(("state", "reason"), [("a-state-of-next-year", "referral-state-unknown")])
async def test_a_state_that_nobody_knows_is_not_guessed_but_asks_a_person(
    aftercare: Aftercare, state: str, reason: str
) -> None:
    await aftercare.learn(consent(str(uuid4()), "riverbend-hospital"), stands(aftercare, state))
    assert "requester" in await until_task(aftercare, "on-hold", reason)
    assert aftercare.partner.received == []


async def test_how_the_referrer_calls_it_stands_in_no_row_of_a_topic_and_in_no_resource(aftercare: Aftercare) -> None:
    await aftercare.learn(consent(str(uuid4()), "riverbend-hospital"), stands(aftercare, "received"))
    await until_sent(aftercare, "received")
    aftercare.set_clock(DISCHARGED + timedelta(days=1))
    rows = await aftercare.pool.fetch("SELECT coalesce(body, '') || headers AS text FROM outbox")
    resources = await aftercare.pool.fetch("SELECT body AS text FROM resources")
    journal = await aftercare.pool.fetch("SELECT content::text AS text FROM journal")
    assert not any("R-17" in each["text"] for each in (*rows, *resources, *journal))
