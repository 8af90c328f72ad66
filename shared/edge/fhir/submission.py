"""What a request asks for, as entries: a transaction Bundle, a message, or one create or update.

Nothing here knows a service. The Bundle has passed `validate` before it comes here.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, NoReturn

import msgspec

from shared.edge.fhir.definitions import shape
from shared.edge.outcome import Code, refuse

_version = re.compile(r'(?:W/)?"([A-Za-z0-9\-.]{1,64})"')
_address = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")


class BundleEntry(msgspec.Struct, frozen=True):
    """One resource to create (POST) or update (PUT), and where in the request it stands.

    `id` is the target of a PUT, and of a POST once `resolve` has assigned one. `if_match` is the bare version id.
    `place` is the FHIRPath of the resource, for refusals.
    """

    method: Literal["POST", "PUT"]
    type: str
    id: str | None
    resource: dict[str, Any]
    full_url: str | None
    if_match: str | None
    if_none_exist: str | None
    place: str
    sender_id: str | None = None
    """The id under which the sender keeps what it creates here; `resolve` remembers it when it assigns ours."""


def transaction(bundle: dict[str, Any]) -> tuple[BundleEntry, ...]:
    """The entries of a transaction Bundle, all of which are done or none.

    Refuses (422) what the hub does not do: other kinds of Bundle, reads, deletes and patches, conditional updates.
    """
    if bundle.get("type") != "transaction":
        _no("not-supported", "Bundle.type", "The hub takes Bundles of type transaction; a batch may half succeed.")
    entries = bundle.get("entry", [])
    if not entries:
        _no("required", "Bundle.entry", "A transaction has at least one entry.")
    asked = tuple(_requested(entry, f"Bundle.entry[{place}]") for place, entry in enumerate(entries))
    updated = [(entry.type, entry.id) for entry in asked if entry.method == "PUT"]
    for place, target in enumerate(updated):
        if target in updated[:place]:
            _no("duplicate", "Bundle.entry", "A transaction updates a resource once.", status=400)
    return asked


def message(bundle: dict[str, Any], base: str | None = None) -> tuple[dict[str, Any], tuple[BundleEntry, ...]]:
    """The MessageHeader and the other resources of a message, for `$process-message`.

    A resource is an update when its fullUrl lies below `base`, the hub's own address, and new otherwise: a sender's ids
    are not ours.
    """
    if bundle.get("type") != "message":
        _no("not-supported", "Bundle.type", "$process-message takes a Bundle of type message.")
    entries = bundle.get("entry", [])
    header = entries[0].get("resource", {}) if entries else {}
    if header.get("resourceType") != "MessageHeader":
        _no("required", "Bundle.entry[0].resource", "The first resource of a message is its MessageHeader.")
    following = enumerate(entries[1:], 1)
    return header, tuple(_message_entry(entry, f"Bundle.entry[{place}].resource", base) for place, entry in following)


def single(
    method: Literal["POST", "PUT"], type_: str, id_: str | None, resource: dict[str, Any], headers: Mapping[str, str]
) -> BundleEntry:
    """One create or update by URL. Header names are lower case; `if-match` and `if-none-exist` are heeded."""
    if resource.get("resourceType") != type_:
        _no("invalid", "", "The resource type is not the one of the URL.", status=400)
    if method == "PUT" and resource.get("id") != id_:
        _no("invalid", f"{type_}.id", "The id is not the one of the URL.", status=400)
    _require_values(resource, type_)
    if_match = _matched(headers.get("if-match"), "")
    return BundleEntry(method, type_, id_, resource, None, if_match, headers.get("if-none-exist"), type_)


def _requested(entry: dict[str, Any], place: str) -> BundleEntry:
    request = entry["request"]
    method, address = request.get("method"), request.get("url", "")
    if method not in ("POST", "PUT"):
        _no("not-supported", f"{place}.request.method", "A transaction here creates (POST) or updates (PUT).")
    if "resource" not in entry:
        _no("required", f"{place}.resource", "A create or update has a resource.")
    if "ifNoneMatch" in request or "ifModifiedSince" in request:
        _no("not-supported", f"{place}.request", "Only ifMatch and ifNoneExist are heeded.")
    resource = entry["resource"]
    type_, id_ = resource["resourceType"], None
    _require_values(resource, f"{place}.resource")
    if method == "PUT":
        id_ = _target(address, type_, resource.get("id"), place)
    elif address != type_:
        _no("invalid", f"{place}.request.url", "The URL of a create is the resource type.", status=400)
    matched = _matched(request.get("ifMatch"), f"{place}.request.ifMatch")
    absent = request.get("ifNoneExist")
    return BundleEntry(method, type_, id_, resource, entry.get("fullUrl"), matched, absent, f"{place}.resource")


def _message_entry(entry: dict[str, Any], place: str, base: str | None) -> BundleEntry:
    resource = entry.get("resource")
    if resource is None:
        _no("required", place, "Each entry of a message has a resource.")
    _require_values(resource, place)
    type_, url = resource["resourceType"], entry.get("fullUrl")
    ours = base is not None and resource.get("id") is not None and url == f"{base}/{type_}/{resource['id']}"
    if ours:
        return BundleEntry("PUT", type_, resource["id"], resource, url, None, None, place)
    return BundleEntry("POST", type_, None, resource, url, None, None, place)


def _require_values(resource: dict[str, Any], place: str) -> None:
    """FHIR lets an extension stand for a status or an intent that must be there; nothing can be decided without it."""
    for demand in shape(resource["resourceType"]).demands:
        if demand.name not in resource:
            _no("required", f"{place}.{demand.label}", "The value itself is needed; an extension can't stand for it.")


def _target(address: str, type_: str, id_: str | None, place: str) -> str:
    if "?" in address:
        _no("not-supported", f"{place}.request.url", "An update names its id; conditional updates are not taken.")
    found = _address.fullmatch(address)
    if not found or found[1] != type_:
        _no("invalid", f"{place}.request.url", "The URL of an update is the resource type and id.", status=400)
    if found[2] != id_:
        _no("invalid", f"{place}.resource.id", "The id is not the one of the URL.", status=400)
    return found[2]


def _matched(etag: str | None, place: str) -> str | None:
    """The version id in an ETag such as `W/"3"`."""
    if etag is None:
        return None
    found = _version.fullmatch(etag.strip())
    if not found:
        _no("invalid", place, 'If-Match is one version, written W/"1".', status=400)
    return found[1]


def _no(code: Code, place: str, diagnostics: str, status: int = 422) -> NoReturn:
    raise refuse(status, code, place, diagnostics)
