"""The wire, both ways: a FHIR R4 message Bundle as the value, CloudEvents 1.0 attributes as headers."""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from shared.events import fhir, traceparent
from shared.events.catalogue import BY_NAME, BY_TYPE, OPERATIONS
from shared.events.codes import EVENT, HUB, LABELS, SUBSETTED, URI
from shared.events.envelope import Envelope, Event, Resource
from shared.events.escalation import EscalationEvent
from shared.events.internal import Listed

SCHEMA = f"{HUB}/StructureDefinition/message"
RECORD_BYTES_MOST = 900_000
"""Of a value: with its headers less than the 1 MiB that Kafka takes. A larger one would stop everybody behind it."""
id_text = lru_cache(4096)(str)
"""An id as text: those of a delivery stand in everything that is emitted for it, its own in its journal row too."""
_PREFIX = "org.iop-hub."
_STEP = re.compile(r"(?<=[a-z])(?=[A-Z])")
"""Between the words of an event's name."""
_RECORDED = '-01"'
"""How the context of a recorded trace ends, in headers as JSON."""
_encode = msgspec.json.Encoder().encode
_decode_headers = msgspec.json.Decoder(dict[str, str]).decode
_META = {"security": LABELS}
_META_OF_PART = {**_META, "tag": [SUBSETTED]}
_MISSHAPEN = (LookupError, ValueError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading raises over JSON of another shape than the event's (msgspec's own errors are ValueErrors)."""


class Unreadable(Exception):
    """The record cannot be understood; `place` names where. It is parked, never skipped."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place


class RecordPlace(msgspec.Struct, frozen=True):
    """Which record of which topic."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def identity(self) -> UUID:
        """An id for a record that names none: the same whenever it is read."""
        return uuid5(NAMESPACE_URL, f"kafka:{self}")


class Written(msgspec.Struct, frozen=True):
    """One event, ready to be stored: its resources for the read model and its record for the topic, encoded once."""

    topic: str
    headers: dict[str, str]
    body: bytes
    resources: tuple[tuple[Resource, bytes], ...]


def write(event: Event, envelope: Envelope) -> Written:
    """The event as resources and as one record. Operations events carry no labels: nothing in them is of a patient.
    What is only listed has no topic.

    Raises OverflowError for a record that no topic takes.
    """
    topic = "" if isinstance(event, Listed) else BY_TYPE[type(event)].topic
    labelled = topic != OPERATIONS
    resources, sent = [], []
    for resource in event.write(envelope.patient):
        if labelled:
            resource["meta"] = _META
        resources.append((resource, _encode(resource)))
        sent.append((resource, _as_part(resource)) if resource["resourceType"] in event.amends else resources[-1])
    body = _bundle(envelope, sent)
    if len(body) > RECORD_BYTES_MOST:
        raise OverflowError("record")
    return Written(topic, _headers(event, envelope, resources), body, tuple(resources))


def described(written: Written, kind: str, text: str) -> Written:
    """Its resources of this type with a description; on its topic there is none."""
    shown = (
        (each, _encode({**each, "description": text}) if each["resourceType"] == kind else encoded)
        for each, encoded in written.resources
    )
    return msgspec.structs.replace(written, resources=tuple(shown))


def _as_part(resource: Resource) -> bytes:
    """On a topic nobody takes what an event amends for the whole resource: it is tagged as FHIR tags a part."""
    return _encode({**resource, "meta": _META_OF_PART})


def _bundle(envelope: Envelope, resources: list[tuple[Resource, bytes]]) -> bytes:
    identity = id_text(envelope.id)
    header: fhir.Element = {
        "resourceType": "MessageHeader",
        "id": identity,
        "eventCoding": {"system": EVENT, "code": envelope.event},
        "source": {"name": envelope.source, "endpoint": f"{HUB}/{envelope.source}"},
    }
    if resources:
        header["focus"] = [{"reference": f"{each['resourceType']}/{each['id']}"} for each, _ in resources[:1]]
    entry: list[fhir.Element] = [{"fullUrl": f"{HUB}/MessageHeader/{identity}", "resource": header}]
    for each, encoded in resources:
        entry.append({"fullUrl": f"{HUB}/{each['resourceType']}/{each['id']}", "resource": msgspec.Raw(encoded)})
    bundle: fhir.Element = {
        "resourceType": "Bundle",
        "identifier": {"system": URI, "value": f"urn:uuid:{identity}"},
        "type": "message",
        "timestamp": envelope.at,
        "entry": entry,
    }
    if resources and "meta" in resources[0][0]:
        bundle["meta"] = _META
    return _encode(bundle)


def _headers(event: Event, envelope: Envelope, resources: list[tuple[Resource, bytes]]) -> dict[str, str]:
    headers = {
        "ce_specversion": "1.0",
        "ce_id": id_text(envelope.id),
        "ce_source": f"{HUB}/{envelope.source}",
        "ce_type": _PREFIX + envelope.event,
        "ce_time": envelope.at.isoformat(),
        "ce_dataschema": SCHEMA,
        "ce_correlationid": id_text(envelope.correlation_id),
        "ce_causationid": id_text(envelope.causation_id),
        "ce_program": envelope.program,
        "traceparent": envelope.traceparent or _made_of_ids(envelope.correlation_id, envelope.id),
        "content-type": "application/fhir+json",
    }
    if resources:
        headers["ce_subject"] = f"{resources[0][0]['resourceType']}/{resources[0][0]['id']}"
    if isinstance(event, EscalationEvent):
        headers["iop-tier"] = f"T{event.escalation.tier}"
        headers["iop-category"] = event.escalation.category
        headers["iop-state"] = escalation_state(envelope.event)
        headers["iop-ack-due"] = event.escalation.acknowledge_by.isoformat()
    return headers


def _made_of_ids(correlation: UUID, identity: UUID) -> str:
    """The context of what belongs to no trace: nobody has recorded it, but all that came of one cause share it."""
    return f"00-{correlation.hex}-{identity.hex[:16]}-01"


def context(headers: Mapping[str, str]) -> str | None:
    """The trace that a record of ours belongs to; None where its context is only made of its ids."""
    text = headers.get("traceparent", "")
    of_ids = text[3:35] == headers.get("ce_correlationid", "").replace("-", "")
    return None if of_ids else traceparent.read(text)


def context_in(headers: str) -> str | None:
    """The same of a row's headers, as JSON. A row is not sent or left for the sake of its trace."""
    try:
        return context(_decode_headers(headers))
    except msgspec.MsgspecError:
        return None


def recorded_in(headers: str) -> str | None:
    """The same where it may be recorded. Most are not, which is seen without reading them."""
    return context_in(headers) if _RECORDED in headers else None


@cache
def escalation_state(event: str) -> str:
    """What an event's name says of its escalation: `acted-on` of EscalationActedOn."""
    return _STEP.sub("-", event.removeprefix("Escalation")).lower()


def event_name(headers: Mapping[str, str]) -> str:
    """The event's name, from the headers alone: a consumer skips what it does not consume before parsing anything.

    Empty where the type is none of the hub's.
    """
    type_ = headers.get("ce_type", "")
    return type_[len(_PREFIX) :] if type_.startswith(_PREFIX) else ""


class _Attributes(msgspec.Struct, frozen=True):
    """The headers an envelope is read from; one conversion costs a quarter of making each id by itself."""

    ce_id: UUID
    ce_source: str
    ce_program: str
    ce_time: str
    ce_correlationid: UUID
    ce_causationid: UUID


def read_envelope(headers: Mapping[str, str], patient: str) -> Envelope:
    """The envelope from a record's headers and key. Raises Unreadable."""
    try:
        attributes = msgspec.convert(headers, _Attributes)
        return Envelope(
            id=attributes.ce_id,
            source=attributes.ce_source.removeprefix(f"{HUB}/"),
            event=event_name(headers),
            program=attributes.ce_program,
            patient=patient,
            at=fhir.moment(attributes.ce_time),
            correlation_id=attributes.ce_correlationid,
            causation_id=attributes.ce_causationid,
        )
    except (ValueError, OverflowError) as wrong:
        raise Unreadable("headers") from wrong


def read(name: str, value: bytes | None) -> Event:
    """The event in a record's value, every field of its type: a state that held another could never be read again.

    Raises Unreadable; NUL is refused because PostgreSQL text cannot hold it.
    """
    entry = BY_NAME.get(name)
    if entry is None or entry.read is None:
        raise Unreadable("headers.ce_type")
    if not value:
        raise Unreadable("value")
    # A single byte is found many times as quickly as several, and hardly any record has one.
    if b"\\" in value and b"\\u0000" in value:
        raise Unreadable("value: NUL")
    try:
        event = entry.read(value)
        return msgspec.convert(msgspec.to_builtins(event), type=entry.event)
    except _MISSHAPEN as wrong:
        raise Unreadable(f"value of {name}") from wrong
