"""The two inner loops: internal events, and deadlines. Both take the one path."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from shared.events import internal
from shared.events.internal import TimePassed
from shared.path.outbound.lane import WakeUp, run_lane, wait_for_work
from shared.path.transaction.delivery import Delivery
from shared.path.transaction.inbox import Inbox
from shared.platform import db, log
from shared.platform.db import Connection

INTERNAL_LANE = "internal"
BATCH_MOST = 100
POLL_SECONDS = 0.200
"""For what another replica stored, and for deadlines: nothing in a clinic falls due to the tenth of a second."""

_INTERNAL = "SELECT id, key, headers, body FROM outbox WHERE lane = 'internal' ORDER BY id LIMIT $1"
# Any replica takes due rows; none waits for a row that another one is deciding.
_DUE = """SELECT key, program, due_at FROM state WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED"""


def internal_headers(cause: UUID, program: str, by: str, at: datetime, correlation_id: UUID) -> str:
    """Head of a row of lane internal."""
    return json.dumps(
        {"id": str(cause), "program": program, "by": by, "at": at.isoformat(), "correlation": str(correlation_id)}
    )


class InternalLane:
    """internal events, in order: decided and deleted in one transaction."""

    def __init__(self, inbox: Inbox, wake_up: WakeUp) -> None:
        self._inbox = inbox
        self._fed = wake_up.listen(INTERNAL_LANE)

    async def run(self, dsn: str) -> None:
        await run_lane(dsn, INTERNAL_LANE, _no_resource, self._turn)

    async def _turn(self, connection: Connection, _: None) -> None:
        rows = await connection.fetch(_INTERNAL, BATCH_MOST)
        if rows:
            await self._inbox.receive([_delivery(row) for row in rows])
        else:
            await wait_for_work(self._fed, POLL_SECONDS)


@asynccontextmanager
async def _no_resource() -> AsyncIterator[None]:
    yield None


def _delivery(row: Mapping[str, Any]) -> Delivery:
    headers = json.loads(row["headers"])
    return Delivery(
        id=UUID(headers["id"]),
        key=row["key"],
        program=headers["program"],
        kind="internal",
        at=datetime.fromisoformat(headers["at"]),
        by=headers["by"],
        correlation_id=UUID(headers["correlation"]),
        event=internal.decode_internal(row["body"]),
        deduplicate=False,
        outbox_id=row["id"],
    )


async def run_deadlines(inbox: Inbox) -> None:
    """Hear TimePassed for each patient whose `due_at` has come. Trouble waits for the next round."""
    while True:
        taken, looked_at = 0, inbox.clock.now()
        try:
            taken = await run_due(inbox)
        except Exception as error:
            if not db.is_trouble(error):
                raise
            log.get().warning("deadlines in trouble", error=type(error).__name__)
            await asyncio.sleep(1.0)
        if not taken:
            await inbox.clock.passing(looked_at, POLL_SECONDS)


async def run_due(inbox: Inbox) -> int:
    """Take up to a batch of due patients; how many were taken."""
    now = inbox.clock.now()
    await inbox.months.ensure(now)
    async with inbox.pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch(_DUE, now, BATCH_MOST)
        if rows:
            _, fed = await inbox.take(connection, [_time_passed(row, now, inbox.service.name) for row in rows], now)
    if rows:
        inbox.wake(fed)
    return len(rows)


def _time_passed(row: Mapping[str, Any], now: datetime, service: str) -> Delivery:
    identity = uuid5(_namespace(row["key"]), f"time-passed:{service}:{row['due_at'].isoformat()}")
    return Delivery(
        id=identity,
        key=row["key"],
        program=row["program"],
        kind="internal",
        at=now,
        by=service,
        correlation_id=identity,
        event=TimePassed(),
        deduplicate=False,
    )


def _namespace(key: str) -> UUID:
    """The key as a namespace. Whoever may write to a topic may give any key: no deadline may die of it."""
    try:
        return UUID(key)
    except ValueError:
        return uuid5(NAMESPACE_OID, key)
