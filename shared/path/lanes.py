"""The two inner loops: words to oneself, and deadlines. Both take the one path."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from shared.path import db, log
from shared.path.db import Connection
from shared.path.inbox import Inbox
from shared.path.item import Item
from shared.path.relay import Bell, rest, run_lane
from shared.words import inner
from shared.words.inner import TimePassed

LANE_SELF = "self"
BATCH_MOST = 100
POLL_SECONDS = 0.200
"""For what another replica kept, and for deadlines: nothing in a clinic falls due to the tenth of a second."""

_SELF = "SELECT id, key, head, body FROM outbox WHERE lane = 'self' ORDER BY id LIMIT $1"
# Any replica takes due rows; none waits for a row that another one is deciding.
_DUE = """SELECT key, program, due_at FROM state WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED"""


def self_head(cause: UUID, program: str, by: str, at: datetime, correlation_id: UUID) -> str:
    """Head of a row of lane self."""
    return json.dumps(
        {"id": str(cause), "program": program, "by": by, "at": at.isoformat(), "correlation": str(correlation_id)}
    )


class SelfLane:
    """Words to oneself, in order: decided and deleted in one transaction."""

    def __init__(self, inbox: Inbox, bell: Bell) -> None:
        self._inbox = inbox
        self._fed = bell.listen(LANE_SELF)

    async def run(self, dsn: str) -> None:
        await run_lane(dsn, LANE_SELF, _no_tool, self._turn)

    async def _turn(self, connection: Connection, _: None) -> None:
        rows = await connection.fetch(_SELF, BATCH_MOST)
        if rows:
            await self._inbox.hear([_item(row) for row in rows])
        else:
            await rest(self._fed, POLL_SECONDS)


@asynccontextmanager
async def _no_tool() -> AsyncIterator[None]:
    yield None


def _item(row: Mapping[str, Any]) -> Item:
    head = json.loads(row["head"])
    return Item(
        id=UUID(head["id"]),
        key=row["key"],
        program=head["program"],
        kind="inner",
        at=datetime.fromisoformat(head["at"]),
        by=head["by"],
        correlation_id=UUID(head["correlation"]),
        word=inner.decode_inner(row["body"]),
        claim=False,
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


def _time_passed(row: Mapping[str, Any], now: datetime, service: str) -> Item:
    identity = uuid5(_namespace(row["key"]), f"time-passed:{service}:{row['due_at'].isoformat()}")
    return Item(
        id=identity,
        key=row["key"],
        program=row["program"],
        kind="inner",
        at=now,
        by=service,
        correlation_id=identity,
        word=TimePassed(),
        claim=False,
    )


def _namespace(key: str) -> UUID:
    """The key as a namespace. Whoever may write to a topic may give any key: no deadline may die of it."""
    try:
        return UUID(key)
    except ValueError:
        return uuid5(NAMESPACE_OID, key)
