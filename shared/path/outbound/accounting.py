"""The books of a gated lane (42 CFR 2.25): nothing reaches a partner's socket that is not accounted for already.

A send is committed as `attempted` before its first byte. What comes of it makes its AuditEvent `made`, `refused` or
`gave-up`, or `not-sent` where it is known that no byte left; without an answer it stays `attempted` for good. An end
deletes the row and writes its outcome to lane internal in the same transaction.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypedDict, get_args
from uuid import UUID, uuid5

import msgspec

from shared.events import wire
from shared.events.aftercare import ReferralPrepared
from shared.events.disclosed import QUARANTINED
from shared.events.envelope import Envelope, Event
from shared.events.internal import DisclosureMade, DisclosureOutcome, DisclosureParked, DisclosureWithheld
from shared.events.technical import DisclosureRecorded, DisclosureResult
from shared.path.destination import Routes
from shared.path.outbound import places
from shared.path.outbound.destinations import ATTEMPT, FOCUS, Disclosed
from shared.path.service import PATIENT, Service
from shared.path.transaction import store
from shared.path.transaction.batch import Batch
from shared.path.transaction.delivery import Internal
from shared.platform.clock import Clock
from shared.platform.db import Connection, Pool, Row
from shared.rules.consent import Partner, Permitted

MAY_HAVE_BEEN_RECEIVED = "may-have-been-received"
_DISCLOSED = {each.__name__: each for each in get_args(Disclosed)}
Stands = Callable[[Connection], Awaitable[bool]]
"""Whether what permits a send stands, asked while nothing of the patient can change."""
# Only while the row is as it was read: another holder of the lane may have sent or ended it meanwhile.
_ATTEMPTED = """UPDATE outbox SET attempts = attempts + 1, sends = sends + 1
    WHERE lane = $4 AND id = $1 AND attempts = $2 AND sends = $3 RETURNING id"""
_NOT_SENT = """UPDATE outbox SET attempts = $2 + 1, sends = $3, not_before = now() + $5
    WHERE lane = $6 AND id = $1 AND (attempts, sends) = ($2 + $4::boolean::int, $3 + $4::boolean::int) RETURNING id"""
# The row goes, and its patient's next one of this lane, which may have been put off behind it, is due.
_END = """WITH gone AS (DELETE FROM outbox WHERE lane = $1 AND id = $2)
    UPDATE outbox SET not_before = NULL WHERE lane = $1 AND not_before IS NOT NULL AND id = (SELECT id FROM outbox o
        WHERE lane = $1 AND lane LIKE 'partner:%' AND key = $3 AND o.id > $2 ORDER BY key, id LIMIT 1)"""


class About(TypedDict):
    """What each outcome says of its disclosure."""

    partner: str
    focus: str
    attempt: int


@dataclass(frozen=True, kw_only=True)
class DisclosureRow:
    """One row of a gated lane by its headers, which are all that the books need. `sends` counts those of which a byte
    may have left."""

    id: int
    key: str
    program: str
    cause: UUID
    correlation_id: UUID
    attempts: int
    sends: int
    stored_at: datetime
    focus: str
    attempt: int
    traceparent: str | None = None

    @property
    def external_id(self) -> str:
        """Of each send of this row: a crash after the send repeats it, and the partner recognises it."""
        return str(uuid5(self.cause, "disclosure"))

    @property
    def may_have_been_received(self) -> bool:
        """By an earlier send."""
        return self.sends > 0


@dataclass(frozen=True, kw_only=True)
class Disclosure(DisclosureRow):
    """One row of a gated lane, read."""

    event: Disclosed

    @property
    def takes_a_place(self) -> bool:
        """Of those that a partner has open: a referral does, once it is sent first."""
        return isinstance(self.event, ReferralPrepared) and self.sends == 0


@dataclass(frozen=True)
class Accounts:
    """Writes one lane's books."""

    service: Service
    partner: Partner
    lane: str
    routes: Routes
    pool: Pool
    clock: Clock
    wake: Callable[[Iterable[str]], None]

    async def attempted(self, disclosure: Disclosure, permitted: Permitted, stands: Stands) -> bool:
        """Commit that a byte may leave from now on. False where the row is no longer this lane's to send, or what
        permits it stands no more: a revocation comes before this commit, and counts, or after it. So does whoever has
        the partner's last place."""
        batch = Batch(PATIENT, {}, self.routes)
        self._record(batch, disclosure, "attempted", MAY_HAVE_BEEN_RECEIVED, permitted)
        async with self.pool.acquire() as connection, connection.transaction():
            # The turn before the row: who waits for a row may hold a turn, and nobody waits for a turn with one.
            await places.in_turn(connection, self.partner)
            await store.stand_still(connection, PATIENT, disclosure.key)
            if not await stands(connection):
                return False
            values = (disclosure.id, disclosure.attempts, disclosure.sends, self.lane)
            if await connection.fetchrow(_ATTEMPTED, *values) is None:
                return False
            await self._store(connection, batch)
        self.wake(batch.lanes)
        return True

    async def is_full(self, connection: Connection, disclosure: Disclosure) -> bool:
        """Whether the partner has no place left for this one. One whose send was begun has its own."""
        asked = (self.partner, disclosure.program, disclosure.focus, self.clock.now())
        return disclosure.takes_a_place and await places.are_taken(connection, *asked)

    async def not_sent(
        self, disclosure: Disclosure, reason: str, permitted: Permitted, pause: timedelta, committed: bool
    ) -> None:
        """No byte left, whether the attempt was `committed` or not: the next send takes its place in the books."""
        batch = Batch(PATIENT, {}, self.routes)
        self._record(batch, disclosure, "not-sent", reason, permitted)
        values = (disclosure.id, disclosure.attempts, disclosure.sends, committed, pause, self.lane)
        async with self.pool.acquire() as connection, connection.transaction():
            if await connection.fetchrow(_NOT_SENT, *values) is None:
                return
            await self._store(connection, batch)
        self.wake(batch.lanes)

    async def sent(
        self,
        disclosure: Disclosure,
        outcome: DisclosureOutcome,
        result: DisclosureResult,
        reason: str | None,
        permitted: Permitted,
    ) -> None:
        """The row ends with what came of its last send."""
        batch = Batch(PATIENT, {}, self.routes)
        cause = self._record(batch, disclosure, result, reason, permitted)
        await self._end(batch, disclosure, outcome, cause)

    async def withheld(self, disclosure: Disclosure, outcome: DisclosureWithheld) -> None:
        """The row ends unsent; earlier sends of it keep their place in the books."""
        batch = Batch(PATIENT, {}, self.routes)
        result: DisclosureResult = "withheld-after-attempt" if outcome.may_have_been_received else "withheld"
        cause = self._record(batch, disclosure, result, outcome.reason, None)
        await self._end(batch, disclosure, outcome, cause)

    async def printed(
        self, connection: Connection, disclosure: Disclosure, outcome: DisclosureMade, permitted: Permitted
    ) -> None:
        """Into the books within the caller's transaction, with its outcome: there is no row that ends."""
        batch = Batch(PATIENT, {}, self.routes)
        cause = self._record(batch, disclosure, "made", None, permitted)
        batch.note(self._internal(disclosure, outcome, cause))
        await self._store(connection, batch)

    async def not_printed(self, connection: Connection, disclosure: Disclosure, reason: str) -> None:
        """Likewise, of what somebody asked to print and the gate withheld: the referral stands as it stood."""
        batch = Batch(PATIENT, {}, self.routes)
        self._record(batch, disclosure, "withheld", reason, None)
        await self._store(connection, batch)

    async def parked(self, connection: Connection, row: DisclosureRow) -> None:
        """Within the caller's transaction: nothing of it was sent by this, but its service has to know that it waits
        for a person."""
        now, batch = self.clock.now(), Batch(PATIENT, {}, self.routes)
        event = DisclosureParked(**self.about(row), may_have_been_received=row.may_have_been_received)
        # One that was redriven and fails once more is news again.
        batch.note(self._internal(row, event, uuid5(row.cause, f"parked:{row.id}:{now.isoformat()}")))
        await self._store(connection, batch)

    async def quarantined(self, connection: Connection, row: DisclosureRow, ledger_version: int) -> frozenset[str]:
        """Within the caller's transaction, in which the row has left its lane: it ends unsent, as what is withheld.
        The lanes that this feeds."""
        batch, received = Batch(PATIENT, {}, self.routes), row.may_have_been_received
        outcome = DisclosureWithheld(
            **self.about(row),
            reason=QUARANTINED,
            ledger_version=ledger_version,
            may_have_been_received=received,
        )
        result: DisclosureResult = "withheld-after-attempt" if received else "withheld"
        cause = self._record(batch, row, result, QUARANTINED, None)
        batch.note(self._internal(row, outcome, cause))
        await self._store(connection, batch)
        return batch.lanes

    def about(self, row: DisclosureRow) -> About:
        return About(partner=self.partner.name, focus=row.focus, attempt=row.attempt)

    async def _end(self, batch: Batch, disclosure: Disclosure, outcome: DisclosureOutcome, cause: UUID) -> None:
        """The row's end, its accounting and its outcome: all or none."""
        batch.note(self._internal(disclosure, outcome, cause))
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(_END, self.lane, disclosure.id, disclosure.key)
            await self._store(connection, batch)
        self.wake(batch.lanes)

    async def _store(self, connection: Connection, batch: Batch) -> None:
        now = self.clock.now()
        await store.store(connection, self.service.deciders[PATIENT], batch, now, now)

    def _record(
        self,
        batch: Batch,
        disclosure: DisclosureRow,
        result: DisclosureResult,
        reason: str | None,
        permitted: Permitted | None,
    ) -> UUID:
        """Into the batch; the record's id. What was withheld has an AuditEvent of its own, beside those of sends."""
        now, cause = self.clock.now(), uuid5(disclosure.cause, f"{result}:{disclosure.attempt}:{disclosure.attempts}")
        about = f"send:{disclosure.sends + 1}" if permitted else "withheld"
        recorded = DisclosureRecorded(
            audit_id=str(uuid5(disclosure.cause, f"audit:{about}")),
            result=result,
            reason=reason,
            partner=self.partner.name,
            purpose=self.partner.purpose,
            service=self.service.name,
            focus=disclosure.focus,
            consent_id=permitted.consent_id if permitted else None,
            recorded_at=now,
            fields=permitted.fields if permitted else (),
        )
        record = wire.write(recorded, self._envelope(recorded, disclosure, cause, now))
        batch.emit(recorded, record, disclosure.key, disclosure.program)
        return cause

    def _envelope(self, event: Event, disclosure: DisclosureRow, cause: UUID, now: datetime) -> Envelope:
        return Envelope(
            id=cause,
            source=self.service.name,
            event=type(event).__name__,
            program=disclosure.program,
            patient=disclosure.key,
            at=now,
            correlation_id=disclosure.correlation_id,
            causation_id=disclosure.cause,
            traceparent=disclosure.traceparent,
        )

    def _internal(
        self, disclosure: DisclosureRow, outcome: DisclosureOutcome | DisclosureParked, cause: UUID
    ) -> Internal:
        return Internal(
            id=cause,
            key=disclosure.key,
            program=disclosure.program,
            at=self.clock.now(),
            producer=self.service.name,
            correlation_id=disclosure.correlation_id,
            traceparent=disclosure.traceparent,
            event=outcome,
        )


def read(row: Row) -> Disclosure:
    """Raises MsgspecError, LookupError or ValueError for a row that says something else."""
    named = wire.event_name(msgspec.json.decode(row["headers"], type=dict[str, str]))
    return Disclosure(**vars(_by_headers(row)), event=msgspec.json.decode(row["body"], type=_DISCLOSED[named]))


def by_headers(row: Row) -> DisclosureRow | None:
    """What can be known of a row whose body can't be read, or makes trouble; None where its headers can't be either."""
    try:
        return _by_headers(row)
    except (msgspec.MsgspecError, LookupError, ValueError):
        return None


def _by_headers(row: Row) -> DisclosureRow:
    headers: Mapping[str, str] = msgspec.json.decode(row["headers"], type=dict[str, str])
    return DisclosureRow(
        id=row["id"],
        key=row["key"],
        program=headers["ce_program"],
        cause=UUID(headers["ce_id"]),
        correlation_id=UUID(headers["ce_correlationid"]),
        attempts=row["attempts"],
        sends=row["sends"],
        stored_at=row["stored_at"],
        focus=headers[FOCUS],
        attempt=int(headers[ATTEMPT]),
        traceparent=wire.context(headers),
    )
