"""FastStream, held to what we ask of it: a record it can't even parse is stored, never committed past."""

import ast
import asyncio
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from shared.events.catalogue import INTAKE_EVENTS
from shared.path.inbound.consumer import Consumer
from tests.house.test_rooms import ROOT
from tests.service import ServiceOnPostgres, StartService, consumed
from tests.shared.path.given import MONDAY_NOON, admission, attendance_with

Headers = list[tuple[str, bytes | None]]
EXPLICIT = {
    "KafkaBroker": {"apply_types": "False", "allow_auto_create_topics": "False"},
    "subscriber": {
        "batch": "True",
        "ack_policy": "AckPolicy.NACK_ON_ERROR",
        "auto_offset_reset": "'earliest'",
        "parser": "self._parse",
        "decoder": "_decode",
    },
}
"""FastStream's defaults acknowledge first, start at the end, create topics, and parse what can't be parsed."""


def test_no_option_is_left_to_a_default_that_loses_records() -> None:
    tree = ast.parse((ROOT / "shared/path/inbound/consumer.py").read_text())
    calls = {ast.unparse(each.func).rpartition(".")[2]: each for each in ast.walk(tree) if isinstance(each, ast.Call)}
    for call, options in EXPLICIT.items():
        assert options.items() <= {str(each.arg): ast.unparse(each.value) for each in calls[call].keywords}.items()


async def send(kafka: str, patient: str, headers: Headers, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    await producer.send_and_wait(INTAKE_EVENTS, value, key=patient.encode(), headers=headers)
    await producer.stop()


async def test_a_header_that_is_not_utf8_does_not_make_the_batch_be_skipped(
    start_service: StartService, kafka: str
) -> None:
    """With FastStream's own parser the whole batch is committed past, without a log line (its issue 2458)."""
    good, broken, nameless = str(uuid4()), str(uuid4()), str(uuid4())
    event = consumed(admission(good), good)
    headers: Headers = [(name, value.encode()) for name, value in event.headers.items()]
    await send(kafka, broken, [("ce_type", b"\xff\xfe"), ("other", None)], b"{}")
    await send(kafka, nameless, [], b"\x00\xff")
    await send(kafka, good, headers, event.content)
    here = await start_service(attendance_with(), "attendance", MONDAY_NOON)
    consumer = asyncio.create_task(Consumer(here.inbox, kafka, f"house-{uuid4().hex}").run())
    try:
        assert await until(here, good)
    finally:
        consumer.cancel()
        await asyncio.gather(consumer, return_exceptions=True)
    assert await here.count("strays") >= 2


async def until(here: ServiceOnPostgres, patient: str) -> bool:
    for _ in range(300):
        if await here.select("SELECT 1 FROM resources WHERE patient = $1", patient):
            return True
        await asyncio.sleep(0.1)
    return False
