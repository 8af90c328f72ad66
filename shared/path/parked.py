"""Parked words: decided again, in order, in one transaction a patient; without one that nobody can ever read."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from shared.path import ledger
from shared.path.db import Connection
from shared.path.inbox import Inbox
from shared.path.item import Incomplete, Item, from_parked
from shared.words import wire
from shared.words.catalogue import BY_NAME
from shared.words.intake import ConsentGiven, ConsentRevoked

# A record whose program nobody knows is anybody's to decide again.
_OF_KEY = "SELECT * FROM parked WHERE key = $1 AND program IN ($2, '') ORDER BY sequence"
# Only what cannot be read: a bug is mended, and a queued word only waits.
_SET_ASIDE = """INSERT INTO set_aside SELECT *, $4, $5 FROM parked
    WHERE key = $1 AND program IN ($2, '') AND id = $3 AND class = 'unreadable' RETURNING sequence, word"""
# The row lock keeps a word that arrives meanwhile from overtaking the parked ones.
_LOCK = "SELECT 1 FROM state WHERE key = $1 FOR UPDATE"


class Redriven(msgspec.Struct, frozen=True):
    """What became of a patient's parked words: how many were decided, and how many are parked now."""

    decided: int
    parked: int


class _DryRun(Exception):
    pass


class NotUnreadable(LookupError):
    """There is no unreadable word of this id and patient."""


class Without(msgspec.Struct, frozen=True):
    """Which unreadable word is set aside, and by whom."""

    id: UUID
    by: str


async def redrive(inbox: Inbox, key: str, program: str, *, dry_run: bool, without: Without | None = None) -> Redriven:
    """Decide the parked words of one patient of this program again. A dry run does the same and takes all of it back.

    Another program's words are answered as if there were none. Raises NotUnreadable.
    """
    now = inbox.clock.now()
    outcome, fed = Redriven(0, 0), frozenset[str]()
    try:
        async with inbox.pool.acquire() as connection, connection.transaction():
            outcome, fed = await _redrive(inbox, connection, key, program, now, without)
            if dry_run:
                raise _DryRun
    except _DryRun:
        return outcome
    inbox.wake(fed)
    return outcome


async def _redrive(
    inbox: Inbox, connection: Connection, key: str, program: str, now: datetime, without: Without | None
) -> tuple[Redriven, frozenset[str]]:
    await connection.execute(_LOCK, key)
    aside = await _set_aside(connection, key, program, now, without) if without is not None else None
    rows = await connection.fetch(_OF_KEY, key, program)
    items: Sequence[Item] = [from_parked(row, inbox.service) for row in rows]
    for item in items:
        item.set_aside = item.parked == aside
    answers, fed = await inbox.take(connection, items, now)
    went_on = [item for item, answer in zip(items, answers, strict=True) if not isinstance(answer, Incomplete)]
    decided = [item for item in went_on if not item.set_aside]
    # Whom a record identified that nobody could read when it came is known from now on.
    followers = [each for several in (await inbox.learn(connection, decided)).values() for each in several]
    _, also_fed = await inbox.take(connection, followers, now)
    left = len(await connection.fetch(_OF_KEY, key, program))
    return Redriven(len(decided), left), fed | also_fed


async def _set_aside(connection: Connection, key: str, program: str, now: datetime, without: Without) -> int:
    """The sequence of the word that is kept apart. One that may have been about a consent ends all of the patient's."""
    row = await connection.fetchrow(_SET_ASIDE, key, program, without.id, without.by, now)
    if row is None:
        raise NotUnreadable
    entry = BY_NAME.get(wire.word_name({"ce_type": row["word"]}))
    if entry is None or issubclass(entry.word, ConsentGiven | ConsentRevoked):
        await ledger.close(connection, program, key)
    sequence: int = row["sequence"]
    return sequence
