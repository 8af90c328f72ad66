"""Foreign FHIR at the hub's edge: parsed once, validated once, turned into entries; and the answers that go back."""

from shared.edge.fhir.definitions import is_resource_type, warm
from shared.edge.fhir.parsing import STORED, Limits, encode, parse, parse_list
from shared.edge.fhir.references import references, resolve
from shared.edge.fhir.responses import (
    Answered,
    Interaction,
    ResourceSupport,
    capability,
    etag,
    response_bundle,
    searchset,
)
from shared.edge.fhir.submission import BundleEntry, message, single, transaction
from shared.edge.fhir.validator import require_valid, validate

__all__ = [
    "STORED",
    "Answered",
    "BundleEntry",
    "Interaction",
    "Limits",
    "ResourceSupport",
    "capability",
    "encode",
    "etag",
    "is_resource_type",
    "message",
    "parse",
    "parse_list",
    "references",
    "require_valid",
    "resolve",
    "response_bundle",
    "searchset",
    "single",
    "transaction",
    "validate",
    "warm",
]
