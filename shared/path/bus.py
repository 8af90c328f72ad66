"""The bus: the one importer of FastStream. One batch subscriber a service, acknowledged after the commit.

FastStream swallows what a handler raises. So trouble is waited out inside the handler, on the same batch; what can't be
waited out ends the process: a future tells the task group, and the handler raises CancelledError, so that nothing is
acknowledged and the stop is clean.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage

from shared.path import db, ledger, log, metrics
from shared.path.clock import machine_now, ticks
from shared.path.inbox import Inbox
from shared.path.item import Answer, Incomplete, Item, heard
from shared.words import fhir, wire
from shared.words.intake import ConsentsCurrent

BATCH_MOST = 200
BATCH_TIMEOUT_MS = 10
"""200 ms, the default, makes a quiet system wait as long."""
POLL_INTERVAL_MS_MOST = 300_000
BACK_OFF_SECONDS_FIRST = 0.2
BACK_OFF_SECONDS_MOST = 10.0
TROUBLE_SECONDS_MOST = 60.0
"""Of the 300 s a poll may take; then the process ends: a restart beats skipping."""
PARKED_IN_A_ROW_MOST = 100
SESSION_TIMEOUT_MS = 10_000
KEY_LETTERS_MOST = 64
"""The hub's ids have 36; a longer key is nobody's."""


class Ended(Exception):
    """The consumer can't go on; the process must end with an error."""


class Bus:
    def __init__(self, inbox: Inbox, bootstrap: str, replica: str, wanted: frozenset[str] | None = None) -> None:
        self._inbox = inbox
        self._wanted = inbox.service.heard_words if wanted is None else wanted
        self._topic = inbox.service.hears
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
            max_records=BATCH_MOST,
            batch_timeout_ms=BATCH_TIMEOUT_MS,
            group_id=group,
            group_instance_id=f"{group}.{self._replica}",
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=262_144,
            max_poll_interval_ms=POLL_INTERVAL_MS_MOST,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            ack_policy=AckPolicy.NACK_ON_ERROR,
            listener=_Lost(self._inbox, self._consumer),
            parser=self._parse,
            decoder=_decode,
        )

        async def hear(records: tuple[ConsumerRecord, ...]) -> None:
            try:
                await self.take(records)
            except Exception as error:
                if not ended.done():
                    log.get().error("consumer ended", place=log.place_of(error))
                    ended.set_exception(Ended(type(error).__name__))
                raise asyncio.CancelledError from error

        self._subscriber(hear)

    def _consumer(self) -> Any:
        return self._subscriber.consumer

    async def _parse(self, raw: tuple[ConsumerRecord, ...]) -> KafkaAckableMessage:
        """FastStream's own parser decodes every header, and one not UTF-8 makes it commit past the whole batch."""
        return KafkaAckableMessage(body=b"", headers={}, raw_message=raw, consumer=self._consumer())

    async def take(self, records: Sequence[ConsumerRecord]) -> None:
        """One batch, again and again until it is kept: trouble is not the records' fault."""
        items, heartbeats = self._read(records)
        if not items and not heartbeats:
            return
        started, pause = ticks(), BACK_OFF_SECONDS_FIRST
        while True:
            try:
                answers = await self._inbox.hear(items, heartbeats)
                break
            except Exception as error:
                if not db.is_trouble(error) or ticks() - started > TROUBLE_SECONDS_MOST:
                    raise
                self.troubled = True
                log.get().warning("trouble", error=type(error).__name__, seconds=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, BACK_OFF_SECONDS_MOST)
        self.troubled = False
        self._count_parked(answers)

    def _read(self, records: Sequence[ConsumerRecord]) -> tuple[list[Item], dict[int, datetime]]:
        items: list[Item] = []
        heartbeats: dict[int, datetime] = {}
        for record in records:
            head = _head(record)
            name = wire.word_name(head)
            if name == ConsentsCurrent.__name__:
                if name in self._wanted and (at := _instant(head)) is not None:
                    heartbeats[record.partition] = at
                continue
            if (name and name not in self._wanted) or head.get("ce_source", "").endswith(
                f"/{self._inbox.service.name}"
            ):
                continue
            item = heard(head, _key(record), record.value)
            if item.program not in self._inbox.settings:
                item.unreadable, item.program = item.unreadable or "headers.ce_program", ""
            if not item.key:
                item.unreadable = item.unreadable or "key"
            if item.unreadable is not None:
                item.word = None
            items.append(item)
        return items, heartbeats

    def _count_parked(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            self._parked_in_a_row = self._parked_in_a_row + 1 if _failed(answer) else 0
        if self._parked_in_a_row > PARKED_IN_A_ROW_MOST:
            raise Ended("too many words parked in a row")

    async def _watch_polls(self) -> None:
        while True:
            consumer = self._consumer()
            self.assigned = consumer is not None and bool(consumer.assignment())
            if self.assigned:
                metrics.LAST_POLL.labels(self._inbox.service.name).set(machine_now().timestamp())
            await asyncio.sleep(0.2 if not self.assigned else 1.0)


def _failed(answer: Answer) -> bool:
    """Whether this very record could not be decided; one queued behind another says nothing of the code."""
    return isinstance(answer, Incomplete) and answer.fault


async def _decode(message: Any) -> Any:
    return message.raw_message


def _head(record: ConsumerRecord) -> dict[str, str]:
    """Headers as text. One that is null or not UTF-8 is left out; where it was needed the record is unreadable."""
    try:
        return {name: value.decode() for name, value in record.headers}
    except (UnicodeDecodeError, AttributeError):
        return {name: text for name, value in record.headers if (text := _text(value)) is not None}


def _text(value: Any) -> str | None:
    try:
        text: str = value.decode()
    except (UnicodeDecodeError, AttributeError):
        return None
    return text


def _instant(head: Mapping[str, str]) -> datetime | None:
    """When a heartbeat was said. One that doesn't tell says nothing: the gate stays as it is."""
    try:
        return fhir.moment(head["ce_time"])
    except (KeyError, ValueError, OverflowError):
        return None


def _key(record: ConsumerRecord) -> str:
    """The patient's id, or nothing where the key can be none."""
    try:
        key: str = (record.key or b"").decode()
    except UnicodeDecodeError:
        return ""
    return key if len(key) <= KEY_LETTERS_MOST and "\x00" not in key else ""


class _Lost(ConsumerRebalanceListener):  # type: ignore[misc]
    """A committed offset older than the topic's start: records expired unread, so the consent gate must stay shut."""

    def __init__(self, inbox: Inbox, consumer: Callable[[], Any]) -> None:
        self._inbox = inbox
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        return None

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        consumer = self._consumer()
        if consumer is None or not assigned:
            return
        starts = await consumer.beginning_offsets(list(assigned))
        lost = []
        for partition, start in starts.items():
            committed = await consumer.committed(partition)
            if committed is not None and committed < start:
                lost.append(partition.partition)
        if lost:
            log.get().error("records expired unread", topic=self._inbox.service.hears, count=len(lost))
            async with self._inbox.pool.acquire() as connection:
                await ledger.mark_lost(connection, lost)
