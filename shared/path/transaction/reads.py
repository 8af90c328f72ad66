"""Who read what. Each answer about patients is noted before it leaves and written a moment later, many at once.

What can't be written waits, in memory and only so much of it: beyond, reading is refused as long as nobody could say
afterwards who has read. A process that ends writes what it has first; one that is killed loses a moment's worth.
"""

import asyncio
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

import msgspec

from shared.events.audit import Interaction, of_read
from shared.platform import db, log, months
from shared.platform.clock import Clock
from shared.platform.db import Connection, Pool, Row

WRITE_SECONDS = 0.5
"""So long what was read stands in memory only."""
WAITING_MOST = 50_000
"""Patients."""
BATCH_MOST = 500
"""Answers."""
END_SECONDS_MOST = 5.0
# A row for each patient, its id made of the answer's: the same again, where it is not known whether it was written,
# writes nothing twice.
_WRITE = """INSERT INTO reads (id, at, program, patient, client, person, type, interaction, refused)
    SELECT left(encode(sha256(convert_to(u.id || patient, 'UTF8')), 'hex'), 32)::uuid,
        u.at, u.program, patient, u.client, u.person, u.type, u.interaction, u.refused
    FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bool[],
        $9::text[]) AS u(id, at, program, client, person, type, interaction, refused, patients),
        unnest(string_to_array(u.patients, ' ')) AS patient
    ON CONFLICT DO NOTHING"""
_ONE = "SELECT * FROM reads WHERE id = $1 AND program = $2"


class NotRecordable(Exception):
    """Nobody could say afterwards who has read this."""


class _Answer(NamedTuple):
    """One answer that is about these patients."""

    id: str
    at: datetime
    program: str
    client: str
    person: str
    type: str
    interaction: Interaction
    refused: bool
    patients: str


class ReadRecords:
    """Who read what in one process, on its way into the table."""

    def __init__(self, pool: Pool, dsn: str, clock: Clock) -> None:
        self._pool, self._dsn, self._clock = pool, dsn, clock
        self._waiting: list[_Answer] = []
        self._patients = 0
        self._months: set[tuple[int, int]] = set()
        self._ended = False
        self._writing = asyncio.Lock()

    def add(
        self,
        program: str,
        patients: Collection[str],
        *,
        client: str,
        person: str,
        type_: str,
        interaction: Interaction,
        refused: bool = False,
    ) -> None:
        """One row for each patient. Raises NotRecordable."""
        if not patients:
            return
        if self._ended or self._patients + len(patients) > WAITING_MOST:
            raise NotRecordable
        self._patients += len(patients)
        identity, now, about = uuid4().hex, self._clock.now(), " ".join(patients)
        self._waiting.append(_Answer(identity, now, program, client, person, type_, interaction, refused, about))

    async def run(self) -> None:
        """Write, again and again; what is there at the end as well."""
        try:
            await db.every(WRITE_SECONDS, self.write, name="reads")
        finally:
            self._ended = True
            await self._write_the_rest()

    async def write(self) -> None:
        """All that waits."""
        async with self._writing:
            while self._waiting:
                batch = self._waiting[:BATCH_MOST]
                for at in {(each.at.year, each.at.month): each.at for each in batch}.values():
                    await self._ensure(at)
                await self._pool.execute(_WRITE, *zip(*batch, strict=True))
                del self._waiting[: len(batch)]
                self._patients -= sum(each.patients.count(" ") + 1 for each in batch)

    async def _write_the_rest(self) -> None:
        try:
            async with asyncio.timeout(END_SECONDS_MOST):
                await self.write()
        except Exception as error:
            if not db.is_trouble(error):
                raise
            log.get().error("who read what could not be written", count=self._patients, error=type(error).__name__)

    async def _ensure(self, at: datetime) -> None:
        month = (at.year, at.month)
        if month not in self._months:
            async with db.alone(self._dsn) as connection:
                await months.ensure(connection, "reads", at)
            self._months.add(month)


async def one(connection: Connection, program: str, identity: str, service: str) -> Row | None:
    """The AuditEvent with this id, as a row of the read model; None where there is none in this program."""
    try:
        found = await connection.fetchrow(_ONE, UUID(identity), program)
    except ValueError:
        return None
    return None if found is None else as_resource(found, service)


def as_resource(row: Row, service: str) -> Row:
    """A row of table `reads` as the read model has resources."""
    audit = of_read(
        row["at"],
        service=service,
        patient=row["patient"],
        client=row["client"],
        person=row["person"],
        type_=row["type"],
        interaction=row["interaction"],
        refused=row["refused"],
    )
    return {
        "type": "AuditEvent",
        "id": str(row["id"]),
        "version": 1,
        "patient": row["patient"],
        "at": row["at"],
        "updated_at": row["at"],
        "sealed": False,
        "body": msgspec.json.encode(audit).decode(),
    }
