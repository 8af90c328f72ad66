"""Event and Envelope: what happened, and who emits it about whom, when, and because of what."""

import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha1
from typing import ClassVar, NewType
from uuid import UUID

import msgspec

Resource = dict[str, object]
"""A FHIR resource as plain JSON. Events are written as it and read from it; no model stands between."""
PatientId = NewType("PatientId", str)
"""The hub's id of a patient: a random uuid, written as every uuid is. Made by `patient_id` alone."""
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened in the clinic, in the past tense. It never names the patient: its envelope does."""

    amends: ClassVar[frozenset[str]] = frozenset()
    """Types of which it says only what changed, as somebody else wrote them, or they are too large to be remembered: in
    the read model what was said before stays beside it."""

    stands: ClassVar[Mapping[str, frozenset[str]]] = {}
    """Types among `amends` that it answers: in the read model what it says stands over what came with the request, and
    these elements of it over what their sender writes later."""

    def write(self, patient: str) -> list[Resource]:
        """The FHIR resources that say it, focus first. An event that is about no resource writes none."""
        return []

    def identifiers(self) -> Mapping[str, list[Resource]]:
        """By which numbers its resources are known elsewhere, by their id: for the read model, never on a topic."""
        return {}

    def takes_back(self) -> Mapping[str, str]:
        """Observations as somebody sent them that it takes back, by their id with the status that they have now: for
        the read model, never on a topic."""
        return {}


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Something a service is asked to do. Unlike an event it can be refused."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """The CloudEvents attributes of one event.

    `id` is deterministic: uuid5 of the cause's id and the ordinal of what was emitted, so a replay emits the same ids.
    `traceparent` is the trace it belongs to, if any.
    """

    id: UUID
    source: str
    event: str
    program: str
    patient: str
    at: datetime
    correlation_id: UUID
    causation_id: UUID
    traceparent: str | None = None


def patient_id(text: str) -> PatientId:
    """The id of a patient in this text. Raises ValueError for anything else, an EHR's own number among it."""
    if not is_id(text):
        raise ValueError("not a patient's id")
    return PatientId(text)


def is_id(text: str) -> bool:
    """Whether it is written as the hub writes its own ids."""
    return _UUID.fullmatch(text) is not None


def name_id(namespace: UUID | str, name: str | int) -> str:
    """A deterministic resource id: the same cause and name give the same id, on every replay.

    The text of uuid5, made without the UUID object in between: a decision about a whole stay makes hundreds of them.
    """
    space = namespace.bytes if isinstance(namespace, UUID) else bytes.fromhex(namespace.replace("-", ""))
    digest = sha1(space + str(name).encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def unique_id(namespace: UUID, name: str) -> UUID:
    """uuid5 itself, in two thirds of the library's time: two of them are made for each event consumed."""
    made = bytearray(sha1(namespace.bytes + name.encode(), usedforsecurity=False).digest()[:16])
    made[6], made[8] = made[6] & 0x0F | 0x50, made[8] & 0x3F | 0x80
    return msgspec.convert(bytes(made), UUID)
