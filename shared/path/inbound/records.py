"""Reading a Kafka record: as a delivery, a heartbeat of the consent ledger, a stray, or nothing to this service.

Total over whatever a sender garbled: what can't be read is a delivery too, for it must be parked and never skipped.
"""

import hashlib
from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec
from aiokafka import ConsumerRecord
from msgspec.structs import replace

from shared.events import fhir, wire
from shared.events.envelope import patient_id
from shared.events.intake import ConsentsCurrent
from shared.events.wire import RecordPlace
from shared.path.transaction.delivery import NOBODY, Consumed, Unreadable
from shared.path.transaction.stored import read_record, unstorable


class Stray(msgspec.Struct, frozen=True):
    """A record without our id, type and program: no event of the hub's. Where its key is a patient of ours it may have
    been a revocation: then `delivery` is parked. `digest` is the SHA-256 of its value, `size` its bytes."""

    place: RecordPlace
    delivery: Unreadable
    size: int
    digest: str


class RecordReader:
    """What one service wants of its topic: events it consumes, of programs it knows, emitted by others."""

    def __init__(self, service: str, wanted: frozenset[str], programs: Collection[str], topic: str) -> None:
        self._own = f"/{service}"
        self._topic = topic
        self._wanted = wanted
        self._programs = programs

    def read(self, record: ConsumerRecord) -> Consumed | Unreadable | Stray | datetime | None:
        """The delivery; or a heartbeat's instant; or None. Events of no interest are passed over unread."""
        headers = _headers(record)
        name = wire.event_name(headers)
        if (name and name not in self._wanted) or headers.get("ce_source", "").endswith(self._own):
            return None
        if name == ConsentsCurrent.__name__:
            return _instant(headers)
        delivery = read_record(headers, _key(record), record.value)
        if not name or delivery.id == NOBODY or delivery.program not in self._programs:
            return self._stray(record, delivery)
        return delivery

    def place(self, record: ConsumerRecord) -> RecordPlace:
        return RecordPlace(self._topic, record.partition, record.offset)

    def unread(self, record: ConsumerRecord) -> Unreadable:
        """The record as it came, whatever it holds: nothing in it is looked at but its key."""
        headers, identity = _headers(record), self.place(record).identity
        return Unreadable(
            id=identity,
            key=_key(record),
            program="",
            at=datetime.min,
            producer="",
            correlation_id=identity,
            place="skipped",
            headers=headers,
            content=record.value or b"",
        )

    def _stray(self, record: ConsumerRecord, delivery: Consumed | Unreadable) -> Stray:
        place = self.place(record)
        where = delivery.place if isinstance(delivery, Unreadable) else "headers.ce_program"
        program = delivery.program if delivery.program in self._programs else ""
        identity = delivery.id if delivery.id != NOBODY else place.identity
        parked = replace(unstorable(delivery, where), id=identity, correlation_id=identity, program=program)
        value = record.value or b""
        return Stray(place, parked, len(value), hashlib.sha256(value).hexdigest())


def _headers(record: ConsumerRecord) -> dict[str, str]:
    """Headers as text. One that is null or not UTF-8 is left out; where it was needed the record is unreadable."""
    try:
        return {name: value.decode() for name, value in record.headers}
    except (UnicodeDecodeError, AttributeError):
        return {name: text for name, value in record.headers if (text := _text(value)) is not None}


def _text(value: object) -> str | None:
    if not isinstance(value, bytes):
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _instant(headers: Mapping[str, str]) -> datetime | None:
    """When a heartbeat was emitted. One that doesn't tell changes nothing: the gate stays as it is."""
    try:
        return fhir.moment(headers["ce_time"])
    except (KeyError, ValueError, OverflowError):
        return None


def _key(record: ConsumerRecord) -> str:
    """The patient's id, or nothing where the key is none: no patient is held for it."""
    try:
        return patient_id((record.key or b"").decode())
    except ValueError:
        return ""
