"""What a running hub has done, read where it cannot be embellished: Kafka's records and the services' databases."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from deploy import topics
from deploy.hubfile import Hub
from shared.events import wire
from shared.events.catalogue import BY_NAME, CONSUMES

HEARTBEAT = "ConsentsCurrent"
POLL_MS = 200

# What a service decided and said (its journal), what is still to be sent or decided, what the gate withheld.
COUNT = """SELECT (SELECT count(*) FROM journal) AS journal,
    (SELECT coalesce(sum(cardinality(emitted)), 0)::int FROM journal) AS emitted,
    (SELECT count(*) FROM resources WHERE type = 'AuditEvent' AND body LIKE '%"code":"withheld"%') AS withheld,
    (SELECT count(*) FROM outbox WHERE partition IS NULL) AS left_over,
    (SELECT count(*) FROM parked) AS parked"""
EMITTED = "SELECT DISTINCT unnest(emitted)::text AS id FROM journal"
CONSUMED = "SELECT cause::text AS id FROM journal WHERE key = $1 AND producer = 'intake' ORDER BY sequence"
PROCESSED = "SELECT id::text AS id FROM processed"


class Record(msgspec.Struct, frozen=True):
    """One record of a topic: CloudEvents attributes by header, the message Bundle, the patient as its key."""

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
        """What the event says, its focus first."""
        return [entry["resource"] for entry in self.bundle["entry"][1:]]


class Count(msgspec.Struct, frozen=True):
    """One service: decisions journalled, words emitted, disclosures withheld, outbox rows and parked words left."""

    consumed: int = 0
    emitted: int = 0
    withheld: int = 0
    left_over: int = 0
    parked: int = 0


class Topics:
    """Reads all topics from their beginning, again and again what is new, without joining any group.

    async with Topics(hub.kafka) as topics:
        records = await topics.more()
    """

    def __init__(self, bootstrap: str, names: tuple[str, ...] = ()) -> None:
        self._bootstrap = bootstrap
        self._names = names or tuple(topics.load().topic)
        self._partitions: list[TopicPartition] = []
        self._consumer: AIOKafkaConsumer | None = None

    async def __aenter__(self) -> Self:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        await admin.start()
        try:
            counts = await topics.partition_counts(admin, set(self._names))
        finally:
            await admin.close()
        self._partitions = [TopicPartition(name, each) for name, count in counts.items() for each in range(count)]
        self._consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, enable_auto_commit=False)
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
        """Everything said since the last call, up to where the topics end now; the consent heartbeats left out."""
        assert self._consumer is not None
        ends: Mapping[TopicPartition, int] = await self._consumer.end_offsets(self._partitions)
        found: list[Record] = []
        while [each for each in self._partitions if await self._consumer.position(each) < ends[each]]:
            for batch in (await self._consumer.getmany(timeout_ms=POLL_MS)).values():
                found.extend(_record(each) for each in batch if wire.event_name(_headers(each)) != HEARTBEAT)
        return found


class Databases:
    """The four services' databases, on connections kept open.

    async with Databases(hub) as databases:
        counts = await databases.count()
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._open: dict[str, asyncpg.Connection] = {}

    async def __aenter__(self) -> Self:
        for name, dsn in self._hub.postgres.items():
            self._open[name] = await asyncpg.connect(dsn, timeout=10)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._open.values():
            await connection.close()

    async def count(self) -> dict[str, Count]:
        """Per service, as of now."""
        return {
            name: msgspec.convert(dict(await connection.fetchrow(COUNT)), type=Count)
            for name, connection in self._open.items()
        }

    async def consumed(self, service: str, patient: str) -> list[str]:
        """The ids of what a service heard from others about a patient, in the order in which it decided."""
        rows = await self._open[service].fetch(CONSUMED, patient)
        return [row["id"] for row in rows]

    async def lost(self, records: list[Record]) -> list[str]:
        """What got lost, in words: journalled as said but on no topic, or on a heard topic but claimed by nobody."""
        on_topics = {each.id for each in records}
        found: list[str] = []
        for name, connection in self._open.items():
            emitted = {row["id"] for row in await connection.fetch(EMITTED)}
            processed = {row["id"] for row in await connection.fetch(PROCESSED)}
            due = {each.id for each in records if _is_heard_by(name, each)}
            found += [f"{name} said {each}, which is on no topic" for each in sorted(emitted - on_topics)]
            found += [f"{name} never heard {each}" for each in sorted(due - processed)]
        return found


def sent_twice(records: list[Record]) -> int:
    """Records that are on their topic a second time: delivery is at-least-once, and its readers claim each id once."""
    return len(records) - len({each.id for each in records})


def _is_heard_by(service: str, record: Record) -> bool:
    entry = BY_NAME.get(record.event)
    topic = CONSUMES[service]
    return entry is not None and record.topic == topic and service in entry.consumers and record.producer != service


def _headers(record: Any) -> dict[str, str]:
    return {name: value.decode() for name, value in record.headers}


def _record(record: Any) -> Record:
    patient = record.key.decode() if record.key else ""
    return Record(record.topic, patient, _headers(record), msgspec.json.decode(record.value))
