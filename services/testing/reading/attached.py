"""What comes beside results: a document, a remark, the message itself.

Each is a Binary, which is stored encrypted, and a DocumentReference, which says nothing of what is in it. Pure.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache

from services.testing.reading.laboratory import REPORTS
from shared.edge.fhir import encode
from shared.events import codes, fhir
from shared.events.envelope import Resource, name_id
from shared.path.transaction.resources import NO_SUBJECT, AcceptedResource

_META = {"security": codes.LABELS}


def document(
    name: str, kind: str, content_type: str, data: str, about: Sequence[str], at: datetime | None
) -> Iterator[AcceptedResource]:
    """Under this name among its patient's resources; `data` is in base64, `about` are references."""
    binary = f"{name}|binary"
    content = {"meta": _META, "contentType": content_type, "data": data}
    yield AcceptedResource("Binary", id_of(binary), encode(content).decode(), name=binary, rank="")
    reference: Resource = {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": fhir.concept(codes.LOINC, kind),
        "date": at,
        "content": [{"attachment": {"contentType": content_type, "url": f"Binary/{id_of(binary)}"}}],
        "context": {"related": [{"reference": each} for each in about]},
    }
    yield accepted(reference, name, "", at)


def accepted(resource: Resource, name: str, rank: str, at: datetime | None) -> AcceptedResource:
    """A resource of our own writing, with this name and rank."""
    kind, status, subject = resource["resourceType"], resource["status"], fhir.reference("Patient", NO_SUBJECT)
    labelled = {"meta": _META, "subject": subject, **resource, "resourceType": None}
    body = encode(fhir.without_nothing(labelled)).decode()
    return AcceptedResource(str(kind), id_of(name), body, str(status), at, name=name, rank=rank)


# A message asks for each of its names several times.
@lru_cache(maxsize=256)
def id_of(name: str) -> str:
    """Until the patient is known: then it is made of the name and of them."""
    return name_id(REPORTS, name)
