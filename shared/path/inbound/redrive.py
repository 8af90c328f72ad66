"""Redriving: parked deliveries decided again, in order, in one transaction a key; a lane's parked rows sent again."""

from datetime import datetime
from uuid import UUID

import msgspec

from shared.events.catalogue import BY_NAME
from shared.events.intake import ConsentDenied, ConsentGiven, ConsentRevoked
from shared.path.outbound import parking
from shared.path.service import PATIENT
from shared.path.transaction import consent_ledger
from shared.path.transaction.delivery import Incomplete, Redriven, bare, from_parked
from shared.path.transaction.inbox import Inbox
from shared.platform.db import Connection

# A record whose program nobody knows is anybody's to decide again.
_OF_KEY = "SELECT * FROM parked WHERE key_kind = $1 AND key = $2 AND program IN ($3, '') ORDER BY sequence"
# Only what cannot be read: a bug is mended, and a queued delivery only waits.
_QUARANTINE = """INSERT INTO quarantine SELECT *, $4, $5 FROM parked
    WHERE key_kind = $6 AND key = $1 AND program IN ($2, '') AND id = $3 AND class = 'unreadable'
    RETURNING sequence, event"""
# The row lock keeps a delivery that arrives meanwhile from overtaking the parked ones.
_LOCK = "SELECT program FROM state WHERE kind = $1 AND key = $2 FOR UPDATE"


class RedriveResult(msgspec.Struct, frozen=True):
    """What became of a key's parked deliveries: how many were decided, how many are parked now, and how many parked
    rows of lanes will be sent again."""

    decided: int
    parked: int
    sent_again: int = 0


class _DryRun(Exception):
    pass


class NotUnreadable(LookupError):
    """There is no unreadable delivery of this id and patient."""


class Quarantine(msgspec.Struct, frozen=True):
    """Which unreadable delivery is quarantined, and by whom."""

    id: UUID
    by: str


async def redrive(
    inbox: Inbox, key: str, program: str, *, dry_run: bool, quarantine: Quarantine | None = None, kind: str = PATIENT
) -> RedriveResult:
    """Decide the parked deliveries of one key of this program again. A dry run does the same and takes it back.

    Another program's deliveries are answered as if there were none. Raises NotUnreadable.
    """
    now = inbox.clock.now()
    result, fed = RedriveResult(0, 0), frozenset[str]()
    await inbox.journal.ensure(now)
    try:
        async with inbox.pool.acquire() as connection, connection.transaction():
            result, fed = await _redrive(inbox, connection, kind, key, program, now, quarantine)
            if dry_run:
                raise _DryRun
    except _DryRun:
        return result
    inbox.wake(fed)
    return result


async def _redrive(
    inbox: Inbox,
    connection: Connection,
    kind: str,
    key: str,
    program: str,
    now: datetime,
    quarantine: Quarantine | None,
) -> tuple[RedriveResult, frozenset[str]]:
    owner = await connection.fetchval(_LOCK, kind, key)
    if owner and owner != program:
        if quarantine is not None:
            raise NotUnreadable
        return RedriveResult(0, 0), frozenset()
    aside = await _quarantine(connection, kind, key, program, now, quarantine) if quarantine is not None else None
    rows = await connection.fetch(_OF_KEY, kind, key, program)
    redriven = [Redriven(from_parked(row, inbox.service), row["sequence"], row["sequence"] == aside) for row in rows]
    answers, fed = await inbox.take(connection, redriven, now, kind)
    decided = [
        bare(each)
        for each, answer in zip(redriven, answers, strict=True)
        if not isinstance(answer, Incomplete) and not each.quarantined
    ]
    # Whom a record identified that nobody could read when it came is known from now on.
    followers = [each for several in (await inbox.learn(connection, decided)).values() for each in several]
    _, also_fed = await inbox.take(connection, followers, now, kind)
    sent_again = await parking.unpark(connection, key, program)
    left = len(await connection.fetch(_OF_KEY, kind, key, program))
    return RedriveResult(len(decided), left, len(sent_again)), fed | also_fed | frozenset(sent_again)


async def _quarantine(
    connection: Connection, kind: str, key: str, program: str, now: datetime, quarantine: Quarantine
) -> int | None:
    """The sequence of the quarantined delivery; None of a lane's row, which is out of its lane at once.

    A delivery that may have been about a consent ends all of the patient's.
    """
    row = await connection.fetchrow(_QUARANTINE, key, program, quarantine.id, quarantine.by, now, kind)
    if row is None:
        if await parking.quarantine(connection, key, program, quarantine.id, quarantine.by, now):
            return None
        raise NotUnreadable
    entry = BY_NAME.get(row["event"])
    if entry is None or issubclass(entry.event, ConsentGiven | ConsentDenied | ConsentRevoked):
        await consent_ledger.close(connection, program, key)
    sequence: int = row["sequence"]
    return sequence
