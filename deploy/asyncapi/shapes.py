"""The shape of JSON that was written in several ways: closed objects, arrays of known items, forms. Pure."""

import json
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

import msgspec

from deploy.asyncapi.forms import Form, form_of

WHOLE = "meta"
"""The element that is always the same as a whole: a resource's labels, and its tag where it is a part."""


class Object(msgspec.Struct, frozen=True):
    """Its members, and those of them that are always there."""

    members: Mapping[str, "Shape"]
    required: frozenset[str]


class Array(msgspec.Struct, frozen=True):
    """The kinds of items it may have, in any order and number."""

    items: tuple["Shape", ...]


Shape = Object | Array | Form


def shape_of(value: Any) -> Shape:
    """Of one JSON value."""
    if isinstance(value, dict):
        members = {name: _whole(each) if name == WHOLE else shape_of(each) for name, each in value.items()}
        return Object(members, frozenset(members))
    if isinstance(value, list):
        return Array(_kinds(map(shape_of, value)))
    return form_of(value)


def either(one: Shape, other: Shape) -> Shape:
    """What fits one or the other. Raises TypeError where they have nothing in common."""
    match one, other:
        case Object(), Object():
            members = {
                name: either(one.members.get(name) or other.members[name], other.members.get(name) or one.members[name])
                for name in {**one.members, **other.members}
            }
            return Object(members, one.required & other.required)
        case Array(), Array():
            return Array(_kinds([*one.items, *other.items]))
        case Form(), Form():
            return one | other
    raise TypeError("one place holds values of two types")


def schema(shape: Shape) -> dict[str, Any]:
    """As JSON Schema, draft 7."""
    match shape:
        case Object():
            return {
                "type": "object",
                "properties": {name: schema(each) for name, each in shape.members.items()},
                "required": [name for name in shape.members if name in shape.required],
                "additionalProperties": False,
            }
        case Array():
            return {"type": "array", "minItems": 1, "items": any_of([schema(each) for each in shape.items])}
        case Form():
            return shape.schema()


def any_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    """One of these."""
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _whole(value: Any) -> Form:
    return Form(constants=frozenset({json.dumps(value)}))


def _kinds(items: Iterable[Shape]) -> tuple[Shape, ...]:
    """Items that differ at one place only are of one kind; of two code systems they never are."""
    return reduce(_with, items, ())


def _with(kinds: tuple[Shape, ...], item: Shape) -> tuple[Shape, ...]:
    for ordinal, kind in enumerate(kinds):
        if _places_apart(kind, item) <= 1:
            return (*kinds[:ordinal], either(kind, item), *kinds[ordinal + 1 :])
    return (*kinds, item)


def _places_apart(one: Shape, other: Shape, name: str = "") -> float:
    """At how many places two shapes differ, where neither allows what the other does."""
    match one, other:
        case Object(), Object() if one.members.keys() == other.members.keys():
            return sum(_places_apart(each, other.members[name], name) for name, each in one.members.items())
        case Array(), Array() if len(one.items) == len(other.items):
            return sum(_places_apart(*pair, name) for pair in zip(one.items, other.items, strict=True))
        case Form(), Form():
            apart = not one >= other and not other >= one
            return float("inf") if name == "system" and one != other else apart
    return float("inf")
