"""Lanes of lookups: what a decision asks that no state holds is answered here, and the answer goes to lane `internal`.

The question's row goes and its answer comes in one statement: a crash before it has the question asked again, and
nothing was decided by an answer that is lost.
"""

import msgspec
from msgspec.structs import replace

from shared.events.internal import Lookup
from shared.path.inbound.internal import no_resource
from shared.path.outbound.lane import IDLE_SECONDS_MOST, WakeUp, run_lane, wait_for_work
from shared.path.outbound.parking import SENDABLE, Parking
from shared.path.transaction.batch import INTERNAL_LANE
from shared.path.transaction.delivery import Internal
from shared.path.transaction.inbox import Inbox
from shared.path.transaction.stored import from_internal_lane, to_internal_lane
from shared.platform import db, log, metrics
from shared.platform.db import Connection, Row

BATCH_MOST = 100
_NEXT = f"SELECT id, program, key, headers, body FROM outbox o WHERE lane = $1 AND {SENDABLE} ORDER BY id LIMIT $2"
# Of two holders, as while a lock is lost, one answers.
_ANSWER = """WITH gone AS (DELETE FROM outbox WHERE lane = $1 AND id = $2 RETURNING program, key)
    INSERT INTO outbox (lane, program, key, headers, body) SELECT $3, program, key, $4, $5 FROM gone"""


class LookupLane:
    """Answers one type of question, one row after the other."""

    def __init__(self, asked: type[Lookup], inbox: Inbox, wake_up: WakeUp) -> None:
        self.lane = asked.lane
        self._answer = inbox.service.lookups[asked]
        self._inbox = inbox
        self._wake_up = wake_up
        self._parking = Parking(inbox.service.name, inbox.routes, inbox.clock, wake_up)
        self._fed = wake_up.listen(self.lane)

    async def run(self, dsn: str) -> None:
        await run_lane(dsn, self.lane, no_resource, self._turn)

    async def _turn(self, connection: Connection, _: None) -> None:
        rows = await connection.fetch(_NEXT, self.lane, BATCH_MOST)
        if not rows:
            await wait_for_work(self._fed, IDLE_SECONDS_MOST)
            return
        for row in rows:
            await self._look_up(connection, row)

    async def _look_up(self, connection: Connection, row: Row) -> None:
        """One row. What fails on the way is a bug, unless it is trouble: then the lane waits."""
        try:
            question = from_internal_lane(row, self._inbox.service)
        except (msgspec.MsgspecError, LookupError, ValueError) as wrong:
            await self._parking.park(connection, self.lane, row, "unreadable", log.place_of(wrong))
            return
        try:
            answer = await self._answer(question.program, question.event)
        except Exception as bug:
            if db.is_trouble(bug):
                raise
            await self._parking.park(connection, self.lane, row, "bug", log.place_of(bug))
            return
        await self._store(connection, row, replace(question, event=answer, at=self._inbox.clock.now()))

    async def _store(self, connection: Connection, row: Row, answer: Internal) -> None:
        """Under the question's id, which nothing else was processed by."""
        headers, body = to_internal_lane(answer)
        await connection.execute(_ANSWER, self.lane, row["id"], INTERNAL_LANE, headers, body.decode())
        metrics.SENT.labels(self._inbox.service.name, self.lane).inc()
        self._wake_up.ring([INTERNAL_LANE])
