"""From a POST's due time to its record read by another consumer, quiet and while a backlog drains.

Arrivals are open-loop: each is due at its time, whether or not those before it were answered, so that a stall counts
for everybody who came meanwhile. The floor is one INSERT and one send for each, at the same rate.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer

from bench import bodies
from bench.caller import Caller
from bench.consuming import lay, store_before
from bench.workloads import PROGRAM, Workload, patients
from deploy.hubfile import Hub
from shared.events.catalogue import DISCLOSURES, INTAKE_EVENTS
from shared.path.outbound.lane import producing
from shared.platform.clock import ticks

CONNECTIONS = 64
LATE_SECONDS_MOST = 30.0
Act = Callable[[int], Awaitable[str]]
"""Do the n-th; returns the subject by which its record will be known."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds; `drained` is how many events of the backlog were heard a second meanwhile."""

    p50: float
    p99: float
    drained: float = 0.0


async def posted(hub: Hub, token: str, rate: int, seconds: float) -> Latency:
    """Consents posted to intake until their ConsentGiven is read."""
    count = int(rate * seconds)
    known = patients(count, rate)
    await _make_known(hub, known)
    sent = [bodies.permission(each) for each in known]
    async with (
        Caller(f"{hub.services['intake'].fhir}/Consent", token, CONNECTIONS) as caller,
        _reading(hub.kafka, INTAKE_EVENTS) as seen,
    ):

        async def post(number: int) -> str:
            location = await caller.post(sent[number])
            return "Consent/" + location.split("consent/")[1].split("/")[0]

        return await _open_loop(post, seen, rate, count)


async def baseline(hub: Hub, rate: int, seconds: float) -> Latency:
    """One INSERT and one send instead of the service."""
    body = bodies.permission(uuid4())
    pool = await asyncpg.create_pool(hub.postgres["intake"], min_size=8, max_size=8)
    await pool.execute("CREATE TABLE IF NOT EXISTS bare_answers (body text NOT NULL)")
    async with producing(hub.kafka) as producer, _reading(hub.kafka, DISCLOSURES) as seen:

        async def insert_and_send(number: int) -> str:
            await pool.execute("INSERT INTO bare_answers VALUES ($1)", body.decode())
            subject = f"bare/{uuid4()}"
            key = str(number).encode()
            await producer.send_and_wait(DISCLOSURES, body, key=key, headers=[("ce_subject", subject.encode())])
            return subject

        found = await _open_loop(insert_and_send, seen, rate, int(rate * seconds))
    await pool.close()
    return found


async def in_backlog(hub: Hub, token: str, workload: Workload, rate: int, seconds: float, events: int) -> Latency:
    """The same while intake works off so many escalations. Says how many it heard meanwhile."""
    keys = patients(events // 5, 1000 + rate)
    await store_before(workload, hub.postgres["intake"], keys)
    await lay(hub.kafka, workload.service.consumes, workload.records(keys))
    before, started = await _consumed(hub), ticks()
    found = await posted(hub, token, rate, seconds)
    return Latency(found.p50, found.p99, (await _consumed(hub) - before) / (ticks() - started))


async def until_drained(hub: Hub) -> None:
    """Return once intake has heard all of it: the next measurement shall be quiet again."""
    consumed, until = -1, ticks() + 120.0
    while (now := await _consumed(hub)) != consumed and ticks() < until:
        consumed = now
        await asyncio.sleep(1.0)


async def _open_loop(act: Act, seen: dict[str, float], rate: int, count: int) -> Latency:
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
    taken = sorted((seen[subject] - at) * 1000 for subject, at in due.items())
    return Latency(_percentile(taken, 0.50), _percentile(taken, 0.99))


def _percentile(taken: Sequence[float], share: float) -> float:
    return taken[min(len(taken) - 1, int(len(taken) * share))]


@asynccontextmanager
async def _reading(bootstrap: str, topic: str) -> AsyncIterator[dict[str, float]]:
    """When each subject's record was read, by a consumer of its own that begins at the end of the topic."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="latest")
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


async def _make_known(hub: Hub, keys: Sequence[str]) -> None:
    connection = await asyncpg.connect(hub.postgres["intake"])
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
