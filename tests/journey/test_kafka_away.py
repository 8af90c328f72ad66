"""Kafka is away while a service starts: it waits, the others go on, and what was accepted arrives once and in order."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from deploy.demo.partner import Partners
from deploy.evidence import Databases, Record
from shared.events import codes
from shared.events.catalogue import CONSUMES
from tests.intake import bundles
from tests.journey.clinic import Clinic, Person, instant, report
from tests.journey.conftest import clinic_in
from tests.journey.parts import pids
from tests.journey.servers import Servers

KILLED = "aftercare"
OTHERS = ("intake", "attendance", "testing")
REFERRALS = 16
STARTS_SECONDS_MOST = 30.0


async def test_a_service_that_starts_while_kafka_is_away_waits_and_stops_nobody_else(
    hub_on_own_servers: Path, own_servers: Servers, partners: Partners
) -> None:
    async with clinic_in(hub_on_own_servers, partners) as clinic:
        person = await clinic.admit()
        session = (await clinic.sessions(person))[0]
        await clinic.pass_to(instant(session["start"]))
        async with alive(clinic):
            with own_servers.without_kafka():
                waiting = await killed_and_alive_again(clinic)
                accepted = [person.id, *await work_goes_on(clinic, person, session["id"])]
                assert pids(hub_on_own_servers, KILLED) == [waiting]
        await clinic.driver.settle()
        await everything_arrived_once_and_in_order(clinic, accepted)
        assert pids(hub_on_own_servers, KILLED) == [waiting]


@asynccontextmanager
async def alive(clinic: Clinic) -> AsyncIterator[None]:
    """Meanwhile /health/live of the services that were not killed is asked for all the time, and answers each time."""
    answers: set[int] = set()

    async def ask() -> None:
        async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
            while True:
                for name in OTHERS:
                    answers.add((await http.get(health(clinic, name))).status_code)
                await asyncio.sleep(0.1)

    asking = asyncio.create_task(ask())
    yield
    assert not asking.done()
    asking.cancel()
    assert answers == {200}


def health(clinic: Clinic, name: str, state: str = "live") -> str:
    return clinic.driver.hub.services[name].fhir.removesuffix("/fhir") + f"/health/{state}"


async def killed_and_alive_again(clinic: Clinic) -> int:
    """The process that the runner started instead, without a broker: alive, and not ready."""
    killed = clinic.driver.pid(KILLED)
    os.kill(killed, signal.SIGKILL)
    give_up_at = time.monotonic() + STARTS_SECONDS_MOST
    async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
        while time.monotonic() < give_up_at:
            try:
                if (await http.get(health(clinic, KILLED))).status_code == 200:
                    assert (await http.get(health(clinic, KILLED, "ready"))).status_code == 503
                    (started,) = pids(clinic.driver.data, KILLED)
                    assert started != killed
                    return started
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    raise AssertionError(f"{KILLED} is not alive again within {STARTS_SECONDS_MOST:g} s")


async def work_goes_on(clinic: Clinic, person: Person, session: str) -> list[str]:
    """For some seconds everything is accepted: a check-in, a specimen, referrals. Who was referred."""
    encounter = {
        "resourceType": "Encounter",
        "status": "in-progress",
        "class": {"system": codes.ACT, "code": "AMB"},
        "subject": {"reference": f"Patient/{person.id}"},
        "appointment": [{"reference": f"Appointment/{session}"}],
        "period": {"start": clinic.now.isoformat()},
    }
    assert (await clinic.driver.post("attendance", encounter)).status_code == 201
    assert (await clinic.driver.post_hl7(report(person.mrn, clinic.now))).status_code == 200
    referred = []
    for number in range(REFERRALS):
        answer = await clinic.driver.post("intake", bundles.intake(f"MRN-AWAY-{number}", clinic.now))
        assert answer.status_code == 200, answer.text
        referred.append(answer.json()["entry"][0]["response"]["location"].split("/")[1])
        await asyncio.sleep(0.2)
    return referred


async def everything_arrived_once_and_in_order(clinic: Clinic, patients: Sequence[str]) -> None:
    """Sent again counts once: a record may stand on its topic twice, each service decides it once."""
    records = await clinic.driver.records()
    async with Databases(clinic.driver.hub) as databases:
        assert await databases.lost(records) == []
        assert {count.parked for count in (await databases.count()).values()} == {0}
        for patient in patients:
            emitted = of_intake(records, patient)
            assert "LevelOfCareRecommended" in emitted.values()
            for service in (*OTHERS[1:], KILLED):
                consumed = await databases.consumed(service, patient)
                assert consumed == [each for each in emitted if each in consumed]
                assert consumed
    about = {each.event for each in records if each.patient == patients[0]}
    assert {"SessionCheckedIn", "DrugTestResulted"} <= about


def of_intake(records: Sequence[Record], patient: str) -> dict[str, str]:
    """The names of intake's events about a patient by id, in the order of the topic."""
    topic = CONSUMES["attendance"]
    return {each.id: each.event for each in records if (each.topic, each.patient) == (topic, patient)}
