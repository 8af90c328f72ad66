"""What goes back: response and search Bundles, and the statement of what a service can do."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from shared.edge.json import Json, MutableJson

Interaction = Literal["read", "vread", "update", "patch", "delete", "history-instance", "create", "search-type"]
SearchType = Literal["number", "date", "string", "token", "reference", "composite", "quantity", "uri", "special"]

JSON_PATCH = "application/json-patch+json"
OPERATIONS = {"Task": "why", "Appointment": "week"}
"""Of a type, at every service that takes it (`shared/edge/explaining.py`, `shared/edge/state_views.py`)."""
_DEFINITION = "https://iop-hub.org/fhir/OperationDefinition"
_SECURITY_SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"


class ResourceSupport(msgspec.Struct, frozen=True):
    """What a service does with one resource type: interactions, and search parameters with their types."""

    interactions: tuple[Interaction, ...]
    search: Mapping[str, SearchType] = {}
    conditional_create: bool = False
    conditional_update: bool = False


class Answered(msgspec.Struct, frozen=True):
    """What became of one entry: an HTTP status such as `201 Created`, and where the resource now is."""

    status: str
    location: str | None = None
    version: str | None = None
    last_modified: str | None = None
    resource: MutableJson | None = None
    outcome: MutableJson | None = None


def response_bundle(
    kind: Literal["transaction-response", "batch-response"], entries: Iterable[Answered]
) -> MutableJson:
    """The answer to a transaction, one entry for each that was asked for, in the same order."""
    written = [_entry(one) for one in entries]
    return {"resourceType": "Bundle", "type": kind} | ({"entry": written} if written else {})


def etag(version: str) -> str:
    """The weak ETag of a version id."""
    return f'W/"{version}"'


def searchset(resources: Sequence[Json], total: int | None, self_url: str, next_url: str | None = None) -> MutableJson:
    """A page of search results. `self_url` is `{base}/Type?...`, or `{base}/Type/_search?...` of a posted one; the
    fullUrls are made from its base."""
    base = self_url.partition("?")[0].removesuffix("/_search").rpartition("/")[0]
    links = [("self", self_url), *([("next", next_url)] if next_url else [])]
    found = [
        {
            "fullUrl": f"{base}/{one['resourceType']}/{one['id']}",
            "resource": one,
            "search": {"mode": "outcome" if one["resourceType"] == "OperationOutcome" else "match"},
        }
        for one in resources
    ]
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        **({} if total is None else {"total": total}),
        "link": [{"relation": relation, "url": url} for relation, url in links],
        **({"entry": found} if found else {}),
    }


def capability(
    name: str,
    version: str,
    taken: Mapping[str, ResourceSupport],
    *,
    url: str,
    at: datetime,
    transaction: bool = False,
    process_message: bool = False,
) -> MutableJson:
    """The CapabilityStatement (R4 4.0.1) of a service; `at` is when this version of it was made, aware."""
    operation = {
        "name": "process-message",
        "definition": "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message",
    }
    rest: MutableJson = {
        "mode": "server",
        "security": {
            "service": [{"coding": [{"system": _SECURITY_SERVICE, "code": "SMART-on-FHIR"}]}],
            "description": "SMART Backend Services: a bearer token for every request.",
        },
        "resource": [_resource(kind, one) for kind, one in taken.items()],
    }
    if transaction:
        rest["interaction"] = [{"code": "transaction"}]
    if process_message:
        rest["operation"] = [operation]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": at.isoformat(timespec="seconds"),
        "kind": "instance",
        "software": {"name": name, "version": version},
        "implementation": {"description": f"{name} of the IOP Hub", "url": url},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        **({"patchFormat": [JSON_PATCH]} if any("patch" in one.interactions for one in taken.values()) else {}),
        "rest": [{member: value for member, value in rest.items() if value}],
    }


def _resource(kind: str, taken: ResourceSupport) -> MutableJson:
    written: MutableJson = {
        "type": kind,
        "interaction": [{"code": one} for one in taken.interactions],
        "versioning": "versioned",
        "conditionalCreate": taken.conditional_create,
        "conditionalUpdate": taken.conditional_update,
    }
    if taken.search:
        written["searchParam"] = [{"name": name, "type": kind_of} for name, kind_of in taken.search.items()]
    if (operation := OPERATIONS.get(kind)) is not None:
        written["operation"] = [{"name": operation, "definition": f"{_DEFINITION}/{kind}-{operation}"}]
    return written


def _entry(answered: Answered) -> MutableJson:
    response = {
        "status": answered.status,
        "location": answered.location,
        "etag": None if answered.version is None else etag(answered.version),
        "lastModified": answered.last_modified,
        "outcome": answered.outcome,
    }
    written = {"response": {name: value for name, value in response.items() if value is not None}}
    return written if answered.resource is None else {"resource": answered.resource, **written}
