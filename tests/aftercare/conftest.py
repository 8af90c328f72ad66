"""Aftercare as its app runs it, but for Kafka and HTTP: internal lane, deadlines, a lane for each partner."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.aftercare import app
from shared.path.inbound.deadlines import run_deadlines
from shared.path.inbound.internal import InternalLane
from shared.path.inbound.lookups import LookupLane
from shared.path.outbound.gate import GatedLane
from shared.platform.settings import partners
from tests.aftercare.partner import Partner
from tests.aftercare.running import ADMITTED, Aftercare
from tests.service import DEPLOY, StartService


@pytest.fixture
async def partner(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Partner]:
    """All partners at one address."""
    async with Partner().open() as opened:
        for name in partners(DEPLOY):
            monkeypatch.setenv(f"IOP_PARTNER_URL_{name.upper().replace('-', '_')}", opened.url)
        yield opened


@pytest.fixture
async def aftercare_alone(start_service: StartService, partner: Partner) -> Aftercare:
    """Nothing runs by itself: a test opens the lane it looks at."""
    service = await start_service(app.assemble, "aftercare", ADMITTED)
    return Aftercare(**vars(service), partner=partner)


@pytest.fixture
async def aftercare(aftercare_alone: Aftercare) -> AsyncIterator[Aftercare]:
    here = aftercare_alone
    lanes = [
        GatedLane(here.inbox.service, each, here.inbox.routes, here.pool, here.inbox.clock, here.wake_up).run(here.dsn)
        for each in here.inbox.routes.destinations
        if each.gate is not None
    ]
    lookups = [LookupLane(each, here.inbox, here.wake_up).run(here.dsn) for each in here.inbox.service.lookups]
    running = [
        InternalLane(here.inbox, here.wake_up).run(here.dsn),
        run_deadlines(here.inbox),
        *lookups,
        *lanes,
        *here.parts.tasks(here.running),
    ]
    tasks = [asyncio.create_task(each) for each in running]
    yield here
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in ended)
