"""One service as one process: HTTP, consumer, lanes, deadlines in a single task group. When one ends, all end."""

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.routing import BaseRoute

from shared.edge import fhir
from shared.edge.app import build
from shared.edge.clients import TokenVerifier, registered
from shared.edge.contract import Edge
from shared.edge.http import EdgeDependencies
from shared.edge.search import ResourceReader
from shared.edge.submissions import Submissions
from shared.events.catalogue import DISCLOSURES, ESCALATIONS, OPERATIONS
from shared.path.inbound.consumer import Consumer
from shared.path.inbound.internal import InternalLane, run_deadlines
from shared.path.outbound.destinations import Form, PartnerLane
from shared.path.outbound.lane import TopicLane, WakeUp
from shared.path.service import Service
from shared.path.transaction.aliases import Keys
from shared.path.transaction.inbox import Inbox, run_submissions
from shared.platform import db, log, metrics, retention
from shared.platform.clock import Clock, ticks
from shared.platform.listening import Listening
from shared.platform.settings import Process, partners

SUBMISSION_WORKERS = 2
START_SECONDS_MOST = 60.0
HOUSEKEEPING_SECONDS = 3600.0
WATCH_SECONDS = 5.0
UNSENT_SECONDS_MOST = 120.0
KEEP_ALIVE_SECONDS = 75
"""Longer than clients and proxies keep a quiet connection (httpx 5 s, nginx 60 s): who closes first must be they, or a
POST meets a connection that is just being closed and nobody knows what became of it."""
_OLDEST_UNSENT = """SELECT coalesce(extract(epoch FROM now() - min(stored_at)), 0)::float FROM outbox
    WHERE lane LIKE 'topic:%'"""


@dataclass(frozen=True)
class Running:
    """What a service's own tasks and routes may use (testing: MLLP and POST /hl7)."""

    process: Process
    inbox: Inbox
    submissions: Submissions
    token_verifier: TokenVerifier
    keys: Keys
    clock: Clock


@dataclass(frozen=True)
class ServiceAssembly:
    """A service, put together by its app.py. `settings` are per program; `form` fills what a partner is told."""

    service: Service
    edge: Edge
    topic: str
    settings: Callable[[Process], Mapping[str, Any]]
    form: Form | None = None
    routes: Callable[[Running], Sequence[BaseRoute]] = lambda _: ()
    tasks: Callable[[Running], Sequence[Coroutine[Any, Any, None]]] = lambda _: ()


def main(assembly: Callable[[Keys], ServiceAssembly], name: str) -> None:
    """Run until SIGTERM or SIGINT; end with 1 when something ended that must not."""
    log.configure(name)
    process = Process()  # type: ignore[call-arg]
    keys = Keys.load(process.keys, name)
    runner = asyncio.Runner(loop_factory=_loop_factory())
    with runner:
        try:
            runner.run(run(process, keys, assembly(keys)))
        except asyncio.CancelledError:
            pass
        except BaseExceptionGroup as group:
            for error in _leaves(group):
                log.get().error("ended", place=log.place_of(error), error=type(error).__name__)
            sys.exit(1)
        except Exception as error:
            log.get().error("ended", place=log.place_of(error), error=type(error).__name__)
            sys.exit(1)


async def run(process: Process, keys: Keys, assembly: ServiceAssembly) -> None:
    """Compose and run one service."""
    _stop_on_signals()
    service, clock, wake_up = assembly.service, Clock.of(process), WakeUp()
    await _patiently(lambda: db.migrate(process.database_url))
    async with db.pool(process.database_url) as pool:
        listening = Listening(pool, clock)
        await listening.start()
        months, settings = db.Months(process.database_url), assembly.settings(process)
        inbox = Inbox(service, pool, months, clock, listening, settings, wake_up.ring)
        submissions, token_verifier = (
            Submissions(inbox, assembly.edge, keys),
            TokenVerifier(process.issuer, process.audience, registered(process.deploy)),
        )
        bus = Consumer(inbox, process.kafka_bootstrap, process.replica)
        running = Running(process, inbox, submissions, token_verifier, keys, clock)
        dependencies = EdgeDependencies(
            submissions,
            token_verifier,
            ResourceReader(pool, keys),
            inbox,
            process.issuer,
            _health(pool, bus),
            more=assembly.routes(running),
        )
        fhir.warm(assembly.edge.takes)
        _calm_the_collector()
        async with asyncio.TaskGroup() as group:
            for task in (
                _serve(dependencies, process),
                bus.run(),
                listening.run(),
                InternalLane(inbox, wake_up).run(process.database_url),
                run_deadlines(inbox),
                _housekeeping(inbox, retention.RetentionPolicy.of(process.deploy, service.consumes)),
                _watch_outbox(inbox),
                *(run_submissions(inbox, submissions.queue) for _ in range(SUBMISSION_WORKERS)),
                *_topic_lanes(assembly, process, wake_up),
                *_partner_lanes(assembly, process, inbox, wake_up),
                *assembly.tasks(running),
            ):
                group.create_task(task)


def _topic_lanes(assembly: ServiceAssembly, process: Process, wake_up: WakeUp) -> list[Coroutine[Any, Any, None]]:
    topics = (assembly.topic, ESCALATIONS, OPERATIONS, DISCLOSURES)
    return [
        TopicLane(assembly.service.name, topic, wake_up).run(process.database_url, process.kafka_bootstrap)
        for topic in topics
    ]


def _partner_lanes(
    assembly: ServiceAssembly, process: Process, inbox: Inbox, wake_up: WakeUp
) -> list[Coroutine[Any, Any, None]]:
    if assembly.form is None:
        return []
    return [
        PartnerLane(assembly.service, partner, inbox.pool, inbox.clock, assembly.form, wake_up).run(
            process.database_url
        )
        for partner in partners(process.deploy).values()
    ]


async def _patiently(attempt: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """The database may still be starting."""
    until = ticks() + START_SECONDS_MOST
    while True:
        try:
            await attempt()
            return
        except Exception as error:
            if not db.is_trouble(error) or ticks() > until:
                raise
        await asyncio.sleep(0.2)


def _health(pool: Any, bus: Consumer) -> Callable[[], Coroutine[Any, Any, str | None]]:
    """Readiness looks at the database, the age of the oldest unsent row, the consumer and its trouble."""

    async def ready() -> str | None:
        if bus.troubled:
            return "the consumer is in trouble"
        if not bus.assigned:
            return "the consumer has not joined its group"
        try:
            oldest: float = await pool.fetchval(_OLDEST_UNSENT, timeout=2.0)
        except Exception as error:
            if not db.is_trouble(error):
                raise
            return "the database can't be reached"
        return "the outbox is not draining" if oldest > UNSENT_SECONDS_MOST else None

    return ready


async def _watch_outbox(inbox: Inbox) -> None:
    """Every few seconds: how old is the oldest row that has not left yet?"""
    gauge = metrics.OLDEST_UNSENT.labels(inbox.service.name)
    while True:
        try:
            gauge.set(await inbox.pool.fetchval(_OLDEST_UNSENT))
        except Exception as error:
            if not db.is_trouble(error):
                raise
        await asyncio.sleep(WATCH_SECONDS)


async def _housekeeping(inbox: Inbox, stored: retention.RetentionPolicy) -> None:
    """Once an hour: forget old claims, documents and months of the journal. Trouble waits for the next hour."""
    while True:
        try:
            await retention.forget(inbox.pool, stored, inbox.clock.now())
        except Exception as error:
            if not db.is_trouble(error):
                raise
        await asyncio.sleep(HOUSEKEEPING_SECONDS)


async def _serve(dependencies: EdgeDependencies, process: Process) -> None:
    config = uvicorn.Config(
        build(dependencies),
        host=process.host,
        port=process.http_port,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=5,
    )
    await _Server(config).serve()


class _Server(uvicorn.Server):
    """uvicorn takes SIGTERM for itself; here the task group is cancelled instead, and the server with it."""

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


def _calm_the_collector() -> None:
    """Everything made so far stays: the longest stall under a backlog falls from 25 ms to 5."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found
