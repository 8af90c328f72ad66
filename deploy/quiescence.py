"""The hub is quiet when no row of an outbox is due, every event on a topic is consumed, and no deadline has passed.

A partner that does not answer holds nobody: its rows that back off are named, not waited for.

One look is not enough: an event can move from a place not yet looked at to one already looked at. So the hub counts as
quiet after two looks in a row that find nothing, between which no topic grew: whatever was emitted before the second
look was on its topic before the first, and was consumed.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from deploy import queries, topics
from deploy.failure import CannotContinueError
from deploy.hubfile import Hub
from deploy.own_kafka import unusable
from shared.events.catalogue import CONSUMES

BETWEEN_LOOKS_SECONDS, BETWEEN_LOOKS_SECONDS_MOST = 0.015, 0.060
"""The longer a hub is busy the less often it is asked: a look takes of the time that it has for its work."""
RETRY_SECONDS = 0.2
ANSWER_SECONDS_MOST = 10.0
TROUBLE = (TimeoutError, KafkaError, *queries.DATABASE_ERRORS)
Ends = Mapping[TopicPartition, int]


@dataclass(frozen=True)
class Look:
    """What one look saw: a line for everything not quiet; where the consumed topics ended when they were last asked,
    and which services had consumed theirs up to there."""

    unrest: tuple[str, ...]
    ends: Ends
    consumed: frozenset[str] = frozenset()


FIRST = Look(("not asked yet",), {})


class Quiescence:
    """Asks a running hub again and again whether it is quiet, on connections kept open.

    async with Quiescence(hub) as quiescence:
        await quiescence.settle(clock.now(data), seconds_max=30)
    """

    def __init__(self, hub: Hub, consumed: Mapping[str, str] = CONSUMES) -> None:
        self.hub = hub
        self.consumed = consumed
        self._databases: dict[str, queries.Connection] = {}
        self._admin: AIOKafkaAdminClient | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._coordinators: dict[str, int] = {}
        self._partitions: dict[str, list[TopicPartition]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def settle(
        self, clinic_now: datetime, seconds_max: float = 60.0, consumers: Collection[str] | None = None
    ) -> tuple[str, ...]:
        """Return once the hub is quiet at this time of the clinic, with a line for each partner's rows that back off.
        With `consumers` only these services' topics are waited for; what is produced for the others may be on its way.

        Raises:
            CannotContinueError: it is not within `seconds_max` (machine time); the line says what is still going on.
        """
        give_up_at = time.monotonic() + seconds_max
        before, pause = FIRST, BETWEEN_LOOKS_SECONDS
        while True:
            now = await self.look(clinic_now, consumers, before)
            if not now.unrest and not before.unrest and now.ends == before.ends:
                return await self._backing_off()
            if time.monotonic() > give_up_at:
                now = await self.look(clinic_now, consumers, None)
                still = "; ".join(now.unrest or before.unrest) or "the topics keep growing"
                raise CannotContinueError(f"the hub is not quiet after {seconds_max:g} s: {still}")
            before = now
            await asyncio.sleep(pause if now.unrest else BETWEEN_LOOKS_SECONDS)
            pause = min(pause * 1.2, BETWEEN_LOOKS_SECONDS_MOST)

    async def decided(self, service: str, clinic_now: datetime, seconds_max: float = 60.0) -> None:
        """Return once this service has decided all that fell due, by this time of the clinic; what it emitted may still
        be on its way. Raises CannotContinueError as `settle` does."""

        async def waits(connection: queries.Connection) -> str:
            undecided = await queries.undecided(connection, clinic_now)
            return ", ".join(f"{rows} {what}" for what, rows in undecided.items())

        await self._until_nothing(waits, service, seconds_max)

    async def heartbeat(self, service: str, clinic_now: datetime, seconds_max: float = 60.0) -> None:
        """Return once a heartbeat of this service is stored that is as new as this time of the clinic. Raises
        CannotContinueError as `settle` does."""

        async def waits(connection: queries.Connection) -> str:
            at = await queries.heartbeat(connection)
            return "" if at is not None and at >= clinic_now else "no heartbeat of this time"

        await self._until_nothing(waits, service, seconds_max)

    async def _until_nothing(
        self, waits: Callable[[queries.Connection], Awaitable[str]], service: str, seconds_max: float
    ) -> None:
        """Ask one service's database until nothing waits any more. While it does not answer it is asked again."""
        give_up_at = time.monotonic() + seconds_max
        while True:
            try:
                async with asyncio.timeout(ANSWER_SECONDS_MOST):
                    still = await waits(await self._database(service))
            except TROUBLE as trouble:
                await self.close()
                still = await self._why(trouble)
            if not still:
                return
            if time.monotonic() > give_up_at:
                raise CannotContinueError(f"{service} is not ready after {seconds_max:g} s: {still}")
            await asyncio.sleep(BETWEEN_LOOKS_SECONDS)

    async def look(self, clinic_now: datetime, consumers: Collection[str] | None, before: Look | None) -> Look:
        """Look once: databases, then topics. A server that does not answer is not quiet, and is asked again.

        Kafka costs the hub ten times what its databases do. So after a look `before` its topics are asked only where no
        database has anything to do, and a service how far it is only where its topic has grown since it was at the end.
        """
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MOST):
                await self._open()
                rows = await asyncio.gather(*(self._rows(name, clinic_now) for name in self._databases))
                unrest = [each for of_one in rows for each in of_one]
                if unrest and before is not None:
                    return replace(before, unrest=tuple(unrest))
                lag = await self._lag(self.consumed if consumers is None else consumers, before or FIRST)
        except TROUBLE as trouble:
            await self.close()
            await asyncio.sleep(RETRY_SECONDS)
            return Look((await self._why(trouble),), {})
        return replace(lag, unrest=(*unrest, *lag.unrest))

    async def _why(self, trouble: BaseException) -> str:
        """For whoever waits: the variable to look at, where it is Kafka that is not reached or refuses."""
        if isinstance(trouble, KafkaError):
            return str(await unusable(self.hub.cluster, trouble))
        return f"no answer ({type(trouble).__name__})"

    async def _backing_off(self) -> tuple[str, ...]:
        lanes = await asyncio.gather(*(queries.backing_off(each) for each in self._databases.values()))
        named = zip(self._databases, lanes, strict=True)
        return tuple(
            f"{name}: {rows} in lane {lane} wait to be sent again" for name, by in named for lane, rows in by.items()
        )

    async def close(self) -> None:
        """Close all connections; the next look opens them again."""
        databases, self._databases, self._coordinators = self._databases, {}, {}
        for connection in databases.values():
            connection.terminate()
        admin, self._admin = self._admin, None
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()
        if admin is not None:
            await admin.close()

    async def _open(self) -> None:
        for name in self.hub.postgres:
            await self._database(name)
        if self._consumer is None:
            self._consumer = self.hub.cluster.consumer()
            await self._consumer.start()
        if self._admin is None:
            self._admin = self.hub.cluster.admin()
            await self._admin.start()

    async def _database(self, name: str) -> queries.Connection:
        if name not in self._databases:
            self._databases[name] = await queries.reading(self.hub.postgres[name])
        return self._databases[name]

    async def _rows(self, name: str, clinic_now: datetime) -> list[str]:
        """What waits in one service's outbox, and its deadlines that have passed."""
        connection = self._databases[name]
        unsent = [f"{name}: {rows} in lane {lane}" for lane, rows in (await queries.unsent(connection)).items()]
        passed = await queries.passed_deadlines(connection, clinic_now)
        return [*unsent, f"{name}: {passed} deadlines passed"] if passed else unsent

    async def _lag(self, consumers: Collection[str], before: Look) -> Look:
        """Per consumer, how many records of its topic it has not consumed yet; and where the topics end."""
        assert self._consumer is not None
        if not self._partitions:
            await self._learn_partitions()
        if absent := set(self.consumed.values()) - set(self._partitions):
            self._partitions = {}
            return Look(tuple(f"topic {name} is absent" for name in sorted(absent)), {})
        ends: Ends = await self._consumer.end_offsets([each for known in self._partitions.values() for each in known])
        asked = [each for each in consumers if each not in before.consumed or self._grew(each, before.ends, ends)]
        not_consumed = await asyncio.gather(*(self._not_consumed(service, ends) for service in asked))
        behind = {name: count for name, count in zip(asked, not_consumed, strict=True) if count}
        unrest = tuple(f"{name}: {count} not consumed" for name, count in behind.items())
        return Look(unrest, ends, frozenset(consumers) - behind.keys())

    def _grew(self, service: str, before: Ends, now: Ends) -> bool:
        return any(now[each] != before.get(each) for each in self._partitions[self.consumed[service]])

    async def _learn_partitions(self) -> None:
        assert self._admin is not None
        counts = await topics.partition_counts(self._admin, set(self.consumed.values()))
        self._partitions = {
            name: [TopicPartition(name, each) for each in range(count)] for name, count in counts.items()
        }

    async def _not_consumed(self, service: str, ends: Ends) -> int:
        """How far the service's consumer group is behind the ends of its topic, in records."""
        assert self._admin is not None and self._consumer is not None
        group, partitions = f"iop.{service}", self._partitions[self.consumed[service]]
        if service not in self._coordinators:
            self._coordinators[service] = await self._admin.find_coordinator(group)
        committed = await self._admin.list_consumer_group_offsets(group, self._coordinators[service], partitions)
        return await behind(self._consumer, {each: at.offset for each, at in committed.items()}, partitions, ends)


async def behind(
    consumer: AIOKafkaConsumer,
    committed: Mapping[TopicPartition, int],
    partitions: Sequence[TopicPartition],
    ends: Ends,
) -> int:
    """How many records lie between what a group has committed and the ends. Raises KafkaError."""
    if not committed.keys() >= set(partitions):
        raise GroupCoordinatorNotAvailableError  # it was away and has not read its groups yet
    never = [each for each in partitions if committed[each] < 0 < ends[each]]
    begins = await consumer.beginning_offsets(never) if never else {}
    return sum(ends[each] - (begins.get(each, 0) if committed[each] < 0 else committed[each]) for each in partitions)
