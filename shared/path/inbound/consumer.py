"""The consumer: the one user of FastStream. One batch subscriber a service; Kafka is told only of what is stored.

FastStream swallows what a handler raises. So trouble is waited out inside the handler, on the same batch; what can't be
waited out ends the process: a future tells the task group, and the handler raises CancelledError, so that the stop is
clean. A record that nothing here can take stops the consumer alone: `stops`.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage

from shared.path.inbound import stops
from shared.path.inbound.broker_watch import AGE_LIMITS, GROUP_TIMES, AgeLimits, BrokerWatch, GroupTimes
from shared.path.inbound.polled import FEW, TROUBLE_SECONDS_MOST, Polled
from shared.path.inbound.positions import OffsetGapListener
from shared.path.inbound.records import RecordReader
from shared.path.inbound.rights_watch import RightsWatch
from shared.path.inbound.stops import Stop
from shared.path.service import NewerState
from shared.path.transaction import offsets
from shared.path.transaction.inbox import Inbox
from shared.path.transaction.offsets import DatabaseSetBack
from shared.platform import db, log
from shared.platform.clock import ticks
from shared.platform.kafka import Cluster

POLL_MOST = 400
WAIT_MS, WAIT_MS_QUIET = 500, 2_000
"""How long a poll waits for a record, and the broker with its answer; the second where the last poll brought none. Only
then: while some of a poll are not taken yet, the client asks for the other partitions alone, and a record of the first
would wait for that answer. And what else is asked on this connection waits for it too."""
REST_SECONDS_STEP, REST_SECONDS_MOST = 0.020, 0.100
"""Rest after a poll that brought few, the longer the more of them came in a row: each poll costs more than a record of
it, and what comes meanwhile shares one."""
QUIET_SECONDS = 0.250
"""After so long with nothing the row begins anew, without a rest: a record that comes alone makes nobody wait."""
COMMIT_SECONDS = 1.0
"""How often Kafka is told, while records come, up to where they are stored; and the longest that may take."""
POLL_INTERVAL_MS_MOST = 300_000
PARKED_IN_A_ROW_MOST = 100
LOOK_SECONDS = 1.0
"""How often offsets are stored, and whether a stop was lifted is looked up."""

FATAL = (NewerState, DatabaseSetBack)
"""Neither trouble nor a record's fault: this process can't go on."""


class Ended(Exception):
    """The consumer can't go on; the process must end with an error."""


class Consumer:
    """`polled` stores what a poll brought, `broker` knows how current that is, `rights` what we may not do; `stopped`
    says that a person must let it go on."""

    def __init__(
        self,
        inbox: Inbox,
        kafka: Cluster,
        replica: str,
        wanted: frozenset[str] | None = None,
        limits: AgeLimits = AGE_LIMITS,
        times: GroupTimes = GROUP_TIMES,
    ) -> None:
        self._inbox = inbox
        self._topic = inbox.service.consumes
        events = inbox.service.consumed_events if wanted is None else wanted
        reader = RecordReader(inbox.service.name, events, inbox.settings, self._topic)
        self.polled = Polled(inbox, reader, self._require_stored)
        self._replica = replica
        self._times = times
        self._kafka = kafka
        self._failed_in_a_row = 0
        self._offsets: dict[int, int] = {}
        self._offsets_stored: dict[int, int] = {}
        self._offsets_committed: dict[int, int] = {}
        self._committed_at = self._took_at = 0.0
        self._in_a_row = 0
        self._wait_ms = WAIT_MS
        self._processed_since: frozenset[UUID] = frozenset()
        self._subscriber: Any = None
        self._group = f"iop.{inbox.service.name}"
        self.broker = BrokerWatch(inbox.service.name, limits)
        writes = [each.name for each in inbox.routes.destinations if each.kind == "topic"]
        self.rights = RightsWatch(kafka, self._topic, self._group, writes)
        self.stopped = False

    async def run(self) -> None:
        """Consume until cancelled. Raises Ended when going on would skip a record."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.stopped = await db.retrying(lambda: stops.standing(self._inbox), seconds_most=TROUBLE_SECONDS_MOST)
        await self.broker.reached(self._kafka)
        await self.rights.granted()
        faststream = self._faststream(ended)
        await faststream.start()
        watch = asyncio.create_task(db.every(LOOK_SECONDS, self._look, name="consumer"))
        rights = asyncio.create_task(self.rights.run())
        try:
            await asyncio.wait([watch, ended], return_when=asyncio.FIRST_COMPLETED)
            await (watch if watch.done() else ended)
        finally:
            watch.cancel()
            rights.cancel()
            await self._commit(self._client())
            await faststream.stop()
            await self._store_offsets_last()

    def _faststream(self, ended: "asyncio.Future[None]") -> KafkaBroker:
        broker = self._kafka.broker(
            apply_types=False,
            allow_auto_create_topics=False,
            graceful_timeout=15.0,
        )
        self._subscribe(broker, ended)
        return broker

    def _subscribe(self, broker: KafkaBroker, ended: "asyncio.Future[None]") -> None:
        self._subscriber = broker.subscriber(
            self._topic,
            batch=True,
            group_id=self._group,
            group_instance_id=f"{self._group}.{self._replica}",
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=262_144,
            fetch_max_wait_ms=WAIT_MS,
            max_poll_interval_ms=POLL_INTERVAL_MS_MOST,
            session_timeout_ms=self._times.session_ms,
            heartbeat_interval_ms=self._times.heartbeat_ms,
            ack_policy=AckPolicy.MANUAL,
            listener=OffsetGapListener(
                self._inbox, self._client, self._placed, self._leave, lambda error: _end(ended, error)
            ),
            parser=self._parse,
            decoder=_decode,
        )
        self._subscriber.get_msg = self.poll

        async def consume(records: tuple[ConsumerRecord, ...]) -> None:
            try:
                await self.take(records)
            except Exception as error:
                _end(ended, error)
                raise asyncio.CancelledError from error

        self._subscriber(consume)

    def _client(self) -> Any:
        return self._subscriber.consumer if self._subscriber is not None else None

    def _placed(self, starts: Mapping[int, int]) -> None:
        """Partitions were assigned, and consuming begins here."""
        self._offsets, self._offsets_stored, self._offsets_committed = dict(starts), dict(starts), dict(starts)
        self.broker.assigned(starts)
        if self.stopped:
            self._pause()

    async def _parse(self, raw: tuple[ConsumerRecord, ...]) -> KafkaAckableMessage:
        """FastStream's own parser decodes every header, and one not UTF-8 makes it commit past the whole batch."""
        return KafkaAckableMessage(body=b"", headers={}, raw_message=raw, consumer=self._client())

    async def poll(self, client: Any) -> tuple[ConsumerRecord, ...]:
        """What comes next. Kafka is told how far all is stored once nothing waits; while records come, now and then."""
        found = await poll(client, 0) if ticks() - self._committed_at < COMMIT_SECONDS else ()
        if not found:
            await self._commit(client)
            found = await poll(client, self._wait_ms)
        # Nothing was awaited since these were taken: the client's next question is asked with this.
        self._wait_ms = WAIT_MS if found else WAIT_MS_QUIET
        let_broker_wait(client, self._wait_ms)
        return found

    async def take(self, records: Sequence[ConsumerRecord]) -> None:
        """One poll's records, again and again until they are stored: trouble is not the records' fault. Where one of
        them is at fault, the consumer stops at it."""
        self._in_a_row = self._in_a_row + 1 if ticks() - self._took_at < QUIET_SECONDS else 0
        try:
            failed = await self.polled.store(records)
        except Exception as error:
            if db.is_trouble(error) or isinstance(error, FATAL):
                raise
            await self._stop_at_fault(records)
            return
        self._advance(records)
        await self._count_failed(records, failed)
        if len(records) < FEW:
            await asyncio.sleep(rest_seconds(self._in_a_row))
        self._took_at = ticks()

    def _advance(self, records: Sequence[ConsumerRecord]) -> None:
        """These are stored. What is stored of it (`_look`) is never ahead of what it counts."""
        for record in records:
            self._offsets[record.partition] = record.offset + 1
        self._processed_since = self.polled.last or self._processed_since

    async def _count_failed(self, records: Sequence[ConsumerRecord], failed: Sequence[bool]) -> None:
        for each in failed:
            self._failed_in_a_row = self._failed_in_a_row + 1 if each else 0
        if self._failed_in_a_row > PARKED_IN_A_ROW_MOST:
            place = f"more than {PARKED_IN_A_ROW_MOST} events were parked in a row"
            await self._stop(Stop(self.polled.reader.place(records[-1]), True, place))

    async def _stop_at_fault(self, records: Sequence[ConsumerRecord]) -> None:
        """One by one: what comes before the first that can't be stored is stored."""
        for number, record in enumerate(records):
            try:
                await self.polled.store([record])
            except Exception as error:
                if db.is_trouble(error) or isinstance(error, FATAL):
                    raise
                if not await self._skipped(record):
                    self._seek_back(records[number:])
                    await self._stop(Stop(self.polled.reader.place(record), False, log.place_of(error)))
                    return
            self._advance([record])

    async def _skipped(self, record: ConsumerRecord) -> bool:
        """Whether a person ordered to skip this record; then it is quarantined."""
        place = self.polled.reader.place(record)
        by = (await stops.skips(self._inbox)).get(place)
        if by is not None:
            await stops.quarantine(self._inbox, place, self.polled.reader.unread(record), by)
        return by is not None

    def _seek_back(self, records: Sequence[ConsumerRecord]) -> None:
        """Nothing of these counts as read: the first of each partition comes first again."""
        client = self._client()
        if client is not None:
            for record in reversed(records):
                client.seek(TopicPartition(self._topic, record.partition), record.offset)

    async def _stop(self, stop: Stop) -> None:
        log.get().error(
            "consumer stopped",
            topic=stop.at.topic,
            partition=stop.at.partition,
            offset=stop.at.offset,
            place=stop.place,
        )
        await stops.store(self._inbox, stop)
        self.stopped = True
        self._pause()

    def _pause(self) -> None:
        client = self._client()
        if client is not None:
            client.pause(*client.assignment())

    async def _look(self) -> None:
        """Store how far it has come; whether it is stopped is what the database says."""
        client = self._client()
        self.broker.look(client, self._offsets)
        await self.broker.ask(client, TopicPartition(self._topic, 0))
        await self._store_offsets()
        stopped = await stops.standing(self._inbox)
        if stopped == self.stopped:
            return
        self.stopped, self._failed_in_a_row = stopped, 0
        if stopped:
            self._pause()
        elif client is not None:
            client.resume(*client.assignment())

    async def _commit(self, client: Any) -> None:
        """Tell Kafka how far all is stored, for who asks how much waits. Where that fails the next time does: what is
        read again is passed over."""
        self._committed_at = ticks()
        now, committed = self._offsets, self._offsets_committed
        ours = {each.partition: each for each in client.assignment()} if client is not None else {}
        behind = {each: now[each] for each in ours.keys() & now.keys() if now[each] != committed.get(each)}
        if not behind:
            return
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await client.commit({ours[each]: offset for each, offset in behind.items()})
        except (KafkaError, TimeoutError) as error:
            log.seldom("consumer: Kafka was not told how far it is", error=type(error).__name__)
        else:
            committed.update(behind)

    async def _leave(self) -> None:
        await self._commit(self._client())
        await self._store_offsets_last()

    async def _store_offsets_last(self) -> None:
        """On the way out, and before others get its partitions; without it a little is read again, and passed over."""
        try:
            await self._store_offsets()
        except Exception as error:
            log.get().warning("consumer: offsets not stored", error=type(error).__name__)

    async def _require_stored(self, processed: Collection[UUID]) -> None:
        """A database may be set back under a process that lives through it. Raises DatabaseSetBack."""
        await offsets.require_stored(self._inbox.pool, self._offsets_stored, processed or self._processed_since)

    async def _store_offsets(self) -> None:
        """Never into a database that was set back: it would seem to have what it lacks. Raises DatabaseSetBack."""
        now, processed = dict(self._offsets), self._processed_since
        changed = {each: offset for each, offset in now.items() if self._offsets_stored.get(each) != offset}
        if changed:
            async with self._inbox.pool.acquire() as connection, connection.transaction():
                await offsets.require_stored(connection, self._offsets_stored, processed)
                await offsets.store(connection, changed)
        else:
            await offsets.require_stored(self._inbox.pool, self._offsets_stored, processed)
        self._offsets_stored = now
        if self._processed_since is processed:
            self._processed_since = frozenset()


def _end(ended: "asyncio.Future[None]", error: Exception) -> None:
    if not ended.done():
        log.get().error("consumer ended", place=log.place_of(error))
        ended.set_exception(Ended(type(error).__name__))


def rest_seconds(in_a_row: int) -> float:
    """After a poll that followed so many others."""
    return min(in_a_row * REST_SECONDS_STEP, REST_SECONDS_MOST)


async def poll(client: Any, wait_ms: int) -> tuple[ConsumerRecord, ...]:
    """FastStream's own sleeps after a poll that came back empty, as long as it has waited: so does a record."""
    found = await client.getmany(timeout_ms=wait_ms, max_records=POLL_MOST)
    return tuple(chain(*found.values()))


def let_broker_wait(client: AIOKafkaConsumer, wait_ms: int) -> None:
    """From its next question on. The client has an option for it, but only for its whole life."""
    client._fetcher._fetch_max_wait_ms = wait_ms


async def _decode(message: Any) -> Any:
    return message.raw_message
