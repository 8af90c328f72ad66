"""FastStream, held to what we ask of it: a record it can't even parse is stored, never committed past."""

import ast
import asyncio
from uuid import uuid4

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from shared.events.catalogue import BY_TYPE, ESCALATIONS, INTAKE_EVENTS, OPEN_ESCALATIONS
from shared.events.envelope import Event
from shared.events.escalation import EscalationEvent, EscalationRaised
from shared.path.inbound.consumer import Consumer
from shared.path.outbound import destinations
from shared.path.transaction.batch import Batch
from shared.platform.kafka import Cluster
from tests.events.examples import ESCALATION, EXAMPLES, MONDAY
from tests.house.test_rooms import ROOT, files
from tests.service import ServiceOnPostgres, StartService, consumed, written
from tests.shared.path.given import MONDAY_NOON, admission, attendance_with

PATIENT = "11111111-1111-4111-8111-111111111111"
Headers = list[tuple[str, bytes | None]]
EXPLICIT = {
    "broker": {"apply_types": "False", "allow_auto_create_topics": "False"},
    "subscriber": {
        "batch": "True",
        "ack_policy": "AckPolicy.MANUAL",
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
    consumer = asyncio.create_task(Consumer(here.inbox, Cluster(kafka), f"house-{uuid4().hex}").run())
    try:
        assert await until(here, good)
    finally:
        consumer.cancel()
        await asyncio.gather(consumer, return_exceptions=True)
    assert await here.count("strays") >= 2


def test_no_key_but_a_patients_id_reaches_a_topic() -> None:
    """Of operations and the ledger the key is null; everything else enters its lane by this one door."""
    event = admission(PATIENT)
    record = written(event, PATIENT)
    batch = Batch("patient", {}, destinations.routes("intake", {}, None))
    for key in (PATIENT, None):
        batch.send(event, record, key, "demo")
    assert [row.key for row in batch.outbox] == [PATIENT, None]
    for key in ("MRN-9001", "", f"Patient/{PATIENT}"):
        with pytest.raises(ValueError, match="not a patient's id"):
            batch.send(event, record, key, "demo")


def test_on_the_topic_of_open_escalations_the_key_is_the_escalations_own() -> None:
    """An id that the hub made: nobody finds a patient by it, and nothing else gets there."""
    raised = EscalationRaised(escalation=ESCALATION, at=MONDAY)
    batch = Batch("patient", {}, destinations.routes("intake", {}, None))
    batch.send(raised, written(raised, PATIENT), PATIENT, "demo")
    assert [(row.lane, row.key) for row in batch.outbox] == [
        (f"topic:{ESCALATIONS}", PATIENT),
        (f"topic:{OPEN_ESCALATIONS}", raised.escalation.id),
    ]
    named = msgspec.structs.replace(raised, escalation=msgspec.structs.replace(raised.escalation, id="MRN-9001"))
    with pytest.raises(ValueError, match="badly formed"):
        batch.send(named, written(raised, PATIENT), PATIENT, "demo")


@pytest.mark.parametrize("emitted", EXAMPLES, ids=lambda emitted: type(emitted).__name__)
def test_every_event_of_the_catalogue_gets_to_its_topic_and_only_an_escalation_to_the_open_ones(emitted: Event) -> None:
    entry = BY_TYPE[type(emitted)]
    batch = Batch("patient", {}, destinations.routes("intake" if entry.producer == "any" else entry.producer, {}, None))
    batch.send(emitted, written(emitted, PATIENT), PATIENT, "demo")
    wanted = [entry.topic, *([OPEN_ESCALATIONS] if isinstance(emitted, EscalationEvent) else [])]
    assert sorted(row.lane for row in batch.outbox) == [f"topic:{each}" for each in sorted(wanted)]


def test_a_row_of_a_lane_is_made_at_one_door() -> None:
    makers = {
        str(file.relative_to(ROOT))
        for file in files("shared", "services")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("OutboxRow")
    }
    assert makers == {"shared/path/transaction/batch.py"}


async def until(here: ServiceOnPostgres, patient: str) -> bool:
    for _ in range(300):
        if await here.select("SELECT 1 FROM resources WHERE patient = $1", patient):
            return True
        await asyncio.sleep(0.1)
    return False
