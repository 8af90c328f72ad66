"""Table `pages`: who was told of an escalation, and what came of it. Its only writer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from shared.path.transaction import store
from shared.platform.db import Connection, Executor
from shared.rules.page import Tried
from shared.rules.rota import Role

Ended = Literal["made", "gave-up", "not-needed"]
_READ = "SELECT row_id, person, rung_at, failures, ended FROM pages WHERE id = $1"
_BEGIN = """INSERT INTO pages (id, row_id, program, escalation, role, person, rung_at, handle, digest, valid_until)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING RETURNING id"""
_LINK = """SELECT id, program, escalation, role, person, handle, digest, valid_until, wrong, used_at FROM pages
    WHERE handle = $1"""
_WRONG = "UPDATE pages SET wrong = wrong + 1 WHERE id = $1 RETURNING wrong"
_USED = "UPDATE pages SET used_at = $2 WHERE id = $1 AND used_at IS NULL"
_DECLINED = "UPDATE pages SET failures = greatest(failures, $2) WHERE id = $1"
_LOOK_AGAIN = """UPDATE outbox SET not_before = NULL
    WHERE lane = $1 AND key = $2 AND lane LIKE 'partner:%' AND parked IS NULL"""
_FAILED = "UPDATE pages SET failures = failures + 1 WHERE id = $1"
_ENDED = "UPDATE pages SET ended = $2 WHERE id = $1"
_WAITING = "DELETE FROM outbox WHERE lane = ANY($1) AND lane LIKE 'partner:%' AND parked IS NULL RETURNING id"
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


@dataclass(frozen=True)
class Link:
    """What a page's link is about and how it stands. It is found by `handle`; `digest` is of its secret."""

    id: UUID
    program: str
    escalation_id: str
    role: Role
    person: str
    handle: str
    digest: str
    valid_until: datetime
    wrong: int = 0
    used_at: datetime | None = None


async def begin(connection: Executor, row_id: int, link: Link, now: datetime) -> bool:
    """It rings the person of this link; False where another row begins the same page just now."""
    about = link.program, link.escalation_id, link.role, link.person
    found_by = link.handle, link.digest, link.valid_until
    return await connection.fetchrow(_BEGIN, link.id, row_id, *about, now, *found_by) is not None


async def link(connection: Executor, handle: str) -> Link | None:
    """None where no page of this handle rang."""
    row = await connection.fetchrow(_LINK, handle)
    return None if row is None else Link(*row.values())


async def count_wrong(connection: Executor, id: UUID) -> int:
    """A token had this page's handle and another secret; how many such there were by now."""
    row = await connection.fetchrow(_WRONG, id)
    return 0 if row is None else int(row["wrong"])


async def use(connection: Executor, id: UUID, now: datetime) -> None:
    """Somebody took the escalation on by its link; the first time counts."""
    await connection.execute(_USED, id, now)


async def decline(connection: Executor, id: UUID, failures: int) -> None:
    """Who was rung cannot: as if so many tries had failed, so that the deputy is told."""
    await connection.execute(_DECLINED, id, failures)


async def look_again(connection: Executor, lane: str, patient: str) -> None:
    """The lane looks at once at what of this patient waits there."""
    await connection.execute(_LOOK_AGAIN, lane, patient)


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


async def forget_waiting(connection: Executor, lanes: Sequence[str]) -> int:
    """What waits in lanes that nobody sends any more; how many that was."""
    return len(await connection.fetch(_WAITING, list(lanes)))


async def later(connection: Executor, lane: str, row_id: int, pause: timedelta, attempts: int = 0) -> None:
    """Look at the row again after the pause (machine time)."""
    await connection.execute(_LATER, lane, row_id, pause, attempts)
