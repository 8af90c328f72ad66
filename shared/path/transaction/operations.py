"""What operations must know and no decision emitted: a technical fact, into the outbox beside what it is about."""

from datetime import datetime
from uuid import UUID

import msgspec

from shared.events import wire
from shared.events.envelope import Envelope
from shared.events.technical import OperationsEvent
from shared.path.destination import Routes
from shared.platform.db import Connection

_INSERT = "INSERT INTO outbox (lane, headers, body) VALUES ($1, $2, $3)"


async def report(connection: Connection, routes: Routes, event: OperationsEvent, at: datetime) -> frozenset[str]:
    """Store the fact, of no program and no patient; the lanes it fed. Its `outcome_id` is the event's id too."""
    identity = UUID(event.outcome_id)
    envelope = Envelope(
        id=identity,
        source=event.service,
        event=type(event).__name__,
        program="",
        patient="",
        at=at,
        correlation_id=identity,
        causation_id=identity,
    )
    record = wire.write(event, envelope)
    headers = msgspec.json.encode(record.headers).decode()
    lanes = [destination.lane for destination in routes.of(event)]
    for lane in lanes:
        await connection.execute(_INSERT, lane, headers, record.body.decode())
    return frozenset(lanes)
