"""Where consuming begins when partitions are assigned: at the smaller of what is stored and what Kafka remembers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from shared.events.intake import ConsentsCurrent
from shared.path.transaction import consent_ledger, offsets
from shared.path.transaction.inbox import Inbox
from shared.platform import db, log

PLACING_SECONDS_MOST = 60.0
AGAIN_SECONDS = 1.0


class Position(msgspec.Struct, frozen=True):
    """Where a partition's consuming begins. `lost`: records before it expired unread. `catch_up`: up to where they were
    stored once, before the database was set back."""

    start: int
    lost: bool = False
    catch_up: int = 0


def position(first: int, committed: int | None, stored: int | None, *, known: bool) -> Position:
    """Where to begin in a partition whose records begin at `first`. `known`: the consent ledger has heard of it.

    Kafka forgets a committed offset sooner than records. A database that has none was set back to its beginning, or
    never consumed: both read everything, for what is stored already is passed over.
    """
    unforgotten = [each for each in (committed, stored) if each is not None]
    read_up_to = min(unforgotten) if unforgotten else 0 if known else first
    both = committed is not None and stored is not None
    start = max(min(unforgotten), first) if both else first
    set_back = committed is not None and start < committed
    return Position(start, read_up_to < first, committed if set_back and committed is not None else 0)


class OffsetGapListener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Places each partition before a record of it is taken. Where records expired unread, were passed over before the
    service had a gate, or must be read again, the consent gate is shut: a revocation may be among them.

    aiokafka swallows what a listener raises: `failed` ends the process, for going on would skip records.
    """

    def __init__(
        self,
        inbox: Inbox,
        client: Callable[[], Any],
        placed: Callable[[Mapping[int, int]], None] = lambda _: None,
        leaving: Callable[[], Awaitable[None]] | None = None,
        failed: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        self._inbox = inbox
        self._client = client
        self._placed = placed
        self._leaving = leaving
        self._failed = failed

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Whoever has them next begins where this one ends."""
        if self._leaving is not None:
            await self._leaving()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        client = self._client()
        if client is None:
            return
        client.pause(*assigned)
        try:
            async with asyncio.timeout(PLACING_SECONDS_MOST):
                positions = await self._positions(client, assigned)
        except Exception as error:
            self._failed(error)
            return
        for partition, found in positions.items():
            client.seek(partition, found.start)
        client.resume(*assigned)
        self._placed({partition.partition: found.start for partition, found in positions.items()})

    async def _positions(self, client: Any, assigned: set[TopicPartition]) -> dict[TopicPartition, Position]:
        while True:
            try:
                return await self._look(client, assigned)
            except Exception as error:
                if not db.is_trouble(error) and not isinstance(error, KafkaError):
                    raise
                log.get().warning("consumer: not placed yet", error=type(error).__name__, seconds=AGAIN_SECONDS)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _look(self, client: Any, assigned: set[TopicPartition]) -> dict[TopicPartition, Position]:
        firsts = await client.beginning_offsets(list(assigned)) if assigned else {}
        committed = {each: await client.committed(each) for each in assigned}
        async with self._inbox.pool.acquire() as connection, connection.transaction():
            known, stored = await consent_ledger.partitions(connection), await offsets.stored(connection)
            positions = {
                each: position(first, committed[each], stored.get(each.partition), known=each.partition in known)
                for each, first in firsts.items()
            }
            await self._shut(connection, {each.partition: found for each, found in positions.items()})
        return positions

    async def _shut(self, connection: db.Connection, positions: Mapping[int, Position]) -> None:
        topic = self._inbox.service.consumes
        lost = [partition for partition, found in positions.items() if found.lost]
        if ConsentsCurrent.__name__ in self._inbox.service.consumed_events:
            lost += await offsets.passed_over_consents(connection, positions)
        await offsets.store(connection, {partition: found.start for partition, found in positions.items()})
        again = {partition: (found.start, found.catch_up) for partition, found in positions.items() if found.catch_up}
        if lost:
            log.get().error(
                "records were never read: /health/ready says what opens the consent gate", topic=topic, count=len(lost)
            )
            await consent_ledger.mark_lost(connection, lost)
        if again:
            records = sum(end - start for start, end in again.values())
            log.get().warning("consumer: reads again what the database does not have", topic=topic, count=records)
            await offsets.set_back(connection, again)
