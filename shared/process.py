"""One service as one process: HTTP, consumer, lanes, deadlines in a single task group. When one ends, all end."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import uvicorn
from starlette.routing import BaseRoute

from shared.edge import fhir, server
from shared.edge.app import build, build_admin
from shared.edge.clients import TokenVerifier
from shared.edge.contract import Edge
from shared.edge.http import EdgeDependencies, Health
from shared.edge.page_links import PageLinks
from shared.edge.rehearsing import Rehearsed, Sample, rehearse
from shared.edge.search import ResourceReader
from shared.edge.submissions import Submissions
from shared.path.destination import Form, Routes
from shared.path.inbound import retention
from shared.path.inbound.consumer import Consumer
from shared.path.inbound.deadlines import run_deadlines
from shared.path.inbound.gauges import Gauges
from shared.path.inbound.internal import InternalLane
from shared.path.inbound.lookups import LookupLane
from shared.path.inbound.readiness import Readiness
from shared.path.outbound import destinations
from shared.path.outbound.gate import GatedLane
from shared.path.outbound.kafka import TopicLane
from shared.path.outbound.lane import WakeUp
from shared.path.outbound.links import Links
from shared.path.outbound.on_call import OnCallLane, forget_pages
from shared.path.outbound.parking import Parking
from shared.path.outbound.unlisted import end_what_waits
from shared.path.service import Service
from shared.path.transaction.explaining import explain
from shared.path.transaction.inbox import Inbox
from shared.path.transaction.journal import Journal
from shared.path.transaction.reads import ReadRecords
from shared.path.transaction.replaying import Asked, replay
from shared.path.transaction.supposing import Others, Supposed, suppose
from shared.platform import collector, db, ending, log, memory, metrics
from shared.platform.clients import RegisteredClient, registered
from shared.platform.clock import Clock
from shared.platform.issuers import NamedIssuer, issuers
from shared.platform.kafka import Cluster
from shared.platform.kafka_security import Security
from shared.platform.keys import Keys
from shared.platform.listening import Listening
from shared.platform.pagers import Pager, pagers
from shared.platform.replica import ReplicaName
from shared.platform.retention import RetentionPolicy
from shared.platform.settings import (
    Process,
    configuration,
    environment,
    partners,
    require_url,
    sourced,
    with_program,
)

START_SECONDS_MOST = 60.0
HOUSEKEEPING_SECONDS = 3600.0
TICK_SECONDS = 1.0
REPLAY: Final = "replay"
WHAT_IF: Final = "what-if"
WHY: Final = "why"
"""As first argument: nothing is started, the journal is asked."""
RETENTION: Final = "retention"
CODES: Final = "codes"
"""Likewise: what is past its days is deleted, or counted."""
NICE = 10


@dataclass(frozen=True)
class Running:
    """What a service's own tasks and routes may use (testing: MLLP and POST /hl7)."""

    process: Process
    inbox: Inbox
    submissions: Submissions
    token_verifier: TokenVerifier
    keys: Keys
    clock: Clock
    reads: ReadRecords


@dataclass(frozen=True)
class ServiceAssembly:
    """A service, put together by its app.py. `settings` are per program; `form` fills in what a partner is sent,
    by the folder of program.toml."""

    service: Service
    edge: Edge
    settings: Callable[[Process], Mapping[str, Any]]
    elsewhere: tuple[str, ...] = ()
    """Which of them stand elsewhere than in program.toml."""
    form: Callable[[Process], Form] | None = None
    prepare: Callable[[Running], Awaitable[None]] | None = None
    """What must be there before anything is decided."""
    answers: Mapping[str, Callable[[Process, str], Awaitable[object]]] = field(default_factory=dict)
    """What it answers as a process of its own, by its first argument: nothing is started, nothing is stored."""
    routes: Callable[[Running], Sequence[BaseRoute]] = lambda _: ()
    tasks: Callable[[Running], Sequence[Coroutine[Any, Any, None]]] = lambda _: ()


@dataclass(frozen=True)
class Configuration:
    """What environment and files say of a service: all of it is read, and right, before anything is opened."""

    process: Process
    assembly: ServiceAssembly
    kafka: Cluster
    settings: Mapping[str, Any]
    routes: Routes
    clients: Mapping[str, RegisteredClient]
    issuers: Mapping[str, NamedIssuer]
    retention: RetentionPolicy
    clock: Clock
    public_url: str
    pagers: Mapping[str, Pager]

    @classmethod
    def of(cls, process: Process, assembly: ServiceAssembly) -> "Configuration":
        """Raises ConfigurationError."""
        deploy, service = process.deploy, assembly.service
        with configuration(deploy / "program.toml"):
            settings = assembly.settings(process)
            form = assembly.form and assembly.form(process)
        ringing = pagers(deploy)
        tiers = frozenset(tier for each in ringing.values() for tier in each.tiers)
        return cls(
            process,
            assembly,
            Cluster.of(process.kafka_bootstrap, f"iop.{service.name}.{process.replica}", Security.of(process)),
            settings,
            routes=destinations.routes(service.name, partners(deploy), form, tiers),
            clients=registered(deploy),
            issuers=issuers(deploy, process.issuer),
            retention=RetentionPolicy.of(deploy, service.consumes),
            clock=Clock.of(process),
            public_url=process.public_url and require_url(process.public_url.rstrip("/"), "IOP_PUBLIC_URL"),
            pagers=ringing,
        )


def main(assemble: Callable[[Keys], ServiceAssembly], name: str) -> None:
    """Run until SIGTERM or SIGINT; end with 1 when something ended that must not, with 78 where it can't be started as
    configured."""
    log.configure(name)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            process = environment(Process)
            log.configure(name, process.log_level)
            collector.start(name, process.replica)
            keys = Keys.load(process.keys, name)
            if sys.argv[1:]:
                runner.run(answer_once(process, assemble(keys), sys.argv[1], sys.argv[2]))
                return
            configured = Configuration.of(process, assemble(keys))
            report_who_is_on_call(configured)
            runner.run(run(configured, keys))
        except asyncio.CancelledError:
            pass
        except Exception as error:
            sys.exit(ending.logged(error))


async def answer_once(process: Process, assembly: ServiceAssembly, command: str, asked: str) -> None:
    """What `iop replay`, `iop why`, `iop retention`, `iop codes` or `iop feeds` asks of this service, as JSON on
    stdout. It starts nothing, and lets everybody else have the processor first."""
    os.nice(NICE)
    if command in assembly.answers:
        made: object = await assembly.answers[command](process, asked)
    elif command == CODES:
        made = _rehearse(process, assembly, msgspec.json.decode(asked, type=Sample))
    elif command == RETENTION:
        made = await _forget(process, assembly.service, msgspec.json.decode(asked, type=retention.Asked))
    else:
        made = await _ask_journal(process, _answering(process, assembly, command, asked))
    sys.stdout.buffer.write(msgspec.json.encode(made))


def _rehearse(process: Process, assembly: ServiceAssembly, sample: Sample) -> list[Rehearsed]:
    """It opens nothing. Raises ConfigurationError."""
    with configuration(process.deploy / "program.toml"):
        settings = assembly.settings(process)
    return rehearse(assembly.edge, sample, registered(process.deploy), settings, Clock.of(process).now())


async def _forget(process: Process, service: Service, asked: retention.Asked) -> retention.Forgotten:
    policy = RetentionPolicy.of(process.deploy, service.consumes)
    return await retention.forget(process.database_url, service, policy, asked)


async def _ask_journal(process: Process, answer: Callable[[db.Connection], Awaitable[object]]) -> object:
    """It writes nothing."""
    connection = await db.connect(process.database_url)
    try:
        async with db.snapshot(connection):
            return await answer(connection)
    finally:
        await connection.close()


def _answering(
    process: Process, assembly: ServiceAssembly, command: str, asked: str
) -> Callable[[db.Connection], Awaitable[object]]:
    """Who answers it. Raises ConfigurationError before anything is read."""
    service = assembly.service
    with configuration(process.deploy / "program.toml"):
        present, sources = assembly.settings(process), sourced(process.deploy, service.name)
    if command == REPLAY:
        replayed = msgspec.json.decode(asked, type=Asked)
        return lambda connection: replay(connection, service, present, replayed)
    if command == WHAT_IF:
        supposed = msgspec.json.decode(asked, type=Supposed)
        with with_program(process.deploy, Path(supposed.program)) as deploy:
            other = Configuration.of(process.model_copy(update={"deploy": deploy}), assembly).settings
        others = Others(other, assembly.elsewhere)
        return lambda connection: suppose(connection, service, present, others, supposed)
    return lambda connection: explain(connection, service, present, sources, asked)


async def run(configured: Configuration, keys: Keys) -> None:
    """Compose and run one service."""
    _stop_on_signals()
    process, assembly, clock = configured.process, configured.assembly, configured.clock
    service, routes, settings, wake_up = assembly.service, configured.routes, dict(configured.settings), WakeUp()
    await db.retrying(lambda: db.migrate(process.database_url), seconds_most=START_SECONDS_MOST)
    replica = await _named(process, service.name)
    async with db.pool(process.database_url) as pool:
        listening = Listening(pool, clock, timedelta(hours=process.catch_up_hours))
        await listening.start()
        journal = Journal(process.database_url, settings)
        inbox = Inbox(service, routes, pool, journal, clock, listening, settings, wake_up.ring)
        submissions = Submissions(inbox, assembly.edge, keys)
        consumer = Consumer(inbox, configured.kafka, process.replica)
        reads = ReadRecords(pool, process.database_url, clock)
        running = Running(process, inbox, submissions, _token_verifier(configured, settings), keys, clock, reads)
        if assembly.prepare is not None:
            await assembly.prepare(running)
        ready = Readiness(inbox, consumer).checks
        dependencies = _edge(configured, running, ready, wake_up)
        fhir.warm(assembly.edge.takes)
        memory.calm()
        async with asyncio.TaskGroup() as group:
            for task in (
                *_servers(dependencies, process),
                consumer.run(),
                listening.run(),
                InternalLane(inbox, wake_up).run(process.database_url),
                *(LookupLane(each, inbox, wake_up).run(process.database_url) for each in service.lookups),
                run_deadlines(inbox),
                _housekeeping(configured, service),
                Gauges(inbox, consumer, lambda: submissions.waiting, ready).watch(),
                replica.watch(),
                submissions.run(),
                reads.run(),
                wake_up.watch(pool, lambda: replica.is_alone),
                *_lanes(configured, inbox, wake_up, Links(process.link_base, keys)),
                *assembly.tasks(running),
            ):
                group.create_task(task)


def _token_verifier(configured: Configuration, settings: Mapping[str, Any]) -> TokenVerifier:
    process, others = configured.process, configured.issuers.values()
    staff = {program: each.staff for program, each in settings.items()}
    service = configured.assembly.service.name
    return TokenVerifier(process.issuer, process.audience, configured.clients, staff, others, service)


def _edge(configured: Configuration, running: Running, ready: Health, wake_up: WakeUp) -> EdgeDependencies:
    """What the routes need, the service's own with them."""
    inbox = running.inbox
    reader = ResourceReader(inbox.pool, running.keys, inbox.settings, running.reads, inbox.service.name)
    paged = PageLinks(running.submissions, reader, configured.pagers, wake_up).routes()
    return EdgeDependencies(
        running.submissions,
        running.token_verifier,
        reader,
        inbox,
        configured.process.issuer,
        ready,
        more=[*configured.assembly.routes(running), *paged],
        public_url=configured.public_url,
        sources=sourced(configured.process.deploy, configured.assembly.service.name),
    )


def report_who_is_on_call(configured: Configuration) -> None:
    metrics.RINGING_PROGRAMS.labels(configured.assembly.service.name).set(len(configured.pagers))
    if not configured.pagers:
        log.get().warning("escalations ring nobody: there is no oncall.toml")
    elif not configured.public_url:
        log.get().warning("pages link to loopback, which no telephone reaches: IOP_PUBLIC_URL is missing")


async def _named(process: Process, service: str) -> ReplicaName:
    """This process as the only one of its name."""
    replica = ReplicaName(process.database_url, service, process.replica)
    await replica.take()
    return replica


def _lanes(configured: Configuration, inbox: Inbox, wake_up: WakeUp, links: Links) -> list[Coroutine[Any, Any, None]]:
    """A lane for each row of the routing table."""
    service, routes, process = configured.assembly.service, configured.routes, configured.process
    parking = Parking(service.name, routes, inbox.clock, wake_up)
    lanes = [
        TopicLane(each, parking).run(process.database_url, configured.kafka)
        if each.kind == "topic"
        else GatedLane(service, each, routes, inbox.pool, inbox.clock, wake_up).run(process.database_url)
        if each.gate is not None
        else OnCallLane(each, parking, configured.pagers, links, inbox.pool).run(process.database_url)
        for each in routes.destinations
    ]
    no_longer = [] if configured.pagers else [forget_pages(inbox.pool)]
    unlisted = end_what_waits(service, routes, inbox.pool, inbox.clock, wake_up, process.database_url)
    return [*no_longer, unlisted, *lanes]


async def _housekeeping(configured: Configuration, service: Service) -> None:
    async def forget() -> None:
        asked = retention.Asked(configured.clock.now(), dry_run=False)
        await retention.forget(configured.process.database_url, service, configured.retention, asked)

    await db.every(HOUSEKEEPING_SECONDS, forget, name="retention")


def _servers(dependencies: EdgeDependencies, process: Process) -> list[Coroutine[Any, Any, None]]:
    """FHIR, and where it has a port what an operator may do: whoever reaches the one does not reach the other."""
    fhir_at = server.listening(
        process.host, process.http_port, "IOP_HOST, IOP_HTTP_PORT, IOP_HTTP_SOCKET", process.http_socket
    )
    served = [_Server(server.config(build(dependencies))).serve([fhir_at])]
    if process.admin_port is not None:
        admin_at = server.listening(process.admin_host, process.admin_port, "IOP_ADMIN_HOST, IOP_ADMIN_PORT")
        served.append(_Server(server.config(build_admin(dependencies))).serve([admin_at]))
    return served


class _Server(uvicorn.Server):
    """uvicorn takes SIGTERM for itself; here the task group is cancelled instead, and the server with it. So it need
    not look ten times a second whether it should end: a tick renews the date in its answers."""

    async def main_loop(self) -> None:
        while not await self.on_tick(0):  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(TICK_SECONDS)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _stop_on_signals() -> None:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, task.cancel)


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
