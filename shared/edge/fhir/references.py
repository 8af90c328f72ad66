"""References: found in a resource, and inside one request turned into the ids that the hub assigns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec

from shared.edge.fhir.definitions import ANY_RESOURCE, Field, shape
from shared.edge.fhir.submission import BundleEntry
from shared.edge.json import MutableJson
from shared.edge.outcome import HttpRefusal, Issue, fault

Found = tuple[str, MutableJson]
"""A Reference with its FHIRPath."""
_STORED_META = ("profile", "security", "tag")


def references(resource: MutableJson, place: str = "") -> Iterator[Found]:
    """Each Reference in a valid resource, extensions and contained resources included, with its FHIRPath.

    `place` is where the resource stands, if not by itself.
    """
    found: list[Found] = []
    _find(resource, resource["resourceType"], place or resource["resourceType"], found)
    return iter(found)


def resolve(entries: Sequence[BundleEntry], ids: Callable[[BundleEntry], str]) -> tuple[BundleEntry, ...]:
    """The entries with ids assigned to what is new, and references among them rewritten to `Type/id`.

    An entry is pointed to by its fullUrl, or by `Type/id` as its sender knew it. Contained (`#`), foreign and logical
    references stay. `meta` keeps profile, security and tag; version and time are the server's to set. A `urn:`
    reference that no entry carries raises HttpRefusal 422. The given entries are not changed.
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
            dangling.append(fault("not-found", f"{place}.reference", "Must be the fullUrl of an entry in the Bundle."))
    meta = {name: value for name, value in resource.pop("meta", {}).items() if name in _STORED_META}
    head = {"resourceType": entry.type, "id": id_} | ({"meta": meta} if meta else {})
    sender_id = resource.get("id") if entry.id is None else None
    return msgspec.structs.replace(entry, id=id_, resource=head | {**resource, "id": id_}, sender_id=sender_id)


def _find(element: MutableJson, type_: str, place: str, found: list[Found]) -> None:
    """Walks the elements of R4B's tables, for other things than a Reference have a `reference` too."""
    if type_ == "Reference":
        found.append((place, element))
    fields = shape(type_).fields
    for name, value in element.items():
        if type(value) is dict:
            _find(value, _type(fields[name], value), f"{place}.{fields[name].label}", found)
        elif type(value) is list and fields[name].element:
            _find_each(value, fields[name], f"{place}.{fields[name].label}", found)


def _find_each(elements: list[MutableJson | None], field: Field, place: str, found: list[Found]) -> None:
    for at, element in enumerate(elements):
        if element is not None:
            _find(element, _type(field, element), f"{place}[{at}]", found)


def _type(field: Field, value: MutableJson) -> str:
    return str(value["resourceType"]) if field.element == ANY_RESOURCE else field.element
