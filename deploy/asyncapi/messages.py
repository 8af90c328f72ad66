"""An event as AsyncAPI knows it: its headers, its key, the schema of its Bundle, its golden example."""

from collections.abc import Iterable, Sequence
from functools import reduce
from inspect import getdoc
from itertools import chain
from typing import Any

import msgspec

from deploy.asyncapi.forms import UUID_PATTERN
from deploy.asyncapi.shapes import any_of, either, schema, shape_of
from deploy.asyncapi.variants import written
from deploy.paths import REPOSITORY
from shared.events.catalogue import OPERATIONS, CatalogueEntry
from shared.events.intake import ConsentsCurrent

GOLDEN = REPOSITORY / "tests" / "events" / "golden"
_ID = {"type": "string", "pattern": f"^{UUID_PATTERN}$"}
PATIENT_KEY = _ID | {"description": "The hub's id of the patient."}
ESCALATION_KEY = _ID | {"description": "The escalation's id, that of its Task."}
NO_KEY = {"type": "null"}


def message(entry: CatalogueEntry) -> dict[str, Any]:
    """The event on its topic."""
    name = entry.event.__name__
    of_nobody = entry.topic == OPERATIONS or entry.event is ConsentsCurrent
    return {
        "name": f"org.iop-hub.{name}",
        "title": name,
        "summary": _summary(entry),
        "contentType": "application/fhir+json",
        "correlationId": {"location": "$message.header#/ce_correlationid"},
        "headers": _common(each.headers for each in written(entry)),
        "payload": {"$ref": f"#/components/schemas/{name}"},
        "bindings": _bindings(NO_KEY if of_nobody else PATIENT_KEY),
        "examples": [{"name": name, "payload": msgspec.json.decode((GOLDEN / f"{name}.json").read_bytes())}],
    }


def message_of_open(on_its_topic: dict[str, Any], *, closed: bool) -> dict[str, Any]:
    """The same event on the topic of what is open: by the escalation's id, and null once it is closed."""
    same = on_its_topic | {"bindings": _bindings(ESCALATION_KEY)}
    if not closed:
        return same
    return {name: each for name, each in same.items() if name != "examples"} | {"payload": {"type": "null"}}


def _bindings(key: dict[str, Any]) -> dict[str, Any]:
    return {"kafka": {"key": key, "bindingVersion": "0.5.0"}}


def _summary(entry: CatalogueEntry) -> str:
    """The first sentence of what the event says of itself."""
    own = entry.event.__doc__ or getdoc(entry.event) or ""
    return " ".join(own.split("\n\n")[0].split())


def payload(entry: CatalogueEntry) -> dict[str, Any]:
    """Its Bundle: the header, the focus, then the other resources in any order."""
    bundles = [msgspec.json.decode(each.body) for each in written(entry)]
    resources = [bundle.pop("entry") for bundle in bundles]
    whole = _common(bundles)
    whole["properties"]["entry"] = _entries(resources)
    whole["required"].append("entry")
    return whole


def _entries(ways: Sequence[list[Any]]) -> dict[str, Any]:
    """The first two by their place, the others by their type; a type that is in every Bundle has to be there."""
    by_place = min(2, *map(len, ways))
    firsts = [_common(way[place] for way in ways) for place in range(by_place)]
    others: dict[str, list[Any]] = {}
    for each in chain.from_iterable(way[2:] for way in ways):
        others.setdefault(_type(each), []).append(each)
    kinds = [_common(several) for several in others.values()]
    always = [_holding(type_) for type_ in others if all(type_ in map(_type, way[2:]) for way in ways)]
    return {
        "type": "array",
        "minItems": by_place,
        "items": firsts,
        "additionalItems": any_of(kinds) if kinds else False,
        **({"allOf": [{"contains": each} for each in always]} if always else {}),
    }


def _type(entry: Any) -> str:
    return str(entry["resource"]["resourceType"])


def _holding(type_: str) -> dict[str, Any]:
    """An entry with a resource of this type."""
    resource = {"required": ["resourceType"], "properties": {"resourceType": {"const": type_}}}
    return {"required": ["resource"], "properties": {"resource": resource}}


def _common(values: Iterable[Any]) -> dict[str, Any]:
    """The schema that all these values fit, each looked at once."""
    distinct = {msgspec.json.encode(each): each for each in values}
    return schema(reduce(either, map(shape_of, distinct.values())))
