"""The topics as data, and creating them in a Kafka."""

import asyncio
import time
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, NodeNotReadyError, for_code

from deploy.failure import CannotContinueError
from deploy.own_kafka import unusable
from deploy.paths import SETTINGS
from shared.platform.kafka import Cluster
from shared.platform.settings import configuration

DAY_MILLISECONDS = 24 * 60 * 60 * 1000
COMPACTED = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": "0",
    "segment.ms": str(DAY_MILLISECONDS // 24),
    "delete.retention.ms": str(14 * DAY_MILLISECONDS),
}
"""A reader that was away for two weeks still sees the null by which it forgets a key."""
REPLICAS_MOST = 3
KNOWN_SECONDS_MOST = 15.0
TOPIC_ALREADY_EXISTS = 36


class Topic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One topic: what it holds, who may write and read it, and for how many days; or, compacted, each key's newest
    record."""

    holds: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    retention_days: Annotated[int, msgspec.Meta(ge=1)] | None = None
    compacted: bool = False

    def __post_init__(self) -> None:
        if self.compacted == (self.retention_days is not None):
            raise ValueError("a topic has either retention_days or compacted = true")

    @property
    def configuration(self) -> dict[str, str]:
        """What the broker is told of it."""
        if self.retention_days is not None:
            return {"cleanup.policy": "delete", "retention.ms": str(self.retention_days * DAY_MILLISECONDS)}
        return COMPACTED


class Topics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of topics.toml."""

    partitions: int
    topic: dict[str, Topic]

    @property
    def users(self) -> tuple[str, ...]:
        """Who may write or read any of them: services, and whoever reads from outside."""
        return tuple(sorted({user for each in self.topic.values() for user in (*each.writers, *each.readers)}))


def load(deploy: Path = SETTINGS) -> Topics:
    """Read topics.toml of a folder of settings. Raises ConfigurationError."""
    file = deploy / "topics.toml"
    with configuration(file):
        return msgspec.convert(tomllib.loads(file.read_text()), type=Topics)


def in_sync(copies: int) -> int:
    """How many of a topic's copies must have a record before it is acknowledged: of three one may be away."""
    return 2 if copies == REPLICAS_MOST else 1


async def create(kafka: Cluster, topics: Topics | None = None) -> tuple[str, ...]:
    """Create the topics that are absent and return their names; present ones are left as they are.

    Raises:
        CannotContinueError: Kafka cannot be reached, refuses, or holds a topic with another number of partitions.
    """
    wanted = topics or load()
    admin = kafka.admin()
    try:
        await admin.start()
        present = await partition_counts(admin, set(wanted.topic))
        _refuse_other_counts(present, wanted.partitions)
        absent = tuple(name for name in wanted.topic if name not in present)
        if absent:
            await _create(admin, wanted, absent)
            await _until_known(admin, wanted)
    except (KafkaError, OSError, TimeoutError) as failure:
        raise await unusable(kafka, failure) from failure
    finally:
        await admin.close()
    return absent


async def counted(kafka: Cluster, names: set[str]) -> dict[str, int]:
    """`partition_counts` of this Kafka, once it lists a broker: one that was frozen answers before it is
    listed again. Raises KafkaError."""
    give_up_at = time.monotonic() + KNOWN_SECONDS_MOST
    while True:
        admin = kafka.admin()
        try:
            await admin.start()
            return await partition_counts(admin, names)
        except NodeNotReadyError:
            if time.monotonic() > give_up_at:
                raise
        finally:
            await admin.close()
        await asyncio.sleep(0.2)


async def partition_counts(admin: AIOKafkaAdminClient, names: set[str]) -> dict[str, int]:
    """How many partitions each of these topics has; absent ones are left out (and not created by asking)."""
    known = sorted(names & set(await admin.list_topics()))
    described = await admin.describe_topics(known) if known else []
    return {each["topic"]: len(each["partitions"]) for each in described if each["partitions"]}


async def _until_known(admin: AIOKafkaAdminClient, wanted: Topics) -> None:
    """A topic is known to brokers a moment after it was created; one that somebody else created may differ."""
    give_up_at = time.monotonic() + KNOWN_SECONDS_MOST
    present: dict[str, int] = {}
    while len(present) < len(wanted.topic):
        if time.monotonic() > give_up_at:
            raise TimeoutError("Kafka does not show the topics it created")
        await asyncio.sleep(0.02)
        present = await partition_counts(admin, set(wanted.topic))
    _refuse_other_counts(present, wanted.partitions)


def _refuse_other_counts(present: dict[str, int], partitions: int) -> None:
    for name, count in present.items():
        if count != partitions:
            raise CannotContinueError(
                f"topic {name} has {count} partitions, {partitions} are wanted: the order per patient depends on it, "
                "so it is never changed in place; empty that Kafka or use another"
            )


async def _create(admin: AIOKafkaAdminClient, wanted: Topics, absent: tuple[str, ...]) -> None:
    copies = min(len((await admin.describe_cluster())["brokers"]), REPLICAS_MOST)
    own = {"min.insync.replicas": str(in_sync(copies))}
    answer = await admin.create_topics(
        [
            NewTopic(
                name,
                wanted.partitions,
                copies,
                topic_configs=own | wanted.topic[name].configuration,
            )
            for name in absent
        ]
    )
    for name, code, *_ in answer.topic_errors:
        if code not in (0, TOPIC_ALREADY_EXISTS):
            raise CannotContinueError(f"Kafka refused to create topic {name}: {for_code(code).__name__}")
