"""Which rights we lack in a cluster, asked of a broker: the client libraries wait for ever without a word.

A broker looks at rights before anything else, so what is asked has no effect: a fetch of nothing, a heartbeat of nobody
in the group, a write without a record.
"""

from collections.abc import Iterable

from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.produce import ProduceRequest

from shared.platform.kafka import Cluster

WITHOUT_RIGHT = frozenset({TopicAuthorizationFailedError.errno, GroupAuthorizationFailedError.errno})
ANSWER_MS_MOST = 1_000


async def missing_to_consume(kafka: Cluster, topic: str, group: str) -> list[str]:
    """What we lack to read this topic in this group. Raises KafkaError or OSError where the broker does not answer."""
    async with kafka.connection() as broker:
        fetched = await broker.send(FetchRequest(0, 0, 1, 0, [(topic, [(0, 0, 1)])]))
        found = [f"Read on topic {name}" for name, (part, *_) in fetched.topics if part[1] in WITHOUT_RIGHT]
        beat = await broker.send(HeartbeatRequest(group, -1, ""))
        return found + ([f"Read on group {group}"] if beat.error_code in WITHOUT_RIGHT else [])


async def missing_to_produce(kafka: Cluster, topics: Iterable[str]) -> list[str]:
    """What we lack to write to these topics. Raises as above."""
    async with kafka.connection() as broker:
        written = await broker.send(ProduceRequest(None, 1, ANSWER_MS_MOST, [(each, [(0, b"")]) for each in topics]))
        return [f"Write on topic {name}" for name, (part, *_) in written.topics if part[1] in WITHOUT_RIGHT]
