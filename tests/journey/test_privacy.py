"""No identifier leaves: seeded ones are searched for in every record, log, metric and answer. And every record is what
docs/asyncapi.json says of it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy import topics
from shared.events import codes, fhir
from shared.events.catalogue import OPERATIONS
from tests.events.contract import faults
from tests.intake import bundles
from tests.journey.clinic import COCAINE, Clinic, Person, Resource, report
from tests.journey.seeds import GIVEN, NAME, PHONE, REMARK, planted, planted_report, secrets, secrets_of_feeds

ALUMNI = "riverbend-alumni"


@pytest.fixture
def planting(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    """Whatever is sent by FHIR says who the patient is in every place for words."""
    for verb in ("post", "put"):
        send = getattr(clinic.driver, verb)

        async def sending(service: str, resource: Resource, *more: str, send: Any = send, **headers: str) -> Any:
            return await send(service, planted(resource), *more, **headers)

        monkeypatch.setattr(clinic.driver, verb, sending)
    return clinic


async def every_record(bootstrap: str) -> list[Any]:
    """Of every topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    partitions = [TopicPartition(name, number) for name in topics.load().topic for number in range(12)]
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    ends = await consumer.end_offsets(partitions)
    seen: list[Any] = []
    while [each for each in partitions if await consumer.position(each) < ends[each]]:
        for batch in (await consumer.getmany(timeout_ms=200)).values():
            seen += batch
    await consumer.stop()
    return seen


def every_byte(records: list[Any]) -> bytes:
    """Their keys, headers and values."""
    return b"\n".join(
        part for each in records for part in (each.key or b"", each.value or b"", *(value for _, value in each.headers))
    )


def unfitting(records: list[Any]) -> set[str]:
    """Where a record of the hub's own does not fit docs/asyncapi.json. What another program wrote names no event."""
    found: set[str] = set()
    for each in records:
        headers = {name: value.decode() for name, value in each.headers}
        if headers:
            value = None if each.value is None else json.loads(each.value)
            found.update(faults(each.topic, headers, value, each.key.decode() if each.key else None))
    return found


async def test_every_record_fits_the_contract_and_no_identifier_is_on_a_topic_in_a_log_a_metric_or_an_answer(
    planting: Clinic, hub_data: Path
) -> None:
    clinic = planting
    person = await clinic.admit()
    consent_id = await clinic.consent(person, ALUMNI)
    await in_treatment(clinic, person)
    await clinic.discharge(person)
    (bundle,) = await received(clinic, consent_id)
    answers = [await refused(clinic, person.mrn), *await answered(clinic, person, bundle)]
    await in_aftercare(clinic, person)

    records = await every_record(clinic.driver.hub.kafka)
    assert {each.topic for each in records} >= topics.load().topic.keys() - {OPERATIONS}
    assert unfitting(records) == set()
    emitted = every_byte(records)
    assert person.id.encode() in emitted and b"MeetingListPrepared" in emitted and b"EmergencyDisclosed" in emitted
    logs = b"".join(file.read_bytes() for file in (hub_data / "logs").iterdir())
    assert logs
    metrics = b"".join([await scraped(service.base) for service in clinic.driver.hub.services.values()])
    assert b"iop_deliveries_total" in metrics
    places = {"topics": emitted, "logs": logs, "metrics": metrics, "answers": b"".join(answers)}
    for place, text in places.items():
        assert [each for each in (*secrets(person.mrn), *secrets_of_feeds()) if each in text] == [], place
    sent = json.dumps(bundle).encode()
    allowed = [each.encode() for each in (NAME, GIVEN, PHONE)]
    assert [each for each in (*secrets(person.mrn), person.id.encode()) if each in sent] == allowed


async def in_treatment(clinic: Clinic, person: Person) -> None:
    """A session held, one missed and asked about, a specimen by HL7; each says who the patient is."""
    await clinic.attend(person, (await clinic.sessions(person))[0])
    await clinic.miss(person)
    for task in await clinic.tasks("attendance", person, "requested"):
        answer = await clinic.driver.put("attendance", bundles.answered(task, "accepted"))
        assert answer.status_code == 200, answer.text
    message = planted_report(report(person.mrn, clinic.now, (COCAINE,)))
    assert b"MSA|AA" in await clinic.driver.send_mllp(message)
    await clinic.driver.settle()


async def received(clinic: Clinic, consent_id: str) -> list[Resource]:
    """What the partner got by this consent, once it has."""
    for _ in range(100):
        if found := [each for each in clinic.partners.received(ALUMNI) if consent_id in json.dumps(each)]:
            return found
        await asyncio.sleep(0.1)
    return []


async def answered(clinic: Clinic, person: Person, bundle: Resource) -> list[bytes]:
    """The partner answers, by its client and by the link; what it is shown, and the link."""
    (seen,) = [
        each
        for each in await clinic.driver.search("aftercare", "Task?status=requested", ALUMNI)
        if each["id"] in json.dumps(bundle)
    ]
    taken = await clinic.driver.put("aftercare", seen | {"status": "accepted"}, ALUMNI)
    assert taken.status_code == 200, taken.text
    link = next(each["valueUrl"] for each in inputs(bundle) if "/r/" in each["valueUrl"])
    async with httpx.AsyncClient(trust_env=False, timeout=30.0) as browser:
        wrong = await browser.post(link, data={"step": "scheduled", "at": REMARK, REMARK: REMARK})
        assert wrong.status_code == 422
        right = await browser.post(link, data={"step": "attended"})
        assert right.status_code == 200
        shown = [wrong, right, await browser.get(link), await browser.get(f"{link}{NAME}")]
    await clinic.driver.settle()
    return [link.encode(), taken.content, *(each.content for each in shown)]


def inputs(bundle: Resource) -> list[Resource]:
    return [each for entry in bundle["entry"] for each in entry["resource"].get("input", ())]


async def in_aftercare(clinic: Clinic, person: Person) -> None:
    """A list of meetings is asked for, an emergency is booked, the plan is agreed on and a contact made."""
    who, staff = {"reference": f"Patient/{person.id}"}, fhir.logical(codes.STAFF, "case-manager-1")
    await clinic.pass_by(days=3)
    (plan,) = await clinic.driver.search("aftercare", f"CarePlan?patient={person.id}&status=active")
    (call, *_) = await clinic.tasks("aftercare", person, "requested", "follow-up")
    sent = [
        ("post", {
            "resourceType": "CommunicationRequest", "status": "active", "subject": who, "requester": staff,
            "category": [fhir.concept(codes.TASK, "meeting-list")],
        }),
        ("post", {
            "resourceType": "Communication", "status": "completed", "subject": who,
            "recipient": [{"display": f"Dr. {NAME}"}], "sender": fhir.logical(codes.STAFF, "clinician-1"),
            "sent": clinic.now.isoformat(), "reasonCode": [fhir.concept(codes.EMERGENCY, "overdose")],
        }),
        ("put", plan | {"author": staff}),
        ("put", bundles.answered(call, "completed")),
    ]  # fmt: skip
    for verb, resource in sent:
        answer = await getattr(clinic.driver, verb)("aftercare", resource)
        assert answer.status_code in (200, 201), answer.text
    await clinic.driver.settle()


async def refused(clinic: Clinic, mrn: str) -> bytes:
    """What comes back for messages that are wrong in the very places where identifiers stand."""
    wrong = planted(bundles.intake(mrn, clinic.now))
    wrong["entry"][0]["resource"]["birthDate"] = NAME
    wrong["entry"][1]["resource"]["status"] = PHONE
    answers = [
        await clinic.driver.post("intake", wrong),
        await clinic.driver.get("intake", f"Patient/{NAME}"),
        await clinic.driver.get("intake", f"Task?{NAME}={PHONE}"),
        await clinic.driver.post_hl7(
            f"MSH|^~\\&|LIS|LAB|HUB|demo|{NAME}||ORU^R01|1|P|2.5.1\rPID|1||||{NAME}\rOBR|{PHONE}\rOBX|1|{NAME}\r".encode()
        ),
    ]
    assert all(each.status_code >= 400 for each in answers)
    return b"".join(each.content for each in answers)


async def scraped(base: str) -> bytes:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"{base}/metrics")).content
