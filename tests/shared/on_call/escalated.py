"""A service whose escalations ring: its events are stored with their rows of the on-call lanes, its lanes are real."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec

from shared.events.escalation import Escalation, EscalationEvent, EscalationRaised
from shared.path.destination import Routes
from shared.path.outbound.destinations import DEPUTY, ON_CALL, on_call_destination
from shared.path.outbound.links import Links
from shared.path.outbound.on_call import OnCallLane
from shared.path.outbound.parking import Parking
from shared.path.service import PATIENT
from shared.path.transaction import store
from shared.path.transaction.batch import Batch
from shared.platform.pagers import Pager
from tests.service import ServiceOnPostgres, written

TUESDAY_NIGHT = datetime(2026, 3, 3, 8, tzinfo=UTC)
"""3 a.m. in New York."""
CURRENT = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
"""The secret of the pager."""
BASE = "https://intake.example.org"
PATIENT_ID = "7d1f4c52-90ab-4c1e-8f3d-1d7b5a9c0e42"


def escalation(tier: int, **changed: Any) -> Escalation:
    found = Escalation(
        id=str(uuid4()),
        category="safety",
        reason="suicide-screen",
        tier=tier,
        owner="on-call-clinician",
        rule="intake/suicide-screen|1",
        raised_at=TUESDAY_NIGHT,
        acknowledge_by=TUESDAY_NIGHT + timedelta(minutes=15),
        act_by=TUESDAY_NIGHT + timedelta(hours=1),
        signals=(),
    )
    return msgspec.structs.replace(found, **changed)


def raised(tier: int = 4, **changed: Any) -> EscalationRaised:
    return EscalationRaised(escalation=escalation(tier, **changed), at=TUESDAY_NIGHT)


@dataclass
class Escalated:
    """What is emitted stands in the read model and in the lanes; `running` sends it."""

    service: ServiceOnPostgres
    pagers: dict[str, Pager]
    tiers: frozenset[int] = frozenset({1, 2, 3, 4})
    destinations: list[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.destinations = [on_call_destination(name, self.tiers) for name in (ON_CALL, DEPUTY)]

    async def emit(self, *events: EscalationEvent, patient: str = PATIENT_ID, program: str = "demo") -> None:
        batch = Batch(PATIENT, {}, Routes(self.destinations))
        for event in events:
            batch.emit(event, written(event, patient, producer="intake", at=event.at), patient, program)
        async with self.service.pool.acquire() as connection, connection.transaction():
            decider = self.service.inbox.service.deciders[PATIENT]
            await store.store(connection, decider, batch, TUESDAY_NIGHT, TUESDAY_NIGHT)
        self.service.wake_up.ring(batch.lanes)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Both lanes, until the block ends; whatever of them ends by itself is a bug."""
        here = self.service
        parking = Parking("intake", here.inbox.routes, here.running.clock, here.wake_up)
        links = Links(BASE, here.keys)
        lanes = [OnCallLane(each, parking, self.pagers, links, here.pool) for each in self.destinations]
        running = [here.wake_up.watch(here.pool), *(each.run(here.dsn) for each in lanes)]
        tasks = [asyncio.create_task(each) for each in running]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ended)

    async def until_sent(self, left: int = 0, lane: str = "partner:on-call") -> None:
        await until(lambda: self.service.count(f"outbox WHERE lane = '{lane}'"), lambda rows: rows == left)

    async def until_looked(self) -> None:
        """The deputy's page was looked at once more, and put off."""
        before = await self._put_off_until()
        await until(self._put_off_until, lambda now: now != before)

    async def _put_off_until(self) -> Any:
        return await self.service.select("SELECT not_before FROM outbox WHERE lane = 'partner:on-call-deputy'")


async def until(look: Callable[[], Awaitable[Any]], true: Callable[[Any], bool]) -> None:
    for _ in range(500):
        if true(await look()):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("not within 10 s")
