"""Reading a Kafka record: as a delivery, as a heartbeat of the consent ledger, or as nothing to this service.

Total over whatever a sender garbled: what can't be read is a delivery too, for it must be parked and never skipped.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from aiokafka import ConsumerRecord
from msgspec.structs import replace

from shared.events import fhir, wire
from shared.events.intake import ConsentsCurrent
from shared.path.transaction.delivery import Consumed, Unreadable, read_record, unstorable

KEY_LETTERS_MOST = 64
"""The hub's ids have 36; a longer key is nobody's."""


class RecordReader:
    """What one service wants of its topic: events it consumes, of programs it knows, emitted by others."""

    def __init__(self, service: str, wanted: frozenset[str], programs: Collection[str]) -> None:
        self._own = f"/{service}"
        self._wanted = wanted
        self._programs = programs

    def read(self, record: ConsumerRecord) -> Consumed | Unreadable | datetime | None:
        """The delivery; or a heartbeat's instant; or None. Events of no interest are passed over unread."""
        headers = _headers(record)
        name = wire.event_name(headers)
        if (name and name not in self._wanted) or headers.get("ce_source", "").endswith(self._own):
            return None
        if name == ConsentsCurrent.__name__:
            return _instant(headers)
        delivery = read_record(headers, _key(record), record.value)
        if delivery.program not in self._programs:
            place = delivery.place if isinstance(delivery, Unreadable) else "headers.ce_program"
            delivery = replace(unstorable(delivery, place), program="")
        if not delivery.key and isinstance(delivery, Consumed):
            return unstorable(delivery, "key")
        return delivery


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
    """The patient's id, or nothing where the key can be none."""
    try:
        key: str = (record.key or b"").decode()
    except UnicodeDecodeError:
        return ""
    return key if len(key) <= KEY_LETTERS_MOST and "\x00" not in key else ""
