"""References: found in a resource, and inside one request turned into the ids that the hub assigns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from shared.edge.fhir.definitions import ANY_RESOURCE, shape
from shared.edge.fhir.submission import BundleEntry
from shared.edge.outcome import HttpRefusal, Issue, fault

_STORED_META = ("profile", "security", "tag")


def references(resource: dict[str, Any], place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each Reference in a valid resource, extensions and contained resources included, with its FHIRPath.

    `place` is where the resource stands, if not by itself.
    """
    found: list[tuple[str, dict[str, Any]]] = []
    _find(resource, resource["resourceType"], place or resource["resourceType"], found)
    return iter(found)


def resolve(entries: Sequence[BundleEntry], ids: Callable[[BundleEntry], str]) -> tuple[BundleEntry, ...]:
    """The entries with ids assigned to what is new, and references among them rewritten to `Type/id`.

    An entry is pointed to by its fullUrl, or by `Type/id` as its sender knew it. Contained (`#`), foreign and logical
    references stay. `meta` keeps profile, security and tag; version and time are the server's to set. A `urn:`
    reference that no entry carries is a Refusal 422. The given entries are not changed.
    """
    assigned = [entry.id if entry.method == "PUT" and entry.id else ids(entry) for entry in entries]
    known = _addresses(entries, assigned)
    dangling: list[Issue] = []
    resolved = tuple(_assigned(entry, id_, known, dangling) for entry, id_ in zip(entries, assigned, strict=True))
    if dangling:
        raise HttpRefusal(422, dangling)
    return resolved


def _addresses(entries: Sequence[BundleEntry], assigned: Sequence[str]) -> dict[str, str]:
    """Everything that points to an entry. A `Type/id` that two senders use for different things points to neither."""
    known: dict[str, str] = {}
    relative: dict[str, set[str]] = {}
    for entry, id_ in zip(entries, assigned, strict=True):
        target = f"{entry.type}/{id_}"
        if entry.full_url:
            known[entry.full_url] = target
        for name in {entry.resource.get("id"), _own_id(entry)} - {None}:
            relative.setdefault(f"{entry.type}/{name}", set()).add(target)
    return known | {name: targets.pop() for name, targets in relative.items() if len(targets) == 1}


def _own_id(entry: BundleEntry) -> str | None:
    base, found, id_ = (entry.full_url or "").rpartition(f"/{entry.type}/")
    return id_ if found and base else None


def _assigned(entry: BundleEntry, id_: str, known: Mapping[str, str], dangling: list[Issue]) -> BundleEntry:
    base = (entry.full_url or "").rpartition(f"/{entry.type}/")[0]
    resource = msgspec.to_builtins(entry.resource, builtin_types=(Decimal,))  # a copy; digits stay
    for place, reference in references(resource, entry.place):
        address = reference.get("reference", "#")
        if address.startswith("#"):
            continue
        baseline = address.partition("/_history/")[0]
        if target := known.get(f"{base}/{baseline}") or known.get(baseline):
            reference["reference"] = target
        elif baseline.startswith("urn:"):
            dangling.append(fault("not-found", f"{place}.reference", "Nothing in the Bundle carries this reference."))
    meta = {name: value for name, value in resource.pop("meta", {}).items() if name in _STORED_META}
    head = {"resourceType": entry.type, "id": id_} | ({"meta": meta} if meta else {})
    sender_id = resource.get("id") if entry.method == "POST" else None
    return msgspec.structs.replace(entry, id=id_, resource=head | {**resource, "id": id_}, sender_id=sender_id)


def _find(element: dict[str, Any], type_: str, place: str, found: list[tuple[str, dict[str, Any]]]) -> None:
    """Walks the elements of R4B's tables, for other things than a Reference have a `reference` too."""
    if type_ == "Reference":
        found.append((place, element))
    fields = shape(type_).fields
    for name, value in element.items():
        if type(value) is not dict and type(value) is not list:
            continue
        field = fields[name]
        if type(value) is list and field.element:
            for at, one in enumerate(value):
                if one is not None:
                    _find(one, _type(field.element, one), f"{place}.{field.label}[{at}]", found)
        elif type(value) is dict:
            _find(value, _type(field.element, value), f"{place}.{field.label}", found)


def _type(element: str, value: dict[str, Any]) -> str:
    return str(value["resourceType"]) if element == ANY_RESOURCE else element
