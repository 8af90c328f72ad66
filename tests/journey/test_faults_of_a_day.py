"""A day on which everything around the hub goes wrong at once: patients get every event right all the same."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiokafka import AIOKafkaProducer

from deploy.demo.partner import Partners
from deploy.evidence import Databases, Record
from shared.events.catalogue import CONSUMES
from tests.intake import bundles
from tests.journey.clinic import Clinic, Person
from tests.journey.conftest import clinic_in
from tests.journey.servers import Servers
from tests.journey.stay import Insistence

PATIENTS = 20
AT_ONCE = 5
FROZEN_SECONDS = 4.0
JUNK_RECORDS = 150
SILENT_CONNECTIONS = 60
WORST_ENTRIES = 30_000
CONSENTS = (bundles.consent("riverbend-alumni"),)
SLOW_SECONDS = 3.0
IN_ORDER = {"iop.intake.events", "iop.attendance.events", "iop.testing.events"}
"""Topics whose order a patient's own events alone decide; what partners answer comes in any order."""


@pytest.fixture
async def clinic(hub_on_own_servers: Path, partners: Partners) -> AsyncIterator[Clinic]:
    async with clinic_in(hub_on_own_servers, partners) as opened:
        yield opened
    partners.seconds = 0.0


@pytest.mark.timeout(280)
async def test_twenty_patients_get_every_event_right_on_a_day_of_faults(clinic: Clinic, own_servers: Servers) -> None:
    insistence = Insistence(clinic)
    quiet = await insistence.stay(CONSENTS)
    await clinic.driver.settle()
    expected = await events_by_topic(clinic, quiet)
    clinic.partners.seconds = SLOW_SECONDS
    async with silent_connections(clinic), asyncio.TaskGroup() as day:
        for fault in (frozen_broker(own_servers), junk(clinic), worst_bodies(clinic)):
            day.create_task(fault)
        come = [day.create_task(stays(insistence, PATIENTS // AT_ONCE)) for _ in range(AT_ONCE)]
    await clinic.driver.settle(120)
    people = [person for each in come for person in each.result()]
    for person in people:
        assert await events_by_topic(clinic, person) == expected
    async with Databases(clinic.driver.hub) as databases:
        assert await databases.lost(await clinic.driver.records()) == []
        assert {count.parked for count in (await databases.count()).values()} == {0}


async def stays(insistence: Insistence, count: int) -> list[Person]:
    return [await insistence.stay(CONSENTS) for _ in range(count)]


async def events_by_topic(clinic: Clinic, person: Person) -> Mapping[str, list[str]]:
    """The names of the events about this person, in the order of each topic; one that was sent again counts once.

    Whether a result came before testing knew its patient (ResultMatched) is nobody's fault and no difference; nor is
    how often a send was tried, for on a busy machine the gate's yes grows too old.
    """
    found: dict[str, list[str]] = {}
    for record in {record.id: record for record in await clinic.records(person)}.values():
        if record.event != "ResultMatched" and not is_a_try(record):
            found.setdefault(record.topic, []).append(record.event)
    return {topic: events if topic in IN_ORDER else sorted(events) for topic, events in found.items()}


def is_a_try(record: Record) -> bool:
    if record.event != "DisclosureRecorded":
        return False
    return record.resources[0]["subtype"][0]["code"] in ("attempted", "not-sent")


async def frozen_broker(servers: Servers) -> None:
    """Kafka neither answers nor closes its connections."""
    for _ in range(2):
        await asyncio.sleep(FROZEN_SECONDS)
        servers.kafka.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(FROZEN_SECONDS)
        servers.kafka.process.send_signal(signal.SIGCONT)


async def junk(clinic: Clinic) -> None:
    """Somebody else's program writes to our topics."""
    producer = AIOKafkaProducer(bootstrap_servers=clinic.driver.hub.kafka)
    await producer.start()
    try:
        for topic in sorted(set(CONSUMES.values())):
            for number in range(JUNK_RECORDS):
                await producer.send_and_wait(topic, b"{}", key=f"stranger-{number}".encode())
    finally:
        await producer.stop()


async def worst_bodies(clinic: Clinic) -> None:
    """One transaction of tens of thousands of entries to each service: refused, and nobody waits for it."""
    entry = {"resource": {"resourceType": "Patient"}, "request": {"method": "PUT", "url": "Patient/x"}}
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "transaction", "entry": [entry] * WORST_ENTRIES}
    for service in clinic.driver.hub.services:
        answer = await clinic.driver.post(service, bundle)
        assert 400 <= answer.status_code < 500


@asynccontextmanager
async def silent_connections(clinic: Clinic) -> AsyncIterator[None]:
    """Half a request, or nothing at all, held open on every port of the hub."""
    hub = clinic.driver.hub
    services = [(urlsplit(each.fhir).netloc, b"POST /fhir/Pat") for each in hub.services.values()]
    laboratory = (str(hub.services["testing"].mllp), b"\x0bMSH|^~\\&|LIS")
    writers: list[asyncio.StreamWriter] = []
    for address, half in (*services, laboratory, (urlsplit(hub.issuer).netloc, b"POST /tok")):
        host, _, port = address.rpartition(":")
        for number in range(SILENT_CONNECTIONS):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(half if number % 2 else b"")
            writers.append(writer)
    try:
        yield
    finally:
        for writer in writers:
            writer.close()
