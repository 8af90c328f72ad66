"""The lanes of whoever is on call and of their deputy: pages, sent without a gate, for they name no patient.

A page is told once, and again only until it is taken. Before each try it is asked whether it is still needed, and once
more with the connection open. Pages wait for nobody: each is sent by itself, the gravest first, and a receiver that
hangs delays only its own.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, assert_never
from uuid import UUID

import msgspec

from shared.events import wire
from shared.events.escalation import EscalationEvent
from shared.path.destination import Destination, Transport
from shared.path.outbound import http, page_forms, pages
from shared.path.outbound.destinations import DEPUTY, DEPUTY_LANE, ON_CALL
from shared.path.outbound.lane import IDLE_SECONDS_MOST, LOOK_SECONDS, run_lane, wait_for_work
from shared.path.outbound.links import Links
from shared.path.outbound.page_forms import Message
from shared.path.outbound.pages import Ended, Link, StoredPage
from shared.path.outbound.parking import Class, Parking
from shared.path.outbound.sender import Delivered, NotSent, RefusedForGood, Reply, Trouble
from shared.path.transaction import resources, store
from shared.platform import db, log, metrics, tracing, webhooks
from shared.platform.clock import machine_now
from shared.platform.db import Connection, Pool, Row
from shared.platform.pagers import Channel, Pager
from shared.rules.page import Page, PageContext, TaskNow, is_needed, next_step, pause_seconds, task_now
from shared.rules.rota import Role

PAGES_AT_ONCE = 16
LINK_MINUTES_WHERE_LATE = 60.0
"""A link's validity where the escalation was to be acted on already."""
WAIT_SECONDS_MOST = 60.0
WAIT_SECONDS_MOST_BY_HAND = 1.0
"""With a manual clock nobody knows how soon a time of the clinic comes."""
FORGET_SECONDS_MOST = 60.0
_NOT_NEEDED: Final = "not-needed"
# The gravest of those that are due first: a page that hangs, or thousands that wait, delay none above them. Of those
# alike, a program's of which none is on its way: another's receiver that hangs delays only its own.
_NEXT = """SELECT id, key, program, headers, body FROM outbox
    WHERE lane = $1 AND lane LIKE 'partner:%' AND parked IS NULL AND coalesce(not_before, stored_at) <= now()
        AND id <> ALL($2::bigint[])
    ORDER BY substring(body FROM '"tier":([1-4])') DESC NULLS LAST, program = ANY($4::text[]), id LIMIT $3"""


async def forget_pages(pool: Pool) -> None:
    """Where there is no oncall.toml (any more) nobody rings: what waited to ring goes, else it would wait for ever."""
    lanes = (f"partner:{ON_CALL}", DEPUTY_LANE)
    gone = await db.retrying(lambda: pages.forget_waiting(pool, lanes), seconds_most=FORGET_SECONDS_MOST)
    if gone:
        log.get().warning("pages dropped: there is no oncall.toml any more", count=gone)


@dataclass
class Sending:
    """The pages on their way, by their row, and what went wrong with one of them."""

    client: http.HttpClient
    tasks: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    programs: dict[int, str] = field(default_factory=dict)
    trouble: BaseException | None = None

    @property
    def room(self) -> int:
        """Always for one more: a page that hangs must not keep a graver one waiting."""
        return max(PAGES_AT_ONCE - len(self.tasks), 1)


@dataclass(frozen=True)
class Due:
    """A row of the lane, read: a page of a program that is told of this tier, and what came of it so far."""

    row_id: int
    patient: str
    program: str
    page: Page
    id: UUID
    pager: Pager
    stored: StoredPage | None
    traceparent: str | None

    @property
    def is_of_another_row(self) -> bool:
        """The same page was asked for by an earlier event, or has ended already."""
        return self.stored is not None and (self.stored.ended is not None or self.stored.row_id != self.row_id)


class OnCallLane:
    """Sends the pages of one role of the rota, `on-call` or `deputy`, of all programs."""

    def __init__(
        self,
        destination: Destination[EscalationEvent],
        parking: Parking,
        pagers: Mapping[str, Pager],
        links: Links,
        pool: Pool,
    ) -> None:
        self._role: Role = "deputy" if destination.name == DEPUTY else "on-call"
        self._parking = parking
        self._pagers = pagers
        self._links = links
        self._pool = pool
        self._clock = parking.clock
        self.lane = destination.lane
        self._fed = parking.wake_up.listen(self.lane)
        for result in ("made", "failed", "gave-up", _NOT_NEEDED):
            metrics.PAGES.labels(parking.service, self._role, result)

    async def run(self, dsn: str) -> None:
        await run_lane(dsn, self.lane, self._sending, self._turn)

    @asynccontextmanager
    async def _sending(self) -> AsyncIterator[Sending]:
        async with http.client() as client:
            sending = Sending(client)
            try:
                yield sending
            finally:
                for each in list(sending.tasks.values()):
                    each.cancel()
                await asyncio.gather(*sending.tasks.values(), return_exceptions=True)

    async def _turn(self, connection: Connection, sending: Sending) -> None:
        if sending.trouble is not None:
            raise sending.trouble
        programs = list(set(sending.programs.values()))
        for row in await connection.fetch(_NEXT, self.lane, list(sending.tasks), sending.room, programs):
            self._begin(row, sending)
        await wait_for_work(self._fed, LOOK_SECONDS if sending.tasks else IDLE_SECONDS_MOST)

    def _begin(self, row: Row, sending: Sending) -> None:
        def done(task: asyncio.Task[None]) -> None:
            del sending.tasks[row["id"]], sending.programs[row["id"]]
            if not task.cancelled() and (wrong := task.exception()) is not None:
                sending.trouble = wrong
            self._fed.set()

        task = asyncio.create_task(self._handle(row, sending.client))
        sending.tasks[row["id"]], sending.programs[row["id"]] = task, row["program"]
        task.add_done_callback(done)

    async def _handle(self, row: Row, client: http.HttpClient) -> None:
        """One row, whatever comes of it: only trouble of our own ends the turn."""
        try:
            page = msgspec.json.decode(row["body"], type=Page)
        except msgspec.MsgspecError as wrong:
            await self._park(row, "unreadable", log.place_of(wrong))
            return
        try:
            await self._consider(row, page, client)
        except Exception as bug:
            if db.is_trouble(bug):
                raise
            await self._park(row, "bug", log.place_of(bug))

    async def _consider(self, row: Row, page: Page, client: http.HttpClient) -> None:
        """Whether, and when, it rings."""
        pager, id = self._pagers.get(row["program"]), page.id(self._role)
        if pager is None or page.tier not in pager.tiers or self._role not in pager.on_call.rotas:
            await store.delete(self._pool, self.lane, [row["id"]])
            return
        stored, trace = await pages.read(self._pool, id), wire.context_in(row["headers"])
        due = Due(row["id"], row["key"], row["program"], page, id, pager, stored, trace)
        now = self._clock.now()
        match next_step(page, self._role, await self._known(due), now, pager.on_call.calendar, pager.limits):
            case "ended":
                await store.delete(self._pool, self.lane, [due.row_id])
            case "not-needed":
                await self._end(due, "not-needed")
            case at if at > now:
                wait = self._wait(at - now)
                await pages.later(self._pool, self.lane, due.row_id, wait)
                self._parking.wake_up.ring_after(self.lane, wait.total_seconds())
            case _:
                await self._ring(due, client)

    async def _known(self, due: Due) -> PageContext:
        first = await pages.read(self._pool, due.page.id("on-call")) if self._role == "deputy" else None
        return PageContext(due.is_of_another_row, await self._task(due), None if first is None else first.tried)

    async def _task(self, due: Due) -> TaskNow | None:
        async with self._pool.acquire() as connection:
            row = await resources.one(connection, due.program, ("Task", due.page.escalation_id))
        return None if row is None else task_now(row["body"])

    def _wait(self, left: timedelta) -> timedelta:
        most = WAIT_SECONDS_MOST_BY_HAND if self._clock.is_manual else WAIT_SECONDS_MOST
        return min(left, timedelta(seconds=most))

    async def _ring(self, due: Due, client: http.HttpClient) -> None:
        """Once begun, it goes to the same person however often it is tried, while the rota names them."""
        now, stored = self._clock.now(), due.stored
        receiver = due.page.receiver if self._role == "on-call" else ""
        chosen = due.pager.reachable(stored.person if stored else receiver)
        person = chosen or due.pager.on_call.rotas[self._role].who(now)
        if stored is None and not await self._begins(due, person, now):
            await store.delete(self._pool, self.lane, [due.row_id])
            return
        channel = due.pager.channel_of(person)
        with tracing.span("send", due.traceparent, lane=self.lane) as span:
            reply = await self._send(due, channel, client)
            span.ended(failed=not isinstance(reply, Delivered), outcome=type(reply).__name__)
        match reply:
            case Delivered():
                await self._end(due, "made")
            case NotSent(reason=reason) if reason == _NOT_NEEDED:
                await self._end(due, "not-needed")
            case RefusedForGood() | Trouble() | NotSent():
                await self._again(due, channel, reply.reason)
            case _:
                assert_never(reply)

    async def _begins(self, due: Due, person: str, now: datetime) -> bool:
        late = now + timedelta(minutes=LINK_MINUTES_WHERE_LATE)
        valid_until = due.page.act_by if due.page.act_by > now else late
        found_by = self._links.handle(due.id), self._links.digest(due.id)
        link = Link(due.id, due.program, due.page.escalation_id, self._role, person, *found_by, valid_until)
        return await pages.begin(self._pool, due.row_id, link, now)

    async def _send(self, due: Due, channel: Channel, client: http.HttpClient) -> Reply:
        """One try."""
        body, media_type = page_forms.written(
            Message(str(due.id), due.page, due.program, self._links.url(due.id)), channel
        )
        limits = due.pager.limits
        transport = Transport(channel.url, limits.seconds_most, limits.answer_kilobytes_most * 1024)
        headers = {"Content-Type": media_type, **webhooks.headers(str(due.id), machine_now(), body, channel.secrets)}

        async def why_not() -> str | None:
            return None if is_needed(due.page, await self._task(due)) else _NOT_NEEDED

        return await http.post(client, transport, body, headers, why_not)

    async def _again(self, due: Due, channel: Channel, reason: str) -> None:
        """No answer that says yes: whoever else is to blame, it is tried again, until it has been tried enough."""
        failures = (due.stored.tried.failures if due.stored else 0) + 1
        log.get().warning("page not taken", program=due.program, partner=channel.name, error=reason, attempt=failures)
        self._count("failed")
        if failures >= due.pager.limits.tries_most:
            log.get().error("page given up: nobody took it", program=due.program, partner=channel.name, lane=self.lane)
            await self._end(due, "gave-up")
            return
        pause = timedelta(seconds=pause_seconds(failures, due.pager.limits))
        async with self._pool.acquire() as connection:
            await pages.failed(connection, due.id, self.lane, due.row_id, pause)
            self._parking.wake_up.ring_after(self.lane, pause.total_seconds())
            if self._role == "on-call" and failures == due.pager.limits.deputy_after_tries:
                await pages.look_again(connection, DEPUTY_LANE, due.patient)
                self._parking.wake_up.ring([DEPUTY_LANE])

    async def _end(self, due: Due, ended: Ended) -> None:
        self._count(ended)
        if ended == "made":
            metrics.SENT.labels(self._parking.service, self.lane).inc()
        async with self._pool.acquire() as connection:
            await pages.end(connection, due.id, self.lane, due.row_id, ended)

    def _count(self, result: str) -> None:
        metrics.PAGES.labels(self._parking.service, self._role, result).inc()

    async def _park(self, row: Row, class_: Class, place: str) -> None:
        async with self._pool.acquire() as connection:
            await self._parking.park(connection, self.lane, row, class_, place)
