"""Deadlines: TimePassed for each key whose `due_at` has come."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from shared.path.transaction import reports
from shared.path.transaction.delivery import Internal, time_passed
from shared.path.transaction.inbox import Inbox
from shared.platform import db, metrics, tracing
from shared.platform.db import Connection, Row

BATCH_MOST = 100
POLL_SECONDS = 1.0
"""Nothing in a clinic falls due to the second."""
# Any replica takes due rows; none waits for a row that another one is deciding.
_DUE = """SELECT key, kind, program, due_at FROM state WHERE kind = $1 AND due_at <= $2
    ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED"""

# Asked without a transaction: each second, and the answer is nearly always none. One step into the index for each kind.
_ANY = """SELECT kind FROM unnest($1::text[]) AS asked(kind)
    WHERE (SELECT due_at FROM state s WHERE s.kind = asked.kind AND due_at <= $2 ORDER BY due_at LIMIT 1) IS NOT NULL"""


async def run_deadlines(inbox: Inbox) -> None:
    """Look for due keys, for ever."""

    async def look() -> None:
        looked_at = inbox.clock.now()
        if not await run_due(inbox):
            await inbox.clock.passing(looked_at, POLL_SECONDS)

    await db.every(0.0, look, name="deadlines")


async def run_due(inbox: Inbox) -> int:
    """Take up to a batch of due keys of each kind; how many were taken."""
    now = inbox.clock.now()
    due = {row["kind"] for row in await inbox.pool.fetch(_ANY, list(inbox.service.deciders), now)}
    return sum([await _run_kind(inbox, kind, now) for kind in inbox.service.deciders if kind in due])


async def _run_kind(inbox: Inbox, kind: str, now: datetime) -> int:
    await inbox.journal.ensure(now)
    lateness = metrics.DEADLINE_LATENESS.labels(inbox.service.name)
    deliveries: list[Internal] = []
    try:
        async with inbox.pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_DUE, kind, now, BATCH_MOST)
            reported = await _reported(connection, inbox, kind, rows, now)
            deliveries = [
                time_passed(inbox.service.name, row, row["due_at"], now, reported.get(row["program"])) for row in rows
            ]
            with tracing.meeting("batch", (), count=len(deliveries)):
                _, fed = await inbox.take(connection, deliveries, now, kind)
        inbox.wake(fed)
        for row in rows:
            lateness.observe((now - row["due_at"]).total_seconds())
    except Exception as error:
        if not db.is_data_error(error):
            raise
        for delivery in deliveries:
            await inbox.receive([delivery], kind)
    return len(deliveries)


async def _reported(
    connection: Connection, inbox: Inbox, kind: str, rows: Sequence[Row], now: datetime
) -> Mapping[str, datetime]:
    """Per program, where this kind of key asks for it: when the last report was decided."""
    names = [each.__name__ for each in inbox.service.deciders[kind].reports]
    programs = {row["program"] for row in rows} if names else set[str]()
    return {each: await reports.last(connection, each, names, now) for each in sorted(programs)}
