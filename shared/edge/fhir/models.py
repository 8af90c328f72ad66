"""The one importer of `fhir.resources`: what R4B says about each element, as tables, and its own judgement.

The models check structure, cardinality and formats. They hold required codes and reference targets as mere metadata,
and take a number for a date, a string for an element, `[]` and `{}`; so the tables here are walked over the same tree.
"""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, get_args

import msgspec
from fhir.resources.R4B import fhirtypes, get_fhir_model_class
from fhir_core.types import FhirBase
from pydantic import ValidationError

from shared.edge.fhir.laws import LAWS, Law

ANY_RESOURCE = "Resource"
_ABSTRACT = frozenset({"Resource", "DomainResource"})

# Lists that the models cut short; R4 4.0.1 has them whole.
_OBSERVATION_STATUS = "registered preliminary final amended corrected cancelled entered-in-error unknown"
_ENCOUNTER_STATUS = "planned arrived triaged in-progress onleave finished cancelled entered-in-error unknown"
_WHOLE = {
    ("Observation", "status"): _OBSERVATION_STATUS,
    ("DetectedIssue", "status"): _OBSERVATION_STATUS,
    ("RiskAssessment", "status"): _OBSERVATION_STATUS,
    ("DiagnosticReport", "status"): (
        "registered partial preliminary final amended corrected appended cancelled entered-in-error unknown"
    ),
    ("Encounter", "status"): _ENCOUNTER_STATUS,
    ("EncounterStatusHistory", "status"): _ENCOUNTER_STATUS,
    ("Task", "status"): (
        "draft requested received accepted rejected ready cancelled in-progress on-hold failed completed"
        " entered-in-error"
    ),
    ("DeviceUseStatement", "status"): "active completed entered-in-error intended stopped on-hold",
    ("DeviceUdiCarrier", "entryType"): "barcode rfid manual card self-reported unknown",
    ("SupplyRequest", "status"): "draft active suspended cancelled completed entered-in-error unknown",
    ("QuestionnaireItem", "type"): (
        "group display boolean decimal integer date dateTime time string text url choice open-choice attachment"
        " reference quantity"
    ),
    ("Quantity", "comparator"): "< <= >= >",
}
_WITHOUT_EXTENSIONS = frozenset({"id", "url", "div"})
_OPEN_ENDED = frozenset({"+", "etc.", "mime"})

_JSON_TYPES = {
    "boolean": frozenset({bool}),
    "integer": frozenset({int}),
    "unsignedInt": frozenset({int}),
    "positiveInt": frozenset({int}),
    "decimal": frozenset({int, float, Decimal}),
}
_TEXT = frozenset({str})
_DECIMAL_DIGITS_MAX = 40  # FHIR asks for 18; an exponent without a limit is a bomb for whoever makes an int of it


class Field(msgspec.Struct, frozen=True):
    """One element as R4B defines it: a primitive (`element` is empty), an element, or any resource.

    `label` is its name in FHIRPath. A primitive passes if its JSON type is in `types` and `passes` agrees; `codes`
    tells that `passes` is a required binding. `targets` are the types a Reference may point to, None for any.
    """

    label: str
    many: bool
    element: str
    types: frozenset[type] = _TEXT
    passes: Callable[[Any], Any] | None = None
    codes: bool = False
    targets: frozenset[str] | None = None


class Shape(msgspec.Struct, frozen=True):
    """An element type: its name in R4B, its fields by JSON name, and the invariants that it obeys."""

    name: str
    fields: dict[str, Field]
    laws: tuple[Law, ...]


def is_resource_type(name: object) -> bool:
    """Whether R4B knows a concrete resource of this name."""
    return isinstance(name, str) and name not in _ABSTRACT and f"{name}Type" in _type_names() and _is_resource(name)


@cache
def shape(name: str) -> Shape:
    """The table of an element or resource type, made once from the model's metadata."""
    model = get_fhir_model_class(name)
    found = {info.alias or key: info for key, info in model.model_fields.items() if key != "fhir_comments"}
    extras: dict[str, Any] = {key: info.json_schema_extra or {} for key, info in found.items()}
    fields = {
        key: _field(name, key, info.annotation, extras[key], _label(key, extras[key] or extras.get(key[1:], {})))
        for key, info in found.items()
    }
    for key, field in list(fields.items()):  # the models forget some, such as Extension._valueInstant
        if not field.element and key not in _WITHOUT_EXTENSIONS:
            fields.setdefault(f"_{key}", Field(field.label, field.many, "FHIRPrimitiveExtension"))
    if _is_resource(name):
        fields["resourceType"] = Field("resourceType", False, "", _TEXT, name.__eq__)
    return Shape(name, fields, LAWS.get(name, ()))


def warm(types: Iterable[str]) -> None:
    """Loads models and tables of these resource types and all they hold, so that no first request waits for it."""
    waiting, loaded = {"Bundle", *types}, set[str]()
    while waiting:
        name = waiting.pop()
        loaded.add(name)
        waiting |= {field.element for field in shape(name).fields.values() if field.element} - loaded


def judged(resource_type: str, resource: dict[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    """What the R4B model objects to: the place as pydantic names it and the kind of error, never a value or message.

    The decoded tree is handed over, for nested elements are validated in Python mode even when the model reads JSON.
    Objections to unknown properties are left out: the tables are complete there and the models are not.
    """
    try:
        get_fhir_model_class(resource_type).model_validate(resource)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        return [(one["loc"], one["type"]) for one in found if one["type"] != "extra_forbidden"]
    return []


@lru_cache(maxsize=1)
def _type_names() -> frozenset[str]:
    return frozenset(fhirtypes.__all__)


@cache
def _is_resource(name: str) -> bool:
    return bool(get_fhir_model_class(name).has_resource_base())


def _field(owner: str, name: str, annotation: Any, extra: dict[str, Any], label: str) -> Field:
    inner, many = _unwrapped(annotation)
    if isinstance(inner, type) and issubclass(inner, FhirBase):
        element = inner.__name__.removesuffix("Type")
        listed = frozenset(extra.get("enum_reference_types", ()))
        targets = None if element != "Reference" or not listed or listed & _ABSTRACT else listed
        return Field(label, many, element, targets=targets)
    kind = _primitive(inner)
    codes = _codes(owner, name, extra)
    passes = codes.__contains__ if codes else _FORMATS.get(kind, None if kind in _JSON_TYPES else bool)
    return Field(label, many, "", _JSON_TYPES.get(kind, _TEXT), passes, codes is not None)


def _unwrapped(annotation: Any) -> tuple[Any, bool]:
    """The type inside Optional and List, and whether it repeats."""
    arguments = [one for one in get_args(annotation) if one is not type(None)]
    if getattr(annotation, "__origin__", None) is list:
        return _unwrapped(arguments[0])[0], True
    if arguments and type(None) in get_args(annotation):
        return _unwrapped(arguments[0])
    return annotation, False


def _primitive(inner: Any) -> str:
    if inner is bool:
        return "boolean"
    names = [getattr(one, "__visit_name__", "") for one in getattr(inner, "__metadata__", ())]
    return next((name for name in names if name), "string")


def _codes(owner: str, name: str, extra: dict[str, Any]) -> frozenset[str] | None:
    if whole := _WHOLE.get((owner, name)):
        return frozenset(whole.split())
    listed = frozenset(extra.get("enum_values", ()))
    return listed if listed and not listed & _OPEN_ENDED else None


def _label(name: str, extra: dict[str, Any]) -> str:
    """`valueQuantity` is `value.ofType(Quantity)` in FHIRPath, `_birthDate` is `birthDate`."""
    element = name.removeprefix("_")
    choice = extra.get("one_of_many")
    if not choice:
        return element
    chosen = element.removeprefix(choice)
    primitive = chosen[:1].lower() + chosen[1:]
    return f"{choice}.ofType({primitive if primitive in _PRIMITIVES else chosen})"


def _is_bounded(number: int | float | Decimal) -> bool:
    return type(number) is float or abs(Decimal(number).adjusted()) <= _DECIMAL_DIGITS_MAX


def _is_base64(text: str) -> bool:
    """The models decode leniently: what is no base64 becomes empty there."""
    return _base64.fullmatch("".join(text.split())) is not None


_base64 = re.compile(r"[0-9a-zA-Z+/]+={0,2}")
_PRIMITIVES = frozenset(
    [
        "base64Binary",
        "boolean",
        "canonical",
        "code",
        "date",
        "dateTime",
        "decimal",
        "id",
        "instant",
        "integer",
        "markdown",
        "oid",
        "positiveInt",
        "string",
        "time",
        "unsignedInt",
        "uri",
        "url",
        "uuid",
    ]
)
_FORMATS: dict[str, Callable[[Any], Any]] = {
    "decimal": _is_bounded,
    "id": re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch,
    "uri": re.compile(r"\S+").fullmatch,
    "canonical": re.compile(r"\S+").fullmatch,
    "base64Binary": _is_base64,
}
