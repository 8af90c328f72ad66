"""Outward: the one importer of httpx in a service, and the partner lanes with the consent gate on their doorstep.

No disclosure leaves without asking the gate, at release, of a ledger that is current. A partner row ends in an
outcome: in one transaction the row is deleted, the AuditEvent kept and said, the outcome written to lane self.
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

from shared.path import keep, ledger, log, metrics
from shared.path.batch import Batch, OutboxRow, say
from shared.path.clock import Clock, machine_now
from shared.path.db import Connection
from shared.path.identity import Keys
from shared.path.lanes import LANE_SELF, self_head
from shared.path.ledger import Known
from shared.path.relay import Bell, rest, run_lane
from shared.path.service import Service
from shared.rules.consent import Partner, Permitted, Withheld, may_disclose
from shared.words import inner, wire
from shared.words.envelope import Envelope, Resource
from shared.words.inner import DisclosureGaveUp, DisclosureMade, DisclosureRefused, DisclosureWithheld, Outcome
from shared.words.technical import DisclosureRecorded

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
_NEXT = """SELECT * FROM (SELECT DISTINCT ON (key) id, key, head, body, attempts, kept_at, not_before FROM outbox
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
    kept_at: datetime
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

    def __init__(self, service: Service, partner: Partner, pool: Any, clock: Clock, form: Form, bell: Bell) -> None:
        self._service = service
        self._keys: Keys = service.keys
        self._partner = partner
        self._url = os.environ.get(f"IOP_PARTNER_URL_{partner.name.upper().replace('-', '_')}", partner.url)
        self._pool = pool
        self._clock = clock
        self._form = form
        self._bell = bell
        self.lane = f"partner:{partner.name}"
        self._fed = bell.listen(self.lane)

    async def run(self, dsn: str) -> None:
        await run_lane(dsn, self.lane, _client, self._turn)

    async def _turn(self, connection: Connection, client: httpx.AsyncClient) -> None:
        rows = await connection.fetch(_NEXT, self.lane, PATIENTS_AT_ONCE)
        if not rows:
            await rest(self._fed, POLL_SECONDS)
            return
        await asyncio.gather(*(self._release(_row(each), client) for each in rows))

    async def _release(self, row: Row, client: httpx.AsyncClient) -> None:
        async with self._pool.acquire() as connection:
            known = await ledger.read(connection, row.key, machine_now())
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

    async def _withhold(self, row: Row, withheld: Withheld, known: Known) -> None:
        metrics.WITHHELD.labels(self._service.name, self._partner.name).inc()
        outcome = DisclosureWithheld(
            partner=self._partner.name,
            focus=row.focus,
            attempt=row.attempt,
            because=withheld.because,
            ledger_version=known.version,
            until=withheld.until,
        )
        await self._end(row, outcome, "withheld", withheld.because, None)

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
        told: dict[str, Any] = {"partner": self._partner.name, "focus": row.focus, "attempt": row.attempt}
        if answer.is_success:
            made = DisclosureMade(consent_id=permitted.consent_id, **told)
            await self._end(row, made, "made", None, permitted.consent_id)
        elif answer.is_client_error and answer.status_code not in _RETRIED:
            because = f"http-{answer.status_code}"
            await self._end(row, DisclosureRefused(because=because, **told), "refused", because, permitted.consent_id)
        else:
            await self._again(row, f"http-{answer.status_code}", permitted)

    async def _again(self, row: Row, because: str, permitted: Permitted) -> None:
        log.get().warning("partner not reached", partner=self._partner.name, error=because, attempt=row.attempts)
        if machine_now() - row.kept_at > timedelta(hours=TRYING_HOURS_MOST):
            gone = DisclosureGaveUp(partner=self._partner.name, focus=row.focus, attempt=row.attempt)
            # The partner may have read what it did not acknowledge: accounted for with its consent like any other.
            await self._end(row, gone, "gave-up", because, permitted.consent_id)
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

    async def _end(self, row: Row, outcome: Outcome, result: Any, because: str | None, consent_id: str | None) -> None:
        """The row's end, its accounting (42 CFR 2.25) and its outcome: all or none."""
        now, cause = self._clock.now(), uuid5(row.cause, f"{result}:{row.attempt}")
        recorded = DisclosureRecorded(
            audit_id=str(uuid5(cause, "audit")),
            result=result,
            because=because,
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
            word=DisclosureRecorded.__name__,
            program=row.program,
            patient=row.key,
            at=now,
            correlation_id=row.correlation_id,
            causation_id=row.cause,
        )
        batch = Batch({})
        say(batch, recorded, wire.write(recorded, envelope), row.key, row.program)
        head = self_head(cause, row.program, self._service.name, now, row.correlation_id)
        batch.outbox.append(OutboxRow(LANE_SELF, row.program, row.key, head, inner.encode_inner(outcome).decode()))
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(keep.DELETE_PARTNER, self.lane, row.id)
            await keep.keep(connection, self._service, batch, now, now)
        self._bell.ring(batch.lanes)


@asynccontextmanager
async def _client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
        yield client


def _row(record: Mapping[str, Any]) -> Row:
    head = json.loads(record["head"])
    return Row(
        id=record["id"],
        key=record["key"],
        program=head["ce_program"],
        cause=UUID(head["ce_id"]),
        correlation_id=UUID(head["ce_correlationid"]),
        attempts=record["attempts"],
        kept_at=record["kept_at"],
        message=json.loads(record["body"]),
    )
