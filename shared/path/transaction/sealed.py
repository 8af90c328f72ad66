"""What stands sealed in the read model: encrypted by us, or a part as intake sealed it for us. It is opened only to be
read."""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from shared.events.fhir import base64_of
from shared.events.intake import PatientIdentified
from shared.path.destination import Contact
from shared.path.service import Service
from shared.path.transaction import resources
from shared.path.transaction.delivery import Consumed, Delivery
from shared.path.transaction.resources import AcceptedResource
from shared.platform.db import Connection, Row
from shared.platform.keys import Keys
from shared.platform.traits import NO_TRAITS, Traits

OPENED_MOST = 1_024
"""Patients of whom it is remembered what they are compared by: some 2 KB each."""


def patient(keys: Keys, id_: str, body: Mapping[str, object]) -> AcceptedResource:
    """A Patient as the read model holds it: encrypted, for it carries direct identifiers."""
    plain = msgspec.json.encode({**body, "resourceType": "Patient", "id": id_})
    return AcceptedResource("Patient", id_, _encrypted(keys, plain), sealed=True)


def binaries(keys: Keys, accepted: Sequence[AcceptedResource]) -> tuple[AcceptedResource, ...]:
    """The same, the Binaries among them encrypted: what people wrote, or a message itself, is stored in no clear."""
    return tuple(
        msgspec.structs.replace(each, body=_encrypted(keys, each.body.encode()), sealed=True)
        if each.type == "Binary" and not each.sealed
        else each
        for each in accepted
    )


def _encrypted(keys: Keys, content: bytes) -> str:
    return base64_of(keys.encrypt(content))


def identified(delivery: Delivery, service: Service) -> tuple[AcceptedResource, ...]:
    """Of an identification the Patient, as far as a part is sealed for this service."""
    if service.keys is None or not isinstance(delivery, Consumed) or not isinstance(delivery.event, PatientIdentified):
        return ()
    part = service.keys.part(delivery.event.sealed)
    return () if part is None else (AcceptedResource("Patient", delivery.key, part, sealed=True),)


def traits_in(keys: Keys, sealed: Sequence[str]) -> Traits:
    """What is known of the patient to compare by; nothing where intake sealed none."""
    part = keys.part(sealed)
    return NO_TRAITS if part is None else _traits(keys, part)


@lru_cache(OPENED_MOST)
def _traits(keys: Keys, part: str) -> Traits:
    """Each result asks for its patient's, and to open a part is a tenth of what it costs. Remembered are keyed digests
    alone, of which nobody makes a name; a part that was sealed anew is another one."""
    opened = keys.open((part,)) or {}
    return msgspec.convert(opened["traits"], Traits) if "traits" in opened else NO_TRAITS


async def traits_of(connection: Connection, keys: Keys, program: str, patient: str) -> Traits:
    """Likewise, of the Patient as it stands."""
    row = await resources.one(connection, program, ("Patient", patient))
    return NO_TRAITS if row is None else traits_in(keys, (row["body"],))


def opened(keys: Keys, row: Row) -> bytes:
    """The resource as JSON, to be read. Raises ValueError where this service's keys don't open it."""
    if _is_encrypted(row):
        return keys.decrypt(b64decode(row["body"]))
    return msgspec.json.encode(_resource(row, _part(keys, row)))


def opened_to_disclose(keys: Keys, row: Row) -> Contact:
    """Likewise with its requisition, of which nobody here reads anything: what a laboratory may be told of the patient.
    Raises ValueError where this service's keys don't open it."""
    if _is_encrypted(row):
        encrypted: Contact = msgspec.json.decode(opened(keys, row))
        return encrypted
    part = _part(keys, row)
    return {**_resource(row, part), **part.get("requisition", {})}


def _is_encrypted(row: Row) -> bool:
    """By us, in base64; the parts of a compact JWE are joined by dots."""
    return "." not in row["body"]


def _resource(row: Row, part: Contact) -> Contact:
    return {**part.get("patient", {}), "resourceType": row["type"], "id": row["id"]}


def _part(keys: Keys, row: Row) -> Contact:
    part = keys.open((row["body"],))
    if part is None:
        raise ValueError("sealed for another key, or changed since")
    return part
