"""Watching the consumer: which statements it sends, and where its time goes."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from zlib import crc32

from aiokafka import ConsumerRecord

from shared.path.inbound.consumer import Consumer
from shared.path.inbound.polled import SIDE_BY_SIDE, Polled
from shared.path.transaction import store
from shared.path.transaction.inbox import Inbox
from shared.platform.clock import ticks

Stages = dict[str, float]
"""Stage to microseconds an event."""
Batch = list[tuple[str, tuple[Any, ...]]]
"""The statements of one transaction: method and arguments."""

_NAMES = {
    store.MARK_PROCESSED: "mark processed",
    store.LOCK: "lock",
    store.STORE: "states, journal, outbox, resources",
}


class Statements:
    """Every statement of every batch with its arguments, to be sent once more as it was: each side of the consumer on a
    connection of its own. And the seconds of each stage."""

    def __init__(self) -> None:
        self.sides: list[list[Batch]] = [[] for _ in range(SIDE_BY_SIDE)]
        self.batches = self.sides[0]
        self.seconds: dict[str, float] = defaultdict(float)
        self._between = 0.0
        self._last = 0.0

    def pool(self, pool: Any) -> Any:
        return _Pool(pool, self)

    def watch(self, inbox: Inbox, consumer: Consumer) -> None:
        """Time reading, deciding, each batch, and what lies between two batches."""
        self._time(consumer.polled.reader, "read", "read")
        self._time_waited(inbox, "_decide", "decide, evolve, write")
        self._time_waited(inbox, "receive", "in receive")
        self._one_by_one(consumer.polled)
        receive: Callable[..., Any] = inbox.receive

        async def timed_receive(*arguments: Any) -> Any:
            if self._last:
                self._between += ticks() - self._last
            answers = await receive(*arguments)
            self._last = ticks()
            return answers

        inbox.receive = timed_receive  # type: ignore[method-assign,assignment]

    def _one_by_one(self, polled: Polled) -> None:
        """One side after the other, else the stages overlap and their sum means nothing."""
        turn, store_side = asyncio.Lock(), polled._side

        async def side_alone(records: Sequence[ConsumerRecord], *others: Any) -> list[bool]:
            async with turn:
                self.batches = self.sides[crc32(records[0].key or b"") % len(self.sides) if records else 0]
                return await store_side(records, *others)

        polled._side = side_alone  # type: ignore[method-assign,assignment]

    def _time(self, owner: Any, method: str, stage: str) -> None:
        wrapped: Callable[..., Any] = getattr(owner, method)

        def timed(*arguments: Any) -> Any:
            started = ticks()
            found = wrapped(*arguments)
            self.seconds[stage] += ticks() - started
            return found

        setattr(owner, method, timed)

    def _time_waited(self, owner: Any, method: str, stage: str) -> None:
        wrapped: Callable[..., Any] = getattr(owner, method)

        async def timed(*arguments: Any) -> Any:
            started = ticks()
            found = await wrapped(*arguments)
            self.seconds[stage] += ticks() - started
            return found

        setattr(owner, method, timed)

    def stages(self, events: int) -> Stages:
        """Microseconds an event by stage; between two batches it is `consumer`."""
        seconds = dict(self.seconds)
        in_receive = seconds.pop("in receive")
        seconds["decide, evolve, write"] -= seconds["lock"]
        inside = sum(each for name, each in seconds.items() if name != "read")
        seconds["columns, answers, counting"] = max(0.0, in_receive - inside)
        seconds["consumer"] = max(0.0, self._between - seconds["read"])
        return {name: each / events * 1e6 for name, each in seconds.items()}


class _Pool:
    def __init__(self, pool: Any, statements: Statements) -> None:
        self._pool = pool
        self._statements = statements

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        async with self._pool.acquire() as connection:
            yield _Connection(connection, self._statements)


class _Connection:
    """A connection that notes each statement and how long it took."""

    def __init__(self, connection: Any, statements: Statements) -> None:
        self._connection = connection
        self._statements = statements

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        transaction = self._connection.transaction()
        self._statements.batches.append([])
        started = ticks()
        await transaction.start()
        self._statements.seconds["begin, commit"] += ticks() - started
        try:
            yield
        except BaseException:
            await transaction.rollback()
            raise
        started = ticks()
        await transaction.commit()
        self._statements.seconds["begin, commit"] += ticks() - started

    async def execute(self, *arguments: Any) -> Any:
        return await self._timed("execute", arguments)

    async def fetch(self, *arguments: Any) -> Any:
        return await self._timed("fetch", arguments)

    async def _timed(self, method: str, arguments: tuple[Any, ...]) -> Any:
        self._statements.batches[-1].append((method, arguments))
        started = ticks()
        try:
            return await getattr(self._connection, method)(*arguments)
        finally:
            self._statements.seconds[_NAMES.get(arguments[0], "aliases and others")] += ticks() - started
