"""What a running hub has done, read from Kafka's records and the services' databases."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy import queries, topics
from deploy.hubfile import Hub
from deploy.measures import Measure, Month, month_of
from deploy.measuring import Opened, measured
from deploy.queries import Count
from shared.events import wire
from shared.events.catalogue import BY_NAME, CONSUMES
from shared.platform.kafka import Cluster

HEARTBEAT = "ConsentsCurrent"
POLL_MS = 200


class Record(msgspec.Struct, frozen=True):
    """One record of a topic: CloudEvents attributes by header, the message Bundle (of a null an empty one), the patient
    as its key."""

    topic: str
    patient: str
    headers: dict[str, str]
    bundle: dict[str, Any]

    @property
    def id(self) -> str:
        return self.headers["ce_id"]

    @property
    def event(self) -> str:
        return wire.event_name(self.headers)

    @property
    def producer(self) -> str:
        return self.headers["ce_source"].rpartition("/")[2]

    @property
    def resources(self) -> list[dict[str, Any]]:
        """The resources of the event, its focus first."""
        return [entry["resource"] for entry in self.bundle["entry"][1:]]


class Topics:
    """Reads all topics from their beginning, and with each call what is new, without joining a consumer group. A
    compacted one only repeats what stands on another.

    async with Topics(hub.cluster) as topics:
        records = await topics.more()
    """

    def __init__(self, kafka: Cluster, names: tuple[str, ...] = ()) -> None:
        self._kafka = kafka
        self._names = names or tuple(name for name, each in topics.load().topic.items() if not each.compacted)
        self._partitions: list[TopicPartition] = []
        self._consumer: AIOKafkaConsumer | None = None

    async def __aenter__(self) -> Self:
        counts = await topics.counted(self._kafka, set(self._names))
        self._partitions = [TopicPartition(name, number) for name, count in counts.items() for number in range(count)]
        self._consumer = self._kafka.consumer()
        await self._consumer.start()
        self._consumer.assign(self._partitions)
        await self._consumer.seek_to_beginning(*self._partitions)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._consumer is not None:
            await self._consumer.stop()

    async def more(self) -> list[Record]:
        """All events since the last call, up to where the topics end now, without the consent heartbeats. A record of
        another program's is none."""
        return [each async for batch in self.batches() for each in batch]

    async def batches(self) -> AsyncIterator[list[Record]]:
        """The same, as they are polled: they may be too many for the memory."""
        assert self._consumer is not None
        ends: Mapping[TopicPartition, int] = await self._consumer.end_offsets(self._partitions)
        while [each for each in self._partitions if await self._consumer.position(each) < ends[each]]:
            for batch in (await self._consumer.getmany(timeout_ms=POLL_MS)).values():
                yield [_record(each) for each in batch if _event(each) in BY_NAME.keys() - {HEARTBEAT}]


class Databases:
    """The four services' databases, on read-only connections that stay open.

    async with Databases(hub) as databases:
        counts = await databases.count()
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._open: dict[str, queries.Connection] = {}

    async def __aenter__(self) -> Self:
        for name, dsn in self._hub.postgres.items():
            self._open[name] = await queries.reading(dsn)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._open.values():
            await connection.close()

    async def count(self) -> dict[str, Count]:
        """Per service, as of now."""
        return {name: await queries.count(connection) for name, connection in self._open.items()}

    async def months(
        self, program: str, since: datetime, now: datetime, zone: ZoneInfo
    ) -> list[tuple[Month, list[Measure]]]:
        """Every month from the one of `since` until now, as it is measured."""
        opened = Opened(self._open["intake"], self._open["attendance"], self._open["aftercare"])
        months = [month_of(since, zone)]
        while months[-1].until <= now:
            months.append(month_of(months[-1].until, zone))
        return [(month, await measured(opened, program, month, now)) for month in months]

    async def consumed(self, service: str, patient: str) -> list[str]:
        """The ids of intake's events about a patient, in the order in which the service decided them."""
        return await queries.consumed_from_intake(self._open[service], patient)

    async def lost(self, records: list[Record]) -> list[str]:
        """One line for each lost event: emitted by a journal but on no topic, or on a topic but not processed."""
        on_topics = {record.id for record in records}
        lines: list[str] = []
        for name, connection in self._open.items():
            emitted = await queries.emitted(connection)
            processed = await queries.processed(connection)
            consumed = {record.id for record in records if _is_consumed_by(name, record)}
            lines += [f"{name} emitted {id}, which is on no topic" for id in sorted(emitted - on_topics)]
            lines += [f"{name} did not process {id}" for id in sorted(consumed - processed)]
        return lines


def sent_twice(records: list[Record]) -> int:
    """How many records are on their topic again: delivery is at-least-once, and each consumer processes an id once."""
    return len(records) - len({record.id for record in records})


def _is_consumed_by(service: str, record: Record) -> bool:
    entry = BY_NAME.get(record.event)
    topic = CONSUMES[service]
    return entry is not None and record.topic == topic and service in entry.consumers and record.producer != service


def _event(record: Any) -> str:
    return wire.event_name({name: value.decode(errors="replace") for name, value in record.headers if value})


def _headers(record: Any) -> dict[str, str]:
    return {name: value.decode() for name, value in record.headers}


def _record(record: Any) -> Record:
    patient = record.key.decode() if record.key else ""
    return Record(record.topic, patient, _headers(record), msgspec.json.decode(record.value or b"{}"))
