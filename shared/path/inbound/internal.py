"""Lane `internal`: internal events, in order, decided and deleted in one transaction."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import groupby

import msgspec

from shared.path.outbound.lane import IDLE_SECONDS_MOST, WakeUp, run_lane, wait_for_work
from shared.path.outbound.parking import SENDABLE, Parking
from shared.path.transaction.batch import INTERNAL_LANE
from shared.path.transaction.delivery import Internal
from shared.path.transaction.inbox import Inbox
from shared.path.transaction.stored import from_internal_lane
from shared.platform import log
from shared.platform.db import Connection, Row

BATCH_MOST = 100
_NEXT = (
    f"SELECT id, program, key, headers, body FROM outbox o WHERE lane = 'internal' AND {SENDABLE} ORDER BY id LIMIT $1"
)


class InternalLane:
    def __init__(self, inbox: Inbox, wake_up: WakeUp) -> None:
        self._inbox = inbox
        self._parking = Parking(inbox.service.name, inbox.routes, inbox.clock, wake_up)
        self._fed: asyncio.Event = wake_up.listen(INTERNAL_LANE)

    async def run(self, dsn: str) -> None:
        await run_lane(dsn, INTERNAL_LANE, no_resource, self._turn)

    async def _turn(self, connection: Connection, _: None) -> None:
        rows = await connection.fetch(_NEXT, BATCH_MOST)
        if not rows:
            await wait_for_work(self._fed, IDLE_SECONDS_MOST)
            return
        deliveries = [each for row in rows if (each := await self._read(connection, row)) is not None]
        # One transaction locks one kind of key.
        for kind, run in groupby(deliveries, key=lambda delivery: delivery.kind):
            await self._inbox.receive(list(run), kind)

    async def _read(self, connection: Connection, row: Row) -> Internal | None:
        """The delivery of a row. One that an older or newer release stored and this one can't read is parked."""
        try:
            return from_internal_lane(row, self._inbox.service)
        except (msgspec.MsgspecError, LookupError, ValueError) as wrong:
            await self._parking.park(connection, INTERNAL_LANE, row, "unreadable", log.place_of(wrong))
            return None


@asynccontextmanager
async def no_resource() -> AsyncIterator[None]:
    yield None
