"""Gated lanes: no disclosure leaves without asking the consent gate, at release, of a ledger that is current.

The gate is asked twice: for what goes out, and again once the connection is open, right before the first byte, in the
transaction that enters the send in the books and lets nothing of the patient change. A row
ends in an outcome (`accounting`). The way out fails as the way in does: refused (the partner said no for good), trouble
(back off), bug and unreadable (the row is parked, its patient's later rows of the lane wait, the others go on).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, assert_never

import msgspec

from shared.events.aftercare import PARTNER_FULL, TO_BE_PRINTED
from shared.events.internal import DisclosureGaveUp, DisclosureMade, DisclosureRefused, DisclosureWithheld
from shared.events.partner_answer import AnswerPrepared
from shared.path.destination import Contact, Destination, Release, Routes, Transport
from shared.path.outbound import places
from shared.path.outbound.accounting import Accounts, Disclosure, by_headers, read
from shared.path.outbound.destinations import MLLP
from shared.path.outbound.lane import IDLE_SECONDS_MOST, WakeUp, run_lane, wait_for_work
from shared.path.outbound.mllp import MllpSender
from shared.path.outbound.parking import Class, Parking
from shared.path.outbound.proving import PartnerSender
from shared.path.outbound.sender import Content, Delivered, NotSent, RefusedForGood, Reply, Send, Sender, Trouble
from shared.path.service import PATIENT, Service
from shared.path.transaction import consent_ledger, resources, sealed, store
from shared.path.transaction.batch import INTERNAL_LANE
from shared.path.transaction.consent_ledger import LedgerSnapshot
from shared.platform import db, log, metrics, tracing
from shared.platform.clock import Clock, machine_now, ticks
from shared.platform.db import Connection, Pool, Row
from shared.platform.tracing import Span
from shared.rules.consent import Partner, Permitted, Withheld, as_receiver, as_referrer, may_disclose

ROWS_AT_ONCE = 8
LEDGER_WAIT_SECONDS = 1.0
YES_SECONDS_MOST = 1.0
"""A send begins at most so long after the gate's yes, else the gate is asked again."""
BACK_OFF_SECONDS_FIRST = 1.0
_ASK_AGAIN, _TOO_LATE = "another-answer", "yes-too-old"
# The rows that have been due longest: concurrency across patients, order within one. A row that is not its patient's
# first is put off, until that one is due, and moved up once it has ended (`accounting`): what waits costs no poll.
_NEXT = """WITH due AS MATERIALIZED (
        SELECT id, key, program, headers, body, attempts, sends, stored_at FROM outbox
        WHERE lane = $1 AND lane LIKE 'partner:%' AND parked IS NULL AND coalesce(not_before, stored_at) <= now()
        ORDER BY coalesce(not_before, stored_at), id LIMIT $2),
    looked AS MATERIALIZED (SELECT due.*, first.id IS NOT NULL AS behind, first.not_before FROM due LEFT JOIN LATERAL (
        SELECT id, not_before FROM outbox o WHERE lane = $1 AND lane LIKE 'partner:%' AND o.key = due.key
            AND o.id < due.id ORDER BY key, id LIMIT 1) AS first ON true),
    put_off AS (UPDATE outbox o SET not_before = greatest(looked.not_before, now() + interval '1 min') FROM looked
        WHERE looked.behind AND o.lane = $1 AND o.id = looked.id)
    SELECT * FROM looked ORDER BY id"""
ReadLedger = Callable[[Connection, str, str, datetime], Awaitable[LedgerSnapshot]]
_LATER = "UPDATE outbox SET not_before = now() + $3 WHERE lane = $1 AND id = $2"


@dataclass(frozen=True)
class Asked:
    """The gate's answer, with what goes out if it is yes; None while nobody can know. And the ledger it read."""

    ledger: LedgerSnapshot
    answer: tuple[Permitted, Content] | Withheld | None


class GatedLane:
    """Releases one partner's rows through the gate. A hanging partner delays nobody else."""

    def __init__(
        self, service: Service, destination: Destination[Any], routes: Routes, pool: Pool, clock: Clock, wake_up: WakeUp
    ) -> None:
        if destination.gate is None or destination.form is None:
            raise ValueError("a gated destination has a gate and a form")
        if (destination.transport is None) != destination.gate.printed:
            raise ValueError("a gated destination has a transport, or is printed")
        self._service = service
        self._partner = destination.gate
        self._form = destination.form
        self._closed = destination.closed
        self._sender = _sender(self._partner, destination.transport or Transport(""))
        self._pool = pool
        self._clock = clock
        self._parking = Parking(service.name, routes, clock, wake_up)
        self.lane = destination.lane
        self._accounts = Accounts(service, self._partner, self.lane, routes, pool, clock, wake_up.ring)
        self._fed = wake_up.listen(self.lane)
        self._wake_up = wake_up

    async def run(self, dsn: str) -> None:
        await run_lane(dsn, self.lane, self._sender.opened, self._turn)

    async def _turn(self, connection: Connection, send: Send) -> None:
        rows = await connection.fetch(_NEXT, self.lane, ROWS_AT_ONCE)
        if not rows:
            await wait_for_work(self._fed, IDLE_SECONDS_MOST)
            return
        await asyncio.gather(*(self._release(row, send) for row in rows if not row["behind"]))

    async def _release(self, row: Row, send: Send) -> None:
        """One row, whatever comes of it: only trouble of our own ends the turn."""
        try:
            disclosure = read(row)
        except (msgspec.MsgspecError, LookupError, ValueError) as wrong:
            await self._park(row, "unreadable", log.place_of(wrong))
            return
        try:
            with tracing.span("send", disclosure.traceparent, lane=self.lane) as span:
                await self._disclose(replace(disclosure, traceparent=tracing.present()), send, span)
        except Exception as bug:
            if db.is_trouble(bug):
                raise
            await self._park(row, "bug", log.place_of(bug))

    async def _disclose(self, disclosure: Disclosure, send: Send, span: Span) -> None:
        asked = await self._ask(disclosure)
        match asked.answer:
            case None:
                # Trouble, not Withheld: nobody may be told no because we don't know.
                await self._later(disclosure, LEDGER_WAIT_SECONDS)
                span.ended(outcome="Waits")
            case Withheld() as withheld:
                await self._withhold(disclosure, withheld, asked.ledger)
                span.ended(outcome="Withheld")
            case _ if self._partner.printed:
                await self._withhold(disclosure, Withheld(TO_BE_PRINTED), asked.ledger)
                span.ended(outcome="Printed")
            case permitted, content:
                reply = await self._send(disclosure, permitted, content, send)
                span.ended(failed=isinstance(reply, Trouble), outcome=type(reply).__name__)

    async def printed(self, disclosure: Disclosure) -> Asked:
        """The gate's answer for paper that is handed over now. Whether yes or no, it is in the books before anybody
        has it, and nothing of the patient changes meanwhile."""
        async with self._pool.acquire() as connection, connection.transaction():
            await places.in_turn(connection, self._partner)
            await store.stand_still(connection, PATIENT, disclosure.key)
            asked = await self._ask_within(connection, disclosure, consent_ledger.read_standing_still)
            match asked.answer:
                case Withheld(reason=reason):
                    await self._accounts.not_printed(connection, disclosure, reason)
                case permitted, _:
                    made = DisclosureMade(**self._accounts.about(disclosure), consent_id=permitted.consent_id)
                    await self._accounts.printed(connection, disclosure, made, permitted)
        return asked

    async def _ask(self, disclosure: Disclosure) -> Asked:
        async with self._pool.acquire() as connection:
            return await self._ask_within(connection, disclosure, consent_ledger.read)

    async def _ask_within(self, connection: Connection, disclosure: Disclosure, read: ReadLedger) -> Asked:
        known = await read(connection, disclosure.program, disclosure.key, machine_now())
        contact = await self._contact(connection, disclosure)
        taken_back = await _taken_back(connection, disclosure)
        full = Withheld(PARTNER_FULL) if await self._accounts.is_full(connection, disclosure) else None
        if not known.current or known.held:
            return Asked(known, None)
        answer = self._answer(disclosure, known, contact, taken_back)
        return Asked(known, answer if isinstance(answer, Withheld) else full or answer)

    def _answer(
        self, disclosure: Disclosure, known: LedgerSnapshot, contact: Contact, taken_back: Withheld | None
    ) -> tuple[Permitted, Content] | Withheld:
        if (over := taken_back or self._closed) is not None:
            return over
        now = self._clock.now()
        partner = (as_referrer if isinstance(disclosure.event, AnswerPrepared) else as_receiver)(self._partner)
        permission = may_disclose(known.consents, partner, disclosure.program, now, known.revoked)
        if isinstance(permission, Withheld):
            return permission
        release = Release(
            patient=disclosure.key,
            program=disclosure.program,
            permitted=permission,
            partner=partner,
            contact=contact,
            row_id=disclosure.external_id,
            now=now,
        )
        content = self._form(disclosure.event, release)
        return content if isinstance(content, Withheld) else (permission, content)

    async def _withhold(self, disclosure: Disclosure, withheld: Withheld, known: LedgerSnapshot) -> None:
        metrics.WITHHELD.labels(self._service.name, self._partner.name).inc()
        outcome = DisclosureWithheld(
            **self._accounts.about(disclosure),
            reason=withheld.reason,
            ledger_version=known.version,
            until=withheld.until,
            may_have_been_received=disclosure.may_have_been_received,
        )
        await self._accounts.withheld(disclosure, outcome)

    async def _send(self, disclosure: Disclosure, permitted: Permitted, content: Content, send: Send) -> Reply:
        asked_at = ticks()

        async def stands(connection: Connection) -> bool:
            nonlocal asked_at
            asked_at = ticks()
            asked = await self._ask_within(connection, disclosure, consent_ledger.read_standing_still)
            return asked.answer == (permitted, content)

        async def why_not() -> str | None:
            """The gate is asked again, and the send it permits enters the books."""
            if not await self._accounts.attempted(disclosure, permitted, stands):
                return _ASK_AGAIN
            return None if ticks() - asked_at <= YES_SECONDS_MOST else _TOO_LATE

        reply = await send(content, disclosure.external_id, disclosure.traceparent, why_not)
        about = self._accounts.about(disclosure)
        match reply:
            case Delivered():
                made = DisclosureMade(**about, consent_id=permitted.consent_id)
                await self._accounts.sent(disclosure, made, "made", None, permitted)
            case RefusedForGood(reason=reason):
                refused = DisclosureRefused(**about, reason=reason)
                await self._accounts.sent(disclosure, refused, "refused", reason, permitted)
            case NotSent(reason=reason) if reason == _ASK_AGAIN:
                pass  # the row stands as it was, and is looked at again
            case Trouble() | NotSent():
                await self._again(disclosure, reply, permitted)
            case _:
                assert_never(reply)
        return reply

    async def _again(self, disclosure: Disclosure, reply: Trouble | NotSent, permitted: Permitted) -> None:
        attempt, partner, left = disclosure.attempts, self._partner.name, isinstance(reply, Trouble)
        log.get().warning("partner not reached", partner=partner, error=reply.reason, attempt=attempt)
        if machine_now() - disclosure.stored_at > timedelta(hours=self._partner.hours_tried_most):
            received = left or disclosure.may_have_been_received
            gone = DisclosureGaveUp(**self._accounts.about(disclosure), may_have_been_received=received)
            await self._accounts.sent(disclosure, gone, "gave-up" if left else "not-sent", reply.reason, permitted)
            return
        seconds = back_off_seconds(attempt, self._partner) * random.uniform(0.8, 1.2)
        if left:
            await self._later(disclosure, seconds)
        else:
            committed = reply.reason == _TOO_LATE
            await self._accounts.not_sent(disclosure, reply.reason, permitted, timedelta(seconds=seconds), committed)
            self._wake_up.ring_after(self.lane, seconds)

    async def _later(self, disclosure: Disclosure, seconds: float) -> None:
        await self._pool.execute(_LATER, self.lane, disclosure.id, timedelta(seconds=seconds))
        self._wake_up.ring_after(self.lane, seconds)

    async def _contact(self, connection: Connection, disclosure: Disclosure) -> Contact:
        """The Patient as the hub has it, opened, with what is opened only here; empty where it has none."""
        row = await resources.one(connection, disclosure.program, ("Patient", disclosure.key))
        if row is None or not row["sealed"] or self._service.keys is None:
            return {}
        return sealed.opened_to_disclose(self._service.keys, row)

    async def _park(self, row: Row, class_: Class, place: str) -> None:
        """Its service hears of it, unless not even the headers say what it is about."""
        async with self._pool.acquire() as connection, connection.transaction():
            await self._parking.park(connection, self.lane, row, class_, place)
            if (known := by_headers(row)) is not None:
                await self._accounts.parked(connection, known)
        self._wake_up.ring([INTERNAL_LANE])


def _sender(partner: Partner, transport: Transport) -> Sender:
    return MllpSender(transport) if partner.form == MLLP else PartnerSender(transport)


def back_off_seconds(attempt: int, partner: Partner) -> float:
    """How long after this attempt, from 0, the next one waits."""
    return min(BACK_OFF_SECONDS_FIRST * 2.0 ** min(attempt, 30), partner.try_again_minutes_most * 60.0)


async def _taken_back(connection: Connection, disclosure: Disclosure) -> Withheld | None:
    """That what is disclosed was taken back meanwhile, where it was."""
    ended_by = disclosure.event.ended_by
    if ended_by is None:
        return None
    row = await resources.one(connection, disclosure.program, (ended_by.type, ended_by.id))
    reason = ended_by.reasons.get(row["status"]) if row is not None else None
    return Withheld(reason) if reason is not None else None
