"""From a POST's due time to its record read by another consumer, quiet and while a backlog drains.

Arrivals are open-loop: each is due at its time, whether or not those before it were answered, so that a stall counts
for everybody who came meanwhile. The floor is one INSERT and one send for each, at the same rate.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count as counting
from statistics import median
from uuid import uuid4

import asyncpg

from bench import bodies
from bench.caller import Caller
from bench.consuming import lay, store_before
from bench.goals import Goal
from bench.processes import LOADER, Processes
from bench.quiet import settled
from bench.results import Figure, Result
from bench.slices import Scale, Slice, alternate, ratio
from bench.workloads import PROGRAM, Workload, patients
from deploy.hubfile import Hub
from deploy.quiescence import Quiescence
from shared.events.catalogue import DISCLOSURES, INTAKE_EVENTS
from shared.path.outbound.kafka import producing
from shared.platform.clock import ticks
from shared.platform.kafka import Cluster

CONNECTIONS = 64
LATE_SECONDS_MOST = 30.0
SLICE_SECONDS = 2.0
BACKLOG_EVENTS = 12_000
"""More than intake works off within a slice."""
QUIET = Goal(
    20,
    at_most=True,
    reason="Servers, services and the loader share the cores: a POST waits for what others have caused.",
)
_BEHIND = (
    "A POST goes first, behind what has begun: a transaction of the backlog, its commit, and its records on their way."
)
BACKLOG = {50: Goal(45, at_most=True, reason=_BEHIND), 100: Goal(60, at_most=True, reason=_BEHIND)}
"""Milliseconds at p99, by the rate of arrivals."""
Act = Callable[[int], Awaitable[str]]
"""Do the n-th; returns the subject by which its record will be known."""


@dataclass(frozen=True)
class Timed:
    """The milliseconds of each, sorted, and the slice they come from; `drained` is the backlog's events a second."""

    milliseconds: Sequence[float]
    slice: Slice
    drained: float = 0.0

    def percentile(self, share: float) -> float:
        return percentile(self.milliseconds, share)


@dataclass(frozen=True)
class Latencies:
    """One rate of arrivals on a hub: its slices are laid out here, each with patients of its own."""

    quiescence: Quiescence
    processes: Processes
    token: str
    workload: Workload
    rate: int
    seeds: Iterator[int]

    @property
    def hub(self) -> Hub:
        return self.quiescence.hub

    async def baseline(self, count: int) -> Timed:
        """One INSERT and one send instead of the service."""
        body, processes = bodies.permission(uuid4()), self.processes.only(LOADER, "Kafka", "PostgreSQL")
        pool = await asyncpg.create_pool(self.hub.postgres["intake"], min_size=8, max_size=8)
        await pool.execute("CREATE TABLE IF NOT EXISTS bare_answers (body text NOT NULL)")
        async with producing(self.hub.cluster) as producer, _reading(self.hub.cluster, DISCLOSURES) as seen:

            async def insert_and_send(number: int) -> str:
                await pool.execute("INSERT INTO bare_answers VALUES ($1)", body.decode())
                subject = f"bare/{uuid4()}"
                key = str(number).encode()
                await producer.send_and_wait(DISCLOSURES, body, key=key, headers=[("ce_subject", subject.encode())])
                return subject

            started = processes.read()
            found = await _open_loop(insert_and_send, seen, self.rate, count)
            used = processes.read()
        await pool.close()
        return Timed(found, Slice(count, used.at - started.at, used.since(started)))

    async def posted(self, count: int, backlog: int = 0) -> Timed:
        """Consents posted to intake until their ConsentGiven is read; meanwhile it works off so many escalations."""
        known = patients(count, next(self.seeds))
        await make_known(self.hub.postgres["intake"], known)
        waiting = patients(backlog // 5, next(self.seeds))
        await store_before(self.workload, self.hub.postgres["intake"], waiting)
        records, sent = self.workload.records(waiting), [bodies.permission(each) for each in known]
        async with (
            Caller(f"{self.hub.services['intake'].fhir}/Consent", self.token, CONNECTIONS) as caller,
            _reading(self.hub.cluster, INTAKE_EVENTS) as seen,
        ):

            async def post(number: int) -> str:
                location = await caller.post(sent[number])
                return "Consent/" + location.split("consent/")[1].split("/")[0]

            started = self.processes.read()
            await lay(self.hub.cluster, self.workload.service.consumes, records)
            before, begun = await _consumed(self.hub), ticks()
            found = await _open_loop(post, seen, self.rate, count)
            drained = (await _consumed(self.hub) - before) / (ticks() - begun)
        await settled(self.quiescence)
        used = self.processes.read()
        return Timed(found, Slice(count + len(records), used.at - started.at, used.since(started)), drained)


async def measure(
    quiescence: Quiescence, processes: Processes, token: str, workload: Workload, rate: int, scale: Scale
) -> tuple[Result, Result]:
    """The floor, the hub when it is quiet, and while a backlog drains, by turns."""
    latencies = Latencies(quiescence, processes, token, workload, rate, counting(rate * 1000))
    count, backlog = scale.units(int(rate * SLICE_SECONDS)), scale.units(BACKLOG_EVENTS)
    floor, quiet, busy = await alternate(
        scale,
        lambda: latencies.baseline(count),
        lambda: latencies.posted(count),
        lambda: latencies.posted(count, backlog),
    )
    drained = Figure("the backlog, events a second", median(each.drained for each in busy))
    alone = figures(f"{rate} a second, quiet", quiet, floor, QUIET)
    same_specimen = figures(f"{rate} a second, backlog", busy, floor, *([BACKLOG[rate]] if rate in BACKLOG else []))
    return (
        Result(f"latencies/{rate} quiet", "a POST", alone, slices(quiet), slices(floor)),
        Result(f"latencies/{rate} backlog", "a POST or event", (*same_specimen, drained), slices(busy)),
    )


def figures(what: str, taken: Sequence[Timed], floor: Sequence[Timed], *goals: Goal) -> tuple[Figure, Figure]:
    return _figure(f"{what}, p50", taken, floor, 0.50), _figure(f"{what}, p99", taken, floor, 0.99, *goals)


def _figure(what: str, taken: Sequence[Timed], floor: Sequence[Timed], share: float, *goals: Goal) -> Figure:
    """The percentile of all slices' answers, for one slice has too few; the ratio is the rounds' median."""
    found, baseline = (
        percentile(sorted(each for one in several for each in one.milliseconds), share) for several in (taken, floor)
    )
    return Figure(what, found, baseline, ratio(taken, floor, lambda each: each.percentile(share)), goals)


def slices(taken: Sequence[Timed]) -> list[Slice]:
    return [each.slice for each in taken]


async def _open_loop(act: Act, seen: dict[str, float], rate: int, count: int) -> list[float]:
    """The milliseconds of each, sorted."""
    started = ticks() + 0.5
    due: dict[str, float] = {}

    async def one(number: int) -> None:
        at = started + number / rate
        await asyncio.sleep(max(0.0, at - ticks()))
        due[await act(number)] = at

    await asyncio.gather(*(one(number) for number in range(count)))
    until = ticks() + LATE_SECONDS_MOST
    while not due.keys() <= seen.keys():
        if ticks() > until:
            raise AssertionError("a record that was accepted never came")
        await asyncio.sleep(0.05)
    return sorted((seen[subject] - at) * 1000 for subject, at in due.items())


def percentile(taken: Sequence[float], share: float) -> float:
    return taken[min(len(taken) - 1, int(len(taken) * share))]


@asynccontextmanager
async def _reading(kafka: Cluster, topic: str) -> AsyncIterator[dict[str, float]]:
    """When each subject's record was read, by a consumer of its own that begins at the end of the topic."""
    consumer = kafka.consumer(topic, auto_offset_reset="latest")
    await consumer.start()
    await consumer.seek_to_end()
    seen: dict[str, float] = {}

    async def read() -> None:
        async for record in consumer:
            now = ticks()
            for name, value in record.headers:
                if name == "ce_subject":
                    seen[value.decode()] = now

    task = asyncio.create_task(read())
    try:
        yield seen
    finally:
        task.cancel()
        await consumer.stop()


async def make_known(dsn: str, keys: Sequence[str]) -> None:
    """As patients of this service, and those before them no more."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = [(PROGRAM, f"bench:{each}", each) for each in keys]
        await connection.execute("DELETE FROM alias WHERE digest LIKE 'bench:%'")
        await connection.copy_records_to_table("alias", records=rows, columns=["program", "digest", "patient"])
    finally:
        await connection.close()


async def _consumed(hub: Hub) -> int:
    connection = await asyncpg.connect(hub.postgres["intake"])
    try:
        found: int = await connection.fetchval("SELECT count(*) FROM journal WHERE event LIKE 'Escalation%'")
        return found
    finally:
        await connection.close()
