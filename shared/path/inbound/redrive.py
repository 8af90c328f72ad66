"""Parked events: decided again, in order, in one transaction a patient; without one that nobody can ever read."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from shared.events import wire
from shared.events.catalogue import BY_NAME
from shared.events.intake import ConsentGiven, ConsentRevoked
from shared.path.transaction import consent_ledger
from shared.path.transaction.delivery import Delivery, Incomplete, from_parked
from shared.path.transaction.inbox import Inbox
from shared.platform.db import Connection

# A record whose program nobody knows is anybody's to decide again.
_OF_KEY = "SELECT * FROM parked WHERE key = $1 AND program IN ($2, '') ORDER BY sequence"
# Only what cannot be read: a bug is mended, and a queued event only waits.
_QUARANTINE = """INSERT INTO quarantine SELECT *, $4, $5 FROM parked
    WHERE key = $1 AND program IN ($2, '') AND id = $3 AND class = 'unreadable' RETURNING sequence, event"""
# The row lock keeps an event that arrives meanwhile from overtaking the parked ones.
_LOCK = "SELECT 1 FROM state WHERE key = $1 FOR UPDATE"


class Redriven(msgspec.Struct, frozen=True):
    """What became of a patient's parked events: how many were decided, and how many are parked now."""

    decided: int
    parked: int


class _DryRun(Exception):
    pass


class NotUnreadable(LookupError):
    """There is no unreadable event of this id and patient."""


class Quarantine(msgspec.Struct, frozen=True):
    """Which unreadable event is set aside, and by whom."""

    id: UUID
    by: str


async def redrive(
    inbox: Inbox, key: str, program: str, *, dry_run: bool, without: Quarantine | None = None
) -> Redriven:
    """Decide the parked events of one patient of this program again. A dry run does the same and takes all of it back.

    Another program's events are answered as if there were none. Raises NotUnreadable.
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
    inbox: Inbox, connection: Connection, key: str, program: str, now: datetime, without: Quarantine | None
) -> tuple[Redriven, frozenset[str]]:
    await connection.execute(_LOCK, key)
    aside = await _quarantine(connection, key, program, now, without) if without is not None else None
    rows = await connection.fetch(_OF_KEY, key, program)
    deliveries: Sequence[Delivery] = [from_parked(row, inbox.service) for row in rows]
    for delivery in deliveries:
        delivery.quarantined = delivery.parked == aside
    answers, fed = await inbox.take(connection, deliveries, now)
    went_on = [
        delivery for delivery, answer in zip(deliveries, answers, strict=True) if not isinstance(answer, Incomplete)
    ]
    decided = [delivery for delivery in went_on if not delivery.quarantined]
    # Whom a record identified that nobody could read when it came is known from now on.
    followers = [each for several in (await inbox.learn(connection, decided)).values() for each in several]
    _, also_fed = await inbox.take(connection, followers, now)
    left = len(await connection.fetch(_OF_KEY, key, program))
    return Redriven(len(decided), left), fed | also_fed


async def _quarantine(connection: Connection, key: str, program: str, now: datetime, without: Quarantine) -> int:
    """The sequence of the quarantined event. One that may have been about a consent ends all of the patient's."""
    row = await connection.fetchrow(_QUARANTINE, key, program, without.id, without.by, now)
    if row is None:
        raise NotUnreadable
    entry = BY_NAME.get(wire.event_name({"ce_type": row["event"]}))
    if entry is None or issubclass(entry.event, ConsentGiven | ConsentRevoked):
        await consent_ledger.close(connection, program, key)
    sequence: int = row["sequence"]
    return sequence
