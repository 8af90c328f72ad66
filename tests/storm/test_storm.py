"""A long storm of faults: one of a service's two replicas, Kafka or PostgreSQL is killed again and again while patients
keep coming.

`make storm` runs it for whoever changes the path; how long, IOP_STORM_SECONDS says. Its last figures: docs/operate.md.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.demo.partner import running
from deploy.evidence import Databases, Record, sent_twice
from shared.events.catalogue import CONSUMES
from tests.journey.conftest import clinic_in, hub
from tests.journey.parts import pids
from tests.journey.stay import Insistence

SECONDS = float(os.environ.get("IOP_STORM_SECONDS", "900"))
SEED = int(os.environ.get("IOP_STORM_SEED", "1"))
PATIENTS_AT_ONCE = 6
BETWEEN_KILLS_SECONDS = 6.0
SETTLE_SECONDS_MOST = 300.0
SERVICES = ("intake", "attendance", "testing", "aftercare")
SERVERS = ("kafka", "postgres")


@dataclass
class Storm:
    """What was done and what was hit."""

    insistence: Insistence
    data: Path
    ends_at: float
    patients: list[str] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)

    @property
    def over(self) -> bool:
        return time.monotonic() > self.ends_at

    async def patients_come(self) -> None:
        while not self.over:
            self.patients.append((await self.insistence.stay()).id)

    async def kills(self) -> None:
        """A service every few seconds, a server now and then: without warning, in the middle of whatever it does."""
        chance = random.Random(SEED)
        while not self.over:
            await asyncio.sleep(BETWEEN_KILLS_SECONDS * chance.uniform(0.5, 1.5))
            name = chance.choice(SERVERS) if chance.random() < 0.15 else chance.choice(SERVICES)
            running = pids(self.data, name)
            for pid in running if name in SERVERS or not running else [chance.choice(running)]:
                os.kill(pid, signal.SIGKILL)
                self.killed[name] += 1


@pytest.fixture
def hub_data(tmp_path: Path) -> Iterator[Path]:
    with running() as partners, hub(tmp_path / "hub", partners.environment(), "--replicas", "2") as data:
        yield data


@pytest.mark.timeout(SECONDS + 2 * SETTLE_SECONDS_MOST + 300)
async def test_whatever_is_killed_nothing_is_lost_doubled_or_out_of_order(hub_data: Path) -> None:
    with running() as partners:
        async with clinic_in(hub_data, partners) as clinic:
            storm = Storm(Insistence(clinic), hub_data, time.monotonic() + SECONDS)
            await asyncio.gather(storm.kills(), *(storm.patients_come() for _ in range(PATIENTS_AT_ONCE)))
            await clinic.driver.settle(SETTLE_SECONDS_MOST)
            records = await clinic.driver.records()
            async with Databases(clinic.driver.hub) as databases:
                assert await databases.lost(records) == []
                await in_order(databases, storm.patients, records)
                parked = {name: count.parked for name, count in (await databases.count()).items()}
            assert set(parked.values()) == {0}, parked
            assert await clinic.open_on_topic() == await clinic.open_tasks()
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
        f" {sent_twice(records)} of them sent twice; killed: {killed};"
        f" requests tried again: {storm.insistence.tried_again}; lost 0, decided twice 0, out of order 0, parked 0"
    )
