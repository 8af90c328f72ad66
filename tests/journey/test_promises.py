"""One journey per promise: once each, in order, through crashes, poison and absence; and never without consent."""

import asyncio
import os
import signal
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from deploy.evidence import Databases, Record
from tests.intake import bundles
from tests.journey.clinic import COCAINE, Clinic, Person, instant, report

ALUMNI = "riverbend-alumni"


async def test_the_same_bundle_again_gets_the_same_answer_and_no_second_effect(clinic: Clinic) -> None:
    mrn, now = f"MRN-{uuid4().hex[:12]}", clinic.now
    first = await clinic.driver.post("intake", bundles.intake(mrn, now))
    again = await clinic.driver.post("intake", bundles.intake(mrn, now))
    await clinic.driver.settle()
    person = Person(mrn, first.json()["entry"][0]["response"]["location"].split("/")[1])
    assert (again.status_code, again.json()) == (200, first.json())
    assert (await clinic.events(person)).count("LevelOfCareRecommended") == 1


async def test_the_same_laboratory_message_again_gets_the_same_answer_and_no_second_effect(clinic: Clinic) -> None:
    person = await clinic.admit()
    message = report(person.mrn, clinic.now, (COCAINE,))
    first, again = await clinic.driver.send_mllp(message), await clinic.driver.send_mllp(message)
    await clinic.driver.settle()
    assert b"MSA|AA" in first
    assert b"MSA|AA" in again
    assert (await clinic.events(person)).count("DrugTestResulted") == 1


async def test_the_same_record_on_kafka_again_has_no_second_effect(clinic: Clinic) -> None:
    person = await clinic.admit()
    before = await clinic.events(person)
    for record in await clinic.records(person, "iop.intake.events"):
        await produce_again(clinic, record)
    await clinic.driver.settle()
    after = await clinic.events(person, "iop.attendance.events")
    assert after == [event for event in before if event.startswith("Session")]


async def test_two_posts_of_a_new_patient_at_the_same_moment_make_one_patient(clinic: Clinic) -> None:
    mrn = f"MRN-{uuid4().hex[:12]}"
    intake = bundles.intake(mrn, clinic.now)
    del intake["identifier"]
    answers = await asyncio.gather(*(clinic.driver.post("intake", intake) for _ in range(6)))
    patients = {each.json()["entry"][0]["response"]["location"].split("/")[1] for each in answers}
    assert len(patients) == 1


async def test_each_patients_events_are_heard_in_the_order_in_which_they_were_said(clinic: Clinic) -> None:
    people = await asyncio.gather(*(clinic.admit() for _ in range(4)))
    await asyncio.gather(*(clinic.discharge(person) for person in people))
    async with Databases(clinic.driver.hub) as databases:
        for person in people:
            emitted = [each.id for each in await clinic.records(person, "iop.intake.events")]
            for service in ("attendance", "testing", "aftercare"):
                consumed = await databases.consumed(service, person.id)
                assert consumed == [each for each in emitted if each in consumed]
                assert len(consumed) >= 3


async def test_a_service_killed_in_the_middle_of_its_batches_loses_nothing(clinic: Clinic) -> None:
    people = [clinic.refer() for _ in range(3)]
    killed = asyncio.create_task(kill_repeatedly(clinic, "attendance", times=2))
    admitted = await asyncio.gather(*(clinic.admit() for _ in range(12)), *people)
    await killed
    await clinic.driver.settle(120)
    await nothing_lost(clinic)
    for person in admitted[:12]:
        assert len(await clinic.sessions(person)) >= 8


async def test_a_poisoned_record_parks_one_patient_and_the_others_flow(clinic: Clinic) -> None:
    poisoned, other = await clinic.admit(), await clinic.admit()
    (good,) = [each for each in await clinic.records(poisoned, "iop.intake.events") if each.event == "EpisodeAdmitted"]
    await produce_again(clinic, good, value=b'{"entry": [{}, {"resource": {}}]}', ce_id=str(uuid4()))
    await clinic.discharge(poisoned)
    await clinic.discharge(other)
    assert "SessionCancelled" in await clinic.events(other)
    assert "SessionCancelled" not in await clinic.events(poisoned)
    assert ("EscalationRaised", "deliveries-parked") in await clinic.escalations(poisoned)
    (hold,) = await clinic.tasks("attendance", poisoned, "requested", "hub-hold")
    taken_on = await clinic.driver.put("attendance", bundles.answered(hold, "accepted"))
    assert (taken_on.status_code, taken_on.json()["status"]) == (200, "accepted")
    assert (await clinic.driver.put("attendance", bundles.answered(hold, "completed"))).status_code == 422
    refused = await redrive(clinic, "attendance", poisoned)
    assert refused["parked"] == 2
    await mend(clinic, "attendance", poisoned, good)
    assert (await redrive(clinic, "attendance", poisoned))["parked"] == 0
    await clinic.driver.settle()
    assert "SessionCancelled" in await clinic.events(poisoned)
    assert ("EscalationResolved", "deliveries-parked") in await clinic.escalations(poisoned)
    for service in ("testing", "aftercare"):
        await mend(clinic, service, poisoned, good)
        await redrive(clinic, service, poisoned)


async def test_nothing_is_sent_without_a_consent_and_what_is_on_hold_goes_when_it_comes(clinic: Clinic) -> None:
    person = await clinic.admit()
    await clinic.discharge(person)
    assert "ReferralSent" not in await clinic.events(person)
    await clinic.consent(person, ALUMNI)
    assert await eventually(clinic, person, "ReferralSent")
    (made,) = [each for each in await clinic.records(person, "iop.disclosures") if "made" in str(each.bundle)]
    assert any("Consent/" in str(each) for each in made.resources)


async def test_a_consent_revoked_between_the_decision_and_the_release_withholds(clinic: Clinic) -> None:
    person = await clinic.admit()
    consent = await clinic.consent(person, ALUMNI)
    received_before = len(clinic.partners.received(ALUMNI))
    clinic.partners.open = False
    try:
        await discharge_without_settling(clinic, person)
        assert await eventually(clinic, person, "ReferralPrepared")
        answer = await clinic.driver.get("intake", f"Consent/{consent}")
        await clinic.driver.put("intake", {**answer.json(), "status": "inactive"})
        await asyncio.sleep(1.0)
    finally:
        clinic.partners.open = True
    assert await eventually(clinic, person, "ReferralWithheld", count=2)
    events = await clinic.events(person, "iop.aftercare.events")
    assert "ReferralSent" not in events
    assert len(clinic.partners.received(ALUMNI)) == received_before


async def test_a_referral_asked_for_after_the_revocation_is_withheld(clinic: Clinic) -> None:
    person = await clinic.admit()
    consent = await clinic.consent(person, ALUMNI)
    await clinic.discharge(person)
    assert await eventually(clinic, person, "ReferralSent")
    await clinic.revoke(consent)
    answer = await clinic.ask_referral(person, ALUMNI, "alumni")
    assert answer.status_code == 201, answer.text
    await clinic.driver.settle()
    assert (await clinic.events(person, "iop.aftercare.events"))[-1] == "ReferralWithheld"


async def test_a_mutual_help_group_is_never_told_anything(clinic: Clinic) -> None:
    person = await clinic.admit()
    answer = await clinic.ask_referral(person, "alcoholics-anonymous", "alumni")
    assert answer.status_code == 422
    assert clinic.partners.received("alcoholics-anonymous") == []


async def test_a_service_that_was_down_over_the_grace_time_concludes_no_miss(clinic: Clinic) -> None:
    person = await clinic.admit()
    session = (await clinic.sessions(person))[1]
    start = instant(session["start"])
    await clinic.pass_to(start - timedelta(minutes=5))
    os.kill(clinic.driver.pid("attendance"), signal.SIGSTOP)
    stopped = clinic.driver.pid("attendance")
    clinic.driver.clock_set(start + timedelta(minutes=20))
    os.kill(stopped, signal.SIGKILL)
    await restarted(clinic, "attendance", stopped)
    await clinic.driver.settle(120)
    assert await status(clinic, session) == "booked"
    await clinic.attend(person, session)
    assert await status(clinic, session) == "fulfilled"


async def status(clinic: Clinic, session: dict[str, Any]) -> str:
    answer = await clinic.driver.get("attendance", f"Appointment/{session['id']}")
    return str(answer.json()["status"])


async def produce_again(clinic: Clinic, record: Record, *, value: bytes | None = None, **headers: str) -> None:
    """The record once more on its topic, with another value or other headers where they are given."""
    producer = AIOKafkaProducer(bootstrap_servers=clinic.driver.hub.kafka)
    await producer.start()
    record_headers = [(name, text.encode()) for name, text in {**record.headers, **headers}.items()]
    body = value if value is not None else msgspec.json.encode(record.bundle)
    await producer.send_and_wait(record.topic, body, key=record.patient.encode(), headers=record_headers)
    await producer.stop()


async def kill_repeatedly(clinic: Clinic, service: str, times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0.4)
        pid = clinic.driver.pid(service)
        os.kill(pid, signal.SIGKILL)
        await restarted(clinic, service, pid)


async def restarted(clinic: Clinic, service: str, before: int) -> None:
    for _ in range(600):
        if clinic.driver.pid(service) != before:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"{service} was not started again")


async def nothing_lost(clinic: Clinic) -> None:
    async with Databases(clinic.driver.hub) as databases:
        assert await databases.lost(await clinic.driver.records()) == []


async def eventually(clinic: Clinic, person: Person, event: str, count: int = 1) -> bool:
    """Whether the event is said within the time a lane may back off."""
    for _ in range(150):
        if (await clinic.events(person, "iop.aftercare.events")).count(event) >= count:
            return True
        await asyncio.sleep(0.1)
    return False


async def redrive(clinic: Clinic, service: str, person: Person) -> dict[str, Any]:
    answer = await clinic.driver.redrive(service, person.id)
    answer.raise_for_status()
    emitted: dict[str, Any] = answer.json()
    return emitted


async def mend(clinic: Clinic, service: str, person: Person, good: Record) -> None:
    """As an operator would with a record that a sender garbled: put the sender's good bytes in its place."""
    connection = await asyncpg.connect(clinic.driver.hub.postgres[service])
    await connection.execute(
        "UPDATE parked SET content = $2 WHERE key = $1 AND class = 'unreadable'",
        person.id,
        msgspec.json.encode(good.bundle),
    )
    await connection.close()


async def discharge_without_settling(clinic: Clinic, person: Person) -> None:
    answer = await clinic.driver.get("intake", f"EpisodeOfCare/{person.episode_id}")
    ended = bundles.discharge(answer.json(), "completed", clinic.now)
    assert (await clinic.driver.post("intake", ended)).status_code == 200
