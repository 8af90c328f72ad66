"""What a partner is sent: on hold, sent, withheld, refused or given up, each accounted for."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from services.aftercare.messages import ConsentDenied, ConsentRevoked
from shared.edge.outcome import HttpRefusal
from shared.events import codes, fhir
from tests.aftercare.running import (
    ADMITTED,
    AGAIN,
    DISCHARGED,
    MRN,
    PARTNERS,
    PERSON,
    Aftercare,
    admission,
    asking,
    consent,
    discharge,
    identified,
)


async def test_on_hold_without_a_consent_sent_when_it_comes_withheld_after_it_is_revoked(aftercare: Aftercare) -> None:
    await identified(aftercare)
    await aftercare.learn(admission(aftercare))
    await discharge(aftercare)
    await aftercare.until_tasks(("riverbend-alumni", "on-hold"), ("riverbend-outpatient", "on-hold"))
    assert aftercare.partner.received == []

    consent_id = str(uuid4())
    await aftercare.learn(consent(consent_id))
    await aftercare.until_tasks(("riverbend-alumni", "requested"), ("riverbend-outpatient", "on-hold"))
    (sent,) = aftercare.partner.received
    patient = next(each["resource"] for each in sent["entry"] if each["resource"]["resourceType"] == "Patient")
    assert (patient["name"], patient["telecom"]) == (PERSON["name"], PERSON["telecom"])
    assert "birthDate" not in patient and MRN.value not in json.dumps(sent)

    await aftercare.learn(ConsentRevoked(consent_id=consent_id, revoked_at=DISCHARGED))
    with pytest.raises(HttpRefusal, match=r"duplicate at ServiceRequest.reasonCode"):
        await aftercare.post(asking(aftercare, "riverbend-alumni", "alumni"))
    await aftercare.post(asking(aftercare, "riverbend-alumni", "alumni") | AGAIN)
    await aftercare.until_tasks(
        ("riverbend-alumni", "requested"), ("riverbend-alumni", "on-hold"), ("riverbend-outpatient", "on-hold")
    )
    assert len(aftercare.partner.received) == 1

    (alumni,) = [each for each in await aftercare.read("Task", status="on-hold") if _goes_to(each, "riverbend-alumni")]
    assert fhir.code_of(alumni["statusReason"]) == "consent-revoked"
    assert "requester" not in alumni, "nobody is asked to obtain a consent that was revoked"
    outcomes = [each["subtype"][0]["code"] for each in await aftercare.books()]
    assert sorted(outcomes) == ["made", "withheld", "withheld", "withheld"]


def _goes_to(task: dict[str, Any], partner: str) -> bool:
    return bool(task.get("owner") == fhir.logical(codes.PARTNER, partner))


async def test_a_no_that_comes_while_the_partner_is_away_is_heard(aftercare: Aftercare) -> None:
    await identified(aftercare)
    await aftercare.learn(consent(str(uuid4()), "riverbend-house"))
    denied = ConsentDenied(consent_id=str(uuid4()), recipients=(), purposes=(), denied_at=DISCHARGED)
    await aftercare.learn(denied)
    aftercare.set_clock(DISCHARGED)
    await aftercare.post(asking(aftercare, "riverbend-house", "recovery-residence"))
    await aftercare.until_tasks(("riverbend-house", "on-hold"))
    (task,) = await aftercare.read("Task")
    assert (fhir.code_of(task["statusReason"]), "requester" in task) == ("consent-denied", False)
    assert aftercare.partner.received == []
    again = consent(str(uuid4()), "riverbend-house")
    await aftercare.learn(msgspec.structs.replace(again, given_at=DISCHARGED + timedelta(seconds=1)))
    aftercare.set_clock(DISCHARGED + timedelta(days=1))
    await aftercare.until_tasks(("riverbend-house", "requested"))


async def test_a_consent_that_begins_later_is_waited_for(aftercare: Aftercare) -> None:
    await identified(aftercare)
    begins = DISCHARGED + timedelta(days=2)
    await aftercare.learn(consent(str(uuid4()), "riverbend-house", starts_at=begins))
    aftercare.set_clock(DISCHARGED)
    await aftercare.post(asking(aftercare, "riverbend-house", "recovery-residence"))
    await aftercare.until_tasks(("riverbend-house", "on-hold"))
    (task,) = await aftercare.read("Task")
    assert fhir.code_of(task["statusReason"]) == "consent-not-yet-in-force"
    assert datetime.fromisoformat(task["restriction"]["period"]["start"]) == begins
    aftercare.set_clock(begins)
    await aftercare.until_tasks(("riverbend-house", "requested"))
    assert len(aftercare.partner.received) == 1


async def test_without_a_phone_the_partner_requires_it_waits_until_the_patient_has_one(aftercare: Aftercare) -> None:
    await identified(aftercare, {name: PERSON[name] for name in ("resourceType", "name", "birthDate")})
    await aftercare.learn(consent(str(uuid4()), "riverbend-house"))
    await aftercare.post(asking(aftercare, "riverbend-house", "recovery-residence"))
    await aftercare.until_tasks(("riverbend-house", "on-hold"))
    (task,) = await aftercare.read("Task", status="on-hold")
    assert fhir.code_of(task["statusReason"]) == "patient-lacks-phone"
    assert aftercare.partner.received == []
    await identified(aftercare)
    await aftercare.until_tasks(("riverbend-house", "requested"))


async def test_a_partner_of_another_program_is_told_nothing_whatever_stands_in_its_lane(aftercare: Aftercare) -> None:
    elsewhere = msgspec.structs.replace(PARTNERS["riverbend-house"], name="elsewhere", programs=("another",))
    await identified(aftercare)
    await aftercare.learn(consent(str(uuid4()), "riverbend-house"))
    await aftercare.puts_into_its_lane(elsewhere)
    async with aftercare.lane(elsewhere):
        await aftercare.until_audited("withheld")
    (audit,) = await aftercare.books()
    assert audit["outcomeDesc"] == "partner-of-another-program"
    assert aftercare.partner.received == []


async def test_what_a_readmission_takes_back_is_not_sent_once_the_partner_is_there_again(aftercare: Aftercare) -> None:
    aftercare.partner.status = 503
    await identified(aftercare)
    await aftercare.learn(consent(str(uuid4())), admission(aftercare))
    await discharge(aftercare)
    await aftercare.until_tasks(("riverbend-alumni", "draft"), ("riverbend-outpatient", "on-hold"))
    await aftercare.until_tried()
    await aftercare.learn(admission(aftercare, str(uuid4())))
    aftercare.partner.received.clear()
    aftercare.partner.status = 200

    async def reported() -> bool:
        texts = [each["statusReason"].get("text") for each in await aftercare.read("Task", status="cancelled")]
        return sorted(map(str, texts)) == ["May have been received.", "None"]

    await aftercare.until(reported)
    assert aftercare.partner.received == []
    assert await aftercare.referral_tasks() == [
        ("riverbend-alumni", "cancelled"),
        ("riverbend-outpatient", "cancelled"),
    ]
    assert "withheld-after-attempt" in [each["subtype"][0]["code"] for each in await aftercare.books()]
    (plan,) = await aftercare.read("CarePlan")
    assert plan["status"] == "revoked"


async def test_the_gate_stays_shut_while_the_ledger_is_old_and_nobody_is_told_no_for_that(aftercare: Aftercare) -> None:
    await identified(aftercare)
    await aftercare.learn(consent(str(uuid4()), "riverbend-house"))
    await aftercare.pool.execute("UPDATE ledger SET current_at = current_at - interval '61 s' WHERE partition = 7")
    await aftercare.post(asking(aftercare, "riverbend-house", "recovery-residence"))
    await aftercare.until_put_off()
    assert (aftercare.partner.received, await aftercare.books()) == ([], [])
    await aftercare.consents_current()
    await aftercare.until_tasks(("riverbend-house", "requested"))


async def test_nothing_of_a_patient_with_parked_events_is_released(aftercare: Aftercare) -> None:
    await identified(aftercare)
    await aftercare.learn(consent(str(uuid4()), "riverbend-house"))
    await aftercare.puts_into_its_lane(PARTNERS["riverbend-house"], hold="{}")
    await aftercare.until_put_off()
    assert (aftercare.partner.received, await aftercare.books()) == ([], [])


async def test_an_unreadable_revocation_counts_once_it_can_be_read(aftercare: Aftercare) -> None:
    await identified(aftercare)
    await aftercare.learn(consent("given", "riverbend-house"))
    await aftercare.learn_once_readable(ConsentRevoked(consent_id="given", revoked_at=ADMITTED))
    await aftercare.post(asking(aftercare, "riverbend-house", "recovery-residence"))
    await aftercare.until_tasks(("riverbend-house", "on-hold"))
    assert (await aftercare.known()).consents == ()
    assert len(await aftercare.books()) == 1
    assert aftercare.partner.received == []


async def test_an_unreadable_consent_that_is_read_late_is_older_than_the_one_that_came_meanwhile(
    aftercare: Aftercare,
) -> None:
    await identified(aftercare)
    await aftercare.learn(consent("given", "riverbend-house"))
    aftercare.set_clock(DISCHARGED)
    narrowed = consent("given", "riverbend-house", fields=("name",))

    async def meanwhile() -> None:
        aftercare.set_clock(DISCHARGED + timedelta(days=1))
        await aftercare.learn(narrowed)

    await aftercare.learn_once_readable(consent("given", "riverbend-house"), meanwhile)
    assert (await aftercare.known()).consents == (narrowed,)


async def test_a_mutual_help_group_is_told_nothing_whatever_is_asked(aftercare: Aftercare) -> None:
    await identified(aftercare)
    await aftercare.learn(consent(str(uuid4()), "alcoholics-anonymous"))
    with pytest.raises(HttpRefusal) as refused:
        await aftercare.post(asking(aftercare, "alcoholics-anonymous", "alumni"))
    assert refused.value.status == 422
    assert await aftercare.pool.fetchval("SELECT count(*) FROM outbox WHERE lane LIKE 'partner:%'") == 0


async def test_a_partner_that_refuses_for_good_ends_the_referral(aftercare: Aftercare) -> None:
    aftercare.partner.status = 422
    await identified(aftercare)
    await aftercare.learn(consent(str(uuid4()), "riverbend-house"))
    await aftercare.post(asking(aftercare, "riverbend-house", "recovery-residence"))
    await aftercare.until_tasks(("riverbend-house", "failed"))


async def test_a_partner_not_reached_in_three_days_is_given_up_and_accounted_for(aftercare: Aftercare) -> None:
    aftercare.partner.status = 503
    await identified(aftercare)
    consent_id = str(uuid4())
    await aftercare.learn(consent(consent_id, "riverbend-house"))
    await aftercare.post(asking(aftercare, "riverbend-house", "recovery-residence"))
    await aftercare.until_tried()
    await aftercare.pool.execute(
        "UPDATE outbox SET stored_at = stored_at - interval '73 hours' WHERE lane LIKE 'partner:%'"
    )
    await aftercare.until_tasks(("riverbend-house", "failed"))
    audits = await aftercare.books()
    assert len(audits) == len(aftercare.partner.received)
    (last,) = [each for each in audits if each["subtype"][0]["code"] != "attempted"]
    assert (last["subtype"][0]["code"], last["outcomeDesc"]) == ("gave-up", "http-503")
    assert all({"what": {"reference": f"Consent/{consent_id}"}} in each["entity"] for each in audits)
