"""What foreign FHIR is checked against: the table of each type of R4B, with checks in place of the names of formats.

Formats are those of `fhir.resources`, as compiled by it. Ours come first where it lets pass what R4 does not: a number
for a date, a string for an element, `[]` and `{}`.
"""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
from fhir_core import types
from pydantic import TypeAdapter

from shared.edge.fhir import tables
from shared.edge.fhir.invariants import INVARIANTS, Invariant
from shared.edge.fhir.shape import ANY_TEXT, Choice, Demand, Element

Check = Callable[[Any], object]
"""Whether a primitive of the right JSON type has the form of its element; a false one says no."""
ANY_RESOURCE = "Resource"

_JSON_TYPES = {
    "boolean": frozenset({bool}),
    "integer": frozenset({int}),
    "unsignedInt": frozenset({int}),
    "positiveInt": frozenset({int}),
    "decimal": frozenset({int, float, Decimal}),
}
_TEXT = frozenset({str})
_DECIMAL_WRITTEN_MAX = (
    1_000  # digits; the JSON of PostgreSQL holds 16,383 behind the point, and breaks a search on more
)
_DECIMAL_DIGITS_MAX = 40  # FHIR asks for 18; an exponent without a limit is a bomb for whoever makes an int of it


class Field(msgspec.Struct, frozen=True):
    """One element as R4B defines it: a primitive (`element` is empty), an element, or any resource.

    `label` is its name in FHIRPath. A primitive passes if its JSON type is in `types` and `passes` agrees; `codes`
    means that `passes` is a required binding. `targets` are the types a Reference may point to, None for any.
    """

    label: str
    many: bool
    element: str
    types: frozenset[type] = _TEXT
    passes: Check | None = None
    codes: bool = False
    targets: frozenset[str] | None = None


class Shape(msgspec.Struct, frozen=True):
    """An element type: its name in R4B, its fields by JSON name, what must be there, and the invariants it obeys."""

    name: str
    fields: dict[str, Field]
    demands: tuple[Demand, ...]
    choices: tuple[Choice, ...]
    invariants: tuple[Invariant, ...]


def is_resource_type(name: object) -> bool:
    """Whether R4B knows a concrete resource of this name."""
    return isinstance(name, str) and name in _type_names() and _is_resource(name)


@cache
def shape(name: str) -> Shape:
    """The shape of an element or resource type, made once from its table."""
    table = tables.table(name)
    fields = {key: _field(element) for key, element in table.elements.items()}
    if table.is_resource:
        fields["resourceType"] = Field("resourceType", False, "", _TEXT, name.__eq__)
    return Shape(name, fields, table.demands, table.choices, INVARIANTS.get(name, ()))


def warm(types: Iterable[str]) -> None:
    """Loads the tables of these resource types and all they hold, so that no first request waits for it."""
    waiting, loaded = {"Bundle", *types}, set[str]()
    while waiting:
        name = waiting.pop()
        loaded.add(name)
        waiting |= {field.element for field in shape(name).fields.values() if field.element} - loaded


@cache
def _type_names() -> frozenset[str]:
    return frozenset(tables.type_names())


@cache
def _is_resource(name: str) -> bool:
    return tables.table(name).is_resource


def _field(element: Element) -> Field:
    if element.element:
        return Field(element.label, element.many, element.element, targets=element.targets)
    passes = element.codes.__contains__ if element.codes else _format(element.kind)
    kinds = _JSON_TYPES.get(element.kind, _TEXT)
    return Field(element.label, element.many, "", kinds, passes, element.codes is not None)


@cache
def _format(kind: str) -> Check | None:
    """The models' own check of a primitive, after ours where it is too lenient; None where its JSON type says all."""
    if kind in ("boolean", ANY_TEXT):
        return None
    annotation = getattr(types, f"{kind[0].upper()}{kind[1:]}Type")
    compiled: Check = TypeAdapter(annotation).validator.isinstance_python
    ours = _STRICTER.get(kind)
    return (lambda value: ours(value) and compiled(value)) if ours else compiled


def _is_bounded(number: int | float | Decimal) -> bool:
    if type(number) is float:
        return True
    exact = Decimal(number)
    return abs(exact.adjusted()) <= _DECIMAL_DIGITS_MAX and len(exact.as_tuple().digits) <= _DECIMAL_WRITTEN_MAX


def _is_base64(text: str) -> bool:
    """The models decode leniently: what is no base64 becomes empty there."""
    return _base64.fullmatch("".join(text.split())) is not None


_base64 = re.compile(r"[0-9a-zA-Z+/]+={0,2}")
_STRICTER: dict[str, Check] = {
    "decimal": _is_bounded,
    "id": re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch,
    "uri": re.compile(r"\S+").fullmatch,
    "canonical": re.compile(r"\S+").fullmatch,
    "base64Binary": _is_base64,
    **dict.fromkeys(("markdown", "url", "xhtml"), bool),
}
