"""What a request asks for, as entries: a transaction Bundle, a message, or one create or update.

Nothing here knows a service. The Bundle has passed `validate` before it comes here.
"""

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from shared.edge.fhir.definitions import shape
from shared.edge.json import Json, MutableJson
from shared.edge.outcome import refuse

_version = re.compile(r'(?:W/)?"([A-Za-z0-9\-.]{1,64})"')
_address = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")


class BundleEntry(msgspec.Struct, frozen=True):
    """One resource to create (POST) or update (PUT), and where in the request it stands.

    `id` is the target of a PUT, and of a POST once `resolve` has assigned one. A `conditional` PUT has none: it updates
    what has the identifier in `if_none_exist`, or creates it. `if_match` is the bare version id.
    `place` is the FHIRPath of the resource, for refusals.
    """

    method: Literal["POST", "PUT"]
    type: str
    id: str | None
    resource: MutableJson
    full_url: str | None
    if_match: str | None
    if_none_exist: str | None
    place: str
    conditional: bool = False
    sender_id: str | None = None
    """The id under which the sender stores what it creates here; `resolve` remembers it when it assigns ours."""


def transaction(bundle: Json) -> tuple[BundleEntry, ...]:
    """The entries of a transaction Bundle, all of which are done or none.

    Refuses (422) what the hub does not do: other kinds of Bundle, reads, deletes and patches.
    """
    if bundle.get("type") != "transaction":
        raise refuse(422, "not-supported", "Bundle.type", "Must be transaction; a batch may half succeed.")
    entries = bundle.get("entry", [])
    if not entries:
        raise refuse(422, "required", "Bundle.entry", "At least one entry is required.")
    asked = tuple(_requested(entry, f"Bundle.entry[{place}]") for place, entry in enumerate(entries))
    updated = [(entry.type, entry.id, entry.if_none_exist) for entry in asked if entry.method == "PUT"]
    for place, target in enumerate(updated):
        if target in updated[:place]:
            raise refuse(400, "duplicate", "Bundle.entry", "A transaction must update a resource at most once.")
    return asked


def message(bundle: Json, base: str | None = None) -> tuple[MutableJson, tuple[BundleEntry, ...]]:
    """The MessageHeader and the other resources of a message, for `$process-message`.

    A resource is an update when its fullUrl lies below `base`, the hub's own address, and new otherwise: a sender's ids
    are not ours.
    """
    if bundle.get("type") != "message":
        raise refuse(422, "not-supported", "Bundle.type", "Must be message for $process-message.")
    entries = bundle.get("entry", [])
    header = entries[0].get("resource", {}) if entries else {}
    if header.get("resourceType") != "MessageHeader":
        raise refuse(
            422, "required", "Bundle.entry[0].resource", "The first resource of a message must be its MessageHeader."
        )
    following = enumerate(entries[1:], 1)
    return header, tuple(_message_entry(entry, f"Bundle.entry[{place}].resource", base) for place, entry in following)


def single(
    method: Literal["POST", "PUT"],
    type_: str,
    id_: str | None,
    resource: MutableJson,
    headers: Mapping[str, str],
    condition: str | None = None,
) -> BundleEntry:
    """One create or update by URL; a `condition` is the query of an update that names no id. Header names are lower
    case; `if-match` and `if-none-exist` are heeded."""
    if resource.get("resourceType") != type_:
        raise refuse(400, "invalid", "", "The resource type must be the one of the URL.")
    if method == "PUT" and condition is None and resource.get("id") != id_:
        raise refuse(400, "invalid", f"{type_}.id", "The id must be the one of the URL.")
    _require_values(resource, type_)
    absent = headers.get("if-none-exist")
    _require_create(method, absent, "")
    if_match, conditional = _matched(headers.get("if-match"), ""), condition is not None
    return BundleEntry(
        method, type_, id_, resource, None, if_match, absent if condition is None else condition, type_, conditional
    )


def _requested(entry: Json, place: str) -> BundleEntry:
    request = entry["request"]
    method, address = request.get("method"), request.get("url", "")
    if method not in ("POST", "PUT"):
        raise refuse(422, "not-supported", f"{place}.request.method", "Must be POST (create) or PUT (update).")
    if "resource" not in entry:
        raise refuse(422, "required", f"{place}.resource", "A resource is required for a create or update.")
    if "ifNoneMatch" in request or "ifModifiedSince" in request:
        raise refuse(
            422, "not-supported", f"{place}.request", "Must have no condition other than ifMatch and ifNoneExist."
        )
    resource = entry["resource"]
    type_, id_ = resource["resourceType"], None
    absent = request.get("ifNoneExist")
    _require_values(resource, f"{place}.resource")
    _require_create(method, absent, f"{place}.request.ifNoneExist")
    conditional = method == "PUT" and address.startswith(f"{type_}?")
    if conditional:
        absent = address.partition("?")[2]
    elif method == "PUT":
        id_ = _target(address, type_, resource.get("id"), place)
    elif address != type_:
        raise refuse(400, "invalid", f"{place}.request.url", "The URL of a create must be the resource type.")
    matched = _matched(request.get("ifMatch"), f"{place}.request.ifMatch")
    place, full_url = f"{place}.resource", entry.get("fullUrl")
    return BundleEntry(method, type_, id_, resource, full_url, matched, absent, place, conditional)


def _require_create(method: str, absent: str | None, place: str) -> None:
    if method == "PUT" and absent is not None:
        raise refuse(400, "invalid", place, "If-None-Exist is for a create; an update has its condition in the URL.")


def _message_entry(entry: Json, place: str, base: str | None) -> BundleEntry:
    resource = entry.get("resource")
    if resource is None:
        raise refuse(422, "required", place, "A resource is required in each entry of a message.")
    _require_values(resource, place)
    type_, url = resource["resourceType"], entry.get("fullUrl")
    ours = base is not None and resource.get("id") is not None and url == f"{base}/{type_}/{resource['id']}"
    if ours:
        return BundleEntry("PUT", type_, resource["id"], resource, url, None, None, place)
    return BundleEntry("POST", type_, None, resource, url, None, None, place)


def _require_values(resource: Json, place: str) -> None:
    """FHIR lets an extension stand for a status or an intent that must be there; nothing can be decided without it."""
    for demand in shape(resource["resourceType"]).demands:
        if demand.name not in resource:
            raise refuse(
                422, "required", f"{place}.{demand.label}", "A value is required; an extension can't replace it."
            )


def _target(address: str, type_: str, id_: str | None, place: str) -> str:
    found = _address.fullmatch(address)
    if not found or found[1] != type_:
        raise refuse(400, "invalid", f"{place}.request.url", "The URL of an update must be the resource type and id.")
    if found[2] != id_:
        raise refuse(400, "invalid", f"{place}.resource.id", "The id must be the one of the URL.")
    return found[2]


def _matched(etag: str | None, place: str) -> str | None:
    """The version id in an ETag such as `W/"3"`."""
    if etag is None:
        return None
    found = _version.fullmatch(etag.strip())
    if not found:
        raise refuse(400, "invalid", place, 'Must be one version: W/"1".')
    return found[1]
