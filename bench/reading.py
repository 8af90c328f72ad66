"""A page of fifty read at attendance while patients check in: a thousand of them, behind them a year of others.

Arrivals are open-loop, as of the POSTs: each is due at its time. The floor are the same pages while nobody checks in.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count as counting
from itertools import cycle
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from bench import history
from bench.answering import Timed, figures, make_known, slices
from bench.caller import Caller
from bench.consuming import store_before
from bench.goals import Goal
from bench.processes import Processes
from bench.quiet import settled
from bench.results import Result
from bench.slices import Scale, Slice, alternate
from bench.workloads import Workload, patients, session_of, visits
from deploy.quiescence import Quiescence
from shared.events import codes, fhir
from shared.events.attendance import WEEKLY_HOURS
from shared.platform.clock import ticks

READS_A_SECOND, CHECK_INS_A_SECOND = 10, 200
CONNECTIONS = 16
PAGE = 50
NUMBER = 7
"""Of the patient of whom is asked."""
FIRST_SEED = 70_000
P99 = Goal(
    50,
    at_most=True,
    reason="Two hundred check-ins a second take a core, half of it in attendance's process: a page waits its turn.",
)
Address = tuple[str, Mapping[str, str]]
"""A type, and what is asked of it."""


def pages(now: datetime) -> list[Address]:
    """What a director, a therapist and an EHR read: each of these in turn."""
    today, patient = f"{now:%Y-%m-%d}", history.active()[NUMBER]
    last_week = history.starts(NUMBER, history.monday(now, 1))
    attended = next(each for each in last_week if not history.is_missed(NUMBER, each))
    return [
        ("Appointment", {"date": today}),
        ("Appointment", {"date": today, "actor": f"Patient/{patient}"}),
        ("Appointment", {"group": history.group(NUMBER)}),
        ("Appointment", {"group": history.group(NUMBER), "date": f"ge{today}"}),
        ("Encounter", {"appointment": f"Appointment/{history.session_id(patient, attended)}"}),
        ("DetectedIssue", {"code": WEEKLY_HOURS, "status": "open"}),
        ("Task", {"code": f"{codes.ESCALATION}|attendance", "owner": "case-manager", "status": "open"}),
    ]


@dataclass(frozen=True)
class Reading:
    """A hub with its year; each slice has a thousand patients of its own who check in."""

    quiescence: Quiescence
    processes: Processes
    token: str
    workload: Workload
    start: datetime
    """When the session begins to which they come."""
    seeds: Iterator[int]

    @property
    def url(self) -> str:
        return self.quiescence.hub.services["attendance"].fhir

    async def read(self, check_ins: int) -> Timed:
        """Pages for as long as so many check-ins take at their rate, or would."""
        seconds = check_ins / CHECK_INS_A_SECOND
        return await self._read(int(seconds * READS_A_SECOND), [])

    async def read_beside(self, check_ins: int) -> Timed:
        come = patients(check_ins, next(self.seeds))
        await make_known(self.quiescence.hub.postgres["attendance"], come)
        await store_before(self.workload, self.quiescence.hub.postgres["attendance"], come)
        return await self._read(int(check_ins / CHECK_INS_A_SECOND * READS_A_SECOND), come)

    async def _read(self, count: int, come: Sequence[str]) -> Timed:
        asked = cycle([f"{kind}?{urlencode({**of, '_count': str(PAGE)})}" for kind, of in pages(datetime.now(UTC))])
        async with (
            Caller(self.url, self.token, CONNECTIONS) as reader,
            Caller(f"{self.url}/Encounter", self.token, CONNECTIONS) as checking_in,
        ):
            started = self.processes.read()
            took, _ = await asyncio.gather(
                _each(READS_A_SECOND, [_asking(reader, next(asked)) for _ in range(count)]),
                _each(CHECK_INS_A_SECOND, [_posting(checking_in, check_in(each, self.start)) for each in come]),
            )
        await settled(self.quiescence)
        used = self.processes.read()
        return Timed(took, Slice(count + len(come), used.at - started.at, used.since(started)))


async def measure(quiescence: Quiescence, processes: Processes, token: str, folder: Path, scale: Scale) -> Result:
    """Pages alone, and beside check-ins, by turns."""
    start, check_ins = datetime.now(UTC).replace(second=0, microsecond=0), scale.units(history.ACTIVE)
    await history.store(quiescence.hub.postgres["attendance"], start, scale.units(history.WEEKS))
    reading = Reading(quiescence, processes, token, visits(folder, start), start, counting(FIRST_SEED))
    await reading.read(check_ins)  # what is asked for the first time is planned, on each connection
    alone, busy = await alternate(scale, lambda: reading.read(check_ins), lambda: reading.read_beside(check_ins))
    what = f"a page of {PAGE}, {READS_A_SECOND} a second beside {CHECK_INS_A_SECOND} check-ins"
    return Result("reading", "a page or check-in", figures(what, busy, alone, P99), slices(busy), slices(alone))


def check_in(patient: str, start: datetime) -> bytes:
    """An Encounter as an EHR opens it when somebody comes."""
    resource = {
        "resourceType": "Encounter",
        "status": "in-progress",
        "class": fhir.coding(codes.ACT, "AMB"),
        "subject": fhir.reference("Patient", patient),
        "appointment": [fhir.reference("Appointment", session_of(patient, start))],
        "period": {"start": start},
    }
    return msgspec.json.encode(resource)


def _asking(caller: Caller, address: str) -> Callable[[], Awaitable[object]]:
    async def ask() -> None:
        if b'"entry"' not in await caller.get(address):
            raise AssertionError("a page without resources measures nothing")

    return ask


def _posting(caller: Caller, body: bytes) -> Callable[[], Awaitable[object]]:
    return lambda: caller.post(body)


async def _each(rate: int, acts: Sequence[Callable[[], Awaitable[object]]]) -> list[float]:
    """The milliseconds of each from when it was due, sorted."""
    started = ticks() + 0.5

    async def one(number: int, act: Callable[[], Awaitable[object]]) -> float:
        at = started + number / rate
        await asyncio.sleep(max(0.0, at - ticks()))
        await act()
        return (ticks() - at) * 1000

    return sorted(await asyncio.gather(*(one(number, act) for number, act in enumerate(acts))))
