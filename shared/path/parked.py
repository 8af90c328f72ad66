"""Parked words: listing, and deciding them again, in order, in one transaction a patient."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from shared.path.db import Connection
from shared.path.inbox import Inbox
from shared.path.item import Item, Kept, from_parked

# A record whose program nobody knows is anybody's to decide again.
_OF_KEY = "SELECT * FROM parked WHERE key = $1 AND program IN ($2, '') ORDER BY sequence"
# The row lock keeps a word that arrives meanwhile from overtaking the parked ones.
_LOCK = "SELECT 1 FROM state WHERE key = $1 FOR UPDATE"


class Redriven(msgspec.Struct, frozen=True):
    """What became of a patient's parked words: how many were decided, and how many still are parked."""

    decided: int
    parked: int


class _DryRun(Exception):
    pass


async def redrive(inbox: Inbox, key: str, program: str, *, dry_run: bool) -> Redriven:
    """Decide the parked words of one patient of this program again. A dry run does the same and takes all of it back.

    Another program's words are answered as if there were none.
    """
    now = inbox.clock.now()
    outcome, fed = Redriven(0, 0), frozenset[str]()
    try:
        async with inbox.pool.acquire() as connection, connection.transaction():
            outcome, fed = await _redrive(inbox, connection, key, program, now)
            if dry_run:
                raise _DryRun
    except _DryRun:
        return outcome
    inbox.wake(fed)
    return outcome


async def _redrive(
    inbox: Inbox, connection: Connection, key: str, program: str, now: datetime
) -> tuple[Redriven, frozenset[str]]:
    await connection.execute(_LOCK, key)
    rows = await connection.fetch(_OF_KEY, key, program)
    items: Sequence[Item] = [_item(row, inbox) for row in rows]
    answers, fed = await inbox.take(connection, items, now)
    # Whom a record identified that nobody could read when it came is known from now on.
    decided = [item for item, answer in zip(items, answers, strict=True) if isinstance(answer, Kept)]
    followers = [each for several in (await inbox.learn(connection, decided)).values() for each in several]
    _, also_fed = await inbox.take(connection, followers, now)
    left = len(await connection.fetch(_OF_KEY, key, program))
    return Redriven(len(rows) - left, left), fed | also_fed


def _item(row: Any, inbox: Inbox) -> Item:
    return from_parked(row, inbox.service)
