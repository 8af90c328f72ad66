"""Where the consumer stopped, and what a person lets it skip. Everything else of the service goes on.

The row is the stop: while it stands no replica consumes, and no restart changes that.
"""

from datetime import datetime
from uuid import uuid5

import msgspec

from shared.events.technical import ConsumerStopped
from shared.events.wire import RecordPlace
from shared.path.transaction import consent_ledger, operations
from shared.path.transaction.delivery import Unreadable, name_of
from shared.path.transaction.inbox import Inbox
from shared.path.transaction.stored import to_park
from shared.platform.db import Connection

_STOP = """INSERT INTO stops (topic, partition, "offset", stored, place, at) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT DO NOTHING RETURNING one"""
_STANDING = "SELECT count(*) FROM stops"
_SKIPS = 'SELECT topic, partition, "offset", by FROM skips WHERE NOT done'
_DONE = 'UPDATE skips SET done = true WHERE topic = $1 AND partition = $2 AND "offset" = $3'
_QUARANTINE = """INSERT INTO quarantine (sequence, id, key_kind, key, program, class, place, kind, event, headers,
    content, at, by, quarantined_at) VALUES ($1, $2, 'patient', $3, $4, 'skipped', $5, $6, $7, $8, $9, $10, $11, $10)"""
# Locked, as every transaction does before it changes a patient's consents.
_PROGRAM = "SELECT program FROM state WHERE kind = 'patient' AND key = $1 FOR UPDATE"


class Stop(msgspec.Struct, frozen=True):
    """`at` is the record: the last of those that were parked, or (not `stored`) the first that could not be stored."""

    at: RecordPlace
    stored: bool
    place: str


async def store(inbox: Inbox, stop: Stop) -> None:
    """The stop and its report, once however many replicas stop."""
    now = inbox.clock.now()
    async with inbox.pool.acquire() as connection, connection.transaction():
        row = (stop.at.topic, stop.at.partition, stop.at.offset, stop.stored, stop.place, now)
        new = await connection.fetchval(_STOP, *row)
        fed = await operations.report(connection, inbox.routes, _report(inbox, stop, now), now) if new else ()
    inbox.wake(fed)


async def standing(inbox: Inbox) -> bool:
    """Whether the consumer is stopped."""
    return bool(await inbox.pool.fetchval(_STANDING))


async def skips(inbox: Inbox) -> dict[RecordPlace, str]:
    """The records to skip, and by whose order."""
    rows = await inbox.pool.fetch(_SKIPS)
    return {RecordPlace(row["topic"], row["partition"], row["offset"]): row["by"] for row in rows}


async def quarantine(inbox: Inbox, at: RecordPlace, delivery: Unreadable, by: str) -> None:
    """Store the skipped record as it came. It may have been a revocation: every consent of its patient ends."""
    now = inbox.clock.now()
    kind, headers, content = to_park(delivery)
    async with inbox.pool.acquire() as connection, connection.transaction():
        program = await _program(connection, delivery)
        values = (delivery.key, program, str(at), kind, name_of(delivery), headers, content, now, by)
        await connection.execute(_QUARANTINE, at.offset, delivery.id, *values)
        if delivery.key:
            await consent_ledger.close_everywhere(connection, delivery.key)
        await connection.execute(_DONE, at.topic, at.partition, at.offset)


async def _program(connection: Connection, delivery: Unreadable) -> str:
    """Of the patient's own row, else as the record names it."""
    found: str | None = await connection.fetchval(_PROGRAM, delivery.key)
    return found or delivery.program


def _report(inbox: Inbox, stop: Stop, now: datetime) -> ConsumerStopped:
    service = inbox.service.name
    identity = str(uuid5(stop.at.identity, f"{service}:stopped:{now.isoformat()}"))
    details = f"The consumer stopped at {stop.at} ({stop.place}). `iop consumer show` says what to do."
    return ConsumerStopped(outcome_id=identity, service=service, details=details)
