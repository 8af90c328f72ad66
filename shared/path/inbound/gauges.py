"""What a service looks at every few seconds for its metrics: what waits, since when, and whether it may disclose."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from math import inf

from shared.events.catalogue import BY_NAME
from shared.events.codes import ESCALATION
from shared.events.escalation import PRIORITY
from shared.events.technical import OPERATOR
from shared.path.inbound.consumer import Consumer
from shared.path.inbound.readiness import Check, wrong
from shared.path.outbound.lane import oldest_unsent_seconds
from shared.path.transaction import consent_ledger
from shared.path.transaction.batch import INTERNAL_LANE
from shared.path.transaction.inbox import Inbox
from shared.platform import build, db, metrics
from shared.platform.clock import machine_now, ticks

LOOK_SECONDS = 5.0
OPEN_RESTS = 100
"""So many times as long as the look at open escalations took it rests: it opens each Task, and may find thousands."""
TICK_SECONDS = 0.25
"""A loop that stalls for longer than this is seen to."""
_ROWS = """SELECT lane, (SELECT count(*) FROM (SELECT 1 FROM outbox o WHERE o.lane = asked.lane ORDER BY id LIMIT 10000)
    AS few) AS rows FROM unnest($1::text[]) AS asked(lane)"""
_PARKED = """SELECT class, count(*) AS count, min(at) AS oldest
    FROM (SELECT class, at FROM parked ORDER BY sequence LIMIT 10000) AS few GROUP BY class"""
_PARKED_ROWS = "SELECT count(*) FROM outbox WHERE parked IS NOT NULL"
_OPEN = """SELECT body::jsonb ->> 'priority' AS priority, count(*) AS count,
        count(*) FILTER (WHERE body::jsonb #>> '{businessStatus,coding,0,code}' = 'overdue') AS overdue
    FROM resources WHERE type = 'Task' AND program = ANY($1::text[]) AND NOT sealed
        AND coalesce(status, '') IN ('requested', 'accepted') AND strpos(body, $2) > 0
        AND body::jsonb #>> '{code,coding,0,system}' = $2 GROUP BY 1"""
# They are of no patient, of whom there are few.
_OF_OPERATORS = """SELECT count(*) FROM resources WHERE patient = '' AND type = 'Task' AND program = ANY($1::text[])
    AND status IN ('requested', 'accepted') AND body::jsonb #>> '{owner,identifier,value}' = $2"""
PARKED_CLASSES = ("unreadable", "bug", "queued", "row")


class Gauges:
    """`waiting` counts the submissions that wait to be decided; `ready` gives the checks of readiness."""

    def __init__(
        self,
        inbox: Inbox,
        consumer: Consumer,
        waiting: Callable[[], int],
        ready: Callable[[], Awaitable[Sequence[Check]]],
    ) -> None:
        self._inbox = inbox
        self._consumer = consumer
        self._waiting = waiting
        self._ready = ready
        self._service = inbox.service.name
        lookups = (each.lane for each in inbox.service.lookups)
        self._lanes = [INTERNAL_LANE, *lookups, *(each.lane for each in inbox.routes.destinations)]
        self._discloses = any(each.gate for each in inbox.routes.destinations)
        self._stall = 0.0
        self._declare()

    def _declare(self) -> None:
        """With 0 from the start: what was never seen is no less known for it."""
        name, service = self._service, self._inbox.service
        metrics.BUILD.labels(name, build.build()).set(1)
        metrics.STRAYS.labels(name)
        # Asked when they are read: who waits for a connection may be the look itself.
        metrics.POOL_WAITING.labels(name).set_function(lambda: self._inbox.pool.waiting)
        metrics.SUBMISSIONS_WAITING.labels(name).set_function(self._waiting)
        for event in sorted(service.consumed_events & BY_NAME.keys()):
            metrics.DELIVERIES.labels(name, event)
        for lane in self._lanes:
            metrics.EMITTED.labels(name, lane)
            metrics.SENT.labels(name, lane)
            metrics.LANE_ROWS.labels(name, lane)
            metrics.LANE_OLDEST.labels(name, lane)
        for histogram in (metrics.DEADLINE_LATENESS, metrics.DECIDE, metrics.BATCH):
            histogram.labels(name)
        self._set_parked({}, 0, [])
        self._set_open([])

    async def watch(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(db.every(LOOK_SECONDS, self.look, name="metrics"))
            group.create_task(db.every(LOOK_SECONDS, self._look_at_open_and_rest, name="metrics"))
            group.create_task(self._watch_loop())

    async def look(self) -> None:
        """Once, at all but open escalations; first at what needs no table, for the database may be away."""
        pool, service = self._inbox.pool, self._service
        self._look_at_process()
        metrics.READY.labels(service).set(not wrong(await self._ready()))
        ages = await oldest_unsent_seconds(pool)
        for row in await pool.fetch(_ROWS, self._lanes):
            metrics.LANE_ROWS.labels(service, row["lane"]).set(row["rows"])
            metrics.LANE_OLDEST.labels(service, row["lane"]).set(ages.get(row["lane"], 0.0))
        parked = await pool.fetch(_PARKED)
        counts = {row["class"]: row["count"] for row in parked}
        self._set_parked(counts, await pool.fetchval(_PARKED_ROWS), [row["oldest"] for row in parked])
        asked = await pool.fetchval(_OF_OPERATORS, list(self._inbox.settings), OPERATOR)
        metrics.OPERATOR_TASKS_OPEN.labels(service).set(asked)
        if self._discloses:
            await self._look_at_ledger()

    async def look_at_open(self) -> None:
        """At the open escalations."""
        self._set_open(await self._inbox.pool.fetch(_OPEN, list(self._inbox.settings), ESCALATION))

    async def _look_at_open_and_rest(self) -> None:
        began = ticks()
        await self.look_at_open()
        await asyncio.sleep((ticks() - began) * OPEN_RESTS)

    def _set_parked(self, counts: dict[str, int], rows: int, oldest: Sequence[datetime]) -> None:
        for each in PARKED_CLASSES:
            metrics.PARKED.labels(self._service, each).set({**counts, "row": rows}.get(each, 0))
        age = (self._inbox.clock.now() - min(oldest)).total_seconds() if oldest else 0.0
        metrics.OLDEST_PARKED.labels(self._service).set(age)

    def _set_open(self, rows: Sequence[db.Row]) -> None:
        of_priority = Counter({row["priority"]: row["count"] for row in rows})
        for tier, priority in PRIORITY.items():
            metrics.ESCALATIONS_OPEN.labels(self._service, tier).set(of_priority[priority])
        metrics.ESCALATIONS_OVERDUE.labels(self._service).set(sum(row["overdue"] for row in rows))

    async def _look_at_ledger(self) -> None:
        async with self._inbox.pool.acquire() as connection:
            age = await consent_ledger.age_seconds(connection, machine_now())
        metrics.LEDGER_AGE.labels(self._service).set(inf if age is None else age)
        metrics.GATE_OPEN.labels(self._service).set(consent_ledger.is_current(age))

    def _look_at_process(self) -> None:
        answered = self._consumer.broker.answer_seconds
        metrics.FETCH_AGE.labels(self._service).set(inf if answered is None else answered)
        metrics.LOOP_STALL.labels(self._service).set(self._stall)
        self._stall = 0.0

    async def _watch_loop(self) -> None:
        while True:
            began = ticks()
            await asyncio.sleep(TICK_SECONDS)
            self._stall = max(self._stall, ticks() - began - TICK_SECONDS)
