"""Outward: the one importer of httpx in a service, and the partner lanes with the consent gate on their doorstep.

No disclosure leaves without asking the gate, at release, of a ledger that is current. A partner row ends in an
outcome: in one transaction the row is deleted, the AuditEvent stored and emitted, the outcome written to lane internal.
"""

import asyncio
import json
import os
import random
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import httpx
import msgspec

from shared.events import internal, wire
from shared.events.envelope import Envelope, Resource
from shared.events.internal import (
    DisclosureGaveUp,
    DisclosureMade,
    DisclosureOutcome,
    DisclosureRefused,
    DisclosureWithheld,
)
from shared.events.technical import DisclosureRecorded
from shared.path.inbound.internal import INTERNAL_LANE, internal_headers
from shared.path.outbound.lane import WakeUp, run_lane, wait_for_work
from shared.path.service import Service
from shared.path.transaction import consent_ledger, store
from shared.path.transaction.aliases import Keys
from shared.path.transaction.batch import Batch, OutboxRow, emit
from shared.path.transaction.consent_ledger import LedgerSnapshot
from shared.platform import log, metrics
from shared.platform.clock import Clock, machine_now
from shared.platform.db import Connection
from shared.rules.consent import Partner, Permitted, Withheld, may_disclose

TIMEOUT_SECONDS = 10.0
PATIENTS_AT_ONCE = 8
POLL_SECONDS = 0.100
LEDGER_WAIT_SECONDS = 1.0
BACK_OFF_SECONDS_FIRST = 1.0
BACK_OFF_SECONDS_MOST = 300.0
TRYING_HOURS_MOST = 72.0
_RETRIED = frozenset({408, 409, 425, 429})
"""Client errors that may pass; every other 4xx is a permanent refusal."""

Form = Callable[[Mapping[str, Any], Permitted, Partner, Mapping[str, Any] | None, str], Resource | Withheld]
"""What goes out, or why it can't be filled in: (message Bundle, permission, partner, the opened Patient, the row's id)
-> transaction Bundle."""

# The first row of each patient: concurrency across patients, order within one.
_NEXT = """SELECT * FROM (SELECT DISTINCT ON (key) id, key, headers, body, attempts, stored_at, not_before FROM outbox
        WHERE lane = $1 ORDER BY key, id) AS first
    WHERE not_before IS NULL OR not_before <= now() ORDER BY id LIMIT $2"""
_LATER = "UPDATE outbox SET attempts = attempts + $2, not_before = now() + $3 WHERE id = $1"
_STATUS = "SELECT status FROM resources WHERE type = 'ServiceRequest' AND id = $1"
_CONTACT = "SELECT body FROM resources WHERE type = 'Patient' AND id = $1 AND sealed"


async def fetch_json(url: str) -> Any:
    """A JSON document over HTTP. Raises OSError when it can't be had."""
    try:
        # Reading all certificates stops the loop for 40 ms, and plain HTTP needs none.
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, verify=url.startswith("https:")) as client:
            answer = await client.get(url)
            answer.raise_for_status()
            return answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise OSError(type(error).__name__) from error


@dataclass(frozen=True)
class Row:
    """One row of a partner lane, read."""

    id: int
    key: str
    program: str
    cause: UUID
    correlation_id: UUID
    attempts: int
    stored_at: datetime
    message: dict[str, Any]

    @property
    def referral(self) -> dict[str, Any]:
        return next(
            each["resource"] for each in self.message["entry"] if each["resource"]["resourceType"] == "ServiceRequest"
        )

    @property
    def focus(self) -> str:
        return f"ServiceRequest/{self.referral['id']}"

    @property
    def attempt(self) -> int:
        task = next(each["resource"] for each in self.message["entry"] if each["resource"]["resourceType"] == "Task")
        number: int = task["input"][0]["valueInteger"]
        return number

    @property
    def external_id(self) -> str:
        """Of each send of this row: a crash after the send repeats it, and the partner recognises it."""
        return str(uuid5(self.cause, "disclosure"))


class PartnerLane:
    """Releases one partner's rows through the gate. A hanging partner delays nobody else."""

    def __init__(
        self, service: Service, partner: Partner, pool: Any, clock: Clock, form: Form, wake_up: WakeUp
    ) -> None:
        self._service = service
        self._keys: Keys = service.keys
        self._partner = partner
        self._url = os.environ.get(f"IOP_PARTNER_URL_{partner.name.upper().replace('-', '_')}", partner.url)
        self._pool = pool
        self._clock = clock
        self._form = form
        self._wake_up = wake_up
        self.lane = f"partner:{partner.name}"
        self._fed = wake_up.listen(self.lane)

    async def run(self, dsn: str) -> None:
        await run_lane(dsn, self.lane, _client, self._turn)

    async def _turn(self, connection: Connection, client: httpx.AsyncClient) -> None:
        rows = await connection.fetch(_NEXT, self.lane, PATIENTS_AT_ONCE)
        if not rows:
            await wait_for_work(self._fed, POLL_SECONDS)
            return
        await asyncio.gather(*(self._release(_row(each), client) for each in rows))

    async def _release(self, row: Row, client: httpx.AsyncClient) -> None:
        async with self._pool.acquire() as connection:
            known = await consent_ledger.read(connection, row.key, machine_now())
        if not known.current or known.held:
            # Trouble, not Withheld: nobody may be told no because we don't know.
            await self._later(row, LEDGER_WAIT_SECONDS, tried=0)
            return
        if await self._pool.fetchval(_STATUS, row.referral["id"]) == "revoked":
            await self._withhold(row, Withheld("referral-withdrawn"), known)
            return
        permission = may_disclose(known.consents, self._partner, row.program, self._clock.now())
        if isinstance(permission, Withheld):
            await self._withhold(row, permission, known)
            return
        bundle = self._form(row.message, permission, self._partner, await self._contact(row.key), row.external_id)
        if isinstance(bundle, Withheld):
            await self._withhold(row, bundle, known)
            return
        await self._send(row, permission, bundle, client)

    async def _withhold(self, row: Row, withheld: Withheld, known: LedgerSnapshot) -> None:
        metrics.WITHHELD.labels(self._service.name, self._partner.name).inc()
        outcome = DisclosureWithheld(
            partner=self._partner.name,
            focus=row.focus,
            attempt=row.attempt,
            reason=withheld.reason,
            ledger_version=known.version,
            until=withheld.until,
        )
        await self._end(row, outcome, "withheld", withheld.reason, None)

    async def _send(self, row: Row, permitted: Permitted, bundle: Resource, client: httpx.AsyncClient) -> None:
        try:
            answer = await client.post(
                self._url,
                content=msgspec.json.encode(bundle),
                headers={"Content-Type": "application/fhir+json", "Idempotency-Key": row.external_id},
            )
        except httpx.HTTPError as error:
            await self._again(row, type(error).__name__, permitted)
            return
        common: dict[str, Any] = {"partner": self._partner.name, "focus": row.focus, "attempt": row.attempt}
        if answer.is_success:
            made = DisclosureMade(consent_id=permitted.consent_id, **common)
            await self._end(row, made, "made", None, permitted.consent_id)
        elif answer.is_client_error and answer.status_code not in _RETRIED:
            reason = f"http-{answer.status_code}"
            await self._end(row, DisclosureRefused(reason=reason, **common), "refused", reason, permitted.consent_id)
        else:
            await self._again(row, f"http-{answer.status_code}", permitted)

    async def _again(self, row: Row, reason: str, permitted: Permitted) -> None:
        log.get().warning("partner not reached", partner=self._partner.name, error=reason, attempt=row.attempts)
        if machine_now() - row.stored_at > timedelta(hours=TRYING_HOURS_MOST):
            gone = DisclosureGaveUp(partner=self._partner.name, focus=row.focus, attempt=row.attempt)
            # The partner may have read what it did not acknowledge: accounted for with its consent like any other.
            await self._end(row, gone, "gave-up", reason, permitted.consent_id)
            return
        pause = min(BACK_OFF_SECONDS_FIRST * 2**row.attempts, BACK_OFF_SECONDS_MOST)
        await self._later(row, pause * random.uniform(0.8, 1.2), tried=1)

    async def _later(self, row: Row, seconds: float, tried: int) -> None:
        await self._pool.execute(_LATER, row.id, tried, timedelta(seconds=seconds))

    async def _contact(self, patient: str) -> dict[str, Any] | None:
        secret = await self._pool.fetchval(_CONTACT, patient)
        if secret is None:
            return None
        contact: dict[str, Any] = msgspec.json.decode(self._keys.decrypt(b64decode(secret)))
        return contact

    async def _end(
        self, row: Row, outcome: DisclosureOutcome, result: Any, reason: str | None, consent_id: str | None
    ) -> None:
        """The row's end, its accounting (42 CFR 2.25) and its outcome: all or none."""
        now, cause = self._clock.now(), uuid5(row.cause, f"{result}:{row.attempt}")
        recorded = DisclosureRecorded(
            audit_id=str(uuid5(cause, "audit")),
            result=result,
            reason=reason,
            partner=self._partner.name,
            purpose=self._partner.purpose,
            service=self._service.name,
            focus=row.focus,
            consent_id=consent_id,
            recorded_at=now,
        )
        envelope = Envelope(
            id=cause,
            source=self._service.name,
            event=DisclosureRecorded.__name__,
            program=row.program,
            patient=row.key,
            at=now,
            correlation_id=row.correlation_id,
            causation_id=row.cause,
        )
        batch = Batch({})
        emit(batch, recorded, wire.write(recorded, envelope), row.key, row.program)
        headers = internal_headers(cause, row.program, self._service.name, now, row.correlation_id)
        batch.outbox.append(
            OutboxRow(INTERNAL_LANE, row.program, row.key, headers, internal.encode_internal(outcome).decode())
        )
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(store.DELETE_PARTNER, self.lane, row.id)
            await store.store(connection, self._service, batch, now, now)
        self._wake_up.ring(batch.lanes)


@asynccontextmanager
async def _client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
        yield client


def _row(record: Mapping[str, Any]) -> Row:
    headers = json.loads(record["headers"])
    return Row(
        id=record["id"],
        key=record["key"],
        program=headers["ce_program"],
        cause=UUID(headers["ce_id"]),
        correlation_id=UUID(headers["ce_correlationid"]),
        attempts=record["attempts"],
        stored_at=record["stored_at"],
        message=json.loads(record["body"]),
    )
