"""A submission as a document: what raised a question can be read again once that is answered. Pure."""

from typing import NamedTuple

import msgspec

from shared.edge import fhir
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.resolving import Resolved, Submission
from shared.events.intake import Digest
from shared.platform.documents import Document
from shared.platform.keys import Keys
from shared.platform.traits import NO_TRAITS, Traits

MEDIA_TYPE = "application/fhir+json"
_OF_AN_ENTRY = ("method", "type", "id", "resource", "place")


class Received(NamedTuple):
    """What was submitted about one patient, None while nobody knows them: then they are one of the digests."""

    patient: str | None
    digests: tuple[Digest, ...]
    entries: tuple[BundleEntry, ...]
    traits: Traits = NO_TRAITS


def document(
    submission: Submission, resolved: Resolved, entries: list[BundleEntry], context: Context, keys: Keys
) -> Document:
    content = {
        "patient": resolved.patient,
        "digests": msgspec.to_builtins(resolved.digests),
        "traits": msgspec.to_builtins(resolved.traits),
        "entries": [{name: getattr(each, name) for name in _OF_AN_ENTRY} for each in entries],
    }
    return Document(
        id=submission.cause,
        program=context.program,
        client=context.caller.name,
        media_type=MEDIA_TYPE,
        content=keys.encrypt(fhir.encode(content)),
        digest=submission.digest,
        received_at=context.now,
    )


def read(content: bytes) -> Received:
    whole = fhir.parse(content, fhir.STORED)
    entries = (BundleEntry(**each, full_url=None, if_match=None, if_none_exist=None) for each in whole["entries"])
    digests = msgspec.convert(whole["digests"], tuple[Digest, ...])
    return Received(whole["patient"], digests, tuple(entries), msgspec.convert(whole.get("traits", ()), Traits))
