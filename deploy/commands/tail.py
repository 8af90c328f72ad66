"""`iop tail`: the records of topics as lines a person can read."""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import typer
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from deploy import hubfile, own_kafka, topics
from deploy.commands.common import DEFAULT_DATA, Data, out
from deploy.commands.picking import Picked, ago
from deploy.failure import CannotContinueError
from deploy.own_kafka import unusable
from shared.events import wire
from shared.platform.kafka import Cluster

HEARTBEAT = "ConsentsCurrent"
SHORT = 8
POLL_MS = 200
TEXT_MOST = 40
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT")
ESCALATION_HEADERS = ("iop-tier", "iop-category", "iop-state", "iop-ack-due")


ALL = Picked()
Several = Annotated[list[str], typer.Option(help="Only these; may be given several times.")]
NONE: list[str] = []


@dataclass(frozen=True)
class Reading:
    """What to read: which topics, from their beginning, from so long ago (machine time) or from now on, which records,
    and how many at most. `follows` goes on for ever; else it ends where the topics end now."""

    topics: tuple[str, ...]
    from_beginning: bool = False
    most: int | None = None
    heartbeats: bool = False
    picked: Picked = ALL
    since: timedelta | None = None
    follows: bool = True


def tail(
    topic: Annotated[
        list[str] | None,
        typer.Argument(help="A topic, like iop.intake.events or intake for short; several are possible."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole record, one JSON object a line.")] = False,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Start with the oldest record that is stored.")
    ] = False,
    most: Annotated[int | None, typer.Option("--max", help="Stop after so many records.", min=1)] = None,
    heartbeats: Annotated[bool, typer.Option(help="Show the consent ledger's heartbeats too.")] = False,
    tier: Several = NONE,
    category: Several = NONE,
    state: Several = NONE,
    program: Several = NONE,
    event: Several = NONE,
    patient: Annotated[str, typer.Option(help="Only this patient: the hub's id of them, or its first letters.")] = "",
    since: Annotated[str, typer.Option(help="Start so long ago, by the machine's clock: 30m, 2h, 1d.")] = "",
    correlation: Annotated[
        str, typer.Option(help="All that came of one cause, in the order of time: on all topics unless some are named.")
    ] = "",
    data: Data = DEFAULT_DATA,
) -> None:
    """Print the events of topics as they arrive: time, event, program, patient, and the focus resource in short."""
    kafka = own_kafka.chosen(lambda: hubfile.read(data).cluster)
    picked = Picked.of(event, patient, correlation, tier=tier, category=category, state=state, program=program)
    reading = Reading(
        _topics(topic or [], correlation),
        from_beginning or bool(correlation),
        most,
        heartbeats,
        picked,
        ago(since) if since else None,
        follows=not correlation,
    )
    line = as_object if as_json else readable
    with suppress(KeyboardInterrupt):
        asyncio.run(_print(kafka, reading, line))


async def _print(kafka: Cluster, reading: Reading, line: Callable[[ConsumerRecord], str]) -> None:
    found = records(kafka, reading)
    if not reading.follows:
        for record in sorted([each async for each in found], key=lambda each: each.timestamp):
            out.print(line(record), markup=False)
        return
    async for record in found:
        out.print(line(record), markup=False)


async def records(kafka: Cluster, reading: Reading) -> AsyncIterator[ConsumerRecord]:
    """The records as they arrive, without joining a consumer group: no other consumer is disturbed.

    Raises:
        CannotContinueError: Kafka cannot be reached.
    """
    consumer = kafka.consumer()
    try:
        await consumer.start()
        await _place(consumer, await _partitions(kafka, reading.topics), reading)
        left = reading.most
        async for record in _arriving(consumer, reading.follows):
            headers = headers_of(record)
            if not reading.heartbeats and wire.event_name(headers) == HEARTBEAT:
                continue
            if reading.picked.takes(record, headers):
                yield record
                left = None if left is None else left - 1
                if left == 0:
                    return
    except (KafkaError, OSError) as failure:
        raise await unusable(kafka, failure) from None
    finally:
        await consumer.stop()


async def _partitions(kafka: Cluster, names: tuple[str, ...]) -> list[TopicPartition]:
    counts = await topics.counted(kafka, set(names))
    if not counts:
        raise CannotContinueError(
            "none of these topics exists in this Kafka, or our user may not read it: start the hub once, which creates "
            "them, and see `iop topics acl`"
        )
    return [TopicPartition(name, each) for name, count in counts.items() for each in range(count)]


async def _place(consumer: AIOKafkaConsumer, partitions: list[TopicPartition], reading: Reading) -> None:
    """Assign every partition, at its beginning, its end, or the first record since then."""
    consumer.assign(partitions)
    whole = reading.from_beginning and reading.since is None
    await (consumer.seek_to_beginning if whole else consumer.seek_to_end)(*partitions)
    if reading.since is not None:
        since = int((time.time() - reading.since.total_seconds()) * 1000)
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, since))
        for partition, first in found.items():
            if first is not None:
                consumer.seek(partition, first.offset)


async def _arriving(consumer: AIOKafkaConsumer, follows: bool) -> AsyncIterator[ConsumerRecord]:
    """For ever, or up to where the partitions end now."""
    if follows:
        async for record in consumer:
            yield record
        return
    ends = await consumer.end_offsets(consumer.assignment())
    while any([await consumer.position(partition) < end for partition, end in ends.items()]):
        for batch in (await consumer.getmany(timeout_ms=POLL_MS)).values():
            for record in batch:
                yield record


def headers_of(record: ConsumerRecord) -> dict[str, str]:
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
        "headers": headers_of(record),
        "value": value,
    }
    return json.dumps(whole, ensure_ascii=False)


def readable(record: ConsumerRecord) -> str:
    """One line: the clinic's time, the event, program, the patient's first eight letters, the focus resource."""
    headers = headers_of(record)
    name = wire.event_name(headers) or "?"
    patient = record.key.decode("utf-8", "replace")[:SHORT] if record.key else "-"
    parts = summary(record.value, headers)
    return f"{headers.get('ce_time', '?')[:19]}  {name:<26} {headers.get('ce_program', '-'):<8} {patient:<8}  {parts}"


def summary(value: bytes | None, headers: dict[str, str]) -> str:
    """The headers of an escalation, then the focus resource's short members, then a count of the other resources."""
    parts = [headers[name] for name in ESCALATION_HEADERS if name in headers]
    try:
        resources = [entry["resource"] for entry in json.loads(value or b"{}").get("entry", [])[1:]]
        kinds = Counter(resource["resourceType"] for resource in resources[1:])
        focus = [resources[0]["resourceType"], *members(resources[0])] if resources else []
    except (ValueError, LookupError, TypeError, AttributeError):
        return " ".join([*parts, "(unreadable)"])
    return " ".join([*parts, *focus, *(f"+{count} {kind}" for kind, count in kinds.items())])


def members(resource: Mapping[str, Any]) -> Iterator[str]:
    """Its short members as `name=value`: plain values, codes, periods."""
    for name, value in resource.items():
        match value:
            case _ if name in ("resourceType", "id"):
                continue
            case str() if INSTANT.match(value):
                yield f"{name}={value[:16]}"
            case str() | bool() | int() | float() if len(str(value)) <= TEXT_MOST:
                yield f"{name}={value}"
            case {"coding": [{"code": code}, *_]}:
                yield f"{name}={code}"
            case [{"coding": [{"code": _}, *_]}, *_]:
                yield f"{name}={','.join(each['coding'][0]['code'] for each in value)}"
            case [{"diagnostics": str(text)}, *_]:
                yield text
            case {"start": start}:
                yield f"{name}={start[:16]}..{value.get('end', '')[:16]}"
            case _:
                continue


def _topics(given: list[str], correlation: str) -> tuple[str, ...]:
    """Those named; to follow one cause all of them but the one that only repeats another."""
    if given:
        return tuple(_full_name(each) for each in given)
    if not correlation:
        raise CannotContinueError("name a TOPIC, or a cause with --correlation")
    return tuple(name for name, each in topics.load().topic.items() if not each.compacted)


def _full_name(given: str) -> str:
    known = topics.load().topic
    for name in (given, f"iop.{given}", f"iop.{given}.events"):
        if name in known:
            return name
    raise CannotContinueError(f"TOPIC must be one of: {', '.join(known)}")
