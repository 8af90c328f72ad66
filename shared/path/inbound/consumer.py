"""The consumer: the one importer of FastStream. One batch subscriber a service, acknowledged after the commit.

FastStream swallows what a handler raises. So trouble is waited out inside the handler, on the same batch; what can't be
waited out ends the process: a future tells the task group, and the handler raises CancelledError, so that nothing is
acknowledged and the stop is clean.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from zlib import crc32

from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage

from shared.path.inbound.records import RecordReader
from shared.path.transaction import consent_ledger
from shared.path.transaction.delivery import Answer, Consumed, Incomplete, Unreadable
from shared.path.transaction.inbox import Inbox
from shared.platform import db, log, metrics
from shared.platform.clock import machine_now

POLL_MOST = 400
SIDE_BY_SIDE = 2
"""Transactions at once, each for patients of its own: one decides while PostgreSQL writes for the other."""
BATCH_MOST = 250
"""Deliveries of one transaction: all its patients stay locked until the commit."""
READ_AT_ONCE = 16
"""Records read before others have their turn."""
BATCH_TIMEOUT_MS = 10
"""200 ms, the default, makes a quiet system wait as long."""
PASSED_BY_SECONDS = 0.025
"""Rest after a poll in which nothing was for this service: others' events one by one would cost a tenth of a core."""
POLL_INTERVAL_MS_MOST = 300_000
TROUBLE_SECONDS_MOST = 60.0
"""Of the 300 s a poll may take; then the process ends: a restart beats skipping."""
PARKED_IN_A_ROW_MOST = 100
SESSION_TIMEOUT_MS = 10_000


class Ended(Exception):
    """The consumer can't go on; the process must end with an error."""


class Consumer:
    def __init__(self, inbox: Inbox, bootstrap: str, replica: str, wanted: frozenset[str] | None = None) -> None:
        self._inbox = inbox
        events = inbox.service.consumed_events if wanted is None else wanted
        self._reader = RecordReader(inbox.service.name, events, inbox.settings)
        self.side_by_side = SIDE_BY_SIDE
        self._topic = inbox.service.consumes
        self._replica = replica
        self._bootstrap = bootstrap
        self._parked_in_a_row = 0
        self.assigned = False
        self.troubled = False

    async def run(self) -> None:
        """Consume until cancelled. Raises Ended when going on would skip a record."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        broker = KafkaBroker(
            self._bootstrap,
            apply_types=False,
            allow_auto_create_topics=False,
            graceful_timeout=15.0,
            logger=None,
        )
        self._subscribe(broker, ended)
        await broker.start()
        watch = asyncio.create_task(self._watch_polls())
        try:
            await ended
        finally:
            watch.cancel()
            await broker.stop()

    def _subscribe(self, broker: KafkaBroker, ended: "asyncio.Future[None]") -> None:
        group = f"iop.{self._inbox.service.name}"
        self._subscriber: Any = broker.subscriber(
            self._topic,
            batch=True,
            max_records=POLL_MOST,
            batch_timeout_ms=BATCH_TIMEOUT_MS,
            group_id=group,
            group_instance_id=f"{group}.{self._replica}",
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=262_144,
            max_poll_interval_ms=POLL_INTERVAL_MS_MOST,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            ack_policy=AckPolicy.NACK_ON_ERROR,
            listener=OffsetGapListener(self._inbox, self._client),
            parser=self._parse,
            decoder=_decode,
        )

        async def consume(records: tuple[ConsumerRecord, ...]) -> None:
            try:
                await self.take(records)
            except Exception as error:
                if not ended.done():
                    log.get().error("consumer ended", place=log.place_of(error))
                    ended.set_exception(Ended(type(error).__name__))
                raise asyncio.CancelledError from error

        self._subscriber(consume)

    def _client(self) -> Any:
        return self._subscriber.consumer

    async def _parse(self, raw: tuple[ConsumerRecord, ...]) -> KafkaAckableMessage:
        """FastStream's own parser decodes every header, and one not UTF-8 makes it commit past the whole batch."""
        return KafkaAckableMessage(body=b"", headers={}, raw_message=raw, consumer=self._client())

    async def take(self, records: Sequence[ConsumerRecord]) -> None:
        """One poll's records, again and again until they are stored: trouble is not the records' fault."""
        answers = await db.retrying(
            lambda: self._consume(records), seconds_most=TROUBLE_SECONDS_MOST, troubled=self._trouble
        )
        self.troubled = False
        self._count_parked(answers)
        if not answers:
            await asyncio.sleep(PASSED_BY_SECONDS)

    def _trouble(self, error: Exception, pause: float) -> None:
        self.troubled = True
        log.get().warning("consumer: waiting for the database", error=type(error).__name__, seconds=pause)

    async def _consume(self, records: Sequence[ConsumerRecord]) -> list[Answer]:
        """All of a poll, side by side. Its heartbeats come last: they say that each consent before them is known."""
        sides: list[list[ConsumerRecord]] = [[] for _ in range(self.side_by_side)]
        for record in records:
            sides[crc32(record.key or b"") % len(sides)].append(record)
        heartbeats: dict[int, datetime] = {}
        ended = await asyncio.gather(*(self._side(side, heartbeats) for side in sides), return_exceptions=True)
        failed = [each for each in ended if isinstance(each, BaseException)]
        for error in sorted(failed, key=db.is_trouble):
            raise error
        if heartbeats:
            await self._inbox.beat(heartbeats)
        return [answer for each in ended if isinstance(each, list) for answer in each]

    async def _side(self, records: Sequence[ConsumerRecord], heartbeats: dict[int, datetime]) -> list[Answer]:
        """In order, in transactions of at most `BATCH_MOST`; the heartbeats met are put aside."""
        answers: list[Answer] = []
        for first in range(0, len(records), BATCH_MOST):
            deliveries = await self._read(records[first : first + BATCH_MOST], heartbeats)
            if deliveries:
                answers += await self._inbox.receive(deliveries)
        return answers

    async def _read(
        self, records: Sequence[ConsumerRecord], heartbeats: dict[int, datetime]
    ) -> list[Consumed | Unreadable]:
        deliveries: list[Consumed | Unreadable] = []
        for number, record in enumerate(records):
            if number % READ_AT_ONCE == READ_AT_ONCE - 1:
                await asyncio.sleep(0)
            found = self._reader.read(record)
            if isinstance(found, datetime):
                heartbeats[record.partition] = found
            elif found is not None:
                deliveries.append(found)
        return deliveries

    def _count_parked(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            self._parked_in_a_row = self._parked_in_a_row + 1 if _failed(answer) else 0
        if self._parked_in_a_row > PARKED_IN_A_ROW_MOST:
            raise Ended("too many deliveries parked in a row")

    async def _watch_polls(self) -> None:
        while True:
            client = self._client()
            self.assigned = client is not None and bool(client.assignment())
            if self.assigned:
                metrics.LAST_POLL.labels(self._inbox.service.name).set(machine_now().timestamp())
            await asyncio.sleep(0.2 if not self.assigned else 1.0)


def _failed(answer: Answer) -> bool:
    """Whether this very record could not be decided; one queued behind another says nothing of the code."""
    return isinstance(answer, Incomplete) and answer.fault


async def _decode(message: Any) -> Any:
    return message.raw_message


class OffsetGapListener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Where we stopped reading lies before the topic's start: records expired unread, so the consent gate must stay
    shut. Kafka forgets a committed offset sooner than records; where the ledger knows the partition, that is no start.
    """

    def __init__(self, inbox: Inbox, client: Callable[[], Any]) -> None:
        self._inbox = inbox
        self._client = client

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        return None

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        client = self._client()
        if client is None or not assigned:
            return
        starts = await client.beginning_offsets(list(assigned))
        async with self._inbox.pool.acquire() as connection:
            known = await consent_ledger.partitions(connection)
            lost = []
            for partition, start in starts.items():
                committed = await client.committed(partition)
                if committed is None:
                    committed = 0 if partition.partition in known else start
                if committed < start:
                    lost.append(partition.partition)
            if lost:
                log.get().error("records expired unread", topic=self._inbox.service.consumes, count=len(lost))
                await consent_ledger.mark_lost(connection, lost)
