"""A service on a real PostgreSQL, without Kafka, HTTP and MLLP in front: the one set-up every test of one uses.

service = await start_service(app.assemble, "attendance", MONDAY)
await service.deliver(consumed(admitted(), patient))     # as from Kafka
await service.command(patient, CheckIn(...))             # as from the edge, already understood
await service.post(encounter)                            # as from the edge, still FHIR
assert await service.emitted() == [...]                  # what stands in the outbox
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from deploy import keys as key_files
from shared.edge import fhir
from shared.edge.answering import Done
from shared.edge.clients import Caller, TokenVerifier
from shared.edge.fhir import Answered
from shared.edge.paging import Asked
from shared.edge.resolving import Submission, cause_of
from shared.edge.search import ResourceReader
from shared.edge.submissions import Submissions
from shared.events import wire
from shared.events.catalogue import OPEN_ESCALATIONS
from shared.events.envelope import Command, Envelope, Event
from shared.path.inbound.internal import InternalLane
from shared.path.outbound import destinations
from shared.path.outbound.lane import WakeUp
from shared.path.transaction.delivery import Answer, AnyDelivery, Commanded, Consumed, Expected, Unreadable
from shared.path.transaction.inbox import Inbox
from shared.path.transaction.journal import Journal
from shared.path.transaction.reads import ReadRecords
from shared.path.transaction.stored import read_record
from shared.platform import db
from shared.platform.clients import RegisteredClient, registered
from shared.platform.clock import Clock
from shared.platform.keys import Keys
from shared.platform.listening import Listening
from shared.platform.settings import Process, partners
from shared.process import Running, ServiceAssembly

DEPLOY = Path(__file__).parents[1] / "deploy"
EMITTED_AT = datetime(2026, 1, 5, 17, 0, tzinfo=UTC)
Json = dict[str, Any]


def caller(client: str) -> Caller:
    """A registered client that may do everything."""
    return Caller(client, _registered(DEPLOY)[client], "demo", (("*", "cruds"),))


@cache
def _registered(deploy: Path) -> dict[str, RegisteredClient]:
    """The clients of these settings, read once for all tests."""
    return registered(deploy)


@dataclass
class ServiceOnPostgres:
    """Events are delivered, commands and resources submitted, tables read; the clock stands still until it is set."""

    running: Running
    parts: ServiceAssembly
    pool: Any
    wake_up: WakeUp
    patient: str = field(default_factory=lambda: str(uuid4()))
    client: str = "ehr"

    @property
    def inbox(self) -> Inbox:
        return self.running.inbox

    @property
    def keys(self) -> Keys:
        return self.running.keys

    @property
    def dsn(self) -> str:
        return self.running.process.database_url

    @property
    def reader(self) -> ResourceReader:
        return ResourceReader(self.pool, self.keys, self.inbox.settings, self.running.reads, self.inbox.service.name)

    def set_clock(self, moment: datetime) -> None:
        """At once, also where two settings fall into one tick of the file system."""
        assert self.running.process.clock_file is not None
        self.running.process.clock_file.write_text(moment.isoformat())
        self.running.clock._seen = None

    async def deliver(self, *deliveries: AnyDelivery) -> list[Answer]:
        """As one batch from Kafka."""
        return await self.inbox.receive(deliveries)

    async def consume(self, *events: Event, patient: str | None = None, producer: str = "intake") -> None:
        """Each event as a batch of its own, emitted now."""
        for event in events:
            now = self.running.clock.now()
            await self.deliver(consumed(event, patient or self.patient, producer=producer, at=now))

    async def command(self, patient: str, *commands: Command, cause: UUID | None = None, digest: str = "d") -> Answer:
        (answer,) = await self.deliver(commanded(patient, *commands, cause=cause, digest=digest))
        return answer

    async def submit(self, bundle: Json, client: str | None = None) -> Done:
        """A transaction, or a message."""
        body = json.dumps(bundle).encode()
        parsed = fhir.parse(body)
        fhir.require_valid(parsed)
        kind: Any = bundle["type"]
        entries = fhir.transaction(parsed) if kind == "transaction" else fhir.message(parsed)[1]
        who = caller(client or self.client)
        cause, repeatable = cause_of(parsed, who)
        return await self.running.submissions.submit(Submission(kind, entries, cause, repeatable, str(len(body))), who)

    async def put(self, resource: Json, client: str | None = None) -> Done:
        parsed = fhir.parse(json.dumps(resource).encode())
        fhir.require_valid(parsed)
        return await self._submit_one("PUT", parsed, client)

    async def put_thrice(self, resource: Json, client: str | None = None) -> None:
        """The law of every update: the same again emits nothing and gets the answer that the first one got."""
        first = await self.put(resource, client)
        emitted = await self.emitted()
        for _ in range(2):
            assert await self.put(resource, client) == first
        assert await self.emitted() == emitted

    async def post(self, resource: Json, client: str | None = None) -> str:
        """The id under which the resource is stored."""
        return _identity(await self._submit_one("POST", resource, client))

    async def post_answered(self, resource: Json, scopes: tuple[tuple[str, str], ...] = (("*", "cruds"),)) -> Answered:
        """What a client with these scopes is answered."""
        entry = fhir.single("POST", resource["resourceType"], None, resource, {})
        who = replace(caller(self.client), scopes=scopes)
        done = await self.running.submissions.submit(Submission("single", (entry,), uuid4(), False, "digest"), who)
        return done.answered[0]

    async def _submit_one(self, method: Any, resource: Json, client: str | None) -> Done:
        identity = resource.get("id") if method == "PUT" else None
        entry = fhir.single(method, resource["resourceType"], identity, resource, {})
        submission = Submission("single", (entry,), uuid4(), False, "digest")
        return await self.running.submissions.submit(submission, caller(client or self.client))

    async def found(self, kind: str, *asked: tuple[str, str]) -> list[Json]:
        """What a search of the EHR answers, as plain JSON."""
        page = await self.reader.search(kind, Asked(asked), caller("ehr"))
        return [json.loads(fhir.encode(resource)) for resource in page.resources]

    async def task(self, code: str) -> Json:
        """The one Task with this code."""
        (task,) = [found for found in await self.found("Task") if found["code"]["coding"][0]["code"] == code]
        return task

    async def select(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.pool.fetch(query, *values)]

    async def count(self, rows: str) -> int:
        """How many rows: `count("documents WHERE unmatched")`."""
        number: int = await self.pool.fetchval(f"SELECT count(*) FROM {rows}")
        return number

    async def emitted(self) -> list[str]:
        """The events in the outbox, in their order."""
        return await self.emitted_to("%")

    async def emitted_to(self, topic: str) -> list[str]:
        """The events in the outbox for this topic; of the one that repeats escalations only where it is named."""
        query = "SELECT headers FROM outbox WHERE lane LIKE $1 AND (lane = $1 OR lane <> $2) ORDER BY id"
        rows = await self.select(query, f"topic:{topic}", f"topic:{OPEN_ESCALATIONS}")
        return [wire.event_name(json.loads(each)) for (each,) in rows]


def _identity(done: Done) -> str:
    return str(done.answered[0].location).split("/")[1]


def written(
    event: Event,
    patient: str,
    identity: UUID | None = None,
    *,
    program: str = "demo",
    producer: str = "intake",
    at: datetime = EMITTED_AT,
) -> wire.Written:
    """The event as its producer stores it."""
    cause = identity or uuid4()
    envelope = Envelope(
        id=cause,
        source=producer,
        event=type(event).__name__,
        program=program,
        patient=patient,
        at=at,
        correlation_id=cause,
        causation_id=cause,
    )
    return wire.write(event, envelope)


def consumed(event: Event, patient: str, identity: UUID | None = None, **envelope: Any) -> Consumed:
    """The event as it comes from Kafka."""
    record = written(event, patient, identity, **envelope)
    delivery = read_record(record.headers, patient, record.body)
    assert isinstance(delivery, Consumed)
    return delivery


def unreadable(event: Event, patient: str, **changed: str) -> Unreadable:
    """A record whose headers are whole (but for those changed) and whose value is not."""
    delivery = read_record({**consumed(event, patient).headers, **changed}, patient, b"{")
    assert isinstance(delivery, Unreadable)
    return delivery


def commanded(
    patient: str,
    *commands: Command,
    cause: UUID | None = None,
    digest: str = "d",
    expects: tuple[Expected, ...] = (),
) -> Commanded:
    identity = cause or uuid4()
    return Commanded(
        id=identity,
        key=patient,
        program="demo",
        at=EMITTED_AT,
        producer="ehr",
        expects=expects,
        correlation_id=identity,
        commands=commands,
        digest=digest,
    )


StartService = Callable[[Callable[[Keys], ServiceAssembly], str, datetime], Awaitable[ServiceOnPostgres]]


@asynccontextmanager
async def internal_lane(here: ServiceOnPostgres, seconds: int = 60) -> AsyncIterator[None]:
    """The lane, until nothing is left of it: within so many seconds."""
    task = asyncio.create_task(InternalLane(here.inbox, here.wake_up).run(here.dsn))
    try:
        yield
        for _ in range(seconds * 100):
            if not await here.count("outbox WHERE lane = 'internal'"):
                return
            await asyncio.sleep(0.01)
        pytest.fail("lane internal was not drained")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(scope="session")
def keys_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key material of a hub: made once, never changed."""
    return key_files.make(tmp_path_factory.mktemp("keys"))


def process_on(dsn: str, keys: Path, clock: Path) -> Process:
    """As a service is started on this database, without a Kafka."""
    return _process(DEPLOY, keys).model_copy(update={"database_url": dsn, "clock_file": clock})


@cache
def _process(deploy: Path, keys: Path) -> Process:
    """All that no test has of its own, read once: of what a test needs to start a service it was a good part."""
    return Process(
        database_url="postgresql://127.0.0.1:5432/none",
        kafka_bootstrap="127.0.0.1:9092",
        deploy=deploy,
        keys=keys,
        issuer="http://127.0.0.1:8100",
    )


@pytest.fixture
async def start_service(database: str, tmp_path: Path, keys_folder: Path) -> AsyncIterator[StartService]:
    """Compose a service as its app does, on an empty database; it ends with the test."""
    process = process_on(database, keys_folder, tmp_path / "clock")
    async with AsyncExitStack() as started:

        async def start(compose: Callable[[Keys], ServiceAssembly], name: str, now: datetime) -> ServiceOnPostgres:
            (tmp_path / "clock").write_text(now.isoformat())
            return await started.enter_async_context(running(process, compose, name))

        yield start


@asynccontextmanager
async def running(
    process: Process, compose: Callable[[Keys], ServiceAssembly], name: str
) -> AsyncIterator[ServiceOnPostgres]:
    keys, clock, wake_up = Keys.load(process.keys, name), Clock.of(process), WakeUp()
    parts = compose(keys)
    async with db.pool(process.database_url, least=1) as pool:
        listening = Listening(pool, clock)
        await listening.start()
        settings = dict(parts.settings(process))
        form = parts.form and parts.form(process)
        routes = destinations.routes(parts.service.name, partners(process.deploy), form)
        journal = Journal(process.database_url, settings)
        inbox = Inbox(parts.service, routes, pool, journal, clock, listening, settings, wake_up.ring)
        submissions = Submissions(inbox, parts.edge, keys)
        token_verifier = TokenVerifier("", "", _registered(process.deploy), service=name)
        reads = ReadRecords(pool, process.database_url, clock)
        tasks = [asyncio.create_task(each) for each in (submissions.run(), reads.run())]
        running = Running(process, inbox, submissions, token_verifier, keys, clock, reads)
        if parts.prepare is not None:
            await parts.prepare(running)
        yield ServiceOnPostgres(running, parts, pool, wake_up)
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
