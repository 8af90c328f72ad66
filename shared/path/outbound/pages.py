"""Table `pages`: who was told of an escalation, and what came of it. Its only writer."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from shared.path.transaction import store
from shared.platform.db import Connection, Executor
from shared.rules.page import Tried

Ended = Literal["made", "gave-up", "not-needed"]
_READ = "SELECT row_id, person, rung_at, failures, ended FROM pages WHERE id = $1"
_BEGIN = """INSERT INTO pages (id, row_id, program, escalation, person, rung_at)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING RETURNING id"""
_FAILED = "UPDATE pages SET failures = failures + 1 WHERE id = $1"
_ENDED = "UPDATE pages SET ended = $2 WHERE id = $1"
_LATER = "UPDATE outbox SET not_before = now() + $3, attempts = attempts + $4 WHERE lane = $1 AND id = $2"


@dataclass(frozen=True)
class StoredPage:
    """A page that has begun to ring."""

    row_id: int
    person: str
    tried: Tried
    ended: str | None


async def read(connection: Executor, id: UUID) -> StoredPage | None:
    """None until it rings."""
    row = await connection.fetchrow(_READ, id)
    if row is None:
        return None
    tried = Tried(row["rung_at"], row["failures"])
    return StoredPage(row["row_id"], row["person"], tried, row["ended"])


async def begin(
    connection: Executor, id: UUID, row_id: int, program: str, escalation: str, person: str, now: datetime
) -> bool:
    """It rings this person; False where another row begins the same page just now."""
    return await connection.fetchrow(_BEGIN, id, row_id, program, escalation, person, now) is not None


async def failed(connection: Connection, id: UUID, lane: str, row_id: int, pause: timedelta) -> None:
    """A try has failed, the next one comes after the pause."""
    async with connection.transaction():
        await connection.execute(_FAILED, id)
        await later(connection, lane, row_id, pause, attempts=1)


async def end(connection: Connection, id: UUID, lane: str, row_id: int, ended: Ended) -> None:
    """It was taken, or nobody took it, or nobody needs it: its row goes in the same transaction."""
    async with connection.transaction():
        await connection.execute(_ENDED, id, ended)
        await store.delete(connection, lane, [row_id])


async def later(connection: Executor, lane: str, row_id: int, pause: timedelta, attempts: int = 0) -> None:
    """Look at the row again after the pause (machine time)."""
    await connection.execute(_LATER, lane, row_id, pause, attempts)
