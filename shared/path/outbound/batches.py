"""Rows of a topic lane as records, a batch for each partition: one acknowledgement for all of its rows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.partitioner import murmur2

from shared.platform.db import Row

BATCH_BYTES_MOST = 262_144
RECORD_BYTES_MOST = 1_048_000
"""What the broker takes unless told otherwise (1,048,588 with what surrounds a record). A record above
`BATCH_BYTES_MOST` travels as a batch of its own."""
_decode = msgspec.json.Decoder(dict[str, str]).decode


@dataclass
class Batch:
    """The rows that travel to one partition at once; `full` once one of them did not fit any more."""

    builder: Any
    ids: list[int] = field(default_factory=list)
    full: bool = False


class Batches:
    """At most one batch for a partition: of two on their way the second could arrive and the first fail, and a
    patient's events would stand in the wrong order. What does not fit is left for the next turn."""

    def __init__(self, sender: AIOKafkaProducer, partitions: Collection[int]) -> None:
        self._sender = sender
        self._partitions = sorted(partitions)
        self.of: dict[int, Batch] = {}
        """By the partition's number."""

    def add(self, row: Row) -> None:
        """Into its partition's batch, or left out where that is full. Raises what is wrong with this row alone."""
        key = row["key"].encode() if row["key"] is not None else None
        number = partition(key, self._partitions) if row["partition"] is None else row["partition"]
        if number not in self._partitions:
            raise LookupError(number)
        batch = self.of.get(number) or Batch(self._sender.create_batch())
        if batch.full:
            return
        headers = [(name, value.encode()) for name, value in _decode(row["headers"]).items()]
        value = row["body"].encode() if row["body"] is not None else None
        added = batch.builder.append(timestamp=None, key=key, value=value, headers=headers)
        if added is None:
            batch.full = True
            return
        if added.size > RECORD_BYTES_MOST:
            raise MessageSizeTooLargeError(added.size)
        batch.ids.append(row["id"])
        self.of[number] = batch


# For the rows that one patient's day brings, which leave within minutes: 2 MB at most.
@lru_cache(maxsize=8_192)
def _hash(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF


def partition(key: bytes | None, partitions: Sequence[int]) -> int:
    """Kafka's own rule (murmur2), cached, for it is pure Python here; a record without a key goes to the first."""
    return partitions[_hash(key) % len(partitions)] if key is not None else partitions[0]
