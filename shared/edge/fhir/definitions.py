"""The one importer of `fhir.resources`: all that its R4B models say about each element, as tables made once.

Cardinality, choices and formats are the models' own, the formats as compiled by them. Beyond them the tables hold what
the models keep as mere metadata (required codes, reference targets) and what they let pass: a number for a date, a
string for an element, `[]` and `{}`. Building a model of each element costs ten times a walk beside its table.
"""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, get_args

import msgspec
from fhir.resources.R4B import fhirtypes, get_fhir_model_class
from fhir_core.types import FhirBase
from pydantic import TypeAdapter

from shared.edge.fhir.invariants import INVARIANTS, Invariant

Check = Callable[[Any], object]
"""Whether a primitive of the right JSON type has the form of its element; a false one says no."""
Metadata = dict[str, Any]
"""What a model says about a field beside its type: FHIR's own words, of many types."""
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
    means that `passes` is a required binding. `targets` are the types a Reference may point to, None for any.
    """

    label: str
    many: bool
    element: str
    types: frozenset[type] = _TEXT
    passes: Check | None = None
    codes: bool = False
    targets: frozenset[str] | None = None


class Demand(msgspec.Struct, frozen=True):
    """An element that must be there, by its name in FHIRPath. `extension` is the JSON name under which an extension
    may say why a required primitive is absent; empty where nothing can stand for it."""

    label: str
    name: str
    extension: str = ""


class Choice(msgspec.Struct, frozen=True):
    """The JSON names of a choice such as value[x], of which at most one stands in an element."""

    label: str
    names: frozenset[str]
    required: bool


class Shape(msgspec.Struct, frozen=True):
    """An element type: its name in R4B, its fields by JSON name, what must be there, and the invariants it obeys."""

    name: str
    fields: dict[str, Field]
    demands: tuple[Demand, ...]
    choices: tuple[Choice, ...]
    invariants: tuple[Invariant, ...]


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
    return Shape(name, fields, _demands(model), _choices(model), INVARIANTS.get(name, ()))


def warm(types: Iterable[str]) -> None:
    """Loads models and tables of these resource types and all they hold, so that no first request waits for it."""
    waiting, loaded = {"Bundle", *types}, set[str]()
    while waiting:
        name = waiting.pop()
        loaded.add(name)
        waiting |= {field.element for field in shape(name).fields.values() if field.element} - loaded


@lru_cache(maxsize=1)
def _type_names() -> frozenset[str]:
    """Without the primitives, which have no model to ask."""
    named = {name: getattr(fhirtypes, name) for name in fhirtypes.__all__}
    return frozenset(name for name, each in named.items() if isinstance(each, type) and issubclass(each, FhirBase))


@cache
def _is_resource(name: str) -> bool:
    return bool(get_fhir_model_class(name).has_resource_base())


def _demands(model: Any) -> tuple[Demand, ...]:
    """Required elements, then required primitives: of these the models tell in a method of each instance."""
    named = model.get_alias_mapping()
    elements = [Demand(info.alias, info.alias) for info in model.model_fields.values() if info.is_required()]
    primitives = [
        Demand(name, name, f"_{name}" if extension else "")
        for name, extension in model.model_construct().get_required_fields()
        if not model.model_fields[named[name]].is_required()
    ]
    return (*elements, *primitives)


def _choices(model: Any) -> tuple[Choice, ...]:
    choices: dict[str, list[str]] = model.model_construct().get_one_of_many_fields()
    extra = {label: model.model_fields[names[0]].json_schema_extra for label, names in choices.items()}
    return tuple(
        Choice(label, frozenset(names), extra[label]["one_of_many_required"] is True)
        for label, names in choices.items()
    )


def _field(owner: str, name: str, annotation: object, extra: Metadata, label: str) -> Field:
    inner, many = _unwrapped(annotation)
    if isinstance(inner, type) and issubclass(inner, FhirBase):
        element = inner.__name__.removesuffix("Type")
        listed = frozenset(extra.get("enum_reference_types", ()))
        targets = None if element != "Reference" or not listed or listed & _ABSTRACT else listed
        return Field(label, many, element, targets=targets)
    kind = _primitive(inner)
    codes = _codes(owner, name, extra)
    passes = codes.__contains__ if codes else None if kind == "boolean" else _format(inner, kind)
    return Field(label, many, "", _JSON_TYPES.get(kind, _TEXT), passes, codes is not None)


def _unwrapped(annotation: object) -> tuple[object, bool]:
    """The type inside Optional and List, and whether it repeats."""
    arguments = [one for one in get_args(annotation) if one is not type(None)]
    if getattr(annotation, "__origin__", None) is list:
        return _unwrapped(arguments[0])[0], True
    if arguments and type(None) in get_args(annotation):
        return _unwrapped(arguments[0])
    return annotation, False


def _primitive(inner: object) -> str:
    if inner is bool:
        return "boolean"
    names = [getattr(one, "__visit_name__", "") for one in getattr(inner, "__metadata__", ())]
    return next((name for name in names if name), "string")


@cache
def _format(annotation: Any, kind: str) -> Check:
    """The model's own check of a primitive, after ours where it is too lenient."""
    compiled = TypeAdapter(annotation).validator.isinstance_python
    ours = _STRICTER.get(kind)
    return (lambda value: ours(value) and compiled(value)) if ours else compiled


def _codes(owner: str, name: str, extra: Metadata) -> frozenset[str] | None:
    if whole := _WHOLE.get((owner, name)):
        return frozenset(whole.split())
    listed = frozenset(extra.get("enum_values", ()))
    return listed if listed and not listed & _OPEN_ENDED else None


def _label(name: str, extra: Metadata) -> str:
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
_STRICTER: dict[str, Check] = {
    "decimal": _is_bounded,
    "id": re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch,
    "uri": re.compile(r"\S+").fullmatch,
    "canonical": re.compile(r"\S+").fullmatch,
    "base64Binary": _is_base64,
    **dict.fromkeys(("markdown", "url", "xhtml"), bool),
}
