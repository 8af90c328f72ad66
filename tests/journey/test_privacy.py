"""No identifier leaves: seeded ones are searched for in every record, log, metric and answer. And every record is what
docs/asyncapi.json says of it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy import topics
from shared.events.catalogue import DISCLOSURES, OPERATIONS
from tests.events.contract import faults
from tests.intake import bundles
from tests.journey.clinic import COCAINE, Clinic, Person, report

NAME, GIVEN, PHONE, STREET, BIRTH = "Quixwort", "Zephyrine", "555-0199-7731", "17 Larkspur Vale", "1979-02-03"


def seeded(mrn: str, clinic: Clinic) -> dict[str, Any]:
    intake = bundles.intake(mrn, clinic.now)
    patient = intake["entry"][0]["resource"]
    patient["name"] = [{"family": NAME, "given": [GIVEN]}]
    patient["telecom"] = [{"system": "phone", "value": PHONE, "use": "mobile"}]
    patient["birthDate"] = BIRTH
    patient["address"] = [{"line": [STREET], "city": "Springfield"}]
    referral = intake["entry"][-1]["resource"]
    referral["note"] = [{"text": f"{NAME} called twice"}]
    return intake


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


async def test_every_record_fits_the_contract_and_no_identifier_is_on_a_topic_in_a_log_a_metric_or_a_refusal(
    clinic: Clinic, hub_data: Path
) -> None:
    mrn = f"MRN-{uuid4().hex[:12]}"
    secrets = [each.encode() for each in (NAME, GIVEN, PHONE, STREET, BIRTH, mrn)]
    answer = await clinic.driver.post("intake", seeded(mrn, clinic))
    person = Person(mrn, answer.json()["entry"][0]["response"]["location"].split("/")[1])
    await clinic.driver.settle()
    await clinic.sign(person)
    message = report(mrn, clinic.now, (COCAINE,)).replace(b"DOE^SYNTHETIC", f"{NAME}^{GIVEN}".encode())
    assert b"MSA|AA" in await clinic.driver.send_mllp(message + f"NTE|1||{NAME} seemed well\r".encode())
    refusals = await refused(clinic, mrn)
    await clinic.pass_to(clinic.now + timedelta(hours=3))

    records = await every_record(clinic.driver.hub.kafka)
    assert {each.topic for each in records} >= topics.load().topic.keys() - {DISCLOSURES, OPERATIONS}
    assert unfitting(records) == set()
    emitted = every_byte(records)
    assert person.id.encode() in emitted
    logs = b"".join(file.read_bytes() for file in (hub_data / "logs").iterdir())
    assert logs
    metrics = b"".join([await scraped(service.base) for service in clinic.driver.hub.services.values()])
    assert b"iop_deliveries_total" in metrics
    for place, text in {"topics": emitted, "logs": logs, "metrics": metrics, "refusals": refusals}.items():
        assert [secret for secret in secrets if secret in text] == [], place


async def refused(clinic: Clinic, mrn: str) -> bytes:
    """What comes back for messages that are wrong in the very places where identifiers stand."""
    wrong = seeded(mrn, clinic)
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
