"""Gated lanes: no disclosure leaves without asking the consent gate, at release, of a ledger that is current.

A row ends in an outcome: in one transaction the row is deleted, the AuditEvent stored and emitted, the outcome written
to lane internal. The way out fails as the way in does: refused (the partner said no for good), trouble (back off),
bug and unreadable (the row is parked, its patient's later rows of the lane wait, the others go on).
"""

import asyncio
import random
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid5

import msgspec

from shared.events import wire
from shared.events.catalogue import BY_NAME
from shared.events.envelope import Envelope, Event, Resource
from shared.events.internal import (
    DisclosureGaveUp,
    DisclosureMade,
    DisclosureOutcome,
    DisclosureRefused,
    DisclosureWithheld,
)
from shared.events.technical import DisclosureRecorded
from shared.path.destination import Contact, Destination, Routes
from shared.path.outbound import http
from shared.path.outbound.destinations import ATTEMPT, FOCUS
from shared.path.outbound.http import Delivered, RefusedForGood, Trouble
from shared.path.outbound.lane import WakeUp, run_lane, wait_for_work
from shared.path.outbound.parking import Class, Parking
from shared.path.service import PATIENT, Service
from shared.path.transaction import consent_ledger, resources, store
from shared.path.transaction.batch import Batch
from shared.path.transaction.consent_ledger import LedgerSnapshot
from shared.path.transaction.delivery import Internal
from shared.platform import db, log, metrics
from shared.platform.clock import Clock, machine_now
from shared.platform.db import Connection, Pool, Row
from shared.rules.consent import Permitted, Withheld, may_disclose

PATIENTS_AT_ONCE = 8
POLL_SECONDS = 0.100
LEDGER_WAIT_SECONDS = 1.0
BACK_OFF_SECONDS_FIRST = 1.0
BACK_OFF_SECONDS_MOST = 300.0
TRYING_HOURS_MOST = 72.0
# The first row of each patient: concurrency across patients, order within one. A parked row holds those behind it.
_NEXT = """SELECT * FROM (
        SELECT DISTINCT ON (key) id, key, program, headers, body, attempts, stored_at, not_before, parked
        FROM outbox WHERE lane = $1 ORDER BY key, id) AS first
    WHERE parked IS NULL AND (not_before IS NULL OR not_before <= now()) ORDER BY id LIMIT $2"""
_LATER = "UPDATE outbox SET attempts = attempts + $2, not_before = now() + $3 WHERE id = $1"
Result = Literal["made", "withheld", "refused", "gave-up"]


@dataclass(frozen=True)
class Disclosure:
    """One row of a gated lane, read."""

    id: int
    key: str
    program: str
    cause: UUID
    correlation_id: UUID
    attempts: int
    stored_at: datetime
    focus: str
    attempt: int
    event: Event

    @property
    def external_id(self) -> str:
        """Of each send of this row: a crash after the send repeats it, and the partner recognises it."""
        return str(uuid5(self.cause, "disclosure"))


class GatedLane:
    """Releases one partner's rows through the gate. A hanging partner delays nobody else."""

    def __init__(
        self, service: Service, destination: Destination[Any], routes: Routes, pool: Pool, clock: Clock, wake_up: WakeUp
    ) -> None:
        if destination.gate is None or destination.form is None or destination.transport is None:
            raise ValueError("a gated destination has a gate, a form and a transport")
        self._service = service
        self._partner = destination.gate
        self._form = destination.form
        self._transport = destination.transport
        self._routes = routes
        self._pool = pool
        self._clock = clock
        self._wake_up = wake_up
        self._parking = Parking(service.name, routes, clock, wake_up)
        self.lane = destination.lane
        self._fed = wake_up.listen(self.lane)

    async def run(self, dsn: str) -> None:
        await run_lane(dsn, self.lane, http.client, self._turn)

    async def _turn(self, connection: Connection, client: http.HttpClient) -> None:
        rows = await connection.fetch(_NEXT, self.lane, PATIENTS_AT_ONCE)
        if not rows:
            await wait_for_work(self._fed, POLL_SECONDS)
            return
        await asyncio.gather(*(self._release(row, client) for row in rows))

    async def _release(self, row: Row, client: http.HttpClient) -> None:
        """One row, whatever comes of it: only trouble of our own ends the turn."""
        try:
            disclosure = _read(row)
        except (msgspec.MsgspecError, LookupError, ValueError) as wrong:
            await self._park(row, "unreadable", log.place_of(wrong))
            return
        try:
            await self._disclose(disclosure, client)
        except Exception as bug:
            if db.is_trouble(bug):
                raise
            await self._park(row, "bug", log.place_of(bug))

    async def _disclose(self, disclosure: Disclosure, client: http.HttpClient) -> None:
        async with self._pool.acquire() as connection:
            known = await consent_ledger.read(connection, disclosure.key, machine_now())
            contact = await self._contact(connection, disclosure)
            revoked = await _is_revoked(connection, disclosure)
        if not known.current or known.held:
            # Trouble, not Withheld: nobody may be told no because we don't know.
            await self._later(disclosure, LEDGER_WAIT_SECONDS, tried=0)
            return
        answer = self._answer(disclosure, known, contact, revoked)
        if isinstance(answer, Withheld):
            await self._withhold(disclosure, answer, known)
        else:
            await self._send(disclosure, *answer, client)

    def _answer(
        self, disclosure: Disclosure, known: LedgerSnapshot, contact: Contact, revoked: bool
    ) -> tuple[Permitted, Resource] | Withheld:
        """The gate's answer, and what goes out if it is yes."""
        if revoked:
            return Withheld("referral-withdrawn")
        permission = may_disclose(known.consents, self._partner, disclosure.program, self._clock.now())
        if isinstance(permission, Withheld):
            return permission
        bundle = self._form(
            disclosure.event, disclosure.key, permission, self._partner, contact, disclosure.external_id
        )
        return bundle if isinstance(bundle, Withheld) else (permission, bundle)

    async def _withhold(self, disclosure: Disclosure, withheld: Withheld, known: LedgerSnapshot) -> None:
        metrics.WITHHELD.labels(self._service.name, self._partner.name).inc()
        outcome = DisclosureWithheld(
            **self._about(disclosure), reason=withheld.reason, ledger_version=known.version, until=withheld.until
        )
        await self._end(disclosure, outcome, "withheld", withheld.reason, None)

    async def _send(
        self, disclosure: Disclosure, permitted: Permitted, bundle: Resource, client: http.HttpClient
    ) -> None:
        headers = {"Content-Type": "application/fhir+json", "Idempotency-Key": disclosure.external_id}
        reply = await http.post(client, self._transport, msgspec.json.encode(bundle), headers)
        about, consent_id = self._about(disclosure), permitted.consent_id
        match reply:
            case Delivered():
                made = DisclosureMade(**about, consent_id=consent_id)
                await self._end(disclosure, made, "made", None, consent_id)
            case RefusedForGood(reason=reason):
                refused = DisclosureRefused(**about, reason=reason)
                await self._end(disclosure, refused, "refused", reason, consent_id)
            case Trouble(reason=reason):
                await self._again(disclosure, reason, permitted)

    def _about(self, disclosure: Disclosure) -> dict[str, Any]:
        return {"partner": self._partner.name, "focus": disclosure.focus, "attempt": disclosure.attempt}

    async def _again(self, disclosure: Disclosure, reason: str, permitted: Permitted) -> None:
        attempt, partner = disclosure.attempts, self._partner.name
        log.get().warning("partner not reached", partner=partner, error=reason, attempt=attempt)
        if machine_now() - disclosure.stored_at > timedelta(hours=TRYING_HOURS_MOST):
            gone = DisclosureGaveUp(**self._about(disclosure))
            # The partner may have read what it did not acknowledge: accounted for with its consent like any other.
            await self._end(disclosure, gone, "gave-up", reason, permitted.consent_id)
            return
        pause = min(BACK_OFF_SECONDS_FIRST * 2**attempt, BACK_OFF_SECONDS_MOST)
        await self._later(disclosure, pause * random.uniform(0.8, 1.2), tried=1)

    async def _later(self, disclosure: Disclosure, seconds: float, tried: int) -> None:
        await self._pool.execute(_LATER, disclosure.id, tried, timedelta(seconds=seconds))

    async def _contact(self, connection: Connection, disclosure: Disclosure) -> Contact:
        """The Patient as the hub has it, opened; empty where it has none."""
        row = await resources.one(connection, disclosure.program, ("Patient", disclosure.key))
        if row is None or not row["sealed"] or self._service.keys is None:
            return {}
        contact: dict[str, Any] = msgspec.json.decode(self._service.keys.decrypt(b64decode(row["body"])))
        return contact

    async def _end(
        self,
        disclosure: Disclosure,
        outcome: DisclosureOutcome,
        result: Result,
        reason: str | None,
        consent_id: str | None,
    ) -> None:
        """The row's end, its accounting (42 CFR 2.25) and its outcome: all or none."""
        now, cause = self._clock.now(), uuid5(disclosure.cause, f"{result}:{disclosure.attempt}")
        recorded = DisclosureRecorded(
            audit_id=str(uuid5(cause, "audit")),
            result=result,
            reason=reason,
            partner=self._partner.name,
            purpose=self._partner.purpose,
            service=self._service.name,
            focus=disclosure.focus,
            consent_id=consent_id,
            recorded_at=now,
        )
        batch = Batch(PATIENT, {}, self._routes)
        record = wire.write(recorded, self._envelope(recorded, disclosure, cause, now))
        batch.emit(recorded, record, disclosure.key, disclosure.program)
        batch.note(self._internal(disclosure, outcome, cause, now))
        async with self._pool.acquire() as connection, connection.transaction():
            await store.delete(connection, self.lane, [disclosure.id])
            await store.store(connection, self._service.deciders[PATIENT], batch, now, now)
        self._wake_up.ring(batch.lanes)

    async def _park(self, row: Row, class_: Class, place: str) -> None:
        async with self._pool.acquire() as connection:
            await self._parking.park(connection, self.lane, row, class_, place)

    def _envelope(self, event: Event, disclosure: Disclosure, cause: UUID, now: datetime) -> Envelope:
        return Envelope(
            id=cause,
            source=self._service.name,
            event=type(event).__name__,
            program=disclosure.program,
            patient=disclosure.key,
            at=now,
            correlation_id=disclosure.correlation_id,
            causation_id=disclosure.cause,
        )

    def _internal(self, disclosure: Disclosure, outcome: DisclosureOutcome, cause: UUID, now: datetime) -> Internal:
        return Internal(
            id=cause,
            key=disclosure.key,
            program=disclosure.program,
            at=now,
            producer=self._service.name,
            correlation_id=disclosure.correlation_id,
            event=outcome,
        )


async def _is_revoked(connection: Connection, disclosure: Disclosure) -> bool:
    """Whether what is disclosed was taken back meanwhile."""
    type_, _, identity = disclosure.focus.partition("/")
    row = await resources.one(connection, disclosure.program, (type_, identity))
    return row is not None and row["status"] == "revoked"


def _read(row: Row) -> Disclosure:
    """Raises MsgspecError, LookupError or ValueError for a row that says something else."""
    headers: Mapping[str, str] = msgspec.json.decode(row["headers"], type=dict[str, str])
    return Disclosure(
        id=row["id"],
        key=row["key"],
        program=headers["ce_program"],
        cause=UUID(headers["ce_id"]),
        correlation_id=UUID(headers["ce_correlationid"]),
        attempts=row["attempts"],
        stored_at=row["stored_at"],
        focus=headers[FOCUS],
        attempt=int(headers[ATTEMPT]),
        event=msgspec.json.decode(row["body"], type=BY_NAME[wire.event_name(headers)].event),
    )
