"""A row of a lane that can't be sent by a bug, or not be read: it stays, and holds its key's later rows of that lane.

Whoever is on duty hears of it without the patient; a person redrives it or, where nobody can read it, quarantines it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid5

import msgspec

from shared.events import wire
from shared.events.envelope import Envelope
from shared.events.technical import DeliveryParked
from shared.path.destination import Routes
from shared.path.outbound.lane import WakeUp
from shared.platform import log
from shared.platform.clock import Clock
from shared.platform.db import Connection, Executor, Row

Class = Literal["unreadable", "bug"]
SENDABLE = """parked IS NULL AND NOT EXISTS (SELECT 1 FROM outbox p
    WHERE p.parked IS NOT NULL AND p.lane = o.lane AND p.key = o.key AND p.id < o.id)"""
"""Part of the query for a lane's next rows (`FROM outbox o`): neither parked nor behind a parked row of its key."""
_PARK = "UPDATE outbox SET parked = $3 WHERE lane = $1 AND id = $2"
_UNPARK = """UPDATE outbox SET parked = NULL, not_before = NULL WHERE coalesce(key, '') = $1
    AND program IN ($2, '') AND parked IS NOT NULL RETURNING lane"""
_INSERT = "INSERT INTO outbox (lane, program, headers, body) VALUES ($1, $2, $3, $4)"
# The id stands in the headers; where those can't be read either, it is the nil UUID.
_QUARANTINE = f"""WITH gone AS (DELETE FROM outbox WHERE (lane, id) = (SELECT lane, id FROM outbox
        WHERE coalesce(key, '') = $1 AND program IN ($2, '') AND parked LIKE 'unreadable: %' AND $3 = coalesce(
            substring(headers FROM '"(?:ce_)?id": ?"([0-9a-f-]{{36}})"'), '{UUID(int=0)}')::uuid
        ORDER BY id LIMIT 1) RETURNING *), aside AS (
    INSERT INTO quarantine (sequence, id, key_kind, key, program, class, place, kind, event, headers, content, at, by,
        quarantined_at)
    SELECT id, $3, 'patient', coalesce(key, ''), program, 'unreadable', parked, 'unsent', lane, headers,
        convert_to(coalesce(body, ''), 'UTF8'), stored_at, $4, $5 FROM gone)
    SELECT * FROM gone"""


@dataclass(frozen=True)
class Parking:
    """Where rows of one service's lanes are parked."""

    service: str
    routes: Routes
    clock: Clock
    wake_up: WakeUp

    async def park(self, connection: Connection, lane: str, row: Row, class_: Class, place: str) -> None:
        """Park the row (id, program) and report it on `iop.operations`, unless that is the lane that fails: each report
        would be the next row to fail."""
        log.get().error("parked", lane=lane, place=place, **{"class": class_})
        event, record = self._parked(lane, row, class_)
        destinations = [each for each in self.routes.of(event) if each.lane != lane]
        async with connection.transaction():
            await connection.execute(_PARK, lane, row["id"], f"{class_}: {place}")
            for each in destinations:
                headers = msgspec.json.encode(record.headers).decode()
                await connection.execute(_INSERT, each.lane, row["program"], headers, record.body.decode())
        self.wake_up.ring(each.lane for each in destinations)

    def _parked(self, lane: str, row: Row, class_: Class) -> tuple[DeliveryParked, wire.Written]:
        now = self.clock.now()
        # A row that was redriven and fails once more is another report.
        cause = uuid5(UUID(int=row["id"]), f"{self.service}:{lane}:parked:{now.isoformat()}")
        details = f"A row of lane {lane} was parked ({class_}). `iop parked list` shows it."
        event = DeliveryParked(outcome_id=str(cause), service=self.service, details=details)
        envelope = Envelope(
            id=cause,
            source=self.service,
            event=DeliveryParked.__name__,
            program=row["program"],
            patient="",
            at=now,
            correlation_id=cause,
            causation_id=cause,
        )
        return event, wire.write(event, envelope)


async def unpark(connection: Executor, key: str, program: str) -> Sequence[str]:
    """Send the parked rows of this key again; the lane of each."""
    return [row["lane"] for row in await connection.fetch(_UNPARK, key, program)]


async def quarantine(connection: Executor, key: str, program: str, id: UUID, by: str, now: datetime) -> Row | None:
    """Take an unreadable row out of its lane and keep it as it is: the row. None where there is none of this id."""
    return await connection.fetchrow(_QUARANTINE, key, program, id, by, now)
