"""A broker that keeps its connections and answers nothing: the service says so, and loses nothing by it."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from deploy import embedded_kafka, topics
from deploy.embedded_kafka import RunningKafka
from shared.edge.app import build
from shared.edge.http import EdgeDependencies
from shared.path.inbound.broker_watch import AgeLimits
from shared.path.inbound.consumer import Consumer
from shared.path.inbound.readiness import Readiness
from tests.service import ServiceOnPostgres
from tests.shared.path.test_consumer_on_kafka import admit, consuming, decided

pytestmark = pytest.mark.kafka
AGE_LIMITS = AgeLimits(answer_seconds=2.5)
WAIT_SECONDS_MOST = 20.0


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[RunningKafka]:
    """Nobody else's: it is frozen."""
    running = embedded_kafka.start(tmp_path)
    await topics.create(running.cluster)
    yield running
    running.process.send_signal(signal.SIGCONT)
    running.stop()


async def test_a_frozen_broker_turns_ready_false_leaves_live_and_loses_nothing(
    here: ServiceOnPostgres, own: RunningKafka
) -> None:
    async with consuming(here, own.bootstrap, AGE_LIMITS) as consumer, health(here, consumer) as http:
        before = await admit(own.bootstrap)
        assert await decided(here, before)
        assert await until(http, lambda answer: answer.status_code == 200)

        own.process.send_signal(signal.SIGSTOP)
        during = asyncio.create_task(admit(own.bootstrap))
        assert await until(http, lambda answer: "Kafka has not answered for " in answer.text)
        assert not during.done()
        assert (await http.get("/health/live")).status_code == 200

        own.process.send_signal(signal.SIGCONT)
        assert await until(http, lambda answer: answer.status_code == 200)
        assert await decided(here, await during)
        assert await here.count(f"journal WHERE key = '{before}'") == 1


def health(here: ServiceOnPostgres, consumer: Consumer) -> httpx.AsyncClient:
    """The service's HTTP side, as who watches it asks."""
    parts, ready = here.running, Readiness(here.inbox, consumer, AGE_LIMITS).checks
    dependencies = EdgeDependencies(parts.submissions, parts.token_verifier, here.reader, here.inbox, "", ready)
    return httpx.AsyncClient(transport=httpx.ASGITransport(build(dependencies)), base_url="http://127.0.0.1")


async def until(http: httpx.AsyncClient, true: Callable[[httpx.Response], bool]) -> bool:
    """Whether readiness answered so in time."""
    for _ in range(int(WAIT_SECONDS_MOST * 5)):
        if true(await http.get("/health/ready")):
            return True
        await asyncio.sleep(0.2)
    return False
