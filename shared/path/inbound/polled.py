"""One poll's records, stored: read, sorted out, received side by side; again and again while the database is away."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from uuid import UUID
from zlib import crc32

from aiokafka import ConsumerRecord

from shared.path.inbound import strays
from shared.path.inbound.records import RecordReader, Stray
from shared.path.transaction.delivery import Answer, Consumed, Incomplete, Unreadable, marks_processed
from shared.path.transaction.inbox import Inbox
from shared.platform import db, log

SIDE_BY_SIDE = 2
"""Transactions at once, each for patients of its own: one decides while PostgreSQL writes for the other."""
FEW = 50
"""Records of a poll that one transaction takes: a commit costs more than they do."""
TROUBLE_SECONDS_MOST = 60.0
"""Of the 300 s a poll may take; then the process ends: a restart beats skipping."""


class Polled:
    """`require_stored` is asked before a heartbeat is believed: of a database that was set back it says nothing.

    `last` are the last deliveries of a poll's transactions: a database that has them has all before them.
    """

    def __init__(
        self, inbox: Inbox, reader: RecordReader, require_stored: Callable[[Collection[UUID]], Awaitable[None]]
    ) -> None:
        self._inbox = inbox
        self._require_stored = require_stored
        self.reader = reader
        self.side_by_side = SIDE_BY_SIDE
        self.troubled = False
        self.last: frozenset[UUID] = frozenset()

    async def store(self, records: Sequence[ConsumerRecord]) -> list[bool]:
        """Of each event of ours among them whether it failed by itself, once all are stored. Trouble is not the
        records' fault: it is waited out, and raised at last."""
        failed = await db.retrying(
            lambda: self._store(records), seconds_most=TROUBLE_SECONDS_MOST, troubled=self._trouble
        )
        self.troubled = False
        return failed

    def _trouble(self, error: Exception, pause: float) -> None:
        self.troubled = True
        log.get().warning("consumer: waiting for the database", error=type(error).__name__, seconds=pause)

    async def _store(self, records: Sequence[ConsumerRecord]) -> list[bool]:
        """All of a poll, many side by side. Its heartbeats come last: they say that each consent before is known."""
        sides: list[list[ConsumerRecord]] = [[] for _ in range(self.side_by_side if len(records) >= FEW else 1)]
        for record in records:
            sides[crc32(record.key or b"") % len(sides)].append(record)
        heartbeats: dict[int, datetime] = {}
        last: set[UUID] = set()
        ended = await asyncio.gather(*(self._side(side, heartbeats, last) for side in sides), return_exceptions=True)
        wrong = [each for each in ended if isinstance(each, BaseException)]
        for error in sorted(wrong, key=db.is_trouble):
            raise error
        self.last = frozenset(last)
        if heartbeats:
            await self._require_stored(last)
            await self._inbox.beat(heartbeats)
        return [failed for each in ended if isinstance(each, list) for failed in each]

    async def _side(
        self, records: Sequence[ConsumerRecord], heartbeats: dict[int, datetime], last: set[UUID]
    ) -> list[bool]:
        """In order, in transactions of one portion; the heartbeats met are put aside, and of each transaction the last
        delivery."""
        failed: list[bool] = []
        left = deque(records)
        while left:
            async with self._inbox.portions.of_backlog() as portion:
                some = [left.popleft() for _ in range(min(portion.transaction, len(left)))]
                failed += await self._received(await self._read(some, heartbeats), last)
        return failed

    async def _received(self, found: Sequence[Consumed | Unreadable | Stray], last: set[UUID]) -> list[bool]:
        deliveries, foreign = await strays.sorted_out(self._inbox, found)
        if not deliveries:
            return []
        answers = await self._inbox.receive(deliveries)
        last.update([each.id for each in deliveries if marks_processed(each)][-1:])
        answered = zip(deliveries, answers, strict=True)
        return [_failed(answer) for delivery, answer in answered if id(delivery) not in foreign]

    async def _read(
        self, records: Sequence[ConsumerRecord], heartbeats: dict[int, datetime]
    ) -> list[Consumed | Unreadable | Stray]:
        found: list[Consumed | Unreadable | Stray] = []
        for number, record in enumerate(records):
            if number % self._inbox.portions.now.read == 0:
                await asyncio.sleep(0)
            read = self.reader.read(record)
            if isinstance(read, datetime):
                heartbeats[record.partition] = read
            elif read is not None:
                found.append(read)
        return found


def _failed(answer: Answer) -> bool:
    """Whether this very record could not be decided; one queued behind another says nothing of the code."""
    return isinstance(answer, Incomplete) and answer.fault
