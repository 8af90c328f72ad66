"""Watching the consumer: which statements it sends, and where its time goes."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from shared.path.inbound.consumer import Consumer
from shared.path.transaction import store
from shared.path.transaction.inbox import Inbox
from shared.platform.clock import ticks

Stages = dict[str, float]
"""Stage to microseconds an event."""

_NAMES = {
    store.MARK_PROCESSED: "mark processed",
    store.MISSING: "lock",
    store.LOCK: "lock",
    store.STORE: "states, journal, outbox, resources",
}


class Statements:
    """Every statement of every batch with its arguments, to be sent once more; and the seconds of each stage."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[str, tuple[Any, ...]]]] = []
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
        receive: Callable[..., Any] = inbox.receive

        async def timed_receive(*arguments: Any) -> Any:
            if self._last:
                self._between += ticks() - self._last
            answers = await receive(*arguments)
            self._last = ticks()
            return answers

        inbox.receive = timed_receive  # type: ignore[method-assign,assignment]

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
        inside = sum(each for name, each in seconds.items() if name != "read")
        seconds["columns, answers, counting"] = in_receive - inside
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
