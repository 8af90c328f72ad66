"""`iop tail`: topics, read as a person would."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

import msgspec
import typer
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from deploy import hubfile, topics
from deploy.commands.common import DEFAULT_DATA, Data, out
from deploy.failure import CannotContinueError
from shared.words import wire

HEARTBEAT = "ConsentsCurrent"
SHORT = 8
TEXT_MOST = 40


@dataclass(frozen=True)
class Reading:
    """What to read: which topics, from their beginning or from now on, and how many records at most."""

    topics: tuple[str, ...]
    from_beginning: bool = False
    most: int | None = None
    heartbeats: bool = False


def tail(
    topic: Annotated[list[str], typer.Argument(help="iop.intake.events, or intake for short; several may be named.")],
    as_json: Annotated[bool, typer.Option("--json", help="The whole record, one JSON object a line.")] = False,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="All that is kept, then what comes.")
    ] = False,
    most: Annotated[int | None, typer.Option("--max", help="Stop after that many.", min=1)] = None,
    heartbeats: Annotated[bool, typer.Option(help="Show the consent ledger's heartbeats too.")] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Print what is said on topics as it is said: time, word, program, patient, and what the word says."""
    hub = hubfile.read(data)
    reading = Reading(tuple(_full_name(each) for each in topic), from_beginning, most, heartbeats)
    line = as_object if as_json else readable
    with suppress(KeyboardInterrupt):
        asyncio.run(_print(hub.kafka, reading, line))


async def _print(bootstrap: str, reading: Reading, line: Any) -> None:
    async for record in records(bootstrap, reading):
        out.print(line(record), markup=False)


async def records(bootstrap: str, reading: Reading) -> AsyncIterator[ConsumerRecord]:
    """The records, as they come, without joining any group: nobody else's reading is disturbed.

    Raises:
        CannotContinueError: Kafka cannot be reached.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    try:
        await consumer.start()
        await _place(consumer, reading)
        left = reading.most
        async for record in consumer:
            if reading.heartbeats or wire.word_name(head(record)) != HEARTBEAT:
                yield record
                left = None if left is None else left - 1
                if left == 0:
                    return
    except (KafkaError, OSError) as failure:
        raise CannotContinueError(f"Kafka at {bootstrap} does not answer ({type(failure).__name__})") from None
    finally:
        await consumer.stop()


async def _place(consumer: AIOKafkaConsumer, reading: Reading) -> None:
    """Assign every partition and stand at its beginning or end."""
    await consumer.topics()
    partitions = [
        TopicPartition(topic, partition)
        for topic in reading.topics
        for partition in sorted(consumer.partitions_for_topic(topic) or ())
    ]
    if not partitions:
        raise CannotContinueError("these topics don't exist in this Kafka")
    consumer.assign(partitions)
    await (consumer.seek_to_beginning if reading.from_beginning else consumer.seek_to_end)(*partitions)


def head(record: ConsumerRecord) -> dict[str, str]:
    """The record's headers as text."""
    return {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}


def as_object(record: ConsumerRecord) -> str:
    """The whole record as one JSON object: topic, partition, offset, key, headers, value."""
    value: Any = None
    if record.value is not None:
        try:
            value = json.loads(record.value)
        except ValueError:
            value = record.value.decode("utf-8", "replace")
    whole = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": record.key.decode("utf-8", "replace") if record.key is not None else None,
        "headers": head(record),
        "value": value,
    }
    return json.dumps(whole, ensure_ascii=False)


def readable(record: ConsumerRecord) -> str:
    """One line: the clinic's time, the word, program, the patient's first eight letters, what the word says."""
    headers = head(record)
    name = wire.word_name(headers) or "?"
    patient = record.key.decode("utf-8", "replace")[:SHORT] if record.key else "-"
    told = says(name, record.value, headers)
    return f"{headers.get('ce_time', '?')[:19]}  {name:<26} {headers.get('ce_program', '-'):<8} {patient:<8}  {told}"


def says(name: str, value: bytes | None, headers: dict[str, str]) -> str:
    """The word's own short fields; where it cannot be read, what the headers tell."""
    try:
        word = wire.read(name, value)
    except wire.Unreadable:
        keys = ("ce_subject", "iop-tier", "iop-category", "iop-state", "iop-ack-due")
        return " ".join(headers[key] for key in keys if key in headers)
    return " ".join(_pairs(word))


def _pairs(word: msgspec.Struct) -> Sequence[str]:
    pairs: list[str] = []
    for field in word.__struct_fields__:
        value = getattr(word, field)
        match value:
            case None | "" | ():
                continue
            case msgspec.Struct():
                pairs.extend(_pairs(value))
            case datetime():
                pairs.append(f"{field}={value:%Y-%m-%dT%H:%M}")
            case bool() | int() | float() | date():
                pairs.append(f"{field}={value}")
            case str() if len(value) <= TEXT_MOST:
                pairs.append(f"{field}={value[:SHORT] if field.endswith('_id') else value}")
            case tuple() | frozenset() if all(isinstance(each, str) and len(each) <= TEXT_MOST for each in value):
                pairs.append(f"{field}={','.join(sorted(value))}")
            case tuple() | frozenset() | list():
                pairs.append(f"{field}:{len(value)}")
            case _:
                continue
    return pairs


def _full_name(given: str) -> str:
    known = topics.load().topic
    for name in (given, f"iop.{given}", f"iop.{given}.events"):
        if name in known:
            return name
    raise CannotContinueError(f"no such topic; there are: {', '.join(known)}")
